"""What ids mean: from the log first, from the registry for what others wrote, and never guessed."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest
from support.builders import NOW

from concord.registry.ids import ASK_AGAIN_S, KnownIds
from concord.registry.provisioning import COMPATIBILITY, fingerprint_of, framed_topics, register_all
from schemas import identified
from schemas.changes import Wakeup
from schemas.codec import RECORDS, decode, encode, with_id
from schemas.errors import ConcordError, Unavailable, UnreadableRecord
from schemas.registered import SchemaId
from schemas.release import expanded, samples
from schemas.topics import SCHEMA_IDS, SYNC_QUARANTINE, TOPICS

WAKEUP = Wakeup("mailbox-ann", "timer", NOW)
IDS = {bytes.fromhex(fingerprint_of(kind)): number for number, kind in enumerate(RECORDS, 300)}
ROWS = [SchemaId(number, mark.hex(), "some-value", NOW) for mark, number in IDS.items()]


class Names:
    """A registry in memory, and how often it was asked."""

    url = "https://registry.example"

    def __init__(self, schemas: dict[int, Any], first: int = 1) -> None:
        self.schemas = schemas
        self.first = first
        self.asked: list[int] = []
        self.rules: dict[str, str] = {}

    def schema(self, number: int) -> Any:
        """The schema with an id."""
        self.asked.append(number)
        found = self.schemas.get(number)
        if isinstance(found, Exception):
            raise found
        return found

    def require(self, subject: str, compatibility: str) -> None:
        """Remember."""
        self.rules[subject] = compatibility

    def register(self, subject: str, schema: Any) -> int:
        """Ids in the order of schemas."""
        assert subject in self.rules, "registered before its rule was set"
        known = {repr(one): number for number, one in self.schemas.items()}
        number = known.get(repr(schema), len(known) + self.first)
        self.schemas[number] = schema
        return number


@pytest.fixture
def asking() -> Iterator[Any]:
    """Lets this process ask for ids, for the length of a test."""
    yield identified.resolve_ids_with
    identified.resolve_ids_with(identified._unknown)


@pytest.mark.parametrize("kind", RECORDS, ids=lambda kind: kind.__name__)
def test_both_frames_are_read(kind: type, asking: Any) -> None:
    """Every record, by a process without a registry: the log says what its ids mean."""
    asking(KnownIds(lambda: ROWS, None))
    for value in samples(kind):
        raw = encode(value)
        framed = with_id(raw, IDS)
        assert framed[:1] == b"\x00"
        assert int.from_bytes(framed[1:5], "big") == IDS[raw[2:10]]
        assert framed[5:] == raw[10:]
        assert decode(kind, framed) == decode(kind, raw) == value


def test_only_our_own_frame_is_replaced() -> None:
    """What has no id, is framed already, or is no record of ours stays as it is."""
    for raw in (b"", b"\x00\x00\x00\x00\x07body", b"text", b"\xc3\x01unknown8body"):
        assert with_id(raw, IDS) == raw


def test_nothing_is_asked_before_and_once_after(asking: Any) -> None:
    """The topic is read at the first id, and not again for the others."""
    reads: list[int] = []

    def read() -> list[SchemaId]:
        reads.append(1)
        return ROWS

    asking(KnownIds(read, None))
    decode(Wakeup, encode(WAKEUP))
    assert not reads
    for kind in RECORDS:
        decode(kind, with_id(encode(samples(kind)[0]), IDS))
    assert len(reads) == 1


def test_an_id_that_came_to_the_log_later_is_found(asking: Any) -> None:
    """As when a newer version registered its schemas while this worker runs."""
    rows: list[SchemaId] = []
    now = [0.0]
    asking(KnownIds(lambda: rows, None, lambda: now[0]))
    framed = with_id(encode(WAKEUP), IDS)
    with pytest.raises(UnreadableRecord, match="which the log does not know"):
        decode(Wakeup, framed)
    rows.extend(ROWS)
    now[0] += ASK_AGAIN_S
    assert decode(Wakeup, framed) == WAKEUP


def test_an_unknown_id_is_not_asked_for_at_each_record(asking: Any) -> None:
    """A topic full of somebody else's records must not ask the registry a thousand times a second."""
    registry, now = Names({}), [0.0]
    asking(KnownIds(lambda: ROWS, registry, lambda: now[0]))  # type: ignore[arg-type]
    for _ in range(5):
        with pytest.raises(UnreadableRecord, match="schema 7, which neither the log nor the schema registry knows"):
            decode(Wakeup, b"\x00\x00\x00\x00\x07body")
    assert registry.asked == [7]
    now[0] += ASK_AGAIN_S
    with pytest.raises(UnreadableRecord):
        decode(Wakeup, b"\x00\x00\x00\x00\x07body")
    assert registry.asked == [7, 7]


