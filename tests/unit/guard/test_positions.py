"""The guard's decisions: arrivals, the watermark, work, and what a mutant of each would break."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from concord.guard.positions import (
    Arrival,
    Escape,
    Hole,
    Lost,
    Next,
    Progress,
    Redo,
    Rules,
    Skip,
    Watermark,
    Work,
)
from schemas.errors import AuthRejected, Gone, Refused, SyncHalted, Throttled, Unavailable, UnreadableRecord


@pytest.mark.parametrize(
    ("handed_on", "offset", "expected"),
    [
        (-1, 0, Next(0)),
        (-1, 3, Hole(0, 2)),
        (9, 10, Next(10)),
        (9, 9, Redo(9)),
        (9, 0, Redo(0)),
        (9, 11, Hole(10, 10)),
        (9, 500, Hole(10, 499)),
    ],
)
def test_an_arrival_means_one_thing(handed_on: int, offset: int, expected: Arrival) -> None:
    """At or below what was handed on: again; the following one: next; further ahead: a hole, named exactly."""
    assert Rules().arrival(handed_on, offset) == expected


def test_a_stage_may_pass_over_what_it_was_handed_before() -> None:
    """Without redo an arrival that was handed on before is skipped; holes are found all the same."""
    rules = Rules(redo=False)
    assert rules.arrival(9, 9) == Skip(9)
    assert rules.arrival(9, 10) == Next(10)
    assert rules.arrival(9, 12) == Hole(10, 11)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (Throttled("slow down", 3.0), Escape.RETRY),
        (Unavailable("gone for now"), Escape.RETRY),
        (AuthRejected("no"), Escape.RETRY),
        (SyncHalted("brake"), Escape.RETRY),
        (UnreadableRecord("noise"), Escape.QUARANTINE),
        (Refused("never"), Escape.QUARANTINE),
        (Gone("away"), Escape.QUARANTINE),
        (KeyError("bug"), Escape.QUARANTINE),
    ],
)
def test_passing_conditions_are_waited_out_and_the_rest_is_poison(error: Exception, expected: Escape) -> None:
    """Nothing transient is quarantined, and nothing is acknowledged because it failed."""
    assert Rules().escape(error) is expected


def test_the_watermark_is_the_finished_prefix() -> None:
    """Out of order finishes hold the position back until the gap closes."""
    mark = Watermark(4)
    for offset in (5, 6, 7):
        mark.start(offset)
    mark.finish(7)
    mark.finish(6)
    assert (mark.position, mark.unfinished) == (4, 1)
    mark.finish(5)
    assert (mark.position, mark.started, mark.unfinished) == (7, 7, 0)


def test_offsets_that_do_not_exist_do_not_hold_the_position() -> None:
    """A passed-over range counts as nothing to do, but not before what stands in front of it is finished."""
    mark = Watermark()
    mark.start(0)
    mark.pass_over(9)
    mark.start(10)
    mark.finish(10)
    assert (mark.position, mark.unfinished) == (-1, 1)
    mark.finish(0)
    assert (mark.position, mark.unfinished) == (10, 0)


@pytest.mark.parametrize("offset", [3, 4, 6])
def test_the_watermark_refuses_what_is_not_in_hand(offset: int) -> None:
    """Finishing twice, or something never started, is a bug of the caller and says so."""
    mark = Watermark(3)
    mark.start(4)
    mark.start(5)
    mark.finish(4)
    with pytest.raises(ValueError, match="not in hand"):
        mark.finish(offset)


def test_the_watermark_refuses_to_start_something_twice() -> None:
    """The order of starts is the order of offsets."""
    mark = Watermark(3)
    with pytest.raises(ValueError, match="started before"):
        mark.start(3)


def test_work_is_finished_by_the_last_acknowledgement() -> None:
    """Neither the end of the step alone nor the acknowledgements alone finish a record."""
    done: list[str] = []
    work = Work(Rules(), lambda: done.append("finished"))
    work.expect(2)
    work.acknowledged()
    work.acknowledged()
    assert not work.is_finished
    work.expect()
    work.stepped()
    assert done == []
    work.acknowledged()
    assert done == ["finished"]
    assert work.is_finished
    with pytest.raises(ValueError, match="More was acknowledged"):
        work.acknowledged()


def test_what_is_sent_after_the_step_is_refused() -> None:
    """Nothing would wait for it: a task that outlives its step must not send."""
    work = Work(Rules(), lambda: None)
    work.stepped()
    with pytest.raises(RuntimeError, match="step has ended"):
        work.expect()


def test_a_step_that_causes_nothing_is_finished_when_it_ends() -> None:
    """No record sent, nothing to wait for."""
    progress = Progress()
    progress.start(0).stepped()
    assert progress.position == 0


def test_a_repeated_record_does_not_move_the_position() -> None:
    """Redoing 3 while 5 is in hand leaves the position where it is, and counts as work in hand."""
    progress = Progress(4)
    first = progress.start(5)
    again = progress.start(3)
    assert progress.unfinished == 2
    again.stepped()
    assert (progress.position, progress.unfinished) == (4, 1)
    first.stepped()
    assert (progress.position, progress.unfinished, progress.handed_on) == (5, 0, 5)


def test_retention_that_overtook_the_position_is_lost_and_said() -> None:
    """The log starts beyond the position: the range is named once and the partition goes on behind it."""
    progress = Progress(9)
    assert progress.log_starts_at(15) == Lost(10, 14)
    assert Lost(10, 14).count == 5
    assert progress.log_starts_at(15) is None
    assert progress.arrive(15) == Next(15)
    assert progress.position == 14


def test_a_new_partition_begins_where_its_topic_begins() -> None:
    """What retention removed before the first record ever was no work of ours."""
    progress = Progress()
    assert progress.log_starts_at(40) is None
    assert progress.arrive(40) == Next(40)


def test_a_topic_that_still_has_everything_loses_nothing() -> None:
    """The usual case changes nothing."""
    progress = Progress(9)
    assert progress.log_starts_at(0) is None
    assert progress.log_starts_at(10) is None
    assert progress.arrive(10) == Next(10)


# --- any interleaving -----------------------------------------------------------------------------------------


@dataclass
class Life:
    """A worker's lives over one finite log: arrivals come as they like, crashes keep only the written position."""

    log_end: int
    rules: Rules = field(default_factory=Rules)
    starts: list[int] = field(default_factory=list)
    effects: set[int] = field(default_factory=set)
    written: int = -1

    def begin(self) -> None:
        """Start from the written position, nothing in hand."""
        self.progress = Progress(self.written, self.rules)
        self.in_hand: list[tuple[int, Work]] = []

    def arrive(self, offset: int) -> None:
        """What the guard does with an arrival: heal the hole first."""
        arrival = self.progress.arrive(offset)
        if isinstance(arrival, Hole):
            for missing in range(arrival.first, arrival.last + 1):
                self.start(missing)
            arrival = self.progress.arrive(offset)
        if not isinstance(arrival, Skip):
            self.start(offset)

    def start(self, offset: int) -> None:
        """Run the step; its effect is under way until the broker acknowledges it."""
        self.starts.append(offset)
        work = self.progress.start(offset)
        work.expect()
        work.stepped()
        self.in_hand.append((offset, work))

    def acknowledge(self, which: int) -> None:
        """The broker has one of the effects under way."""
        if self.in_hand:
            offset, work = self.in_hand.pop(which % len(self.in_hand))
            self.effects.add(offset)
            work.acknowledged()

    def write_position(self) -> None:
        """Write the position; it must cover nothing that has no effect yet."""
        self.written = max(self.written, self.progress.position)


