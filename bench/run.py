"""One run from start to end: a firm, its first exchange, lone changes, a minute of many, and then the pure core."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from bench.folding import fold_rates
from bench.footprint import cpu_shares, footprints
from bench.plan import Act, Kind, plan_acts
from bench.playing import Players
from bench.results import Backfill, Measured, Options, Stretch
from bench.stages import read_legs
from bench.traffic import Meter, costs, rates
from bench.watching import Expected, Meeting, Observer
from concord.changing import confirm, read_directory, set_settings, switch_users
from concord.demo_players import Outlook, Practifi
from concord.dev import DevOptions, Environment, environment
from concord.guard import Record
from concord.reading import fold_journal, read_topics
from concord.settling import wait_settled
from schemas.calendar import Sensitivity
from schemas.changes import Side
from schemas.errors import ConcordError
from schemas.state import PairState, Status
from schemas.topics import SYNC_JOURNAL
from simulators.firm import build_firm

SETTINGS: Final = {
    "direction": "two_way",
    "delete_from_microsoft": "on",
    "delete_from_practifi": "on",
    "sync_private_events": "on",
    "sync_internal_events": "on",
    "sync_unmatched_events": "on",
    "invitation_limit_per_hour": "0",  # a load of days in minutes
    "deletion_limit_events": "0",
}
BY: Final = "bench"

# Longest waits, in seconds.
DIRECTORY_S: Final = 90.0
BACKFILL_S: Final = 300.0
SHOW_S: Final = 60.0
SETTLE_S: Final = 120.0
# Nothing came to be in Salesforce for so long: the first exchange is over but for its echoes.
QUIET_S: Final = 4.0
# A poll reads anew what changed within its overlap, 5 s in the development settings: until then nothing is at rest.
OVERLAP_S: Final = 6.0
# How long requests are counted while nothing happens: two rounds of the slowest timer of the development settings.
IDLE_S: Final = 20.0
# Time between a lone change that showed and the next: its outcome, marks and echoes pass meanwhile.
PAUSE_S: Final = 1.5

Say = Callable[[str], None]


def measure(options: Options, say: Say) -> Measured:
    """Measure everything; `say` gets a sentence at each stage. Raises ConcordError when something does not come up."""
    state_dir = Path(tempfile.mkdtemp(prefix="concord-bench-"))
    begun = time.monotonic()
    measured = Measured(options, datetime.now(UTC), os.cpu_count() or 1, os.getloadavg()[0])
    seed = build_firm(measured.started, options.users, options.contacts, options.events)
    try:
        say("Starting Kafka, the simulators and every role")
        with environment(DevOptions(port_base=0, seed=seed, state_dir=state_dir)) as env:
            journal = _Run(env, measured, say).run()
        say(f"Folding {options.entries:,} journal entries")
        measured.fold = fold_rates(journal, options.entries)
    finally:
        shutil.rmtree(state_dir, ignore_errors=True)
    measured.took_s = time.monotonic() - begun
    return measured


class _Run:
    """The stretches for which everything has to run."""

    def __init__(self, env: Environment, measured: Measured, say: Say) -> None:
        variables = env.simulators.environment()
        outlook = Outlook(env.simulators.graph_url, variables["GRAPH_TOKEN"])
        practifi = Practifi(env.simulators.salesforce_url, variables["SF_TOKEN"], variables["SF_VERSION"])
        self._env = env
        self._measured = measured
        self._say = say
        self._broker = env.broker.address
        self._players = Players(outlook, practifi)
        self._observer = Observer(env.simulators, self._showed)
        self._meter = Meter(env.simulators)

    def run(self) -> list[Record]:
        """All stretches in turn; the journal as it stands at the end."""
        measured, players = self._measured, self._players
        with ExitStack() as stack:
            stack.callback(players.outlook.close)
            stack.callback(players.practifi.close)
            stack.enter_context(self._observer)
            _wait(lambda: len(read_directory(self._broker).complete_sides) == 2, DIRECTORY_S, "both directories")
            measured.at_start = footprints(self._env.roles)
            pairs = self._backfill()
            players.pool.seed(meetings_of(pairs))
            players.contacts = players.practifi_contacts()
            self._idle()
            self._lone()
            self._many()
            measured.is_settled = wait_settled(self._broker, SETTLE_S).is_settled
            measured.at_end = footprints(self._env.roles)
            measured.restarts = self._env.roles.restarts
            for stretch in (measured.lone, measured.many):
                stretch.legs = read_legs(self._broker, stretch.changes)
            return [
                Record(one.topic, one.partition, one.offset, one.timestamp_ms, one.key, one.value)
                for one in read_topics(self._broker, SYNC_JOURNAL)
            ]

    def _showed(self, expected: Expected) -> None:
        if expected.kind is not Kind.DELETE:
            self._players.pool.put(expected.meeting)

    def _backfill(self) -> list[PairState]:
        """Enable everybody and wait until the calendars are exchanged; the pairs as they stand then."""
        self._say(f"First exchange of {self._measured.options.events:,} events")
        before, begun = self._meter.read(), time.monotonic()
        confirm(self._broker, by=BY)
        set_settings(self._broker, SETTINGS, by=BY)
        settings = switch_users(self._broker, [], enable=True, every=True, by=BY)
        self._players.users = [user for user in settings.users if user.is_enabled]
        while not self._observer.salesforce_creates or time.monotonic() - self._observer.last_create < QUIET_S:
            if time.monotonic() - begun > BACKFILL_S:
                raise ConcordError(f"The first exchange did not end within {BACKFILL_S:.0f} s.")
            time.sleep(0.05)
        is_settled = wait_settled(self._broker, SETTLE_S).is_settled
        count, seconds = self._observer.salesforce_creates, self._observer.last_create - begun
        pairs = [pair for partition in fold_journal(self._broker).values() for pair in partition.pairs.values()]
        # What the timers ask meanwhile cannot be told apart here. It is small beside the work and stays in the figures.
        spent = costs(self._meter.read() - before, {}, 0.0, count)
        self._measured.backfill = Backfill(count, seconds, problems_of(pairs, is_settled), spent)
        return pairs

    def _idle(self) -> None:
        """What Concord asks the services, and works, while nothing happens."""
        self._say(f"Requests at rest, for {IDLE_S:.0f} s")
        time.sleep(OVERLAP_S)
        before, was = self._meter.read(), footprints(self._env.roles)
        time.sleep(IDLE_S)
        self._measured.idle_cpu = cpu_shares(was, footprints(self._env.roles), IDLE_S)
        self._measured.idle_per_s = rates(self._meter.read() - before, IDLE_S)

    def _lone(self) -> None:
        """Changes one at a time: each is made when the one before has long shown."""
        number = self._measured.options.lone
        self._say(f"{2 * number} changes one at a time")
        kinds = [Kind.EDIT, Kind.MOVE]
        acts = [Act(i + 1, 0.0, list(Side)[i % 2], kinds[i // 2 % 2]) for i in range(2 * number)]

        def play() -> Iterator[Expected]:
            for act in acts:
                expected = self._players.expect(act, "Lone")
                self._players.perform(expected, self._observer)
                self._observer.wait(SHOW_S)
                self._observer.forget(expected)
                time.sleep(PAUSE_S)
                yield expected

        self._measured.lone = self._stretch(lambda: list(play()))

    def _many(self) -> None:
        """The plan at its rate."""
        options = self._measured.options
        self._say(f"{options.rate:g} changes a second for {options.seconds:g} s")
        acts = plan_acts(options.seconds, options.rate)

        def play() -> list[Expected]:
            changes = self._players.play(acts, "Bench", self._observer)
            self._observer.wait(SHOW_S)
            # Outcomes, marks and echoes of the last changes belong to the cost as well.
            time.sleep(PAUSE_S)
            return changes

        self._measured.many = self._stretch(play)
        self._measured.many.late_s = self._players.late_s

    def _stretch(self, play: Callable[[], list[Expected]]) -> Stretch:
        before, begun, roles = self._meter.read(), time.monotonic(), self._env.roles
        was = footprints(roles)
        changes = play()
        seconds = time.monotonic() - begun
        spent, now = self._meter.read() - before, footprints(roles)
        accepted = sum(one.accepted is not None for one in changes)
        return Stretch(
            changes,
            costs=costs(spent, self._measured.idle_per_s, seconds, accepted),
            cpu=cpu_shares(was, now, seconds),
        )


def problems_of(pairs: Iterable[PairState], is_settled: bool) -> dict[str, int]:
    """Pairs under way or in error, counted in words; and whether the wait for the end was in vain."""
    bad = (pair for pair in pairs if pair.status in (Status.PENDING, Status.ERROR))
    found = Counter(f"{pair.status} ({pair.reason})" for pair in bad)
    return dict(found) if is_settled else {**found, "not settled in time": 1}


def meetings_of(pairs: Iterable[PairState]) -> list[Meeting]:
    """The pairs that people may go on editing: in agreement, timed, with both sides, not private, still to come."""
    meetings = []
    for pair in pairs:
        here, there = pair.graph.item, pair.salesforce.item
        if pair.status is not Status.SYNCED or here is None or there is None:
            continue
        span = here.content.span
        is_plain = here.is_organizer and here.content.sensitivity is Sensitivity.NORMAL and not span.is_all_day
        if is_plain and span.start_utc > datetime.now(UTC):
            meetings.append(
                Meeting(
                    here.content.subject, span.start_utc, span.end_utc - span.start_utc, here.mailbox,
                    here.i_cal_uid, here.id, there.id,
                )
            )  # fmt: skip
    return meetings


def _wait(test: Callable[[], bool], limit_s: float, what: str) -> None:
    deadline = time.monotonic() + limit_s
    while not test():
        if time.monotonic() > deadline:
            raise ConcordError(f"Waited {limit_s:.0f} s for {what} in vain.")
        time.sleep(0.5)
