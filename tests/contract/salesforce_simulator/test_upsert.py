"""Upsert, read and delete by external id."""

from __future__ import annotations

from dataclasses import replace

import pytest
from support.salesforce_client import SalesforceClient, build_org, error_of, event_body

from simulators.salesforce.org import Org
from simulators.salesforce.schema import column

PATH = "/sobjects/Event/Concord_Sync_Key__c"


@pytest.mark.honest("salesforce", 1)
def test_upsert_creates_with_201_and_updates_with_200(org: SalesforceClient) -> None:
    """201 with created true, then 200 with created false, each with id, success and errors."""
    first = org.patch(f"{PATH}/k-1", event_body())
    second = org.patch(f"{PATH}/k-1", {"Subject": "Again"})
    key = first.json()["id"]
    assert (first.status, first.json()) == (201, {"id": key, "success": True, "errors": [], "created": True})
    assert (second.status, second.json()) == (200, {"id": key, "success": True, "errors": [], "created": False})
    row = org.read("Event", key)
    assert (row["Subject"], row["Concord_Sync_Key__c"]) == ("Again", "k-1")


def test_versions_before_46_answer_204_to_an_update(org: SalesforceClient) -> None:
    """An old version has no body for an update and no `created` for a create."""
    old = f"/services/data/v45.0{PATH}/k-1"
    assert set(org.patch(old, event_body()).json()) == {"id", "success", "errors"}
    response = org.patch(old, {"Subject": "Again"})
    assert (response.status, response.body) == (204, b"")


def test_values_in_the_path_are_decoded(org: SalesforceClient) -> None:
    """An encoded slash, blank, plus and non-ASCII letter belong to the value."""
    key = org.patch(f"{PATH}/a%2Fb%20c%2Bd%C3%A9", event_body()).json()["id"]
    assert org.read("Event", key)["Concord_Sync_Key__c"] == "a/b c+dé"


def test_update_only_never_creates(org: SalesforceClient) -> None:
    """updateOnly=true answers 404 for an unknown key and updates a known one."""
    assert error_of(org.patch(f"{PATH}/k-1?updateOnly=true", event_body()))[:2] == (404, "NOT_FOUND")
    org.event(Concord_Sync_Key__c="k-1")
    assert org.patch(f"{PATH}/k-1?updateOnly=true", {"Subject": "Again"}).status == 200


def test_a_field_that_is_no_external_id_is_not_found(org: SalesforceClient) -> None:
    """Neither an unknown field nor an ordinary one addresses records."""
    for name in ("Nope__c", "Subject"):
        response = org.patch(f"/sobjects/Event/{name}/x", event_body())
        assert error_of(response)[:2] == (404, "NOT_FOUND")
        assert response.json()[0]["message"].endswith(f"not accessible: {name}")


def test_the_key_may_not_stand_in_the_body(org: SalesforceClient) -> None:
    """The key field in the body answers 400 INVALID_FIELD."""
    response = org.patch(f"{PATH}/k-1", event_body(Concord_Sync_Key__c="k-1"))
    assert error_of(response)[:2] == (400, "INVALID_FIELD")


def test_records_are_read_and_deleted_by_external_id(org: SalesforceClient) -> None:
    """GET answers the record, DELETE 204; both 404 afterwards."""
    key = org.event(Concord_Sync_Key__c="k-1")
    assert org.get(f"{PATH}/k-1").json()["Id"] == key
    assert org.delete(f"{PATH}/k-1").status == 204
    assert error_of(org.get(f"{PATH}/k-1"))[:2] == (404, "NOT_FOUND")


def test_several_matches_answer_300_with_their_urls() -> None:
    """A key that is not unique and matches twice answers 300 and the record URLs, and changes nothing."""
    key_field = column("Loose__c", "string", "Loose", "NCU", length=50, external_id=True, custom=True)
    org = build_org(replace(Org(), custom_fields={"Event": (key_field,)}))
    ids = [org.event(Loose__c="twice") for _ in range(2)]
    response = org.patch("/sobjects/Event/Loose__c/twice", {"Subject": "x"})
    assert response.status == 300
    assert response.json() == [f"/services/data/v66.0/sobjects/Event/{key}" for key in ids]
    assert {org.read("Event", key)["Subject"] for key in ids} == {"Review"}


def test_a_deleted_record_does_not_match(org: SalesforceClient) -> None:
    """An upsert on the key of a deleted event creates a new one."""
    key = org.event(Concord_Sync_Key__c="k-1")
    org.delete(f"/sobjects/Event/{key}")
    response = org.patch(f"{PATH}/k-1", event_body())
    assert response.status == 201
    assert response.json()["id"] != key
