"""`make chaos`: both services at their worst while people work; afterwards both sides must be equal, and nothing lost.

Exit code 1 when a change is lost, an event doubled, a mail not as predicted, memory not flat, or a kind of fault never
struck.
"""

from __future__ import annotations

import logging
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from bench.losses import has_lost, last_of_each, losses, pairs_won
from bench.memory import MemoryWatch, Trend, growing, trends
from bench.plan import Kind, plan_acts
from bench.playing import Players, Pool
from bench.run import BY, SETTINGS, meetings_of
from bench.storms import SKEW_S, Storm, kinds
from bench.watching import Expected, Observer
from concord.changing import confirm, known_users, read_directory, set_settings, switch_users
from concord.cli_output import err
from concord.demo_evidence import Evidence, gather, read_log, sent_mails, shared_marks
from concord.demo_players import Outlook, Practifi
from concord.demo_summary import Row, Verdict, judge, show
from concord.dev import DevOptions, Environment, environment
from concord.observing import configure_logs
from concord.processes import ROLES
from concord.reading import fold_journal, read_topics
from concord.settling import wait_settled
from schemas.codec import decode
from schemas.commands import Decision
from schemas.errors import ConcordError
from schemas.settings import Settings
from schemas.topics import SYNC_DECISIONS
from simulators.firm import build_firm

USERS: Final = 10
CONTACTS: Final = 60
# As many events are made as are deleted, so that what has to be kept does not grow.
MIX: Final = {Kind.CREATE: 20, Kind.EDIT: 35, Kind.MOVE: 25, Kind.DELETE: 20}
# Slow timers: it is notifications and change events that have to carry the load, and what they lose waits this long.
TIMERS: Final = {
    "CONCORD_GRAPH_TIMER_S": "30",
    "CONCORD_SALESFORCE_POLL_S": "30",
    "CONCORD_SALESFORCE_OVERLAP_S": "120",
    "CONCORD_SALESFORCE_LATE_S": "60",
    "CONCORD_DIRECTORY_S": "120",
    "CONCORD_SWEEP_S": "60",
}
# What may still follow once all that was read is worked off, in seconds: a save of which no change event told waits for
# one, is judged by Salesforce's deletion log, which knows whole minutes, and goes out with a later poll. A late
# notification or a round of any other timer takes less.
NET_S: Final = 60.0 + 60.0 + 2 * 30.0
# How long an event is left alone after a change of it showed: an answer that was lost may be asked for again and again
# until then, and what is changed on the other side meanwhile is a conflict, in which Microsoft 365 rightly wins.
REST_S: Final = 60.0
# Gap events and what was lost with a replay id do not say how a record was saved. By default that waits until somebody
# saves it by hand (ADR 8); this firm lets it go out, so that everything has to arrive.
ORIGINS: Final = {"outbound_origins": "ui,unknown"}
# Longest waits, in seconds.
DIRECTORY_S: Final = 120.0
EXCHANGE_S: Final = 600.0
SETTLE_S: Final = 600.0
LOOK_AGAIN_S: Final = 20.0
# What is at rest and not equal at so many looks stays so: every timer has come round meanwhile.
LOOKS: Final = 4


@dataclass
class Outcome:
    """What a run led to, without a verdict. `made` counts accepted changes, `seconds` is how long people took."""

    evidence: Evidence
    changes: Sequence[Expected]
    struck: Mapping[tuple[str, str], int]
    memory: Mapping[str, Trend]
    seconds: float
    late_s: float = 0.0
    shown: int = 0
    settled_s: float | None = None
    won: frozenset[str] = frozenset()
    """The pairs in which Microsoft 365 won a conflict."""

    @property
    def made(self) -> int:
        """Changes that a service accepted."""
        return sum(not change.is_refused for change in self.changes)


def verdict_of(outcome: Outcome) -> Verdict:
    """Everything that is wrong, and the figures. Pure."""
    problems = [*losses(outcome.changes, outcome.evidence.now, outcome.won), *growing(outcome.memory, tuple(ROLES))]
    problems += [
        f"{name} of {service} never struck" for service, name in kinds() if not outcome.struck.get((service, name))
    ]
    if outcome.settled_s is None:
        problems.append(f"not settled {SETTLE_S:.0f} s after the storm")
    verdict = judge(replace(outcome.evidence, shortfalls=(*problems, *outcome.evidence.shortfalls)))
    return Verdict((*_sections(outcome), *verdict.sections), verdict.problems)