def test_other_writers_schemas_come_from_the_registry(asking: Any) -> None:
    """Another tool's serializer may register our record with a member more; it is read as Avro resolves it."""
    theirs = copy.deepcopy(expanded(Wakeup))
    theirs["fields"].append({"name": "added", "type": "int"})
    registry = Names({9: theirs})
    asking(KnownIds(list, registry))  # type: ignore[arg-type]
    framed = b"\x00\x00\x00\x00\x09" + encode(WAKEUP)[10:] + b"\x54"
    assert decode(Wakeup, framed) == WAKEUP
    assert decode(Wakeup, framed) == WAKEUP
    assert registry.asked == [9]


@pytest.mark.parametrize("schema", ["string", {"type": "enum", "name": "x.E", "symbols": ["a"]}, {"type": "record"}, 3])
def test_what_is_no_record_of_ours_is_unreadable(schema: Any, asking: Any) -> None:
    """Such a record goes to quarantine; it does not end the worker."""
    asking(KnownIds(list, Names({9: schema})))  # type: ignore[arg-type]
    with pytest.raises(UnreadableRecord):
        decode(Wakeup, b"\x00\x00\x00\x00\x09body")


def test_a_schema_that_does_not_resolve_is_unreadable(asking: Any) -> None:
    """The right name, other members."""
    theirs = {"type": "record", "name": "concord.Wakeup", "fields": [{"name": "key", "type": "int"}]}
    asking(KnownIds(list, Names({9: theirs})))  # type: ignore[arg-type]
    with pytest.raises(UnreadableRecord, match="not a Wakeup"):
        decode(Wakeup, b"\x00\x00\x00\x00\x09\x02")


def test_a_silent_registry_or_broker_is_waited_for(asking: Any) -> None:
    """The record is good: it must be tried again, not put into quarantine, and found when they are back."""

    def silent() -> list[SchemaId]:
        raise ConcordError("The Kafka broker at b:9092 cannot be reached.", "Start it.")

    asking(KnownIds(silent, None))
    with pytest.raises(Unavailable, match="b:9092"):
        decode(Wakeup, with_id(encode(WAKEUP), IDS))
    registry = Names({9: Unavailable("The schema registry at r cannot be reached.")})
    asking(KnownIds(list, registry))  # type: ignore[arg-type]
    with pytest.raises(Unavailable, match="registry at r"):
        decode(Wakeup, b"\x00\x00\x00\x00\x09body")
    registry.schemas[9] = expanded(Wakeup)
    assert decode(Wakeup, b"\x00\x00\x00\x00\x09" + encode(WAKEUP)[10:]) == WAKEUP


def test_every_topic_gets_its_subject() -> None:
    """By its name; quarantine and the ids themselves have none. Versions must suit each other both ways."""
    registry = Names({})
    rows = register_all(registry, [])
    wanted = {f"{spec.name}-value" for spec in TOPICS if spec.name not in (SYNC_QUARANTINE, SCHEMA_IDS)}
    assert set(registry.rules) == wanted
    assert set(registry.rules.values()) == {COMPATIBILITY} == {"FULL_TRANSITIVE"}
    assert {row.fingerprint for row in rows} == {fingerprint_of(kind) for _, kind in framed_topics()}
    assert len({row.id for row in rows}) == len(rows)
    assert register_all(registry, rows) == []


def test_a_registry_that_gives_an_id_another_meaning_is_refused() -> None:
    """An emptied registry counts from 1 again: records already on the log would be read under the wrong schema."""
    held = register_all(Names({}), [])
    other = Names({1: {"type": "string"}})
    with pytest.raises(ConcordError, match=r"not the registry that the log was written with.*Restore"):
        register_all(other, held)
    assert register_all(Names({}, first=1000), held), "another registry with ids of its own is no harm"
