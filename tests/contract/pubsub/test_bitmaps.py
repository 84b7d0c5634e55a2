"""Field bitmaps: section 5.5 of the reference, with its examples."""

from __future__ import annotations

import json

import pytest
from support.pubsub_client import names_of

from simulators.pubsub.bitmaps import bitmap, bitmaps
from simulators.pubsub.event_schema import build_schema
from simulators.salesforce.objects.event import EVENT
from simulators.salesforce.schema import picklist

WITH_TYPE = build_schema(EVENT.with_fields([picklist("Type", "Type", "NCU", ("Call",))]))


def layout(length: int, **named: tuple[int, tuple[str, ...]]) -> list[tuple[str, tuple[str, ...]]]:
    """A schema of `length` fields in which some have names and parts."""
    fields: list[tuple[str, tuple[str, ...]]] = [(f"f{place}", ()) for place in range(length)]
    for name, (place, parts) in named.items():
        fields[place] = (name, parts)
    return fields


ACCOUNT = layout(
    30, Industry=(11, ()), LastModifiedDate=(22, ()), BillingAddress=(4, ("Street", "City", "State", "PostalCode"))
)
CAPTURED = layout(30, Name=(6, tuple(f"p{place}" for place in range(12))))


@pytest.mark.honest("salesforce", 14)
@pytest.mark.parametrize(
    ("fields", "names", "expected"),
    [
        (ACCOUNT, {"Industry", "LastModifiedDate"}, ["0x400800"]),
        (ACCOUNT, {"BillingAddress.Street", "LastModifiedDate"}, ["0x400000", "4-0x01"]),
        (CAPTURED, {"Name.p7", "Name.p8"}, ["6-0x0180"]),
        (layout(70), {"f68", "f23"}, ["0x100000000000800000"]),
        (WITH_TYPE.layout, {"Location"}, ["0x10"]),
        (
            WITH_TYPE.layout,
            {"Location", "ActivityDateTime", "ActivityDate", "DurationInMinutes", "LastModifiedDate"},
            ["0x1001D0"],
        ),
        (ACCOUNT, set(), []),
        (ACCOUNT, {"Unknown"}, []),
    ],
    ids=["account", "address", "only parts", "nine bytes", "nulled", "moved", "nothing", "not in the schema"],
)
def test_bitmaps_of_the_reference(
    fields: list[tuple[str, tuple[str, ...]]], names: set[str], expected: list[str]
) -> None:
    """Upper-case hexadecimal in whole bytes, the header being bit 0; compound parts by the position of their parent."""
    assert bitmaps(fields, names) == expected


@pytest.mark.honest("salesforce", 14)
@pytest.mark.parametrize(
    ("positions", "expected"), [([0], "0x01"), ([7], "0x80"), ([8], "0x0100"), ([4, 4], "0x10"), ([10, 0], "0x0401")]
)
def test_whole_bytes(positions: list[int], expected: str) -> None:
    """An odd number of digits never occurs."""
    assert bitmap(positions) == expected


@pytest.mark.honest("salesforce", 14)
def test_a_client_reads_back_the_names() -> None:
    """The published way of reading bitmaps gives back the names."""
    names = ["Subject", "IsAllDayEvent", "LastModifiedDate", "Recurrence2PatternText"]
    assert names_of(WITH_TYPE.text, bitmaps(WITH_TYPE.layout, names)) == names
    assert json.loads(WITH_TYPE.text)["fields"][0]["name"] == "ChangeEventHeader"