def _sections(outcome: Outcome) -> Iterator[tuple[str, tuple[Row, ...]]]:
    made = outcome.made
    lost = sum(has_lost(change, outcome.won) for change in last_of_each(outcome.changes))
    yield (
        "What people did",
        (
            ("changes accepted", f"{made} in {outcome.seconds:.0f} s, {made / outcome.seconds:.1f} a second"),
            ("refused by a service (row locked, 412)", str(len(outcome.changes) - made)),
            ("latest behind its time", f"{outcome.late_s:.1f} s"),
            ("of those accepted, seen on the other side while the storm lasted", str(outcome.shown)),
            ("came upon a change in Microsoft 365 that was under way, which won (7.15)", str(lost)),
            ("at rest after the storm", "never" if outcome.settled_s is None else f"{outcome.settled_s:.0f} s"),
        ),
    )
    for of in dict.fromkeys(service for service, _ in kinds()):
        rows = ((name, str(outcome.struck.get((service, name), 0))) for service, name in kinds() if service == of)
        yield f"How often each fault struck: {of}", tuple(rows)
    yield (
        "Resident memory in MiB: start, middle, end, growth a minute in the second half",
        tuple(
            (name, f"{one.start:.0f}  {one.middle:.0f}  {one.end:.0f}  {one.slope:+.2f}{_unless(one.is_telling)}")
            for name, one in outcome.memory.items()
        ),
    )


def _unless(is_telling: bool) -> str:
    return "" if is_telling else " (too short to judge)"


def run(seconds: float, rate: float, events: int, seed: int, say: Any) -> tuple[Verdict, Path]:
    """One storm: the verdict, and where the roles' logs are. Raises ConcordError when something does not come up."""
    state_dir = Path(tempfile.mkdtemp(prefix="concord-chaos-"))
    firm = build_firm(datetime.now(UTC), USERS, CONTACTS, events)
    options = DevOptions(
        port_base=0, seed=firm, state_dir=state_dir, needs_empty_broker=True, variables=TIMERS,
        graph_ahead_s=SKEW_S, salesforce_ahead_s=-SKEW_S,
    )  # fmt: skip
    say(f"Starting Kafka, the simulators and every role, for {events:,} events")
    with environment(options) as env:
        variables = env.simulators.environment()
        with (
            closing(Outlook(env.simulators.graph_url, variables["GRAPH_TOKEN"])) as outlook,
            closing(
                Practifi(env.simulators.salesforce_url, variables["SF_TOKEN"], variables["SF_VERSION"])
            ) as practifi,
        ):
            outcome = _Run(env, Players(outlook, practifi, pool=Pool(REST_S)), say).play(seconds, rate, seed)
    shutil.rmtree(state_dir / "data", ignore_errors=True)
    return verdict_of(outcome), state_dir / "logs"


