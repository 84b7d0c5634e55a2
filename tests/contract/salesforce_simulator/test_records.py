"""Single records: create, read, update, delete, ids, fields, and the refusals of each."""

from __future__ import annotations

import pytest
from support.salesforce_client import SalesforceClient, error_of, event_body

from simulators.salesforce.ids import to18


def test_a_create_answers_201_with_an_id_and_a_location(org: SalesforceClient) -> None:
    """POST answers 201, {id, success, errors} and the record's path; a trailing slash changes nothing."""
    response = org.post("/sobjects/Event/", event_body())
    body = response.json()
    assert response.status == 201
    assert body == {"id": body["id"], "success": True, "errors": []}
    assert response.headers["location"] == f"/services/data/v66.0/sobjects/Event/{body['id']}"
    assert len(body["id"]) == 18
    assert body["id"] == to18(body["id"][:15])


@pytest.mark.honest("salesforce", 1)
def test_updates_and_deletes_answer_204_with_an_empty_body(org: SalesforceClient) -> None:
    """PATCH and DELETE answer 204 and nothing else."""
    key = org.event()
    for response in (org.patch(f"/sobjects/Event/{key}", {"Subject": "New"}), org.delete(f"/sobjects/Event/{key}")):
        assert (response.status, response.body) == (204, b"")


def test_a_post_can_stand_for_a_patch(org: SalesforceClient) -> None:
    """POST with _HttpMethod=PATCH updates."""
    key = org.event()
    assert org.post(f"/sobjects/Event/{key}?_HttpMethod=PATCH", {"Location": "Here"}).status == 204
    assert org.read("Event", key)["Location"] == "Here"


@pytest.mark.honest("salesforce", 3)
def test_times_leave_with_milliseconds_and_a_numeric_offset(org: SalesforceClient) -> None:
    """`+0000`, three digits of milliseconds, never Z; audit dates in whole seconds."""
    org.clock.advance(0.789)
    row = org.read(
        "Event", org.event(StartDateTime="2026-05-21T12:00:00.250+02:00", EndDateTime=None, DurationInMinutes=5)
    )
    assert row["StartDateTime"] == "2026-05-21T10:00:00.000+0000"
    assert row["LastModifiedDate"] == row["SystemModstamp"] == row["CreatedDate"] == "2026-05-20T12:00:00.000+0000"


def test_a_record_reads_back_with_every_field(org: SalesforceClient) -> None:
    """GET shows all fields of describe, in its order, after the attributes."""
    key = org.event(WhoId=org.ids["contact"], Description="Text", practifi__Show_Time_As__c="Tentative")
    row = org.read("Event", key)
    names = [field["name"] for field in org.get("/sobjects/Event/describe").json()["fields"]]
    assert list(row) == ["attributes", *names]
    assert row["attributes"] == {"type": "Event", "url": f"/services/data/v66.0/sobjects/Event/{key}"}
    assert (row["AccountId"], row["practifi__Show_Time_As__c"], row["ShowAs"]) == (
        org.ids["account"],
        "Tentative",
        "Busy",
    )


def test_fields_can_be_chosen(org: SalesforceClient) -> None:
    """`fields=` limits the answer, follows relationships and refuses unknown names."""
    key = org.event(OwnerId=org.ids["ada"])
    row = org.get(f"/sobjects/Event/{key}?fields=Subject,Owner.Name").json()
    assert (row["Subject"], row["Owner"]["Name"], set(row)) == (
        "Review",
        "Ada Lovelace",
        {"attributes", "Id", "Subject", "Owner"},
    )
    assert error_of(org.get(f"/sobjects/Event/{key}?fields=Nope"))[:2] == (400, "INVALID_FIELD")


def test_ids_are_taken_with_15_and_18_characters(org: SalesforceClient) -> None:
    """Both forms address the same record, in paths and in reference fields."""
    key = org.event(OwnerId=org.ids["ada"][:15])
    assert org.read("Event", key[:15])["OwnerId"] == org.ids["ada"]


