"""simple-salesforce: describe, records, queries in pages, external ids, collections, Bulk API 2.0, errors."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta

from simple_salesforce import Salesforce
from simple_salesforce.exceptions import SalesforceMalformedRequest, SalesforceResourceNotFound

START = (datetime.now(UTC) + timedelta(days=20)).replace(microsecond=0)


def event(subject: str, day: int = 0, **more: object) -> dict[str, object]:
    """Fields of an hour's event."""
    start = START + timedelta(days=day)
    return {
        "Subject": subject,
        "StartDateTime": start.isoformat(),
        "EndDateTime": (start + timedelta(hours=1)).isoformat(),
        **more,
    }


def main() -> None:
    """Everything, in order."""
    org = Salesforce(
        instance_url=os.environ["SF_TLS_URL"], session_id=os.environ["SF_TOKEN"], version=os.environ["SF_VERSION"]
    )
    fields = {field["name"]: field["type"] for field in org.Event.describe()["fields"]}
    assert (fields["StartDateTime"], fields["IsAllDayEvent"], fields["WhoId"]) == ("datetime", "boolean", "reference")
    assert "Event" in [one["name"] for one in org.describe()["sobjects"]]
    print("described", flush=True)

    made = org.Event.create(event("By simple-salesforce"))
    assert made["success"]
    assert org.Event.update(made["id"], {"Location": "Pier 4"}) == 204
    read = org.Event.get(made["id"])
    assert (read["Subject"], read["Location"], read["DurationInMinutes"]) == ("By simple-salesforce", "Pier 4", 60)
    print("record", flush=True)

    assert org.Event.upsert("Concord_Sync_Key__c/third:1", event("Upserted")) == 201
    assert org.Event.upsert("Concord_Sync_Key__c/third:1", {"Location": "Here"}) == 200
    assert org.Event.get_by_custom_id("Concord_Sync_Key__c", "third:1")["Location"] == "Here"
    print("upserted", flush=True)

    for number in range(30):
        org.Event.create(event(f"Paged {number:02}", number))
    answer = org.query("SELECT Id, Subject FROM Event WHERE Subject LIKE 'Paged %' ORDER BY Subject LIMIT 7")
    assert [row["Subject"] for row in answer["records"]] == [f"Paged {number:02}" for number in range(7)]
    several = org.query_all("SELECT Id FROM Event WHERE Subject LIKE 'Paged %'")
    assert several["totalSize"] == len(several["records"]) == 30
    ids = [row["Id"] for row in several["records"]]
    print("queried", flush=True)

    whole = org.restful("composite/sobjects", params={"ids": ",".join(ids[:3]), "allOrNone": "false"}, method="DELETE")
    assert [row["success"] for row in whole] == [True] * 3
    since = datetime.now(UTC) - timedelta(hours=1)
    deleted = org.Event.deleted(since, datetime.now(UTC) + timedelta(minutes=5))
    assert deleted["earliestDateAvailable"] < deleted["latestDateCovered"]
    gone = org.query_all(f"SELECT Id FROM Event WHERE IsDeleted = true AND Id = '{ids[0]}'", include_deleted=True)
    assert gone["totalSize"] == 1
    assert "latestDateCovered" in org.Event.updated(since, datetime.now(UTC) + timedelta(minutes=5))
    print("deleted and updated", flush=True)

    done = org.bulk2.Event.insert(records=[{k: str(v) for k, v in event(f"Loaded {n}", n).items()} for n in range(5)])
    assert [(one["numberRecordsProcessed"], one["numberRecordsFailed"]) for one in done] == [(5, 0)]
    found = list(org.bulk2.Event.query("SELECT Id, Subject FROM Event WHERE Subject LIKE 'Loaded %'"))
    assert sum(page.count("Loaded ") for page in found) == 5
    print("bulk", flush=True)

    try:
        org.Event.create(event("Ends first", EndDateTime=(START - timedelta(days=1)).isoformat()))
    except SalesforceMalformedRequest as error:
        assert error.content[0]["errorCode"], error.content
    else:
        raise AssertionError("an event that ends before it starts was taken")
    try:
        org.Event.get("00U000000000000EAA")
    except SalesforceResourceNotFound as error:
        assert error.content[0]["errorCode"] == "NOT_FOUND"
    else:
        raise AssertionError("an event that does not exist was found")
    print("errors", flush=True)


if __name__ == "__main__":
    main()
