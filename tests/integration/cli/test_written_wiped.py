"""`concord erase` on a real broker: nothing mentions the person any more, and everything else is as it was."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from integration.cli.firm import RECONCILE, Firm
from kafka import TopicPartition
from kafka.structs import OffsetAndMetadata
from support.broker import admin_of
from support.simulation_pairs import MAILBOX, content
from typer.testing import Result

from concord import erasing
from concord.access import REWRITTEN
from concord.connecting import consumer_of, producer_of
from concord.reading import JournalFold, Read, read_topics
from concord.rewriting import Rewriter
from concord.roles.reconcile import rows_of
from schemas.calendar import Attendee
from schemas.changes import Change, Side
from schemas.codec import decode, encode
from schemas.commands import Outcome
from schemas.errors import UnreadableRecord
from schemas.journal import OutcomeKnown, Seen
from schemas.topics import (
    GRAPH_CHANGES,
    SALESFORCE_COMMANDS,
    SYNC_DECISIONS,
    SYNC_JOURNAL,
    SYNC_OUTCOMES,
    SYNC_QUARANTINE,
)

pytestmark = pytest.mark.broker

DORA = Attendee("dora@client.example", "Dora Dunn", record_id="003DORA")
OLD, LIVING, NAMED = "m:uid-OLD", "m:uid-LIV", "m:uid-NAM"
DONE = "concord-sink-salesforce-salesforce-done-changelog"
CHANGELOG = {"cleanup.policy": "compact"}
WORDS = (b"dora", b"Dunn", b"003DORA", b"Biopsy")


@pytest.fixture(scope="module")
def told(firm: Firm) -> Firm:
    """Three events that named Dora: one is gone on both sides, one names her no more, one does."""
    history = firm.history
    known = (len(history.entries), len(history.decisions), len(history.sent))
    outcomes: list[Outcome] = []
    for number, (key, name) in enumerate(((OLD, "OLD"), (LIVING, "LIV"), (NAMED, "NAM"))):
        at = 5_000 + 100 * number
        subject = "Checkup" if key == NAMED else "Biopsy"
        step = history.graph(key, name, content(subject, attendees=(DORA,)), at=at)
        history.answer(step.commands[0], f"00U{name}", at=at + 1)
        if key != NAMED:
            step = history.graph(key, name, content("Lunch"), at=at + 2)
            history.answer(step.commands[0], f"00U{name}", at=at + 3)
    step = history.graph(OLD, "OLD", None, at=5_010)
    history.answer(step.commands[0], at=5_011)
    entries = history.entries[known[0] :]
    outcomes = [entry.what.outcome for _, _, entry in entries if isinstance(entry.what, OutcomeKnown)]
    seen = [entry.what for _, _, entry in entries if isinstance(entry.what, Seen)]
    changes = [Change(one.side, one.id, datetime.now(UTC), one.item, MAILBOX, native="dora") for one in seen]
    firm.write({
        SYNC_JOURNAL: [(entry.pair_key, entry) for _, _, entry in entries],
        SYNC_DECISIONS: [(decision.pair_key, decision) for decision in history.decisions[known[1] :]],
        SALESFORCE_COMMANDS: [(c.pair_key, c) for c in history.sent[known[2] :] if c.side is Side.SALESFORCE],
        SYNC_OUTCOMES: [(outcome.pair_key, outcome) for outcome in outcomes],
        GRAPH_CHANGES: [(MAILBOX, change) for change in changes],
    })  # fmt: skip
    write(firm, SYNC_QUARANTINE, b"00ULIV", b"the service refused Dora Dunn")
    with admin_of(firm.address) as admin:
        admin.create_topics({DONE: {"num_partitions": 4, "replication_factor": 1, "configs": CHANGELOG}})
        admin.delete_records({TopicPartition(GRAPH_CHANGES, 0): 1})  # as retention does
    firm.commit_everything({SYNC_JOURNAL: 3})
    return firm


def write(firm: Firm, topic: str, key: bytes, value: bytes) -> None:
    """One record that is none of ours, or of a table."""
    with producer_of(firm.address) as producer:
        producer.send(topic, key=key, value=value, partition=1).get(timeout=30)


def run(firm: Firm, folder: Path, *words: str) -> Result:
    """`concord WORDS` with a data folder of its own."""
    os.environ["CONCORD_DATA_DIR"] = str(folder)
    try:
        return firm.run(*words)
    finally:
        del os.environ["CONCORD_DATA_DIR"]


def everything(firm: Firm) -> Iterator[Read]:
    """Every record of every topic that is rewritten."""
    return read_topics(firm.address, *erasing.ORDER)


def places(firm: Firm) -> dict[Any, Any]:
    """Where every record stands, with what is not its text: time, key, partition."""
    return {(r.topic, r.partition, r.offset): (r.timestamp_ms, r.key) for r in everything(firm)}


def standing(firm: Firm) -> tuple[Any, Any, Any]:
    """Rows of the state, where topics begin and end, and what groups committed."""
    with JournalFold(firm.address) as fold, consumer_of(firm.address) as consumer, admin_of(firm.address) as admin:
        fold.advance()
        parts = [TopicPartition(topic, n) for topic in erasing.ORDER for n in consumer.partitions_for_topic(topic)]
        committed: dict[TopicPartition, OffsetAndMetadata] = admin.list_group_offsets({RECONCILE: None})[RECONCILE]
        return (
            {number: rows_of(part) for number, part in fold.partitions.items()},
            (consumer.beginning_offsets(parts), consumer.end_offsets(parts)),
            {part: told.offset for part, told in committed.items()},
        )  # fmt: skip


def test_a_killed_rewriting_is_ended_with_nothing_lost(
    told: Firm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed when the topic was deleted and not filled again: nothing else may run, and the next --execute ends it."""
    before, records = standing(told), [read for read in everything(told) if read.topic == GRAPH_CHANGES]

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Rewriter, "_make", _once_then(Rewriter._make, killed))
        with pytest.raises(KeyboardInterrupt):
            Rewriter(told.address, [RECONCILE]).rewrite(GRAPH_CHANGES, lambda read: read)
    refused = run(told, tmp_path, "erase", "--person", DORA.address)
    assert str(refused.exception).startswith("An erasure is under way or was interrupted")
    for command in (("reconcile",), ("project",)):
        assert str(run(told, tmp_path, *command).exception) == str(refused.exception)
    assert erasing.resume(told.address)
    assert not erasing.resume(told.address)
    assert standing(told) == before
    assert [read for read in everything(told) if read.topic == GRAPH_CHANGES] == records


