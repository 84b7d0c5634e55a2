"""What the exporter makes of one look, and what it tells when it cannot look; without a broker."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from support.builders import NOW, command, graph_item
from support.history import PENDING, whole_day

from concord.lag import Lag
from concord.quarantined import ERRORS, Quarantined, fold
from concord.reading import Read
from concord.telemetry import overall
from concord.telemetry.exporter import Exporter
from concord.telemetry.names import BY_NAME
from concord.telemetry.overall import CODES_MAX, OTHER, Look, bounded, sum_up
from concord.telemetry.progress import Progress, State
from schemas.changes import Side
from schemas.commands import Action, Hold, HoldKind
from schemas.errors import ConcordError
from schemas.state import PairState, SideState, Status
from schemas.topics import GRAPH_COMMANDS, SALESFORCE_CHANGES, SYNC_JOURNAL, SYNC_OUTCOMES, SYNC_QUARANTINE

SECRET = "Surgery with Dr Grey"


def standing(
    topic: str, behind: int, seconds: float | None, *, group: str = "concord-g", partition: int = 0
) -> Progress:
    """A partition that is so far behind."""
    state = State.STALL if behind else State.OK
    return Progress(Lag(group, topic, partition, 5, 5 + behind, behind, seconds, 1), 0.5, state)


def quarantined(offset: int, topic: str, error: str, at: datetime = NOW) -> list[Quarantined]:
    """One open record, as the fold of the topic has it."""
    headers = {"topic": topic, "exception.class.name": f"schemas.errors.{error}", "exception.message": SECRET}
    named = tuple((ERRORS + name, text.encode()) for name, text in headers.items())
    return fold([Read(SYNC_QUARANTINE, 0, offset, round(at.timestamp() * 1000), SECRET.encode(), None, named)])


def look(**members: Any) -> Look:
    """A quiet moment, ten seconds after NOW."""
    usual: dict[str, Any] = {
        "at": NOW.timestamp() + 10, "took_s": 0.25, "progress": (), "members": {}, "pairs": sum_up(()),
        "quarantined": (),
    }  # fmt: skip
    return Look(**(usual | members))


def told(one: Look | None) -> dict[tuple[str, ...], float]:
    """What Prometheus gets: values by name and labels."""
    exporter = Exporter("127.0.0.1:1", 5.0)
    exporter._look = one
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in exporter.collect()
        for sample in family.samples
    }


def test_lag_is_told_per_partition_and_per_group() -> None:
    """The numbers of the look, under the names that existing dashboards use."""
    rows = (
        standing(SYNC_JOURNAL, 7, 3.5),
        standing(SYNC_JOURNAL, 0, 0.0, partition=1),
        standing(SYNC_OUTCOMES, 2, None),
    )
    found = told(look(progress=rows, members={"concord-g": 2}))
    where = ("concord-g", SYNC_JOURNAL, "0")
    assert found["kafka_consumergroup_group_lag", *where] == 7
    assert found["kafka_consumergroup_group_lag_seconds", *where] == 3.5
    assert found["kafka_consumergroup_group_offset", *where] == 5
    assert found["kafka_partition_latest_offset", SYNC_JOURNAL, "0"] == 12
    assert found["kafka_partition_earliest_offset", SYNC_JOURNAL, "0"] == 1
    assert found["kafka_consumergroup_group_sum_lag", "concord-g"] == 9
    assert found["kafka_consumergroup_group_max_lag", "concord-g"] == 7
    assert found["kafka_consumergroup_group_max_lag_seconds", "concord-g"] == 3.5
    assert found["concord_group_members", "concord-g"] == 2
    assert found["concord_group_commit_rate", *where] == 0.5
    assert {state: found["concord_group_state", *where, state] for state in State} == {
        state: float(state is State.STALL) for state in State
    }
    assert ("kafka_consumergroup_group_lag_seconds", "concord-g", SYNC_OUTCOMES, "0") not in found
    assert found[("kafka_consumergroup_poll_time_ms",)] == 250


def test_what_no_group_reads_has_a_name() -> None:
    """An empty label would be none."""
    row = Progress(Lag("", SYNC_JOURNAL, 0, None, 3, 3, 1.0), 0.0, State.STOP)
    found = told(look(progress=(row,)))
    assert found["kafka_consumergroup_group_lag", "(none)", SYNC_JOURNAL, "0"] == 3
    assert ("kafka_consumergroup_group_offset", "(none)", SYNC_JOURNAL, "0") not in found


def test_pairs_are_told_by_status_and_error_as_status_counts_them() -> None:
    """The day of the firm: one refused under the service's own code, one pending, and so on."""
    history = whole_day()
    pending = history.pair(PENDING).salesforce.pending
    assert pending is not None
    found = told(look(pairs=sum_up(history.partition.pairs.values()), at=pending.decided_at.timestamp() + 9))
    assert found["concord_pairs", Status.ERROR] == 1
    assert found["concord_pairs", Status.PENDING] == 1
    assert found["concord_errors", "FIELD_CUSTOM_VALIDATION_EXCEPTION"] == 1
    assert found["concord_pending_commands", Side.SALESFORCE] == 1
    assert found["concord_oldest_pending_command_age_seconds", Side.SALESFORCE] == 9
    assert found["concord_oldest_pending_command_age_seconds", Side.GRAPH] == 0
    assert found["concord_side_staleness_seconds", Side.SALESFORCE] == 9


