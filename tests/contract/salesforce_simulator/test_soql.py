"""SOQL: what is selected, what passes, in which order, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest
from support.salesforce_client import SalesforceClient, build_org, error_of

from simulators.salesforce.behaviour import Behaviour
from simulators.salesforce.soql.parser import parse


@pytest.fixture
def week(org: SalesforceClient) -> SalesforceClient:
    """Five events named by weekday, Monday to Friday of the week of START, with varied values."""
    for place, name in enumerate(("Mon", "Tue", "Wed", "Thu", "Fri")):
        org.event(
            Subject=f"{name} call",
            StartDateTime=f"2026-05-{18 + place}T09:00:00Z",
            EndDateTime=f"2026-05-{18 + place}T10:00:00Z",
            Location=None if place % 2 else f"Room {place}",
            DurationInMinutes=None,
            OwnerId=org.ids["ada" if place < 3 else "bob"],
            WhoId=org.ids["contact"] if place == 0 else None,
            Description="long text",
        )
    return org


def subjects(org: SalesforceClient, condition: str) -> str:
    """The weekdays of the events that pass, in order of their start."""
    rows = org.query(f"SELECT Subject FROM Event WHERE {condition} ORDER BY StartDateTime")
    return " ".join(row["Subject"][:3] for row in rows)


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("Subject = 'mon CALL'", "Mon"),
        ("Subject != 'Mon call'", "Tue Wed Thu Fri"),
        ("Location = null", "Tue Thu"),
        ("Location = ''", "Tue Thu"),
        ("Location != null", "Mon Wed Fri"),
        ("Location != 'Room 0'", "Tue Wed Thu Fri"),
        ("Location > 'Room 1'", "Wed Fri"),
        ("Subject LIKE '%u%'", "Tue Thu"),
        ("Subject LIKE 't__ CALL'", "Tue Thu"),
        ("(NOT Subject LIKE 'T%')", "Mon Wed Fri"),
        ("Subject IN ('Mon call', 'FRI CALL')", "Mon Fri"),
        ("Subject NOT IN ('Mon call', 'Fri call')", "Tue Wed Thu"),
        ("StartDateTime >= 2026-05-20T09:00:00Z", "Wed Thu Fri"),
        ("StartDateTime > 2026-05-20T11:00:00+02:00", "Thu Fri"),
        ("StartDateTime < 2026-05-20T09:00:00Z AND EndDateTime > 2026-05-18T10:00:00.000Z", "Tue"),
        ("ActivityDate = 2026-05-19", "Tue"),
        ("ActivityDate <= 2026-05-19", "Mon Tue"),
        ("DurationInMinutes = 60 AND IsAllDayEvent = false AND ActivityDate > 2026-05-20", "Thu Fri"),
        ("(Subject = 'Mon call' OR Subject = 'Tue call') AND Location = null", "Tue"),
        ("Subject = 'Mon call' OR (Location = null AND StartDateTime > 2026-05-20T00:00:00Z)", "Mon Thu"),
        ("Owner.Email = 'ada@firm.example'", "Mon Tue Wed"),
        ("Owner.Type = 'User' AND Owner.Name LIKE 'Bob%'", "Thu Fri"),
        ("Who.Email = 'sun@kim.example'", "Mon"),
        ("Account.Name = 'Kim Family'", "Mon"),
        ("StartDateTime = TODAY", "Wed"),
        ("StartDateTime < TODAY", "Mon Tue"),
        ("StartDateTime > TODAY", "Thu Fri"),
        ("StartDateTime <= TOMORROW", "Mon Tue Wed Thu"),
        ("ActivityDate = YESTERDAY", "Tue"),
        ("ActivityDate = LAST_N_DAYS:1", "Tue Wed"),
        ("ActivityDate = NEXT_N_DAYS:1", "Thu"),
        ("StartDateTime >= N_DAYS_AGO:1", "Tue Wed Thu Fri"),
        ("StartDateTime = THIS_WEEK", "Mon Tue Wed Thu Fri"),
        ("StartDateTime = LAST_MONTH", ""),
        ("StartDateTime != TODAY AND StartDateTime = THIS_MONTH", "Mon Tue Thu Fri"),
    ],
)
def test_conditions_select_the_right_rows(week: SalesforceClient, condition: str, expected: str) -> None:
    """Every operator, literal and path means what SOQL says; text compares without case, nulls do not sort."""
    assert subjects(week, condition) == expected


def test_ids_compare_in_both_lengths_and_by_case(week: SalesforceClient) -> None:
    """OwnerId with 15 or 18 characters finds the same rows; a malformed id is refused."""
    ada = week.ids["ada"]
    assert subjects(week, f"OwnerId = '{ada[:15]}'") == subjects(week, f"OwnerId IN ('{ada}')") == "Mon Tue Wed"
    assert subjects(week, f"OwnerId != '{ada}'") == "Thu Fri"
    assert week.refused("SELECT Id FROM Event WHERE OwnerId = 'xyz'")[0] == "INVALID_QUERY_FILTER_OPERATOR"


def test_strings_know_escapes(org: SalesforceClient) -> None:
    """Quotes, backslashes, line breaks and code points can be written; % and _ escaped are themselves in LIKE."""
    org.event(Subject="Don't \\ stop", Description="x")
    org.event(Subject="100% sure", Location="caf\u00e9")
    assert len(org.query(r"SELECT Id FROM Event WHERE Subject = 'Don\'t \\ stop'")) == 1
    assert len(org.query(r"SELECT Id FROM Event WHERE Location = 'caf\u00e9'")) == 1
    assert len(org.query(r"SELECT Id FROM Event WHERE Subject LIKE '100\% %'")) == 1
    assert org.query(r"SELECT Id FROM Event WHERE Subject LIKE '1\_0%'") == []


def test_order_limit_and_offset(week: SalesforceClient) -> None:
    """Several sort keys, both directions, nulls first by default and last on demand, then LIMIT and OFFSET."""

    def ordered(clause: str) -> list[str]:
        return [row["Subject"][:3] for row in week.query(f"SELECT Subject FROM Event ORDER BY {clause}")]

    assert ordered("Location, Subject") == ["Thu", "Tue", "Mon", "Wed", "Fri"]
    assert ordered("Location DESC NULLS LAST, Subject DESC") == ["Fri", "Wed", "Mon", "Tue", "Thu"]
    assert ordered("Owner.Name DESC, StartDateTime LIMIT 2 OFFSET 1") == ["Fri", "Mon"]


def test_parents_are_nested_and_name_their_kind(week: SalesforceClient) -> None:
    """A parent is a record of its own; behind a polymorphic relationship its type is Name, its URL says what it is."""
    soql = "SELECT Subject, Account.Name, Owner.Email, Who.Type FROM Event ORDER BY StartDateTime LIMIT 2"
    with_who, without = week.query(soql)
    assert with_who["Account"] == {
        "attributes": {"type": "Account", "url": f"/services/data/v66.0/sobjects/Account/{week.ids['account']}"},
        "Name": "Kim Family",
    }
    assert with_who["Who"]["Type"] == "Contact"
    assert with_who["Owner"]["attributes"]["type"] == "Name"
    assert with_who["Owner"]["attributes"]["url"].endswith(f"/User/{week.ids['ada']}")
    assert (without["Account"], without["Who"]) == (None, None)


def test_children_come_in_a_result_of_their_own(week: SalesforceClient) -> None:
    """A child query answers null without children, else totalSize, done and records, filtered and ordered."""
    key = week.query("SELECT Id FROM Event WHERE Subject = 'Mon call'")[0]["Id"]
    for who in ("contact", "other_contact"):
        week.create("EventRelation", {"EventId": key, "RelationId": week.ids[who]})
    soql = (
        "SELECT Id, (SELECT RelationId, Relation.Name FROM EventRelations WHERE Status = 'New' ORDER BY Relation.Name) "
        "FROM Event WHERE StartDateTime < 2026-05-20T00:00:00Z ORDER BY StartDateTime"
    )
    first, second = week.query(soql)
    children = first["EventRelations"]
    assert (children["totalSize"], children["done"]) == (2, True)
    assert [row["Relation"]["Name"] for row in children["records"]] == ["Ode", "Sun Kim"]
    assert second["EventRelations"] is None


def test_a_subquery_after_in_joins(week: SalesforceClient) -> None:
    """Id IN (SELECT EventId ...) and its negation."""
    key = week.query("SELECT Id FROM Event WHERE Subject = 'Thu call'")[0]["Id"]
    week.create("EventRelation", {"EventId": key, "RelationId": week.ids["contact"]})
    inner = f"(SELECT EventId FROM EventRelation WHERE RelationId = '{week.ids['contact']}')"
    assert subjects(week, f"Id IN {inner}") == "Thu"
    assert subjects(week, f"Id NOT IN {inner}") == "Mon Tue Wed Fri"


def test_counting(week: SalesforceClient) -> None:
    """COUNT() answers totalSize without records; other aggregates answer AggregateResult rows, grouped or not."""
    assert week.page("SELECT COUNT() FROM Event WHERE Location = null") == {"totalSize": 2, "done": True, "records": []}
    (row,) = week.query("SELECT COUNT(Location), MAX(StartDateTime) latest FROM Event")
    assert row == {
        "attributes": {"type": "AggregateResult"},
        "expr0": 3,
        "latest": "2026-05-22T09:00:00.000+0000",
    }
    grouped = week.query("SELECT Owner.Name, COUNT(Id) n, SUM(DurationInMinutes) FROM Event GROUP BY Owner.Name")
    assert [(row["Name"], row["n"], row["expr0"]) for row in grouped] == [
        ("Ada Lovelace", 3, 180),
        ("Bob Marsh", 2, 120),
    ]


@pytest.mark.parametrize(
    ("clauses", "expected"),
    [
        ("HAVING COUNT(Id) > 2", ["Ada Lovelace"]),
        ("HAVING COUNT(Id) <= 2 AND Owner.Name != 'Nobody'", ["Bob Marsh"]),
        ("HAVING NOT (SUM(DurationInMinutes) = 180 OR Owner.Name LIKE 'Bo%')", []),
        ("HAVING MAX(StartDateTime) >= 2026-05-22T00:00:00Z", ["Bob Marsh"]),
        ("ORDER BY COUNT(Id)", ["Bob Marsh", "Ada Lovelace"]),
        ("ORDER BY Owner.Name DESC LIMIT 1", ["Bob Marsh"]),
        ("HAVING COUNT(Id) > 0 ORDER BY SUM(DurationInMinutes) DESC, Owner.Name", ["Ada Lovelace", "Bob Marsh"]),
    ],
)
def test_groups_are_chosen_and_ordered(week: SalesforceClient, clauses: str, expected: list[str]) -> None:
    """HAVING and ORDER BY see grouped fields and aggregates, selected or not."""
    rows = week.query(f"SELECT Owner.Name FROM Event GROUP BY Owner.Name {clauses}")
    assert [row["Name"] for row in rows] == expected


def test_fields_macro(week: SalesforceClient) -> None:
    """FIELDS(ALL) and FIELDS(CUSTOM) need a LIMIT of at most 200; FIELDS(STANDARD) does not."""
    described = week.get("/sobjects/Event/describe").json()["fields"]
    custom = {field["name"] for field in described if field["custom"]}
    (row,) = week.query("SELECT FIELDS(ALL) FROM Event LIMIT 1")
    assert set(row) == {"attributes", *(field["name"] for field in described)}
    assert set(week.query("SELECT FIELDS(CUSTOM) FROM Event LIMIT 200")[0]) == {"attributes", *custom}
    assert not custom & set(week.query("SELECT FIELDS(STANDARD) FROM Event")[0])
    for limit in ("", " LIMIT 201"):
        assert week.refused(f"SELECT FIELDS(ALL) FROM Event{limit}")[0] == "MALFORMED_QUERY"


def test_aliases_and_labels(week: SalesforceClient) -> None:
    """The object may have an alias, with or without AS; toLabel shows a picklist's label."""
    week.event(Subject="Out", ShowAs="OutOfOffice")
    soql = "SELECT e.Id, toLabel(e.ShowAs) FROM Event AS e WHERE e.Subject = 'Out' ORDER BY e.StartDateTime"
    assert [row["ShowAs"] for row in week.query(soql)] == ["Out of Office"]