def _once_then(first: Any, later: Any) -> Any:
    """A function that is itself once, and something else from then on."""
    calls: list[int] = []

    def call(*args: Any, **named: Any) -> Any:
        calls.append(1)
        return first(*args, **named) if len(calls) == 1 else later(*args, **named)

    return call


@pytest.mark.long
def test_a_person_is_erased_and_everything_else_is_as_it_was(told: Firm, tmp_path: Path) -> None:
    """Shown first; then no record of hers mentions her but that of the event which still does; folds, offsets, times,
    keys and groups are those of before, and the event tells that it was erased."""
    answer = next(one for one in answers(told) if one.pair_key == OLD and one.item is not None)
    write(told, DONE, b"done/" + OLD.encode(), encode(answer))
    for model in ("timeline", "mail-ledger"):
        assert run(told, tmp_path, "rebuild", model).exit_code == 0
    rows = tmp_path / "read-models.db"
    assert b"Biopsy" in rows.read_bytes()
    before, stood = standing(told), places(told)
    shown = json.loads(run(told, tmp_path, "erase", "--person", "Dora@Client.example", "--json").stdout)
    assert (shown["events"], shown["kept"]) == ([LIVING, OLD], {NAMED: "the event still names the person"})
    assert (places(told), standing(told)) == (stood, before)

    done = run(told, tmp_path, "erase", "--person", DORA.address, "--execute", "--by", "olga")
    assert done.exit_code == 1, done.output  # one is kept
    assert "The history of 2 events was erased" in done.stdout
    assert places(told) == stood
    assert standing(told) == before
    named = {read.key for read in everything(told) for word in WORDS if word in (read.value or b"")}
    assert named == {NAMED.encode(), MAILBOX.encode()}  # a change of the event that is kept, under its mailbox
    assert not any(REWRITTEN in topic for topic in _topics(told))
    kept = list(read_topics(told.address, DONE))[-1]
    assert decode(Outcome, kept.value).pair_key == OLD
    assert not any(word in (kept.value or b"") for word in WORDS)
    texts = b"".join(path.read_bytes() for path in tmp_path.glob("read-models.db*"))
    assert (b"Biopsy" in texts, b"Checkup" in texts) == (False, True)
    for key in (OLD, LIVING):
        text = run(told, tmp_path, "explain", key).stdout
        assert "Erased on " in text
        assert "by olga: what happened before is not kept" in text
    assert "Checkup" in run(told, tmp_path, "explain", NAMED).stdout

    again = json.loads(run(told, tmp_path, "erase", "--person", DORA.address, "--json").stdout)
    assert (again["events"], again["records"]) == ([], {})


def answers(firm: Firm) -> list[Outcome]:
    """What became of every command, as far as it can be read: other tests leave what cannot."""
    found: list[Outcome] = []
    for read in read_topics(firm.address, SYNC_OUTCOMES):
        with contextlib.suppress(UnreadableRecord):
            found.append(decode(Outcome, read.value))
    return found


def _topics(firm: Firm) -> list[str]:
    with admin_of(firm.address) as admin:
        return list(admin.list_topics())


def test_whom_nobody_knows_and_who_belongs_to_the_firm(told: Firm, tmp_path: Path) -> None:
    """Nothing to erase; and no user of the firm."""
    nobody = run(told, tmp_path, "erase", "--person", "nobody@nowhere.example")
    assert "The history of 0 events would be erased: 0 records." in nobody.stdout
    refused = run(told, tmp_path, "erase", "--person", "ann@firm.example")
    assert str(refused.exception).startswith("ann@firm.example is a user of the firm.")