@pytest.mark.parametrize("spoil", ["suffix", "prefix"])
def test_a_spoilt_id_is_malformed(org: SalesforceClient, spoil: str) -> None:
    """A wrong suffix and another object's prefix answer 400 MALFORMED_ID."""
    key = org.event()
    bad = key[:17] + ("A" if key[17] != "A" else "B") if spoil == "suffix" else org.ids["contact"]
    assert error_of(org.patch(f"/sobjects/Event/{bad}", {"Subject": "x"})) == (400, "MALFORMED_ID", ["Id"])
    message = org.get(f"/sobjects/Event/{bad}").json()[0]["message"]
    assert message == f"Event ID: id value of incorrect type: {bad}"


def test_a_reference_to_another_objects_id_is_malformed(org: SalesforceClient) -> None:
    """An account's id in WhoId answers MALFORMED_ID with the field's name."""
    response = org.post("/sobjects/Event", event_body(WhoId=org.ids["account"]))
    assert error_of(response) == (400, "MALFORMED_ID", ["WhoId"])


def test_a_reference_to_nothing_is_refused(org: SalesforceClient) -> None:
    """A well-formed id of no record answers INVALID_CROSS_REFERENCE_KEY."""
    response = org.post("/sobjects/Event", event_body(WhoId=to18("003QH0000000000")))
    assert error_of(response) == (400, "INVALID_CROSS_REFERENCE_KEY", ["WhoId"])


def test_what_does_not_exist_answers_404(org: SalesforceClient) -> None:
    """Unknown object, unknown id, and a path part that is no id each have their own text."""
    unknown = to18("00UQH0000000000")
    assert org.get("/sobjects/Evnt").json()[0]["message"] == "The requested resource does not exist"
    assert error_of(org.get(f"/sobjects/Event/{unknown}"))[:2] == (404, "NOT_FOUND")
    assert error_of(org.patch(f"/sobjects/Event/{unknown}", {"Subject": "x"}))[:2] == (404, "NOT_FOUND")
    assert error_of(org.delete(f"/sobjects/Event/{unknown}"))[:2] == (404, "INVALID_CROSS_REFERENCE_KEY")
    message = org.get("/sobjects/Event/rid").json()[0]["message"]
    assert message == "Provided external ID field does not exist or is not accessible: rid"


@pytest.mark.honest("salesforce", 25)
def test_a_second_delete_meets_a_deleted_entity(org: SalesforceClient) -> None:
    """Deleting or changing a deleted record answers 404 ENTITY_IS_DELETED; reading it 404."""
    key = org.event()
    org.delete(f"/sobjects/Event/{key}")
    assert error_of(org.delete(f"/sobjects/Event/{key}"))[:2] == (404, "ENTITY_IS_DELETED")
    assert error_of(org.patch(f"/sobjects/Event/{key}", {"Subject": "x"}))[:2] == (404, "ENTITY_IS_DELETED")
    assert error_of(org.get(f"/sobjects/Event/{key}"))[:2] == (404, "NOT_FOUND")


@pytest.mark.honest("salesforce", 11)
def test_unknown_and_read_only_fields_are_told_apart(org: SalesforceClient) -> None:
    """INVALID_FIELD for an unknown field, INVALID_FIELD_FOR_INSERT_UPDATE for a read-only one."""
    response = org.post("/sobjects/Event", event_body(Nope__c="x"))
    assert error_of(response)[:2] == (400, "INVALID_FIELD")
    assert response.json()[0]["message"] == "No such column 'Nope__c' on sobject of type Event"
    response = org.post("/sobjects/Event", event_body(IsChild=True))
    assert error_of(response) == (400, "INVALID_FIELD_FOR_INSERT_UPDATE", ["IsChild"])
    assert response.json()[0]["message"].startswith("Unable to create/update fields: IsChild.")
    key = org.event()
    assert error_of(org.patch(f"/sobjects/Event/{key}", {"IsRecurrence": False}))[2] == ["IsRecurrence"]
    assert error_of(org.patch(f"/sobjects/Event/{key}", {"Id": key}))[:2] == (400, "INVALID_FIELD")


def test_names_are_taken_in_any_case(org: SalesforceClient) -> None:
    """Objects and fields are found whatever their case; answers use the defined one."""
    response = org.post(
        "/sobjects/event", {"subject": "Low", "startdatetime": "2026-05-21T10:00:00Z", "durationinminutes": 5}
    )
    assert org.read("EVENT", response.json()["id"])["Subject"] == "Low"