@pytest.mark.parametrize(
    ("soql", "code", "text"),
    [
        ("SELEC Id FROM Event", "MALFORMED_QUERY", "unexpected token: 'SELEC'"),
        ("SELECT Id FRM Event", "MALFORMED_QUERY", "unexpected token"),
        ("SELECT Id, FROM Event", "MALFORMED_QUERY", "unexpected token"),
        ("SELECT Id FROM Event WHERE", "MALFORMED_QUERY", "unexpected token"),
        ("SELECT Id FROM Event WHERE Subject = 'a", "MALFORMED_QUERY", "unterminated string"),
        ("SELECT Id FROM Event WHERE Subject = 'a' AND Location = 'b' OR Id = null", "MALFORMED_QUERY", "'OR'"),
        ("SELECT Id FROM Event LIMIT x", "MALFORMED_QUERY", "unexpected token: 'x'"),
        ("SELECT Id, Id FROM Event", "MALFORMED_QUERY", "duplicate field selected: Id"),
        ("SELECT * FROM Event", "MALFORMED_QUERY", "unexpected token: '*'"),
        ("SELECT Id FROM Event FOR UPDATE", "MALFORMED_QUERY", "FOR UPDATE"),
        ("SELECT OwnerId, COUNT(Id) FROM Event", "MALFORMED_QUERY", "grouped or aggregated: OwnerId"),
        ("SELECT OwnerId FROM Event GROUP BY OwnerId HAVING Subject = 'x'", "MALFORMED_QUERY", "aggregated: Subject"),
        ("SELECT OwnerId FROM Event GROUP BY OwnerId HAVING COUNT(Id) > 'x'", "INVALID_FIELD", "type number"),
        ("SELECT OwnerId FROM Event GROUP BY OwnerId ORDER BY Subject", "MALFORMED_QUERY", "aggregated: Subject"),
        ("SELECT Id FROM Event ORDER BY COUNT(Id)", "MALFORMED_QUERY", "needs a grouped query"),
        ("SELECT Id FROM Event HAVING COUNT(Id) > 1", "MALFORMED_QUERY", "unexpected token: 'HAVING'"),
        ("SELECT Id FROM Event LIMIT 1 OFFSET 2001", "NUMBER_OUTSIDE_VALID_RANGE", "2000"),
        ("SELECT Nope FROM Event", "INVALID_FIELD", "No such column 'Nope' on entity 'Event'"),
        ("SELECT Id FROM Event WHERE Nope = 1", "INVALID_FIELD", "No such column 'Nope'"),
        ("SELECT Boss.Name FROM Event", "INVALID_FIELD", "Didn't understand relationship 'Boss'"),
        ("SELECT Owner.FederationIdentifier FROM Event", "INVALID_FIELD", "on entity 'Name'"),
        ("SELECT Id FROM Meeting", "INVALID_TYPE", "sObject type 'Meeting' is not supported"),
        ("SELECT Id, (SELECT Id FROM Attendees) FROM Event", "INVALID_TYPE", "'Attendees'"),
        (
            "SELECT Id FROM Event WHERE StartDateTime > '2026-05-20T00:00:00Z'",
            "INVALID_FIELD",
            "must be of type dateTime",
        ),
        ("SELECT Id FROM Event WHERE StartDateTime > 2026-05-20", "INVALID_FIELD", "must be of type dateTime"),
        ("SELECT Id FROM Event WHERE ActivityDate > 2026-05-20T00:00:00Z", "INVALID_FIELD", "must be of type date"),
        ("SELECT Id FROM Event WHERE Subject = 5", "INVALID_FIELD", "must be of type string"),
        ("SELECT Id FROM Event WHERE IsPrivate = 'true'", "INVALID_FIELD", "must be of type boolean"),
        ("SELECT Id FROM Event WHERE IsPrivate > true", "INVALID_QUERY_FILTER_OPERATOR", "invalid operator"),
        ("SELECT Id FROM Event WHERE DurationInMinutes LIKE '6%'", "INVALID_QUERY_FILTER_OPERATOR", "invalid operator"),
        ("SELECT Id FROM Event WHERE StartDateTime = LAST_N_DAYS:99999999", "MALFORMED_QUERY", "out of range"),
    ],
)
def test_what_is_wrong_is_refused_by_name(org: SalesforceClient, soql: str, code: str, text: str) -> None:
    """A faulty statement answers 400 with the code of its fault, an extract and the place."""
    found, message = org.refused(soql)
    assert (found, text in message, "ERROR at Row:1:Column:" in message) == (code, True, True), message


