"""Quarantine as an operator uses it while everything runs: shown, retried in vain, retried under repaired code."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from fastavro.schema import parse_schema
from integration.roles.test_bad_records import READERS, put, quarantined
from support.running import Running
from typer.testing import CliRunner

from concord.cli import app
from concord.quarantined import FROM, RETRIES, Quarantined, open_records
from concord.reading import read_topics
from schemas.changes import Change
from schemas.codec import MARKER, decode, encode, load_schema, schema_fingerprint
from schemas.errors import UnreadableRecord
from schemas.journal import JournalEntry, OperatorActed, OperatorAction, OperatorVerb
from schemas.topics import GRAPH_CHANGES, OPERATOR_ACTIONS, SALESFORCE_CHANGES, SYNC_JOURNAL

pytestmark = pytest.mark.broker

SECRET = b"Surgery with Dr Grey"
# Put on the path of a role's process: code that knows one more schema.
REPAIR = """
import json
from fastavro.schema import parse_schema
from schemas import codec
for path in {paths!r}:
    schema = parse_schema(json.load(open(path)))
    codec._writers()[codec.MARKER + codec.schema_fingerprint(schema)] = schema
"""


def concord(firm: Running, *words: str) -> str:
    """One command, which must succeed; what it printed."""
    done = CliRunner().invoke(app, list(words), env={"CONCORD_BROKER": firm.broker}, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def open_with(firm: Running, key: bytes) -> list[Quarantined]:
    """What is open under a key."""
    return [row for row in open_records(firm.broker) if row.read.key == key]


def test_a_bad_record_of_each_topic_is_shown_and_comes_back_counted(firm: Running) -> None:
    """Shown without a byte of it; retried while nothing is repaired it is in quarantine again, once, with one retry
    counted and its bytes untouched; what people do meanwhile is synced."""
    key = b"shown"
    bad: dict[tuple[str, int, int], bytes] = {}
    for topic in READERS:
        bad |= put(firm, topic, [SECRET], key=key, partitions=1)
    firm.until(lambda: len(open_with(firm, key)) == len(READERS), "one of each topic in quarantine")
    rows = open_with(firm, key)
    assert Counter(row.topic for row in rows) == Counter(READERS.keys())
    for row in rows:
        shown = concord(firm, "quarantine", "show", row.where)
        assert f"__connect.errors.topic: {row.topic}" in shown
        assert f"{len(SECRET)} bytes, sha256" in shown
        assert "Grey" not in shown
        assert SECRET[10:].hex() not in shown
    concord(firm, "quarantine", "retry", *(row.where for row in rows), "--by", "olga")
    user = firm.users[0]
    made = firm.outlook.create(user.address, firm.meeting("While bad records are retried", firm.a_free_day()))
    firm.record_of(made["id"], Subject="While bad records are retried")

    def back() -> list[Quarantined] | None:
        found = open_with(firm, key)
        return found if len(found) == len(READERS) else None

    again = firm.until(back, "all of them in quarantine again")
    assert Counter(row.topic for row in again) == Counter(READERS.keys())
    assert {row.retries for row in again} == {1}
    assert {row.read.value for row in again} == {SECRET}
    assert not {row.where for row in again} & {row.where for row in rows}
    assert {row.where for row in rows} == {dict(row.read.headers)[FROM].decode() for row in again}
    concord(firm, "quarantine", "drop", *(row.where for row in again))


class Future:
    """A schema of the next version: today's with one more text at the end."""

    def __init__(self, kind: type, folder: Path) -> None:
        today = schema_fingerprint(load_schema(kind.__name__)).hex()
        (raw,) = [found for found in released(kind.__name__) if schema_fingerprint(parse_schema(found)).hex() == today]
        raw["fields"].append({"name": "of_the_future", "type": "string", "default": ""})
        self.path = folder / f"{kind.__name__}.avsc"
        self.path.write_text(json.dumps(raw), encoding="utf-8")
        self._header = MARKER + schema_fingerprint(parse_schema(raw))

    def encode(self, record: Any) -> bytes:
        """A record as the next version writes it: the text is one letter, its length before it."""
        return self._header + encode(record)[len(self._header) :] + b"\x02x"


def released(name: str) -> list[dict[str, Any]]:
    """Every released schema of a record."""
    folder = files("schemas") / "avro" / "released"
    paths = [path for path in folder.iterdir() if path.name.startswith(f"{name}.")]
    return [json.loads(path.read_text(encoding="utf-8")) for path in paths]


def test_what_a_newer_version_wrote_is_taken_once_the_code_is_repaired(firm: Running, tmp_path: Path) -> None:
    """Two changes and an operator's action under schemas that nobody knows yet are put aside. A worker that knows them
    takes them from quarantine with one command, each into the journal from where it was written back; none comes back,
    and nothing is written to either service because of them."""
    key = b"of the future"
    changes, actions = Future(Change, tmp_path), Future(OperatorAction, tmp_path)
    act = OperatorAction("s:nobody", datetime.now(UTC), OperatorActed(OperatorVerb.RETRY, "olga"))
    user = firm.users[0]
    made = firm.outlook.create(user.address, firm.meeting("Told again by a newer version", firm.a_free_day()))
    firm.record_of(made["id"], Subject="Told again by a newer version")
    firm.settle()
    bad: dict[tuple[str, int, int], bytes] = {}
    for topic in (GRAPH_CHANGES, SALESFORCE_CHANGES):
        latest = [change for change in firm.decoded(Change, topic) if change.item is not None][-1]
        bad |= put(firm, topic, [changes.encode(replace(latest, native=""))], key=key, partitions=1)
    bad |= put(firm, OPERATOR_ACTIONS, [actions.encode(act)], key=key, partitions=1)
    firm.until(lambda: quarantined(firm).keys() >= bad.keys(), "all of them in quarantine")
    rows = open_with(firm, key)
    assert Counter(row.topic for row in rows) == Counter(topic for topic, _, _ in bad)
    assert "No known schema" in concord(firm, "quarantine", "show", rows[0].where)

    (tmp_path / "sitecustomize.py").write_text(
        REPAIR.format(paths=[str(changes.path), str(actions.path)]), encoding="utf-8"
    )
    own: Any = firm.env.roles.own
    firm.env.roles.halt("reconcile")
    own["reconcile"]["PYTHONPATH"] = str(tmp_path)
    firm.env.roles.resume("reconcile")
    del own["reconcile"]["PYTHONPATH"]
    before = firm.marks()
    concord(firm, "quarantine", "retry", *(row.where for row in rows))
    written = {
        (topic, read.partition, read.offset)
        for topic in {row.topic for row in rows}
        for read in read_topics(firm.broker, topic)
        if read.key == key and RETRIES in dict(read.headers)
    }
    assert len(written) == len(bad)

    def taken() -> bool:
        found = set()
        for read in read_topics(firm.broker, SYNC_JOURNAL):
            try:
                source = decode(JournalEntry, read.value).source
            except UnreadableRecord:
                continue  # put there by another test
            found.add((source.topic, source.partition, source.offset))
        return found >= written

    firm.until(taken, "their entries in the journal")
    firm.settle()
    assert open_with(firm, key) == []
    assert firm.graph_writes(before) + firm.practifi_writes(before) == []
