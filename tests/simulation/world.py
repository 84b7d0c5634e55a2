"""One run's world: the two services, the log, the processes, and what may happen next."""

from __future__ import annotations

import random
from collections import Counter, deque
from dataclasses import replace
from datetime import datetime
from logging import LogRecord
from typing import Any, Final

from concord.roles.sinks import DONE_ROW, revision_of
from concord.undoing import rehearsed
from connectors.graph.sink import apply_command as graph_apply
from schemas.changes import Side, Wakeup
from schemas.codec import decode, encode
from schemas.commands import Command, Decision, Outcome
from schemas.errors import ConcordError, ConfigError
from schemas.journal import OperatorActed, OperatorAction, OperatorVerb
from schemas.settings import Settings, change_settings, change_users, confirm_preflight
from schemas.state import PairState
from schemas.topics import (
    DIRECTORY_CHANGES,
    FIRM_KEY,
    GRAPH_CHANGES,
    GRAPH_COMMANDS,
    GRAPH_WAKEUPS,
    OPERATOR_ACTIONS,
    SALESFORCE_CHANGES,
    SALESFORCE_COMMANDS,
    SALESFORCE_WAKEUPS,
    SETTINGS_CHANGES,
    SYNC_DECISIONS,
    SYNC_JOURNAL,
    SYNC_OUTCOMES,
)
from simulation import faults, stages
from simulation.deciding import Operators
from simulation.diary import Diary, Texts
from simulation.faults import Faults
from simulation.firm import START
from simulation.guarded import Crash, Surroundings
from simulation.listening import told
from simulation.log import Log, Outgoing, Stored
from simulation.mutants import Mutant
from simulation.people import SALESFORCE_EDITS, SHOW_TIME_AS, Outlook, Practifi
from simulation.processes import Process, rotations
from simulation.series import Series
from simulation.services import Services
from simulation.stages import Followed, GraphSource, Intake, SalesforceSource
from simulators.clock import SimulatorClock
from simulators.salesforce.errors import SalesforceError
from streams.taken import what_was_taken

WIDTH: Final = 2
# Which stage of the tally an agent belongs to.
STAGE_OF: Final = {
    "graph source": "graph source",
    "salesforce source": "salesforce source",
    "intake graph": "intake",
    "intake salesforce": "intake",
    "intake outcomes": "intake",
    "intake settings": "intake",
    "intake actions": "intake",
    "reconcile": "reconcile",
    "graph sink": "graph sink",
    "salesforce sink": "salesforce sink",
}
OBJECTS: Final = ("Event",)


