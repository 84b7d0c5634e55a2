"""Collections: many records in one call."""

from __future__ import annotations

from typing import Any

import pytest
from support.salesforce_client import SalesforceClient, error_of, event_body

PATH = "/composite/sobjects"
ROLLED_BACK = "ALL_OR_NONE_OPERATION_ROLLED_BACK"


def record(sobject: str = "Event", **fields: Any) -> dict[str, Any]:
    """One item of a collection."""
    body = event_body(**fields) if sobject == "Event" else fields
    return {"attributes": {"type": sobject}, **body}


def codes(results: list[dict[str, Any]]) -> list[str | None]:
    """The status code of each item, None for a success."""
    return [None if item["success"] else item["errors"][0]["statusCode"] for item in results]


@pytest.mark.honest("salesforce", 2)
def test_mixed_results_come_inside_a_200(org: SalesforceClient) -> None:
    """200 with results in order; errors say statusCode, message and fields; failed items have no id."""
    items = [record(), record(Subject="x" * 256), record("Contact", LastName="New")]
    response = org.post(PATH, {"allOrNone": False, "records": items})
    first, second, third = response.json()
    assert response.status == 200
    assert set(first) == {"id", "success", "errors"}
    assert set(second) == {"success", "errors"}
    assert set(second["errors"][0]) == {"statusCode", "message", "fields"}
    assert codes([first, second, third]) == [None, "STRING_TOO_LONG", None]
    assert len(org.simulator.records("Event")) == 1


def test_all_or_none_takes_everything_back(org: SalesforceClient) -> None:
    """With allOrNone one failure undoes the call: the others say so, and nothing is stored or logged."""
    before = len(org.simulator.changes)
    response = org.post(PATH, {"allOrNone": True, "records": [record(), record(ShowAs="No")]})
    assert codes(response.json()) == [ROLLED_BACK, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"]
    assert org.simulator.records("Event") == []
    assert len(org.simulator.changes) == before


def test_one_call_is_one_transaction(org: SalesforceClient) -> None:
    """The records of a call share a transaction key and are numbered in order, failures apart."""
    org.post(PATH, {"records": [record(), record(ShowAs="No"), record()]})
    last = org.simulator.changes[-2:]
    assert [change.sequence_number for change in last] == [1, 2]
    assert last[0].transaction_key == last[1].transaction_key


def test_updates_name_their_ids(org: SalesforceClient) -> None:
    """PATCH answers per item: success with id, MISSING_ARGUMENT, ENTITY_IS_DELETED as documented, MALFORMED_ID."""
    keys = [org.event() for _ in range(2)]
    org.delete(f"/sobjects/Event/{keys[1]}")
    items = [
        {"attributes": {"type": "Event"}, "id": keys[0], "Subject": "New"},
        {"attributes": {"type": "Event"}, "Subject": "New"},
        {"attributes": {"type": "Event"}, "id": keys[1], "Subject": "New"},
        {"attributes": {"type": "Event"}, "id": org.ids["contact"], "Subject": "New"},
    ]
    results = org.patch(PATH, {"allOrNone": False, "records": items}).json()
    assert codes(results) == [None, "MISSING_ARGUMENT", "ENTITY_IS_DELETED", "MALFORMED_ID"]
    assert results[2]["errors"] == [{"statusCode": "ENTITY_IS_DELETED", "message": "entity is deleted", "fields": []}]
    assert org.read("Event", keys[0])["Subject"] == "New"


def test_upserts_say_what_was_created(org: SalesforceClient) -> None:
    """PATCH by external id adds `created`; a key given twice fails both times."""
    org.event(Concord_Sync_Key__c="k-1")
    path = f"{PATH}/Event/Concord_Sync_Key__c"
    items = [record(Concord_Sync_Key__c=key) for key in ("k-1", "k-2", "k-3", "k-3")]
    results = org.patch(path, {"records": items}).json()
    assert [item.get("created") for item in results] == [False, True, None, None]
    assert codes(results)[2:] == ["DUPLICATE_VALUE", "DUPLICATE_VALUE"]
    assert error_of(org.patch(f"{PATH}/Event/Subject", {"records": items}))[0] == 404


def test_deletes_take_ids_of_any_object(org: SalesforceClient) -> None:
    """DELETE answers per id; allOrNone keeps the ids of what was rolled back."""
    key = org.event()
    ids = f"{key},{org.ids['other_contact']},001RM000003oLrB000"
    results = org.delete(f"{PATH}?ids={ids}&allOrNone=true").json()
    assert codes(results) == [ROLLED_BACK, ROLLED_BACK, "MALFORMED_ID"]
    assert [item.get("id") for item in results] == [key, org.ids["other_contact"], None]
    assert results[2]["errors"][0]["message"] == "malformed id 001RM000003oLrB000"
    assert codes(org.delete(f"{PATH}?ids={ids}").json()) == [None, None, "MALFORMED_ID"]
    assert codes(org.delete(f"{PATH}?ids={key}").json()) == ["ENTITY_IS_DELETED"]


def test_reads_answer_null_for_what_is_missing(org: SalesforceClient) -> None:
    """POST and GET of ids and fields answer in order, null for a missing, deleted or invalid id."""
    keys = [org.event(Subject=name) for name in ("one", "two")]
    org.delete(f"/sobjects/Event/{keys[1]}")
    body = {"ids": [keys[0], keys[1], "nonsense"], "fields": ["Subject", "Owner.Name"]}
    read = org.post(f"{PATH}/Event", body).json()
    assert [item and item["Subject"] for item in read] == ["one", None, None]
    again = org.get(f"{PATH}/Event?ids={keys[0]},{keys[1]},nonsense&fields=Subject,Owner.Name").json()
    assert again == read
    assert error_of(org.post(f"{PATH}/Event", {**body, "fields": ["Nope"]}))[:2] == (400, "INVALID_FIELD")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"records": "x"}, "INVALID_INPUT"),
        ({"records": [{"Subject": "x"}]}, "INVALID_INPUT"),
        ({"records": [record()] * 201}, "EXCEEDED_ID_LIMIT"),
        ({"records": [record(), record("Contact", LastName="x")] * 6}, "INVALID_INPUT"),
    ],
)
def test_a_call_that_is_not_well_formed_is_refused_whole(
    org: SalesforceClient, body: dict[str, Any], code: str
) -> None:
    """Not a list, no type, more than 200 records or more than 10 chunks answer 400 and store nothing."""
    assert error_of(org.post(PATH, body))[:2] == (400, code)
    assert org.simulator.records("Event") == []


def test_two_hundred_records_are_taken(org: SalesforceClient) -> None:
    """The documented maximum passes."""
    results = org.post(PATH, {"records": [record()] * 200}).json()
    assert len({item["id"] for item in results}) == 200


def test_an_unknown_type_fails_its_item(org: SalesforceClient) -> None:
    """A type that the org does not have fails that item only."""
    assert codes(org.post(PATH, {"records": [record("Meeting"), record()]}).json()) == ["INVALID_TYPE", None]


@pytest.mark.honest("salesforce", 25)
def test_a_lock_fails_single_items(org: SalesforceClient) -> None:
    """An injected lock meets one item of the collection."""
    org.simulator.faults.lock_writes = 1
    assert codes(org.post(PATH, {"records": [record(), record()]}).json()) == ["UNABLE_TO_LOCK_ROW", None]