@pytest.mark.honest("salesforce", 11)
@pytest.mark.parametrize(
    ("field", "length"),
    [("Subject", 255), ("Location", 255), ("Description", 32000), ("practifi__External_ID__c", 255)],
)
def test_text_has_a_longest_length(org: SalesforceClient, field: str, length: int) -> None:
    """One character more than the field holds answers STRING_TOO_LONG with the limit."""
    assert org.read("Event", org.event(**{field: "ü" * length}))[field] == "ü" * length
    response = org.post("/sobjects/Event", event_body(**{field: "x" * (length + 1)}))
    assert error_of(response) == (400, "STRING_TOO_LONG", [field])
    assert response.json()[0]["message"].endswith(f"(max length={length})")


@pytest.mark.honest("salesforce", 11)
@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("ShowAs", "Out of Office"),
        ("practifi__Microsoft_365_Sync_Status__c", "Done"),
        ("practifi__Show_Time_As__c", "Away"),
    ],
)
def test_restricted_picklists_take_api_values_only(org: SalesforceClient, field: str, value: str) -> None:
    """A label or an unknown value answers INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST."""
    response = org.post("/sobjects/Event", event_body(**{field: value}))
    assert error_of(response) == (400, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", [field])
    assert org.read("Event", org.event(ShowAs="OutOfOffice"))["ShowAs"] == "OutOfOffice"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("StartDateTime", "2026-05-21 10:00:00"),
        ("StartDateTime", "2026-05-21T10:00:00"),
        ("ActivityDate", "2026-05-21+02:00"),
        ("DurationInMinutes", "an hour"),
        ("Subject", 5),
        ("IsPrivate", "yes"),
        ("Description", {"text": "x"}),
    ],
)
def test_json_of_another_type_is_a_parser_error(org: SalesforceClient, field: str, value: object) -> None:
    """A value that the field's type cannot be read from answers JSON_PARSER_ERROR."""
    assert error_of(org.post("/sobjects/Event", event_body(**{field: value})))[:2] == (400, "JSON_PARSER_ERROR")


def test_null_clears_a_field_and_a_checkbox_has_no_null(org: SalesforceClient) -> None:
    """JSON null empties a nillable field; a checkbox refuses it."""
    key = org.event(Location="Room", practifi__Teams_Meeting__c=True)
    assert org.patch(f"/sobjects/Event/{key}", {"Location": None}).status == 204
    assert org.read("Event", key)["Location"] is None
    response = org.patch(f"/sobjects/Event/{key}", {"practifi__Teams_Meeting__c": None})
    assert error_of(response) == (400, "INVALID_TYPE_ON_FIELD_IN_RECORD", ["practifi__Teams_Meeting__c"])


def test_required_fields_are_named(org: SalesforceClient) -> None:
    """A create without a required field answers REQUIRED_FIELD_MISSING and lists it."""
    response = org.post("/sobjects/Contact", {"FirstName": "Sun"})
    assert error_of(response) == (400, "REQUIRED_FIELD_MISSING", ["LastName"])
    assert response.json()[0]["message"] == "Required fields are missing: [LastName]"


def test_an_email_must_look_like_one(org: SalesforceClient) -> None:
    """A contact's address without an @ answers INVALID_EMAIL_ADDRESS."""
    response = org.post("/sobjects/Contact", {"LastName": "Kim", "Email": "not an email"})
    assert error_of(response) == (400, "INVALID_EMAIL_ADDRESS", ["Email"])


def test_an_inactive_user_cannot_own_an_event(org: SalesforceClient) -> None:
    """A deactivated OwnerId answers INACTIVE_OWNER_OR_USER; an event that has such an owner can still change."""
    key = org.event(OwnerId=org.ids["bob"])
    org.patch(f"/sobjects/User/{org.ids['bob']}", {"IsActive": False})
    assert error_of(org.post("/sobjects/Event", event_body(OwnerId=org.ids["bob"])))[1] == "INACTIVE_OWNER_OR_USER"
    assert org.patch(f"/sobjects/Event/{key}", {"Subject": "Still"}).status == 204