def test_the_message_points_at_the_fault(org: SalesforceClient) -> None:
    """The extract has a caret under the fault, and row and column count from one."""
    message = org.refused("SELECT Id,\n  Nope FROM Event")[1]
    _, extract, caret, place, *_ = message.split("\n")
    assert (extract, caret, place) == ("  Nope FROM Event", "  ^", "ERROR at Row:2:Column:3")


@pytest.mark.honest("salesforce", 11)
@pytest.mark.parametrize("clause", ["WHERE Description = 'x'", "WHERE Description LIKE '%x%'"])
def test_description_cannot_be_filtered(org: SalesforceClient, clause: str) -> None:
    """Long text in WHERE answers INVALID_FIELD with the known text; in ORDER BY likewise."""
    code, message = org.refused(f"SELECT Id FROM Event {clause}")
    assert code == "INVALID_FIELD"
    assert message.endswith("field 'Description' can not be filtered in a query call")
    assert org.refused("SELECT Id FROM Event ORDER BY Description")[1].endswith("can not be sorted in a query call")


def test_days_are_those_of_the_user() -> None:
    """TODAY follows the running user's time zone, also across its change to summer time."""
    org = build_org()
    org.patch(f"/sobjects/User/{org.simulator.integration_user_id}", {"TimeZoneSidKey": "Pacific/Auckland"})
    # 12:00 UTC on the 20th is midnight of the 21st in Auckland.
    org.event(Subject="before", StartDateTime="2026-05-20T11:59:00Z", EndDateTime="2026-05-20T12:00:00Z")
    org.event(Subject="after", StartDateTime="2026-05-20T12:00:00Z", EndDateTime="2026-05-20T13:00:00Z")
    rows = org.query("SELECT Subject FROM Event WHERE StartDateTime = TODAY")
    assert [row["Subject"] for row in rows] == ["after"]


