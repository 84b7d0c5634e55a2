"""The service as a whole: limits, describe, state, determinism, faults, speed."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import pytest
from support.salesforce_client import START, SalesforceClient, build_org, error_of, event_body

from simulators.http import Request
from simulators.salesforce.behaviour import Behaviour
from simulators.salesforce.errors import SalesforceError
from simulators.salesforce.ids import IdSource, canonical, to18
from simulators.salesforce.org import Org


@pytest.mark.honest("salesforce", 20)
def test_calls_are_counted_and_shown(org: SalesforceClient) -> None:
    """Sforce-Limit-Info on every call, refused ones too; login and versions are free."""
    assert org.get("/limits").headers["sforce-limit-info"] == "api-usage=1/100000"
    assert org.get("/sobjects/Nope").headers["sforce-limit-info"] == "api-usage=2/100000"
    org.get("/services/data")
    assert org.simulator.calls_used == 2


@pytest.mark.honest("salesforce", 20)
def test_the_daily_limit_cuts_with_403() -> None:
    """Past the limit every call answers 403 with the known text, until the day has rolled on."""
    org = build_org(replace(Org(), api_requests_max=3))
    for _ in range(3):
        assert org.get("/limits").status == 200
    response = org.get("/limits")
    assert response.status == 403
    assert response.json() == [{"message": "TotalRequests Limit exceeded.", "errorCode": "REQUEST_LIMIT_EXCEEDED"}]
    assert response.headers["sforce-limit-info"] == "api-usage=3/3"
    org.clock.advance(86_400 + 60)
    org.token = org.simulator.issue_token()
    assert org.get("/limits").status == 200


def test_limits_show_what_is_left_and_may_be_stale() -> None:
    """DailyApiRequests has Max and Remaining; the figure may be minutes old."""
    org = build_org(behaviour=replace(Behaviour().calm(), limits_stale_s=300))
    assert org.get("/limits").json()["DailyApiRequests"] == {"Max": 100_000, "Remaining": 99_999}
    org.get("/sobjects")
    assert org.get("/limits").json()["DailyApiRequests"]["Remaining"] == 99_999
    org.clock.advance(301)
    assert org.get("/limits").json()["DailyApiRequests"]["Remaining"] == 99_996


def test_describe_tells_the_truth_about_fields(org: SalesforceClient) -> None:
    """Types, lengths, access, picklists and references as in the tables; custom fields last."""
    described = org.get("/sobjects/Event/describe").json()
    fields = {field["name"]: field for field in described["fields"]}
    assert (described["name"], described["keyPrefix"], described["undeletable"]) == ("Event", "00U", True)
    assert (fields["Subject"]["type"], fields["Subject"]["length"], fields["Subject"]["restrictedPicklist"]) == (
        "combobox",
        255,
        False,
    )
    assert [item["value"] for item in fields["ShowAs"]["picklistValues"]] == ["Busy", "OutOfOffice", "Free"]
    assert (fields["ShowAs"]["restrictedPicklist"], fields["ShowAs"]["defaultedOnCreate"]) == (True, True)
    assert (fields["Description"]["filterable"], fields["Description"]["sortable"]) == (False, False)
    assert (fields["EndDate"]["createable"], fields["EndDate"]["updateable"]) == (False, False)
    assert (fields["IsRecurrence"]["createable"], fields["IsRecurrence"]["updateable"]) == (True, False)
    assert fields["OwnerId"]["referenceTo"] == ["Calendar", "User"]
    assert (fields["OwnerId"]["nillable"], fields["WhoId"]["relationshipName"]) == (False, "Who")
    key = fields["Concord_Sync_Key__c"]
    assert (key["externalId"], key["unique"], key["caseSensitive"], key["custom"], key["idLookup"]) == (True,) * 5
    assert [field["custom"] for field in described["fields"]] == sorted(fields[name]["custom"] for name in fields)
    children = {child["relationshipName"]: child["childSObject"] for child in described["childRelationships"]}
    assert children["EventRelations"] == "EventRelation"
    assert "UndecidedEventRelations" in children


def test_describe_global_lists_the_objects(org: SalesforceClient) -> None:
    """Every object with its calls and URLs; the Name pseudo-object is not one."""
    body = org.get("/sobjects").json()
    objects = {item["name"]: item for item in body["sobjects"]}
    assert (body["encoding"], body["maxBatchSize"]) == ("UTF-8", 200)
    assert {"Event", "EventRelation", "Calendar", "User", "Contact", "Account", "practifi__Integration_Log__c"} <= set(
        objects
    )
    assert "Name" not in objects
    assert (objects["Event"]["createable"], objects["Calendar"]["createable"]) == (True, False)
    assert objects["EventRelation"]["undeletable"] is False
    assert objects["Event"]["urls"]["describe"] == "/services/data/v66.0/sobjects/Event/describe"
    basic = org.get("/sobjects/Event").json()
    assert (basic["objectDescribe"]["name"], basic["recentItems"]) == ("Event", [])


def test_describe_can_be_asked_for_changes(org: SalesforceClient) -> None:
    """If-Modified-Since with the date of the last answer gives 304."""
    since = org.get("/sobjects/Event/describe").headers["last-modified"]
    assert org.get("/sobjects/Event/describe", if_modified_since=since).status == 304
    assert org.get("/sobjects", if_modified_since=since).status == 304
    assert org.get("/sobjects", if_modified_since="Mon, 01 Jan 2024 00:00:00 GMT").status == 200


def test_the_integration_log_can_be_written(org: SalesforceClient) -> None:
    """The package's log object takes its four fields and finds them again."""
    body = {
        "practifi__Error_Message__c": "Refused",
        "practifi__External_System__c": "Microsoft Calendar Sync",
        "practifi__Date_Time__c": "2026-05-20T12:00:00Z",
        "practifi__Is_Error__c": True,
    }
    key = org.create("practifi__Integration_Log__c", body)
    today = "practifi__Is_Error__c = true AND practifi__Date_Time__c = TODAY"
    soql = f"SELECT Id FROM practifi__Integration_Log__c WHERE {today}"
    assert [row["Id"] for row in org.query(soql)] == [key]