def test_users_can_be_deactivated_but_not_deleted(org: SalesforceClient) -> None:
    """DELETE of a user is refused and never answers 2xx."""
    assert error_of(org.delete(f"/sobjects/User/{org.ids['bob']}"))[1] == "INSUFFICIENT_ACCESS_OR_READONLY"


def test_the_sync_key_is_unique_and_case_sensitive(org: SalesforceClient) -> None:
    """A second event with the key answers DUPLICATE_VALUE; another case is another key; a deleted holder frees it."""
    first = org.event(Concord_Sync_Key__c="Ab1")
    assert error_of(org.post("/sobjects/Event", event_body(Concord_Sync_Key__c="Ab1")))[:2] == (400, "DUPLICATE_VALUE")
    org.event(Concord_Sync_Key__c="aB1")
    org.delete(f"/sobjects/Event/{first}")
    org.event(Concord_Sync_Key__c="Ab1")


def test_a_body_that_is_no_json_is_refused(org: SalesforceClient) -> None:
    """Broken JSON and an empty body answer 400 JSON_PARSER_ERROR, another media type 415."""
    assert error_of(org.call("POST", "/sobjects/Event", b"{"))[:2] == (400, "JSON_PARSER_ERROR")
    assert error_of(org.call("POST", "/sobjects/Event"))[:2] == (400, "JSON_PARSER_ERROR")
    form = org.call("POST", "/sobjects/Event", b"Subject=x", content_type="application/x-www-form-urlencoded")
    assert error_of(form)[:2] == (415, "UNSUPPORTED_MEDIA_TYPE")


def test_other_methods_are_not_allowed(org: SalesforceClient) -> None:
    """PUT on a record and DELETE on an object answer 405 METHOD_NOT_ALLOWED."""
    key = org.event()
    assert error_of(org.call("PUT", f"/sobjects/Event/{key}", {}))[:2] == (405, "METHOD_NOT_ALLOWED")
    assert error_of(org.delete("/sobjects/Event"))[:2] == (405, "METHOD_NOT_ALLOWED")


@pytest.mark.honest("salesforce", 25)
def test_the_only_lock_is_if_unmodified_since(org: SalesforceClient) -> None:
    """No ETag on Event; If-Unmodified-Since answers 412 after a change, in whole seconds."""
    key = org.event()
    since = org.get(f"/sobjects/Event/{key}").headers["last-modified"]
    assert "etag" not in org.get(f"/sobjects/Event/{key}").headers
    assert org.get(f"/sobjects/Event/{key}", if_modified_since=since).status == 304
    assert org.patch(f"/sobjects/Event/{key}", {"Subject": "1"}, if_unmodified_since=since).status == 204
    org.clock.advance(1)
    org.patch(f"/sobjects/Event/{key}", {"Subject": "2"})
    assert org.patch(f"/sobjects/Event/{key}", {"Subject": "3"}, if_unmodified_since=since).status == 412
    assert org.get(f"/sobjects/Event/{key}", if_modified_since=since).status == 200
    assert org.read("Event", key)["Subject"] == "2"


def test_text_is_stored_without_outer_space_and_empty_text_as_null(org: SalesforceClient) -> None:
    """Outer white space goes; what is then empty is null."""
    row = org.read("Event", org.event(Subject="  Review ", Location="  "))
    assert (row["Subject"], row["Location"]) == ("Review", None)


@pytest.mark.honest("salesforce", 25)
def test_a_row_lock_can_be_injected(org: SalesforceClient) -> None:
    """The next n writes answer UNABLE_TO_LOCK_ROW and change nothing."""
    key = org.event()
    org.simulator.faults.lock_writes = 2
    for _ in range(2):
        response = org.patch(f"/sobjects/Event/{key}", {"Subject": "x"})
        assert error_of(response)[1] == "UNABLE_TO_LOCK_ROW"
        assert key in response.json()[0]["message"]
    assert org.read("Event", key)["Subject"] == "Review"
    assert org.patch(f"/sobjects/Event/{key}", {"Subject": "x"}).status == 204