@pytest.mark.honest("salesforce", 4, 5)
def test_deleted_rows_show_in_query_all_only(week: SalesforceClient) -> None:
    """Query hides a deleted row, queryAll shows it with IsDeleted."""
    key = week.query("SELECT Id FROM Event WHERE Subject = 'Tue call'")[0]["Id"]
    week.delete(f"/sobjects/Event/{key}")
    assert len(week.query("SELECT Id FROM Event")) == 4
    rows = week.query("SELECT Subject FROM Event WHERE IsDeleted = true", all_rows=True)
    assert [row["Subject"] for row in rows] == ["Tue call"]
    assert week.query("SELECT Id FROM Event WHERE IsDeleted = true") == []


@pytest.mark.honest("salesforce", 4)
def test_pages_lead_to_each_other_and_keep_their_meaning() -> None:
    """Every page has the full totalSize; a queryAll's pages say /query/ and stay queryAll."""
    org = build_org(behaviour=replace(Behaviour().calm(), page_rows=4))
    keys = [org.event() for _ in range(10)]
    org.delete(f"/sobjects/Event/{keys[9]}")
    page = org.page("SELECT Id, IsDeleted FROM Event", all_rows=True)
    seen, urls = list(page["records"]), []
    while not page["done"]:
        assert page["totalSize"] == 10
        urls.append(page["nextRecordsUrl"])
        page = org.get(page["nextRecordsUrl"]).json()
        seen += page["records"]
    assert "nextRecordsUrl" not in page
    assert [row["Id"] for row in seen] == keys
    assert seen[-1]["IsDeleted"] is True
    assert all(url.startswith("/services/data/v66.0/query/01g") for url in urls)
    assert [url.rsplit("-", 1)[1] for url in urls] == ["4", "8"]