def test_the_org_describes_itself(org: SalesforceClient) -> None:
    """Organization has one row, with the id that tokens carry."""
    (row,) = org.query("SELECT Id, Name, IsSandbox FROM Organization")
    assert row["Id"] == org.simulator.org.id
    assert org.token.startswith(row["Id"][:15])


def test_too_long_uris_and_headers(org: SalesforceClient) -> None:
    """Above 16,384 bytes the URI answers 414, URI and headers together 431."""
    assert org.get(f"/query?q={quote('SELECT Id FROM Event ' + ' ' * 6000)}").status == 414
    assert org.get("/limits", x_padding="x" * 16_384).status == 431


def test_head_answers_without_a_body(org: SalesforceClient) -> None:
    """HEAD is GET without its body."""
    key = org.event()
    response = org.call("HEAD", f"/sobjects/Event/{key}")
    assert (response.status, response.body) == (200, b"")
    assert "last-modified" in response.headers


def test_seeded_records_may_have_ids_and_moments_of_their_own(org: SalesforceClient) -> None:
    """Insert takes an id of 15 or 18 characters once, and a moment that stamps the record."""
    key = to18("003QH0000000abc")
    made = org.simulator.insert("Contact", {"LastName": "Old"}, id=key[:15], created=START - timedelta(days=3))
    assert made == key
    assert org.read("Contact", key)["SystemModstamp"] == "2026-05-17T12:00:00.000+0000"
    with pytest.raises(SalesforceError, match="DUPLICATE_VALUE"):
        org.simulator.insert("Contact", {"LastName": "Again"}, id=key)


def test_reset_returns_to_the_seed(org: SalesforceClient) -> None:
    """Data, counters, tokens and faults go back to what they were at the seal."""
    token = org.token
    before = org.simulator.dump()
    org.token = org.simulator.issue_token()
    org.event(Concord_Sync_Key__c="k")
    org.simulator.faults.lock_writes = 3
    org.simulator.reset()
    org.token = token
    assert org.simulator.dump()["store"] == before["store"]
    assert (org.simulator.records("Event"), org.simulator.changes, org.simulator.calls_used) == ([], [], 0)
    assert org.simulator.faults.lock_writes == 0
    assert org.get("/limits").status == 401, "the token was issued after the seal"


def test_state_travels_as_json(org: SalesforceClient) -> None:
    """A dump loaded into another simulator of the same org goes on where the first stopped, open queries included."""
    for place in range(3):
        org.event(Concord_Sync_Key__c=f"k{place}")
    state = json.loads(json.dumps(org.simulator.dump()))
    twin = build_org(seed=99)
    twin.simulator.load(state)
    twin.token = org.token
    assert twin.query("SELECT FIELDS(ALL) FROM Event LIMIT 200") == org.query("SELECT FIELDS(ALL) FROM Event LIMIT 200")
    assert twin.patch("/sobjects/Event/Concord_Sync_Key__c/k1", {"Subject": "x"}).status == 200
    assert twin.event() == org.event()
    assert [change.to_json() for change in twin.simulator.changes[:3]] == state["log"]["changes"]


def test_an_open_query_survives_a_dump() -> None:
    """The next page of a query opened before the dump comes from the loaded state."""
    small = replace(Behaviour().calm(), page_rows=2)
    org, twin = build_org(behaviour=small), build_org(behaviour=small, seed=2)
    for _ in range(3):
        org.event()
    url = org.page("SELECT Id FROM Event")["nextRecordsUrl"]
    twin.simulator.load(json.loads(json.dumps(org.simulator.dump())))
    twin.token = org.token
    assert twin.get(url).json() == org.get(url).json()


def test_equal_seeds_and_requests_give_equal_answers() -> None:
    """The whole exchange repeats byte by byte for the same seed."""

    def run() -> list[bytes]:
        org = build_org(behaviour=Behaviour().rough(), seed=11)
        out = []
        for place in range(12):
            out.append(org.post("/sobjects/Event", event_body(Subject=f"n{place}")).body)
            org.clock.advance(33)
            out.append(org.window("updated", START - timedelta(minutes=1), org.clock.now()).body)
        page = org.get(f"/query?q={quote('SELECT Id, SystemModstamp FROM Event')}")
        return [*out, page.body, *(json.dumps(change.to_json()).encode() for change in org.simulator.changes)]

    assert run() == run()