def test_a_side_is_as_stale_as_what_waits_on_the_way_to_it() -> None:
    """Records on the topics towards it, or writes without an answer, whichever is oldest; not those the other way."""
    rows = (standing(SALESFORCE_CHANGES, 1, 4.0), standing(GRAPH_COMMANDS, 2, 6.0), standing(SYNC_OUTCOMES, 9, 99.0))
    quiet = look(progress=rows)
    assert (overall.staleness(quiet, Side.GRAPH), overall.staleness(quiet, Side.SALESFORCE)) == (6.0, 0.0)
    state = PairState("p", graph=SideState(pending=command(Side.GRAPH, Action.UPDATE)))
    assert overall.staleness(replace(quiet, pairs=sum_up([state])), Side.GRAPH) == 10.0


def test_held_writes_and_the_oldest_of_each_are_told() -> None:
    """By kind, with the age of the one that waits longest."""
    holds = [
        Hold(HoldKind.INVITATIONS, "d", NOW - timedelta(hours=hours), Side.GRAPH, Action.UPDATE) for hours in (1, 2)
    ]
    pairs = [PairState(str(number), held=hold) for number, hold in enumerate(holds)]
    found = told(look(pairs=sum_up(pairs)))
    assert found["concord_held", HoldKind.INVITATIONS] == 2
    assert found["concord_held", HoldKind.DELETIONS] == 0
    assert found[("concord_held_oldest_age_seconds",)] == 7210


def test_quarantine_is_told_by_topic_and_error() -> None:
    """What a source could not read came from no topic; a topic that is not ours is no label."""
    rows = [
        *quarantined(1, SYNC_JOURNAL, "UnreadableRecord", NOW - timedelta(minutes=1)),
        *quarantined(2, SYNC_JOURNAL, "UnreadableRecord"),
        *quarantined(3, "", "VALUE_CONVERTER"),
        *quarantined(4, SECRET, "Refused"),
    ]
    found = told(look(quarantined=tuple(rows)))
    assert found["concord_quarantined_records", SYNC_JOURNAL, "UnreadableRecord"] == 2
    assert found["concord_quarantined_records", "(none)", "VALUE_CONVERTER"] == 1
    assert found["concord_quarantined_records", "(none)", "Refused"] == 1
    assert found[("concord_quarantine_oldest_age_seconds",)] == 70