@pytest.mark.honest("salesforce", 4)
def test_page_sizes_are_the_services_own() -> None:
    """A batch size asked for is an upper bound and a hint; pages have between 200 rows and it."""
    org = build_org(behaviour=Behaviour(replication_hold=0.0))
    contact = {"attributes": {"type": "Contact"}, "LastName": "x"}
    for _ in range(6):
        assert org.post("/composite/sobjects", {"records": [contact] * 200}).status == 200
    org.headers["sforce-query-options"] = "batchSize=400"
    page = org.page("SELECT Id FROM Contact")
    sizes = [len(page["records"])]
    while not page["done"]:
        page = org.get(page["nextRecordsUrl"]).json()
        sizes.append(len(page["records"]))
    assert sum(sizes) == 1202
    assert all(200 <= size <= 400 for size in sizes[:-1])
    assert len(set(sizes)) > 2


@pytest.mark.honest("salesforce", 4)
def test_a_dead_locator_is_refused() -> None:
    """An unknown locator, a bad offset and a locator older than two days answer INVALID_QUERY_LOCATOR."""
    org = build_org(behaviour=replace(Behaviour().calm(), page_rows=2))
    for _ in range(3):
        org.event()
    url = org.page("SELECT Id FROM Event")["nextRecordsUrl"]
    for dead in ("/query/01gQH0000000000AAA-2", url.rsplit("-", 1)[0] + "-99", url.rsplit("-", 1)[0] + "-x"):
        assert error_of(org.get(dead))[:2] == (400, "INVALID_QUERY_LOCATOR")
    org.clock.advance(2 * 86_400 + 1)
    org.token = org.simulator.issue_token()
    assert error_of(org.get(url))[:2] == (400, "INVALID_QUERY_LOCATOR")


def test_a_statement_has_a_longest_length() -> None:
    """More than 100,000 characters are refused before they are read."""
    ids = ",".join(["'00UQH0000000000'"] * 7000)
    with pytest.raises(Exception, match="cannot be longer than 100000"):
        parse(f"SELECT Id FROM Event WHERE Id IN ({ids})")


def test_a_default_namespace_drops_the_prefix(org: SalesforceClient) -> None:
    """Sforce-Call-Options defaultNamespace lets names go without prefix, and answers drop it; describe keeps it."""
    org.headers["sforce-call-options"] = "client=x, defaultNamespace=practifi"
    key = org.event(External_ID__c="graph-1")
    rows = org.query("SELECT External_ID__c FROM Event WHERE External_ID__c = 'graph-1'")
    assert rows[0]["External_ID__c"] == "graph-1"
    assert org.read("Event", key)["External_ID__c"] == "graph-1"
    assert org.create("Integration_Log__c", {"External_System__c": "x"}).startswith("a0I")
    names = {field["name"] for field in org.get("/sobjects/Event/describe").json()["fields"]}
    assert "practifi__External_ID__c" in names