class _Run:
    def __init__(self, env: Environment, players: Players, say: Any) -> None:
        self._env = env
        self._players = players
        self._say = say
        self._broker = env.broker.address
        self._shown = 0

    def play(self, seconds: float, rate: float, seed: int) -> Outcome:
        """The first exchange, the storm, and what is left when it is over."""
        players, env = self._players, self._env
        before, settings = self._exchange()
        observer = Observer(env.simulators, self._showed)
        self._say(f"Storm: {rate:g} changes a second for {seconds:.0f} s")
        with observer:
            with MemoryWatch(env.roles) as memory:
                begun = time.monotonic()
                with Storm(env.simulators, seconds, seed) as storm:
                    changes = players.play(plan_acts(seconds, rate, seed, MIX), "Chaos", observer)
                    took = time.monotonic() - begun
                    shown = self._shown
            self._say("The storm is over; waiting until everything is at rest")
            outcome = self._rest(before, settings, changes)
        return replace(
            outcome,
            struck=storm.struck,
            memory=trends(memory.samples),
            seconds=took,
            late_s=players.late_s,
            shown=shown,
        )

    def _exchange(self) -> tuple[Any, Settings]:
        broker, players = self._broker, self._players
        begun = time.monotonic()
        while len(read_directory(broker).complete_sides) < 2:
            if time.monotonic() - begun > DIRECTORY_S:
                raise ConcordError(f"The directories were not read within {DIRECTORY_S:.0f} s.")
            time.sleep(1.0)
        everybody = known_users(read_directory(broker), Settings())
        before = self._gather(Settings(users=tuple(everybody), commencement_date=date(2000, 1, 1)))
        self._say("First exchange")
        confirm(broker, by=BY)
        set_settings(broker, SETTINGS | ORIGINS, by=BY)
        settings = switch_users(broker, [], enable=True, every=True, by=BY)
        # Rule 7.5 compares Salesforce's time of a save with ours of enabling: until its clock has passed that moment, a
        # save counts as one from before.
        time.sleep(SKEW_S)
        if not wait_settled(broker, EXCHANGE_S).is_settled:
            raise ConcordError(f"The first exchange did not end within {EXCHANGE_S:.0f} s.")
        pairs = [pair for one in fold_journal(broker).values() for pair in one.pairs.values()]
        players.users = [user for user in settings.users if user.is_enabled]
        players.contacts = players.practifi_contacts()
        players.pool.seed(meetings_of(pairs))
        return before, settings

    def _showed(self, expected: Expected) -> None:
        self._shown += 1
        if expected.kind is not Kind.DELETE:
            self._players.pool.put(expected.meeting)

    def _gather(self, settings: Settings) -> Any:
        return gather(self._env.simulators, self._players.outlook, self._players.practifi, settings)

    def _rest(self, before: Any, settings: Settings, changes: Sequence[Expected]) -> Outcome:
        """Wait for every net below, then until both sides agree or the time is over."""
        begun = time.monotonic()
        wait_settled(self._broker, SETTLE_S)
        time.sleep(NET_S)
        looks = 0
        while True:
            left = begun + SETTLE_S - time.monotonic()
            is_settled = wait_settled(self._broker, max(1.0, left)).is_settled
            evidence = Evidence(
                now=self._gather(settings), before=before, log=read_log(self._broker),
                sent=sent_mails(self._env.simulators), shared_marks=shared_marks(self._env.simulators),
                restarts=self._env.roles.restarts,
            )  # fmt: skip
            won = pairs_won(decode(Decision, one.value) for one in read_topics(self._broker, SYNC_DECISIONS))
            problems = (*judge(evidence).problems, *losses(changes, evidence.now, won))
            took = time.monotonic() - begun
            looks += is_settled
            if (is_settled and not problems) or looks >= LOOKS or took > SETTLE_S:
                return Outcome(evidence, changes, {}, {}, 0.0, settled_s=took if is_settled else None, won=won)
            if is_settled:
                self._say(f"At rest after {took:.0f} s with {len(problems)} problems; looking again")
            time.sleep(LOOK_AGAIN_S)


def main(
    seconds: Annotated[float, typer.Option(min=10.0, help="Length of the storm.")] = 600.0,
    rate: Annotated[float, typer.Option(min=0.1, help="Changes a second, both sides together.")] = 20.0,
    events: Annotated[int, typer.Option(min=50, help="Events in the calendars at the start.")] = 3_000,
    seed: Annotated[int, typer.Option(help="What happens when: the same number, the same plan.")] = 1,
) -> None:
    """Run a storm over both simulators, real Kafka and every role, and compare both sides when it is over."""
    configure_logs("WARNING")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    logging.getLogger("kafka").setLevel(logging.CRITICAL)
    logging.getLogger("simulators").setLevel(logging.CRITICAL)
    try:
        verdict, logs = run(seconds, rate, events, seed, lambda line: err.print(f"{line} ..."))
    except ConcordError as error:
        err.print(str(error), highlight=False)
        raise typer.Exit(1) from None
    show(verdict)
    if verdict.problems:
        err.print(f"The logs of the roles are kept in {logs}.", highlight=False)
        raise typer.Exit(1)
    shutil.rmtree(logs.parent, ignore_errors=True)


if __name__ == "__main__":
    typer.run(main)
