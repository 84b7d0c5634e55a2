"""Bulk API 2.0: ingest and query jobs, by hand and through simple-salesforce."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from typing import Any

import pytest
from simple_salesforce import Salesforce
from support.salesforce_client import SalesforceClient, build_org, error_of
from support.salesforce_requests import session_on

from simulators.http import Response
from simulators.salesforce.behaviour import Behaviour

HEADER = "Subject,StartDateTime,EndDateTime,Concord_Sync_Key__c"
TIMES = "2026-05-21T10:00:00Z,2026-05-21T11:00:00Z"


def table(response: Response) -> list[dict[str, str]]:
    """The rows of a CSV answer."""
    assert response.status == 200, response.body
    return list(csv.DictReader(io.StringIO(response.body.decode(), newline="")))


def ingest(org: SalesforceClient, operation: str, data: str, sobject: str = "Event", **more: Any) -> str:
    """Make an ingest job, upload and close it; its id."""
    body = {"object": sobject, "operation": operation, "contentType": "CSV", "lineEnding": "LF", **more}
    made = org.post("/jobs/ingest", body)
    assert (made.status, made.json()["state"]) == (200, "Open")
    key = str(made.json()["id"])
    assert key.startswith("750")
    url = f"/{made.json()['contentUrl']}"
    assert org.call("PUT", url, data.encode(), content_type="text/csv").status == 201
    closed = org.patch(f"/jobs/ingest/{key}", {"state": "UploadComplete"})
    assert (closed.status, closed.json()["state"]) == (200, "UploadComplete")
    return key


def test_an_insert_reports_each_row(org: SalesforceClient) -> None:
    """Rows become records; results say id, created or the error, and repeat the row."""
    data = f"{HEADER}\nGood,{TIMES},k1\n{'x' * 256},{TIMES},k2\nTwice,{TIMES},k1\n"
    key = ingest(org, "insert", data)
    status = org.get(f"/jobs/ingest/{key}").json()
    assert (status["state"], status["numberRecordsProcessed"], status["numberRecordsFailed"]) == ("JobComplete", 3, 2)
    (good,) = table(org.get(f"/jobs/ingest/{key}/successfulResults"))
    assert (good["Subject"], good["sf__Created"]) == ("Good", "true")
    assert org.read("Event", good["sf__Id"])["Concord_Sync_Key__c"] == "k1"
    failed = table(org.get(f"/jobs/ingest/{key}/failedResults"))
    assert failed[0]["sf__Error"].startswith("STRING_TOO_LONG:Subject: data value too large")
    assert failed[0]["sf__Error"].endswith(":Subject --")
    assert failed[1]["sf__Error"].startswith("DUPLICATE_VALUE:")
    assert table(org.get(f"/jobs/ingest/{key}/unprocessedrecords")) == []


def test_bulk_writes_have_an_origin_of_their_own(org: SalesforceClient) -> None:
    """Change origin names the bulk API; a job's rows share a transaction, 200 at most."""
    rows = "".join(f"n{place},{TIMES},k{place}\n" for place in range(250))
    ingest(org, "insert", f"{HEADER}\n{rows}")
    org.get("/limits")
    changes = org.simulator.changes
    assert {change.change_origin for change in changes} == {"com/salesforce/api/bulkapi/66.0"}
    keys = [change.transaction_key for change in changes]
    assert [keys.count(key) for key in dict.fromkeys(keys)] == [200, 50]


def test_upsert_update_and_delete(org: SalesforceClient) -> None:
    """The other operations; an empty cell leaves a field alone and #N/A clears it."""
    old = org.event(Concord_Sync_Key__c="k1", Location="Room")
    data = f"{HEADER}\nOld,{TIMES},k1\nNew,{TIMES},k2\n"
    key = ingest(org, "upsert", data, externalIdFieldName="Concord_Sync_Key__c")
    rows = table(org.get(f"/jobs/ingest/{key}/successfulResults"))
    assert [row["sf__Created"] for row in rows] == ["false", "true"]
    ingest(org, "update", f"Id,Subject,Location\n{old},,#N/A\n")
    org.get("/limits")
    assert (org.read("Event", old)["Subject"], org.read("Event", old)["Location"]) == ("Old", None)
    ingest(org, "delete", f"Id\n{old}\n")
    org.get("/limits")
    assert org.get(f"/sobjects/Event/{old}").status == 404


def test_a_bad_file_fails_the_job(org: SalesforceClient) -> None:
    """An unknown column and a ragged row fail the whole job with a message."""
    for data in ("Subject,Nope\nx,y\n", "Subject,Location\nx\n"):
        key = ingest(org, "insert", data)
        status = org.get(f"/jobs/ingest/{key}").json()
        assert status["state"] == "Failed"
        assert status["errorMessage"].startswith("InvalidBatch : ")
    assert org.simulator.records("Event") == []