def test_an_inner_fault_answers_500_and_is_kept(org: SalesforceClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """Handle never raises: the body is UNKNOWN_EXCEPTION, the traceback is kept, and the service goes on."""

    def broken(*_args: object, **_named: object) -> None:
        raise RuntimeError("boom")

    with monkeypatch.context() as patched:
        patched.setattr("simulators.salesforce.records.check_unique", broken)
        request = Request(
            "POST",
            "/services/data/v66.0/sobjects/Event",
            {"authorization": f"Bearer {org.token}"},
            json.dumps(event_body()).encode(),
        )
        response = org.simulator.handle(request)
    assert response.status == 500
    assert response.json()[0]["errorCode"] == "UNKNOWN_EXCEPTION"
    assert "boom" in org.simulator.last_fault
    assert org.simulator.records("Event") == []
    org.event()


def test_nothing_known_is_404(org: SalesforceClient) -> None:
    """Paths outside the API answer NOT_FOUND."""
    for path in ("/services/data/v66.0/nope", "/services/nope", "/id/x"):
        assert error_of(org.get(path))[:2] == (404, "NOT_FOUND")


def test_ids_follow_the_published_rule() -> None:
    """The suffix encodes the capitals; 15 characters complete to it, another suffix is refused."""
    assert to18("00UQH0000045kTz") == "00UQH0000045kTz2AI"
    assert canonical("001xx000003DGb2") == canonical("001xx000003DGb2AAG") == "001xx000003DGb2AAG"
    for bad in ("001xx000003DGb2AAA", "001xx000003DGb", "001xx000003DGb2-AG", ""):
        with pytest.raises(ValueError, match=rf"^{bad}$"):
            canonical(bad)


def test_ids_have_the_prefix_of_their_object_and_never_repeat(org: SalesforceClient) -> None:
    """Fresh ids are distinct, also by case-insensitive 18 characters."""
    source = IdSource(random.Random(0))
    ids = [source.next("00U") for _ in range(5000)]
    assert len({key.lower() for key in ids}) == 5000
    assert all(key.startswith("00U") and len(key) == 18 for key in ids)


class CountedRows(dict[str, Any]):
    """A table's rows that count how many of them were looked at."""

    looks = 0

    def __getitem__(self, key: str) -> Any:
        self.looks += 1
        return super().__getitem__(key)

    def get(self, key: str, default: Any = None) -> Any:
        """As dict.get."""
        self.looks += 1
        return super().get(key, default)

    def values(self) -> Any:
        """As dict.values: everything is looked at."""
        self.looks += len(self)
        return super().values()

    def items(self) -> Any:
        """As dict.items: everything is looked at."""
        self.looks += len(self)
        return super().items()


def test_indexed_queries_look_at_few_of_fifty_thousand_events() -> None:
    """By date, by key, by event and by window: an index answers, not a walk through every row."""
    org = build_org()
    simulator = org.simulator
    template = dict(simulator._records.store.row("Event", org.event()) or {})
    relation = dict(
        simulator._records.store.row(
            "EventRelation",
            org.create("EventRelation", {"EventId": template["Id"], "RelationId": org.ids["contact"]}),
        )
        or {}
    )
    ids = []
    for place in range(50_000):
        stamp = (START + timedelta(seconds=place)).strftime("%Y-%m-%dT%H:%M:%S.000+0000")
        key = simulator._ids.next("00U")
        ids.append(key)
        row = {**template, "Id": key, "SystemModstamp": stamp, "Concord_Sync_Key__c": f"k{place}"}
        simulator._records.store.put("Event", row)
        link = {**relation, "Id": simulator._ids.next("0RE"), "EventId": key}
        simulator._records.store.put("EventRelation", link)
    org.clock.advance(50_000)
    org.token = simulator.issue_token()
    listed = ",".join(f"'{key}'" for key in ids[20_000:20_200])
    soql = (
        "SELECT Id FROM Event WHERE SystemModstamp >= 2026-05-21T01:50:00Z ORDER BY SystemModstamp LIMIT 200",
        "SELECT Id FROM Event WHERE Concord_Sync_Key__c = 'k31000'",
        f"SELECT Id, RelationId FROM EventRelation WHERE EventId IN ({listed})",
        "SELECT Id, (SELECT Id FROM EventRelations) FROM Event WHERE Concord_Sync_Key__c IN ('k1', 'k2')",
    )
    tables = [simulator._records.store.tables[name] for name in ("Event", "EventRelation")]
    for table in tables:
        table.rows = CountedRows(table.rows)
    for text in soql:
        before = sum(table.rows.looks for table in tables)
        assert org.page(text)["totalSize"] > 0
        assert sum(table.rows.looks for table in tables) - before < 5_000, text[:60]
    window = org.window("updated", START + timedelta(seconds=49_000), START + timedelta(seconds=49_100))
    assert len(window.json()["ids"]) > 50
