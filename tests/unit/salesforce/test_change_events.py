"""Change events to notices: sections 5.2 to 5.5 of the Salesforce reference."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime
from typing import Any

import fastavro
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.salesforce.change_events import NOBODY, EventSchema, moment_of
from schemas.changes import Notice
from schemas.errors import UnreadableRecord

LISTS = ("nulledFields", "diffFields", "changedFields")
KINDS = [
    "CREATE", "UPDATE", "DELETE", "UNDELETE", "GAP_CREATE", "GAP_UPDATE", "GAP_DELETE", "GAP_UNDELETE", "GAP_OVERFLOW",
]  # fmt: skip
UI = "com/salesforce/api/soap/66.0;client=SfdcInternalAPI/"


def schema_of(*fields: Any, name: str = "EventChangeEvent", symbols: list[str] | None = None) -> dict[str, Any]:
    """A schema in the shape of the captured ones, with these fields after the header; names alone are texts."""
    strings = {"type": "array", "items": "string"}
    kind = {"name": "ChangeType", "type": "enum", "symbols": symbols or KINDS}
    header: list[dict[str, Any]] = [
        {"name": "entityName", "type": "string"},
        {"name": "recordIds", "type": strings},
        {"name": "changeType", "type": kind},
        {"name": "changeOrigin", "type": "string"},
        {"name": "transactionKey", "type": "string"},
        {"name": "sequenceNumber", "type": "int"},
        {"name": "commitTimestamp", "type": "long"},
        {"name": "commitNumber", "type": "long"},
        {"name": "commitUser", "type": "string"},
        *({"name": one, "type": strings} for one in LISTS),
    ]
    first = {"name": "ChangeEventHeader", "type": {"name": "ChangeEventHeader", "type": "record", "fields": header}}
    rest = [
        {"name": one, "type": ["null", "string"], "default": None} if isinstance(one, str) else one for one in fields
    ]
    return {"name": name, "type": "record", "namespace": "com.sforce.eventbus", "fields": [first, *rest]}


MODIFIED = {"name": "LastModifiedDate", "type": ["null", "long"], "default": None}
ADDRESS = {
    "name": "Address",
    "type": ["null", {"name": "Address", "type": "record", "fields": [
        {"name": part, "type": ["null", "string"], "default": None} for part in ("Street", "City")
    ]}],
    "default": None,
}  # fmt: skip
EVENT = schema_of("WhoId", "Subject", ADDRESS, MODIFIED)


def header(**changed: Any) -> dict[str, Any]:
    """The header of the reference's example."""
    return {
        "entityName": "Event", "recordIds": ["00UQH0000045kTz2AI"], "changeType": "UPDATE", "changeOrigin": UI,
        "transactionKey": "0003a1c2-77de-41b0-9e5d-2f60c1b8a944", "sequenceNumber": 1,
        "commitTimestamp": 1779096602000, "commitNumber": 1779096602418304513, "commitUser": "005QH000001xYzWYAU",
        "nulledFields": [], "diffFields": [], "changedFields": [], **changed,
    }  # fmt: skip


def datum(schema: dict[str, Any], fields: dict[str, Any] | None = None, **changed: Any) -> bytes:
    """An event's body."""
    out = io.BytesIO()
    fastavro.schemaless_writer(
        out, fastavro.parse_schema(schema), {"ChangeEventHeader": header(**changed), **(fields or {})}
    )
    return out.getvalue()


def read(schema: dict[str, Any], fields: dict[str, Any] | None = None, **changed: Any) -> Notice:
    """An event, written and read."""
    return EventSchema(json.dumps(schema)).read(datum(schema, fields, **changed))