def test_jobs_take_time_by_switch() -> None:
    """With a wait a job stays UploadComplete until the clock has passed, and its results are refused until then."""
    org = build_org(behaviour=replace(Behaviour().calm(), bulk_wait_s=60.0))
    key = ingest(org, "insert", f"{HEADER}\nGood,{TIMES},k1\n")
    assert org.get(f"/jobs/ingest/{key}").json()["state"] == "UploadComplete"
    assert error_of(org.get(f"/jobs/ingest/{key}/successfulResults"))[:2] == (400, "INVALIDJOBSTATE")
    assert error_of(org.delete(f"/jobs/ingest/{key}"))[:2] == (400, "INVALIDJOBSTATE")
    org.clock.advance(61)
    assert org.get(f"/jobs/ingest/{key}").json()["state"] == "JobComplete"
    assert org.delete(f"/jobs/ingest/{key}").status == 204
    assert org.get(f"/jobs/ingest/{key}").status == 404


def test_an_aborted_job_does_nothing(org: SalesforceClient) -> None:
    """An open job can be aborted and then not be closed; a job cannot be uploaded to twice."""
    key = org.post("/jobs/ingest", {"object": "Event", "operation": "insert"}).json()["id"]
    path = f"/jobs/ingest/{key}"
    assert org.call("PUT", f"{path}/batches", b"Subject\nx\n", content_type="text/csv").status == 201
    again = org.call("PUT", f"{path}/batches", b"Subject\nx\n", content_type="text/csv")
    assert error_of(again)[:2] == (400, "INVALIDJOBSTATE")
    assert org.patch(path, {"state": "Aborted"}).json()["state"] == "Aborted"
    assert error_of(org.patch(path, {"state": "UploadComplete"}))[:2] == (400, "INVALIDJOBSTATE")


def test_a_query_job_answers_pages_of_csv(org: SalesforceClient) -> None:
    """Results come as CSV with a locator until it says null; times end in Z, parents are dotted columns."""
    for place in range(5):
        org.event(Subject=f'n"{place}', Location=None)
    soql = "SELECT Id, Subject, Location, IsPrivate, StartDateTime, Owner.Name FROM Event ORDER BY Subject"
    made = org.post("/jobs/query", {"operation": "query", "query": soql}).json()
    assert (made["state"], made["object"]) == ("UploadComplete", "Event")
    path = f"/jobs/query/{made['id']}"
    assert org.get(path).json()["numberRecordsProcessed"] == 5
    rows, locator = [], ""
    while locator != "null":
        page = org.get(f"{path}/results?maxRecords=2" + (f"&locator={locator}" if locator else ""))
        locator = page.headers["sforce-locator"]
        assert page.headers["sforce-numberofrecords"] == str(len(table(page)))
        rows += table(page)
    assert [row["Subject"] for row in rows] == [f'n"{place}' for place in range(5)]
    first = rows[0]
    assert (first["Location"], first["IsPrivate"], first["StartDateTime"], first["Owner.Name"]) == (
        "",
        "false",
        "2026-05-21T10:00:00.000Z",
        "Integration",
    )


def test_what_a_job_cannot_do_is_refused(org: SalesforceClient) -> None:
    """Unknown object, operation, faulty statement and aggregates answer 400."""
    for kind, body in (
        ("ingest", {"object": "Meeting", "operation": "insert"}),
        ("ingest", {"object": "Event", "operation": "merge"}),
        ("ingest", {"object": "Event", "operation": "upsert", "externalIdFieldName": "Subject"}),
        ("query", {"operation": "query", "query": "SELECT Nope FROM Event"}),
        ("query", {"operation": "query", "query": "SELECT COUNT() FROM Event"}),
    ):
        assert org.post(f"/jobs/{kind}", body).status == 400, body
    assert org.get("/jobs/ingest/750xx").status == 404


def test_simple_salesforce_loads_and_extracts(org: SalesforceClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """bulk2 upserts, reads its results and queries."""
    monkeypatch.setattr("simple_salesforce.bulk2.sleep", lambda _seconds: None)
    session, _adapter = session_on(org.simulator)
    client = Salesforce(session_id=org.token, instance_url="https://concord.my", session=session)
    times = {"StartDateTime": "2026-05-21T10:00:00Z", "EndDateTime": "2026-05-21T11:00:00Z"}
    rows = [{"Subject": f"n{place}", "Concord_Sync_Key__c": f"k{place}", **times} for place in range(3)]
    (result,) = client.bulk2.Event.upsert(records=rows, external_id_field="Concord_Sync_Key__c")
    assert (result["numberRecordsProcessed"], result["numberRecordsFailed"]) == (3, 0)
    assert client.bulk2.Event.get_successful_records(result["job_id"]).count("\n") == 4
    (page,) = client.bulk2.Event.query("SELECT Id, Subject FROM Event ORDER BY Subject")
    assert [row["Subject"] for row in csv.DictReader(io.StringIO(page))] == ["n0", "n1", "n2"]