def test_words_of_others_become_labels_only_as_codes_and_only_so_many() -> None:
    """A sentence, an address, or the hundredth code is counted as other; reasons of ours always keep their name."""
    counted = {f"CODE_{number}": 1 for number in range(2 * CODES_MAX)} | {SECRET: 5, "a@b.example": 2, "draft": 1}
    found = bounded(counted)
    assert len(found) <= CODES_MAX + 2
    assert found["draft"] == 1
    assert SECRET not in found
    assert sum(found.values()) == sum(counted.values())
    assert found[OTHER] >= 7


def test_only_names_of_the_catalogue_and_no_text_come_out() -> None:
    """With everything there is to tell at once."""
    state = PairState(SECRET, graph=SideState(item=graph_item(), pending=command(Side.GRAPH)), reason=SECRET)
    exporter = Exporter("127.0.0.1:1", 5.0)
    exporter._look = look(
        progress=(standing(SYNC_JOURNAL, 1, 1.0),), members={"concord-g": 1},
        pairs=sum_up([replace(state, status=Status.ERROR)]),
        quarantined=tuple(quarantined(1, SYNC_JOURNAL, "Refused")),
    )  # fmt: skip
    exporter._looked_at = 1.0
    registry = CollectorRegistry()
    registry.register(exporter)
    text = generate_latest(registry).decode()
    assert SECRET not in text
    names = {line.split("{")[0].split(" ")[0] for line in text.splitlines() if not line.startswith("#")}
    assert names <= set(BY_NAME)
    assert names == {name for name in BY_NAME if BY_NAME[name].server.value == "`exporter`"}


def test_an_exporter_that_cannot_look_tells_no_old_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Up falls to 0, everything else is gone, /readyz says why; a restart is not asked for. The next look mends it."""
    answers: list[Any] = [look(), ConcordError("The broker is away."), KeyError("odd"), look(at=2e9)]

    def seen(_: Exporter) -> Look:
        answer = answers.pop(0)
        if isinstance(answer, BaseException):
            raise answer
        return answer  # type: ignore[no-any-return]

    monkeypatch.setattr(Exporter, "look", seen)
    monkeypatch.setattr("concord.telemetry.exporter.time.time", lambda: NOW.timestamp() + 11)
    exporter = Exporter("127.0.0.1:1", 5.0)
    assert exporter.why_not_ready() == ["nothing was looked at yet"]
    exporter.try_to_look()
    assert exporter.why_not_ready() == []
    for problem in ("The broker is away.", "KeyError at "):
        exporter.try_to_look()
        (why,) = exporter.why_not_ready()
        assert why.startswith(problem)
        names = {sample.name: sample.value for family in exporter.collect() for sample in family.samples}
        assert names == {
            "concord_exporter_up": 0.0,
            "concord_exporter_last_success_timestamp_seconds": NOW.timestamp() + 10,
        }
    assert exporter.why_not_alive() == []
    exporter.try_to_look()
    assert exporter.why_not_ready() == []


def test_a_look_that_is_old_is_not_ready_and_one_that_hangs_is_dead(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three intervals without news; half an hour without an end."""
    monkeypatch.setattr(Exporter, "look", lambda _: look())
    clock, ticks = [NOW.timestamp() + 10], [0.0]
    monkeypatch.setattr("concord.telemetry.exporter.time.time", lambda: clock[0])
    monkeypatch.setattr("concord.telemetry.exporter.time.monotonic", lambda: ticks[0])
    exporter = Exporter("127.0.0.1:1", 5.0)
    exporter.try_to_look()
    clock[0] += 15
    assert exporter.why_not_ready() == []
    clock[0] += 1
    assert "old" in exporter.why_not_ready()[0]
    ticks[0] = 1799.0
    assert exporter.why_not_alive() == []
    ticks[0] = 1801.0
    assert exporter.why_not_alive() == ["no look has ended for 1801 s"]