class World:
    """Everything of one run. All chance comes from one seeded source; time moves only with what happens."""

    def __init__(self, seed: int, mutant: Mutant) -> None:
        self.seed = seed
        self.rng = random.Random(seed)
        self.clock = SimulatorClock(START)
        self.log = Log(WIDTH, {DIRECTORY_CHANGES: 1, SETTINGS_CHANGES: 1})
        self.faults = Faults(self.rng)
        self.trace: list[str] = []
        self.logs: list[LogRecord] = []
        self.poison: set[bytes] = set()
        self.counts: Counter[str] = Counter()
        self.sweep = stages.sweep
        self.armed: tuple[str, str] | None = None
        self._newest: dict[str, tuple[int, int]] = {}
        self._notices: deque[tuple[datetime, str]] = deque()
        self.extra = random.Random(f"more of {seed}")
        """For what was not drawn from the beginning: it leaves the runs as they are in which it does not come up."""
        self.services = Services(self.rng, self.clock, self.faults, self.tick, self.note, self.extra)
        self.settings = self.services.settings
        self.settings_history: list[Settings] = []
        self.followed = Followed(self.log)
        self._rules = mutant.rules
        self._begin()
        self.operators = Operators(self.rng, lambda: self.process("reconcile"))
        self.diary = Diary(unsettled=self.unsettled)
        self.services.saves_as = lambda: self.diary.origin
        texts = Texts(self.rng, self.diary)
        people, clients, places = self.services.people, self.services.clients, self.services.places
        self.outlook = Outlook(
            self.services.as_outlook, self.rng, texts, self.diary, people, clients, places, self.clock.now,
            self.settings.series_months,
        )  # fmt: skip
        self.series = Series(self.outlook)
        self.practifi = Practifi(
            self.services.as_practifi, self.rng, texts, self.diary, people, clients, places, self.clock.now,
            SHOW_TIME_AS[self.settings.show_as_list],
        )  # fmt: skip

    def _begin(self) -> None:
        self._fill_topics()
        around = Surroundings(self.log, self.rng, self.clock.now, self._rules, self._at_point, self._taken, self.note)
        self.processes = self._build(around)
        self._orders = rotations(self.processes)

    def lose_everything(self) -> None:
        """Every topic and table of Concord's is gone; the two services hold what they held."""
        self.log = Log(WIDTH, {DIRECTORY_CHANGES: 1, SETTINGS_CHANGES: 1})
        self.followed = Followed(self.log)
        self._newest.clear()
        self._begin()

    def _build(self, around: Surroundings) -> list[Process]:
        graph, salesforce = self.services.graph, self.services.salesforce
        graph_sink = stages.sink(graph, graph_apply, self.clock.now)
        salesforce_sink = stages.sink(salesforce, self.services.salesforce_apply, self.clock.now)
        graph_source = GraphSource(self.log, graph, self.followed, self.clock.now)
        salesforce_source = SalesforceSource(self.log, salesforce, self.followed, self.clock.now, self.services.names)
        intake = Intake(self.followed, WIDTH, self.followed)  # type: ignore[arg-type]
        one = stages.agent
        groups = (
            ("graph source", (one("graph source", GRAPH_WAKEUPS, graph_source),)),
            ("salesforce source", (one("salesforce source", SALESFORCE_WAKEUPS, salesforce_source),)),
            ("reconcile", stages.reconcile_agents(intake)),
            ("graph sink", (one("graph sink", GRAPH_COMMANDS, graph_sink, is_sink=True),)),
            ("salesforce sink", (one("salesforce sink", SALESFORCE_COMMANDS, salesforce_sink, is_sink=True),)),
        )
        memory = {"reconcile": intake.restart}
        return [Process(name, agents, around, self.faults, memory.get(name)) for name, agents in groups]

    def _fill_topics(self) -> None:
        for entry in self.services.read_directory():
            self._append(DIRECTORY_CHANGES, entry.key, entry)
        self._publish_settings(self.settings)

    # --- time, notes, crashes -------------------------------------------------------------------------------

    def now(self) -> datetime:
        """The virtual time."""
        return self.clock.now()

    def tick(self) -> None:
        """A little time passes, as with every request."""
        self.clock.advance(self.rng.uniform(0.001, 0.2))

    def note(self, text: str) -> None:
        """A line for the trace."""
        self.trace.append(f"{self.now():%d %H:%M:%S}  {text}")

    def _at_point(self, agent: str, point: str) -> None:
        stage = STAGE_OF[agent]
        if self.armed != (stage, point) or not self.faults.is_on:
            return
        self.armed = None
        self.faults.count(faults.crash(stage, point))
        self.note(f"CRASH of {agent} {point}")
        raise Crash

    def _taken(self, agent: str, record: Stored) -> None:
        partition, number = self._newest.get(agent, (record.partition, -1))
        if record.partition != partition and record.number < number:
            self.faults.tally[faults.REORDERED] += 1
        if record.number >= number:
            self._newest[agent] = (record.partition, record.number)

    # --- what happens ---------------------------------------------------------------------------------------

    def advance(self) -> bool:
        """One thing happens somewhere in Concord. Returns whether anything could."""
        number = self.log.number
        for process in self._orders[self.rng.randrange(len(self._orders))]:
            if process.idle_at == number:
                continue
            try:
                if process.advance():
                    return True
            except Crash:
                process.crash(self.rng)
                return True
        return False

    def pump(self, count: int) -> None:
        """So many things happen, or as many as can."""
        self._deliver_notices()
        for _ in range(count):
            if not self.advance():
                return

    def glance(self, source: str, key: str) -> None:
        """One source looks now, while nothing else happens."""
        self.wake(key, "timer")
        process = self.process(source)
        try:
            for _ in range(60):
                if not process.advance():
                    return
        except Crash:
            process.crash(self.rng)

    def process(self, name: str) -> Process:
        """A process by name."""
        return next(process for process in self.processes if process.name == name)

    def partition_of(self, topic: str, key: str) -> int:
        """Where a key's records go."""
        return self.log.partition_of(topic, key.encode())

    def _append(self, topic: str, key: str, value: Any) -> None:
        number = self.log.partition_of(topic, key.encode())
        self.log.append(Outgoing(topic, number, key.encode(), encode(value)), self.now())

    # --- wakeups --------------------------------------------------------------------------------------------

    def wake(self, key: str, reason: str) -> None:
        """Have a source look at a mailbox or an object."""
        topic = GRAPH_WAKEUPS if key not in OBJECTS else SALESFORCE_WAKEUPS
        self._append(topic, key, Wakeup(key, reason, self.now()))

    def wake_all(self, reason: str) -> None:
        """Have the sources look at everything."""
        for key in (*(person.mailbox for person in self.services.people), *OBJECTS):
            self.wake(key, reason)

    def notify(self, mailbox: str) -> None:
        """A change notification of a mailbox: usually at once, sometimes late, twice or not at all."""
        if self.faults.strikes(0.1):
            self.faults.count(faults.NOTICE_LOST)
            return
        if self.faults.strikes(0.15):
            self.faults.count(faults.NOTICE_LATE)
            self._notices.append((self.now(), mailbox))
            return
        self.wake(mailbox, "notification")
        if self.faults.strikes(0.15):
            self.faults.count(faults.NOTICE_TWICE)
            self.wake(mailbox, "notification")

    def _deliver_notices(self) -> None:
        if self._notices and self.rng.random() < 0.2:
            self.wake(self._notices.popleft()[1], "notification")

    # --- settings -------------------------------------------------------------------------------------------

    def _publish_settings(self, settings: Settings) -> None:
        self.settings = settings
        self.settings_history.append(settings)
        self._append(SETTINGS_CHANGES, FIRM_KEY, settings)

    def change_setting(self, name: str, text: str, *, confirms: bool = False) -> str:
        """An administrator changes one setting. Opening the way to Microsoft 365 is refused before a preflight is
        confirmed, which the administrator then does, or leaves."""
        try:
            self._publish_settings(change_settings(self.settings, {name: text}, by="admin", now=self.now()))
        except ConfigError:
            if self.settings.preflight_at is not None:
                raise
            if not confirms and self.extra.random() < 0.5:
                return f"an administrator may not set {name} to {text} before a preflight"
            self._publish_settings(confirm_preflight(self.settings, by="admin", now=self.now()))
            return "a preflight is confirmed, and " + self.change_setting(name, text)
        return f"an administrator sets {name} to {text}"

    def switch_user(self, mailbox: str) -> str:
        """An administrator enables or disables a user, as far as there are licences; the last enabled one stays."""
        user = self.settings.user_of_mailbox(mailbox)
        assert user is not None
        if user.is_enabled and sum(one.is_enabled for one in self.settings.users) == 1:
            return ""
        after = replace(user, is_enabled=not user.is_enabled)
        try:
            self._publish_settings(change_users(self.settings, [after], by="admin", now=self.now()))
        except ConfigError:
            return f"there is no licence left for {user.name}"
        return f"{user.name} is {'enabled' if after.is_enabled else 'disabled'}"

    # --- what people and operators do beyond the two services' own APIs ------------------------------------------

    def restore_in_practifi(self) -> str:
        """A deleted record comes back from the recycle bin, if the service lets it."""
        deleted = sorted({native for side, native in self.diary.deleted if side == "salesforce"} - self.diary.restored)
        if not deleted:
            return ""
        record_id = self.rng.choice(deleted)
        try:
            self.services.salesforce_simulator.undelete("Event", record_id)
        except SalesforceError:
            return ""
        self.diary.restored.add(record_id)
        self.diary.touch("salesforce", record_id, *SALESFORCE_EDITS)
        return f"record {record_id[10:15]} is restored in Practifi"

    def unsettled(self) -> set[str]:
        """Items that a sink made and has not noted down as done yet. See `Diary.unsettled`."""
        fresh: set[str] = set()
        for transport, name in ((self.services.graph, "graph sink"), (self.services.salesforce, "salesforce sink")):
            process = self.process(name)
            for write in transport.writes[-40:]:
                key = write.command_id.rpartition("#")[0]
                table = process.tables[name, self.log.partition_of(SYNC_JOURNAL, key.encode())]
                raw = table.local.get(DONE_ROW + key.encode())
                done = decode(Outcome, raw).command_id if raw is not None else ""
                if write.created and revision_of(write.command_id) > revision_of(done or "#0"):
                    fresh.update(write.created)
        return fresh

    def operator_retries(self) -> str:
        """An operator asks for a pair to be tried again."""
        records = self.log.whole(SYNC_DECISIONS)
        if not records:
            return ""
        key = (self.rng.choice(records).key or b"").decode()
        self._append(OPERATOR_ACTIONS, key, OperatorAction(key, self.now(), OperatorActed(OperatorVerb.RETRY, "op")))
        return f"an operator retries {key[-8:]}"

    def operator_undoes(self) -> str:
        """An operator looks at a decision and has what it took written back; at times the button is pressed twice."""
        records = [one for one in self.log.whole(SYNC_DECISIONS) if one.value not in self.poison]
        if not records:
            return ""
        looked_at = (decode(Decision, self.rng.choice(records).value) for _ in range(15))
        return next((text for one in looked_at if one.changes or one.commands if (text := self._undo(one))), "")

    def _undo(self, decision: Decision) -> str:
        """Have one decision undone, if it took anything."""
        raw = self.process("reconcile").tables["reconcile", decision.partition].local.get(decision.pair_key.encode())
        if raw is None:
            return ""
        state, side = decode(PairState, raw), self.rng.choice(list(Side))
        try:
            undo = what_was_taken(f"{decision.partition}/{decision.offset}", self._commands_of(decision), side)
        except ConcordError:
            return ""
        undo = replace(undo, is_forced=self.rng.random() < 0.3)
        proposal = rehearsed(state, undo, self._commands_of(decision), self.settings, self.now())
        if not proposal.writes or (proposal.changed and not undo.is_forced):
            return ""
        for name, held in (("graph", state.graph), ("salesforce", state.salesforce)):
            if held.item is not None:
                self.diary.touch(name, held.item.id, *undo.fields)
        acted = OperatorActed(OperatorVerb.UNDO, "op", undo=proposal.undo)
        for _ in range(self.rng.choice((1, 1, 2))):
            self._append(OPERATOR_ACTIONS, decision.pair_key, OperatorAction(decision.pair_key, self.now(), acted))
        return f"an operator undoes {undo.decision} of {decision.pair_key[-8:]}: {', '.join(undo.fields) or 'deletion'}"

    def _commands_of(self, decision: Decision) -> tuple[Command, ...]:
        """The commands that a decision sent."""
        records = (*self.log.whole(GRAPH_COMMANDS), *self.log.whole(SALESFORCE_COMMANDS))
        of_pair = (one.value for one in records if one.key == decision.pair_key.encode())
        known = {one.command_id: one for one in (decode(Command, value) for value in of_pair)}
        return tuple(known[one] for one in decision.commands if one in known)

    def operator_decides(self) -> str:
        """An operator releases or drops what waits, or what waited once; at times two do the same."""
        decided = self.operators.decide()
        if decided is None:
            return ""
        key, acted = decided
        for _ in range(self.rng.choice((1, 1, 2))):
            self._append(OPERATOR_ACTIONS, key, OperatorAction(key, self.now(), acted))
        return f"an operator decides to {acted.verb} what {key[-8:]} holds"

    def poison_topic(self) -> str:
        """A record that nobody can read stands on a topic, as a broken producer would leave it."""
        topic = self.rng.choice((GRAPH_CHANGES, SALESFORCE_CHANGES, SYNC_JOURNAL, GRAPH_COMMANDS, SYNC_OUTCOMES))
        raw = self.rng.randbytes(self.rng.choice((3, 40)))
        self.poison.add(raw)
        self.log.append(Outgoing(topic, self.rng.randrange(self.log.count(topic)), b"broken", raw), self.now())
        self.faults.count(faults.POISON)
        return f"an unreadable record stands on {topic}"

    def drop_delta_tokens(self) -> str:
        """Graph forgets every delta token."""
        if not self.faults.is_on:
            return ""
        self.services.graph_simulator.expire_delta_tokens()
        self.faults.count(faults.DELTA_GONE)
        return "Graph drops its delta tokens"

    def reopen_overlap(self) -> str:
        """The Salesforce source comes back with an older cursor: it sends again what it sent since."""
        process = self.process("salesforce source")
        for table in process.tables.values():
            older = [(row, value) for row, value in table.changelog if row.startswith(stages.CURSOR_ROW)]
            if len(older) > 1 and self.faults.is_on:
                table.changelog.append(self.rng.choice(older[-6:]))
                process.crash(self.rng, is_faulty=False)
                self.faults.count(faults.OVERLAP)
                return "the Salesforce source comes back with an older cursor"
        return ""

    def read_everything_again(self) -> None:
        """Both sources begin at nothing, and Concord works until nothing is left to do."""
        for name in ("graph source", "salesforce source"):
            process = self.process(name)
            for table in process.tables.values():
                rows = [row for row in table.local if row.startswith(stages.CURSOR_ROW)]
                table.changelog += [(row, None) for row in rows]
            process.crash(self.rng, is_faulty=False)
        for _ in range(3):
            self.clock.advance(180)
            self.wake_all("timer")
            while self.advance():
                pass

    @property
    def progress(self) -> int:
        """Grows with every record beside wakeups and every write: equal twice means nothing happened."""
        topics = (SYNC_JOURNAL, GRAPH_COMMANDS, SALESFORCE_COMMANDS, GRAPH_CHANGES, SALESFORCE_CHANGES, SYNC_OUTCOMES)
        records = sum(len(self.log.whole(topic)) for topic in topics)
        return records + len(self.services.graph.writes) + len(self.services.salesforce.writes)

    @property
    def is_idle(self) -> bool:
        """Whether nothing is under way anywhere."""
        return all(process.is_idle for process in self.processes)

    def captured_logs(self) -> list[str]:
        """Every line that was logged, error texts that a step let out among them."""
        return [told(record) for record in self.logs]
