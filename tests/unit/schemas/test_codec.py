"""The codec's frame: header, fingerprint, and what makes a record unreadable."""

from __future__ import annotations

import pytest
from fastavro.schema import fingerprint, to_parsing_canonical_form
from support.builders import NOW, graph_item

from schemas import identified
from schemas.changes import Change, Side, Wakeup
from schemas.codec import RECORDS, decode, encode, load_schema, schema_fingerprint
from schemas.errors import UnreadableRecord
from schemas.settings import Settings

WAKEUP = Wakeup("mailbox-ann", "timer", NOW)


def test_fingerprint_matches_the_published_check_value() -> None:
    """CRC-64-AVRO of the schema "int", as everybody else computes it, little-endian."""
    assert fingerprint(to_parsing_canonical_form("int"), "CRC-64-AVRO") == "8f5c393f1ad57572"
    assert schema_fingerprint("int").hex() == "8f5c393f1ad57572"


def test_record_begins_with_marker_and_its_own_fingerprint() -> None:
    """C3 01, then the eight bytes that name the writer's schema."""
    assert encode(WAKEUP)[:10] == b"\xc3\x01" + schema_fingerprint(load_schema("Wakeup"))


def test_no_two_records_share_a_fingerprint() -> None:
    """A fingerprint names one kind of record."""
    assert len({schema_fingerprint(load_schema(kind.__name__)) for kind in RECORDS}) == len(RECORDS)


def test_empty_record_is_unreadable() -> None:
    """Neither a tombstone nor an empty value is a record."""
    for raw in (None, b""):
        with pytest.raises(UnreadableRecord, match="empty"):
            decode(Wakeup, raw)


@pytest.mark.parametrize("raw", [b"\xc3", b"\xc3\x01\x01\x02", b"\x00\x00\x07", b'{"key": "x"}'])
def test_foreign_frame_is_unreadable(raw: bytes) -> None:
    """A short header of either frame and JSON are not ours."""
    with pytest.raises(UnreadableRecord, match="single-object header"):
        decode(Wakeup, raw)


def test_a_registrys_frame_is_unreadable_where_nobody_knows_its_ids(monkeypatch: pytest.MonkeyPatch) -> None:
    """It says which id; `concord.registry` tells a process whom to ask, and a command's test may have told this one."""
    monkeypatch.setattr(identified, "_resolvers", [identified._unknown])
    with pytest.raises(UnreadableRecord, match="schema 7 of a registry"):
        decode(Wakeup, b"\x00\x00\x00\x00\x07rest of it")


def test_unknown_fingerprint_is_named_and_not_guessed() -> None:
    """A record of a schema that this version does not know says which, and what to do."""
    with pytest.raises(UnreadableRecord, match="3031323334353637") as caught:
        decode(Wakeup, b"\xc3\x0101234567" + encode(WAKEUP)[10:])
    assert "Upgrade" in caught.value.fix


def test_record_of_another_kind_is_unreadable() -> None:
    """A readable record of the wrong kind says what it is."""
    with pytest.raises(UnreadableRecord, match=r"concord\.Wakeup stands where a Settings"):
        decode(Settings, encode(WAKEUP))


def test_cut_and_lengthened_records_are_unreadable() -> None:
    """The body must be the record, the whole record and nothing but it."""
    raw = encode(Change(Side.GRAPH, "G", NOW, graph_item()))
    for cut in (10, 11, len(raw) - 1):
        with pytest.raises(UnreadableRecord, match="not a Change"):
            decode(Change, raw[:cut])
    with pytest.raises(UnreadableRecord, match="left over"):
        decode(Change, raw + b"\x00")


def test_message_of_an_unreadable_record_holds_nothing_of_its_content() -> None:
    """Quarantine headers show the message: private text must not get there (invariant I9)."""
    raw = encode(Wakeup("secret", "secret", NOW))
    for broken in (raw[:-1], raw + b"secret", raw[:11] + b"\xff\xfe" + raw[13:]):
        with pytest.raises(UnreadableRecord) as caught:
            decode(Wakeup, broken)
        assert "secret" not in str(caught.value)


def test_value_that_does_not_fit_its_schema_is_not_written() -> None:
    """A wrong type is our own bug: it fails loudly where it is made, not where it is read."""
    with pytest.raises((TypeError, ValueError, AttributeError, AssertionError)):
        encode(Wakeup(key=7, reason="timer", at=NOW))  # type: ignore[arg-type]