def test_an_update_says_who_saved_what_when_and_how() -> None:
    """Everything but the content."""
    saved = {"LastModifiedDate": 1779096601000}
    assert read(EVENT, saved, changedFields=["0x14"]) == Notice(
        entity="Event", record_ids=("00UQH0000045kTz2AI",), change_type="UPDATE",
        committed_at=datetime(2026, 5, 18, 9, 30, 2, tzinfo=UTC), origin=UI, user="005QH000001xYzWYAU",
        saved_at=datetime(2026, 5, 18, 9, 30, 1, tzinfo=UTC), transaction="0003a1c2-77de-41b0-9e5d-2f60c1b8a944",
        sequence=1, commit=1779096602418304513, changed=("Subject", "LastModifiedDate"),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("changed", "ids", "is_gap", "is_deletion", "is_overflow"),
    [
        ({"recordIds": ["a", "b"]}, ("a", "b"), False, False, False),
        ({"changeType": "DELETE"}, ("00UQH0000045kTz2AI",), False, True, False),
        ({"changeType": "GAP_DELETE", "changeOrigin": ""}, ("00UQH0000045kTz2AI",), True, True, False),
        ({"changeType": "GAP_UPDATE", "changeOrigin": ""}, ("00UQH0000045kTz2AI",), True, False, False),
        ({"changeType": "GAP_OVERFLOW", "recordIds": [NOBODY]}, (), True, False, True),
        ({"changeType": "GAP_UPDATE", "recordIds": ["00U*"]}, (), True, False, True),
    ],
)
def test_what_kind_of_change_it_is(
    changed: dict[str, Any], ids: tuple[str, ...], is_gap: bool, is_deletion: bool, is_overflow: bool
) -> None:
    """Merged ids, gaps with their ids, and those that name nobody."""
    notice = read(EVENT, **changed)
    assert notice.record_ids == ids
    assert (notice.is_gap, notice.is_deletion, notice.is_overflow) == (is_gap, is_deletion, is_overflow)
    assert notice.saved_at is None


def test_a_relation_names_its_event_only_where_the_body_does() -> None:
    """A create carries every field, an update of the answer leaves EventId null."""
    schema = schema_of("RelationId", "EventId", "Status", MODIFIED, name="EventRelationChangeEvent")
    made = read(schema, {"EventId": "00U1"}, entityName="EventRelation", changeType="CREATE")
    assert made.event_ids == ("00U1",)
    assert read(schema, {"Status": "Accepted"}, entityName="EventRelation").event_ids == ()


@pytest.mark.parametrize(
    ("bitmaps", "names"),
    [
        (["0x02"], ("WhoId",)),
        (["0x06", "3-0x03"], ("WhoId", "Subject", "Address.Street", "Address.City")),
        (["3-0x02"], ("Address.City",)),
        (["0x0100"], ()),
        ([], ()),
    ],
)
def test_bitmaps(bitmaps: list[str], names: tuple[str, ...]) -> None:
    """Plain fields, parts of compound ones, parts alone, bits beyond the last field."""
    assert EventSchema(json.dumps(EVENT)).names(bitmaps) == names


@given(st.integers(1, 80).flatmap(lambda size: st.tuples(st.just(size), st.sets(st.integers(1, size)))))
def test_every_bit_is_its_field(given_: tuple[int, set[int]]) -> None:
    """Whole bytes, highest first, the header counted as field 0."""
    size, chosen = given_
    schema = EventSchema(json.dumps(schema_of(*(f"F{place}" for place in range(1, size + 1)))))
    digits = f"{sum(1 << place for place in chosen):X}"
    bitmap = f"0x{digits.rjust(len(digits) + len(digits) % 2, '0')}"
    assert schema.names([bitmap]) == tuple(f"F{place}" for place in sorted(chosen))


def test_a_newer_schema_with_another_change_type_is_read() -> None:
    """SNAPSHOT came later; more fields come any day."""
    assert read(schema_of("New__c", MODIFIED, symbols=[*KINDS, "SNAPSHOT"]), changeType="SNAPSHOT").change_type == (
        "SNAPSHOT"
    )


@given(st.binary(max_size=60))
def test_broken_bytes_are_unreadable_and_nothing_else(payload: bytes) -> None:
    """Whatever comes, one error says so."""
    schema = EventSchema(json.dumps(EVENT))
    with pytest.raises(UnreadableRecord):
        schema.read(payload)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"type": "record"}', '"string"', "null"])
def test_broken_schema_is_unreadable(text: str) -> None:
    """What GetSchema should never answer."""
    with pytest.raises(UnreadableRecord):
        EventSchema(text)


def test_something_left_over_is_unreadable() -> None:
    """A body under another schema may look readable at first."""
    with pytest.raises(UnreadableRecord):
        EventSchema(json.dumps(EVENT)).read(datum(EVENT) + b"\0")


def test_times_are_whole_milliseconds() -> None:
    """No float takes part."""
    assert moment_of(1779096602001) == datetime(2026, 5, 18, 9, 30, 2, 1000, tzinfo=UTC)