events = st.one_of(
    st.tuples(st.just("arrive"), st.integers(0, 29)),
    st.tuples(st.just("acknowledge"), st.integers(0, 29)),
    st.tuples(st.sampled_from(["write", "crash"]), st.just(0)),
)


def live(life: Life, script: list[tuple[str, int]]) -> None:
    """Play a script, then let the rest arrive in order and everything be acknowledged."""
    life.begin()
    for what, number in script:
        match what:
            case "arrive":
                life.arrive(number)
            case "acknowledge":
                life.acknowledge(number)
            case "write":
                life.write_position()
            case _:
                life.begin()
    life.arrive(life.log_end)
    while life.in_hand:
        life.acknowledge(0)
    life.write_position()


@given(st.lists(events, max_size=60))
def test_any_arrivals_and_crashes_lose_nothing(script: list[tuple[str, int]]) -> None:
    """Every offset takes effect, first starts within a life come in order, the position ends at the end."""
    life = Life(30)
    live(life, script)
    assert life.effects == set(range(31))
    assert life.written == 30


@given(st.lists(events, max_size=60))
def test_the_position_never_passes_what_has_no_effect(script: list[tuple[str, int]]) -> None:
    """At every moment everything at or below the position has been acknowledged, in this life or an earlier one."""
    life = Life(30)
    life.begin()
    for what, number in script:
        if what == "arrive":
            life.arrive(number)
        elif what == "acknowledge":
            life.acknowledge(number)
        elif what == "write":
            life.write_position()
        else:
            life.begin()
        assert set(range(life.progress.position + 1)) <= life.effects


@given(st.lists(st.integers(0, 29), max_size=60))
def test_first_starts_come_in_order(arrivals: list[int]) -> None:
    """Whatever arrives, offsets are started for the first time one after the other."""
    life = Life(30)
    live(life, [("arrive", offset) for offset in arrivals])
    firsts = list(dict.fromkeys(life.starts))
    assert firsts == list(range(31))


class NewerOnly(Rules):
    """The plain guard that lost records: anything newer is next, anything else was applied."""

    def arrival(self, handed_on: int, offset: int) -> Arrival:
        """No hole is ever seen."""
        return Next(offset) if offset > handed_on else Skip(offset)


class CommitBeforeFlush(Rules):
    """Counts a record as finished when its step ended."""

    def finished(self, stepped: bool, unacknowledged: int) -> bool:
        """The broker is not waited for."""
        return stepped


class StartedIsFinished(Rules):
    """Writes down what was started as if it were finished."""

    def position(self, watermark: Watermark) -> int:
        """What is under way counts."""
        return watermark.started


@pytest.mark.parametrize("mutant", [NewerOnly, CommitBeforeFlush, StartedIsFinished])
def test_planted_faults_lose_records(mutant: type[Rules]) -> None:
    """The checks above notice each fault: a jump, or a crash between the step and the acknowledgement, loses work."""
    script = [("arrive", 5), ("write", 0), ("crash", 0), ("arrive", 7), ("arrive", 2)]
    sound, faulty = Life(30), Life(30, mutant())
    live(sound, script)
    live(faulty, script)
    assert sound.effects == set(range(31))
    assert faulty.effects < set(range(31))
