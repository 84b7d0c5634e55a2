"""A tiny world for the laws of a pair: two calendars, their sources and sinks, one journal partition, one thread.

People edit the calendars; sources read; intake journals; sinks carry out commands. Each of these is one call, so a test
chooses every order and delay. The sinks keep the contract of the real ones: a command may come twice, an item may have
changed since the command was decided.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final

from support.builders import ANN, NOW, ORGANIZER, firm_settings, meeting

from projections.directory import Directory
from projections.sync_state import own_key
from schemas.calendar import Attendee, AttendeeKind, CalendarEvent, Response
from schemas.changes import WRITE, Change, Item, Side
from schemas.commands import Action, Command, Decision, Outcome, Result
from schemas.directory import AddressClass, DirectoryEntry, EntryKind
from schemas.groups import CONTENT, MARKS, OWNER, PEOPLE, ROOMS, TIME, take
from schemas.journal import JournalEntry, OperatorActed, OperatorVerb, Position, SettingsChanged
from schemas.settings import Settings
from schemas.state import PairState
from streams.intake import SETTINGS_KEY, entry_of_change, entry_of_outcome, filed_under
from streams.mapping import practifi_view, value
from streams.stage import Partition, Step

ROUNDS_MAX: Final = 12


BANKSIA: Final = Attendee("banksia@firm.example", "Banksia", AttendeeKind.RESOURCE, record_id="023BANKSIA")
WATTLE: Final = Attendee("wattle@firm.example", "Wattle", AttendeeKind.RESOURCE, record_id="023WATTLE")


def the_directory() -> Directory:
    """Everyone who is known: Ann and Bob as users with mailboxes, two clients."""
    directory = Directory()
    rows = [
        DirectoryEntry(EntryKind.MAILBOX, ANN.mailbox, ANN.address, "Ann"),
        DirectoryEntry(EntryKind.MAILBOX, "mailbox-bob", "bob@firm.example", "Bob"),
        DirectoryEntry(EntryKind.ADDRESS, "005ANN", ANN.address, "Ann", (), AddressClass.USER),
        DirectoryEntry(EntryKind.ADDRESS, "005BOB", "bob@firm.example", "Bob", (), AddressClass.USER),
        DirectoryEntry(EntryKind.ADDRESS, "003CLIENT", "client@out.example", "Client"),
        DirectoryEntry(EntryKind.ADDRESS, "003OTHER", "other@out.example", "Other"),
    ]
    for room in (BANKSIA, WATTLE):
        rows.append(DirectoryEntry(EntryKind.ROOM, room.address, room.address, room.name))
        rows.append(DirectoryEntry(EntryKind.ROOM, room.record_id, name=room.name))
    for row in rows:
        directory.put(row.key, row)
    return directory


@dataclass
class World:
    """Everything there is. `steps` is what each journal entry led to, `entries` the journal itself, `origin` how people
    save in Practifi."""

    settings: Settings = field(default_factory=firm_settings)
    tick: timedelta = timedelta(seconds=1)
    now: datetime = NOW
    items: dict[Side, dict[str, Item]] = field(default_factory=lambda: {side: {} for side in Side})
    partition: Partition = field(default_factory=lambda: Partition(0))
    entries: list[JournalEntry] = field(default_factory=list)
    steps: list[Step | None] = field(default_factory=list)
    executed: list[Command] = field(default_factory=list)
    refuses: Callable[[Command], bool] = lambda _: False
    rooms_taken: bool = False
    origin: str = "ui"
    _unread: dict[Side, dict[str, None]] = field(default_factory=lambda: {side: {} for side in Side})
    _told: dict[str, deque[Any]] = field(
        default_factory=lambda: {name: deque() for name in ("graph", "salesforce", "sync")}
    )
    _commands: dict[Side, deque[Command]] = field(default_factory=lambda: {side: deque() for side in Side})
    _filed: dict[tuple[Side, str], str] = field(default_factory=dict)
    _lanes: dict[str, int] = field(default_factory=dict)
    _made: dict[tuple[Side, str, int], str] = field(default_factory=dict)
    _past: dict[tuple[Side, str], Item] = field(default_factory=dict)
    _count: int = 0
    _edits: int = 0
    _edits_when_executed: int = -1
    _directory: Directory = field(default_factory=the_directory)

    def __post_init__(self) -> None:
        self.put_in_force(self.settings)

    # ---- people ----

    def make(self, side: Side, content: CalendarEvent, item_id: str = "", **members: Any) -> str:
        """Somebody makes an event, Ann's unless told otherwise; returns its id."""
        self._count += 1
        item_id = item_id or f"{side[0].upper()}{self._count}"
        if side is Side.GRAPH:
            content = replace(content, organizer=content.organizer or ORGANIZER, owner_id="")
            members = {"mailbox": ANN.mailbox, "i_cal_uid": f"uid-{item_id}"} | members
        else:
            members = {"origin": self.origin} | members
            content = replace(content, owner_id=content.owner_id or ANN.salesforce_id, organizer=None)
        stamp = self._stamp(side)
        item = Item(side, item_id, self._version(), stamp, stamp, content, **members)
        self.items[side][item_id] = self._past[side, item_id] = item
        self._unread[side][item_id] = None
        return item_id

    def edit(self, side: Side, item_id: str, **members: Any) -> None:
        """Somebody edits an event; nothing happens when it does not exist (any more)."""
        item = self.items[side].get(item_id)
        if item is not None:
            self._edits += 1
            self._save(item, replace(item.content, **members), **self._origin_of(side))

    def delete(self, side: Side, item_id: str) -> None:
        """Somebody deletes an event."""
        if self.items[side].pop(item_id, None) is not None:
            self._edits += 1
            self._unread[side][item_id] = None

    def restore(self, side: Side, item_id: str) -> None:
        """Somebody brings a deleted event back as it last was."""
        item = self._past.get((side, item_id))
        if item is not None and item_id not in self.items[side]:
            self._edits += 1
            self._save(item, item.content, **self._origin_of(side))

    def copy(self, side: Side, item_id: str) -> None:
        """Somebody copies an event, mark and all; Salesforce lets no second record have the mark."""
        item = self.items[side].get(item_id)
        if item is not None:
            self._edits += 1
            self.make(side, item.content, sync_key=item.sync_key if side is Side.GRAPH else "")

    def put_in_force(self, settings: Settings) -> None:
        """An administrator changes settings; they stand in the journal from here on."""
        self.settings = settings
        self._fold(JournalEntry(SETTINGS_KEY, self.now, self._position("settings"), SettingsChanged(settings)))

    def know(self, address: str, record_id: str) -> None:
        """The directory learns of a contact."""
        row = DirectoryEntry(EntryKind.ADDRESS, record_id, address)
        self._directory.put(row.key, row)

    def know_room(self, entry: DirectoryEntry) -> None:
        """The directory learns of a room or a Resource Calendar."""
        self._directory.put(entry.key, entry)

    # ---- stages ----

    def read(self, side: Side, *, in_burst: bool = False) -> None:
        """The source reads what changed since it last read; `in_burst`: so many removals that they are marked."""
        for item_id in self._unread[side]:
            item = self.items[side].get(item_id)
            mailbox = ANN.mailbox if side is Side.GRAPH else ""
            is_marked = in_burst and item is None
            origin = item.origin if item is not None else ""
            change = Change(side, item_id, self.now, item, mailbox, origin, "delta", in_burst=is_marked)
            self._told[side].append(change)
        self._unread[side] = {}

    def act(self, key: str, verb: OperatorVerb = OperatorVerb.RETRY, hold: str | None = None) -> None:
        """An operator acts on a pair: on what it holds now, unless told otherwise."""
        held = self.pairs[key].held if key in self.pairs else None
        digest = hold if hold is not None else held.digest if held is not None else ""
        acted = OperatorActed(verb, "eve", hold="" if verb is OperatorVerb.RETRY else digest)
        self.acted(key, acted)

    def acted(self, key: str, acted: OperatorActed) -> None:
        """An operator's action on a pair stands in the journal."""
        self._fold(JournalEntry(key, self.now, self._position("operator"), acted))

    def lose_everything(self) -> None:
        """Journal, tables and what was sent are lost; the two calendars are not. Sources read all of it again."""
        self.partition, self.entries, self.steps, self.executed = Partition(0), [], [], []
        for waiting in (*self._told.values(), *self._commands.values(), self._filed, self._lanes):
            waiting.clear()
        self.put_in_force(self.settings)
        for side in Side:
            self.read_again(side)

    def read_again(self, side: Side) -> None:
        """The source reads everything again, changed or not."""
        self._unread[side] = dict.fromkeys([*self.items[side], *self._unread[side]])
        self.read(side)

    def journal(self, name: str) -> bool:
        """Intake takes the next record of a topic ("graph", "salesforce", "sync"); False when there is none."""
        if not self._told[name]:
            return False
        told = self._told[name].popleft()
        position = self._position(name)
        if isinstance(told, Outcome):
            entry: JournalEntry | None = entry_of_outcome(told, self._directory, position)
        elif isinstance(told, JournalEntry):
            entry = told
        else:
            known = self._filed.get((told.side, told.id))
            self._filed[told.side, told.id] = filed_under(told, known)
            entry = entry_of_change(told, known, self._directory, position)
        if entry is not None:
            self._fold(entry)
        return True

    def work(self, side: Side) -> bool:
        """The sink carries out its next command; False when there is none."""
        if not self._commands[side]:
            return False
        self._execute(self._commands[side].popleft())
        return True

    def work_again(self, side: Side) -> None:
        """The last command comes a second time: the sink crashed when it had answered. Not when somebody edited since:
        that an edit back to the old value is then undone is known, and the sinks' own tables make it rare."""
        if self.executed and self.executed[-1].side is side and self._edits == self._edits_when_executed:
            self._execute(self.executed[-1])

    def settle(self) -> int:
        """Everybody reads, journals and works until nothing happens; returns the rounds it took."""
        for rounds in range(ROUNDS_MAX):
            for side in Side:
                self.read(side)
            moved = [self.journal(name) for name in self._told for _ in range(len(self._told[name]))]
            moved += [self.work(side) for side in Side for _ in range(len(self._commands[side]))]
            if not any(moved):
                return rounds
        raise AssertionError(f"not settled after {ROUNDS_MAX} rounds: {[c.reason for c in self.executed]}")

    # ---- what to look at ----

    @property
    def pairs(self) -> dict[str, PairState]:
        """The state of every pair."""
        return self.partition.pairs

    @property
    def commands(self) -> list[Command]:
        """Every command that was sent, in order; repeats included."""
        return [command for step in self.steps if step is not None for command in step.commands]

    @property
    def decisions(self) -> list[Decision]:
        """Every decision, in order."""
        return [step.decision for step in self.steps if step is not None and step.decision is not None]

    def view_of(self, item_id: str) -> CalendarEvent:
        """What Practifi shall hold for a living Graph event."""
        entry = entry_of_change(
            Change(Side.GRAPH, item_id, self.now, self.items[Side.GRAPH][item_id]), "m:x", self._directory,
            Position("x", 0, 0),
        )  # fmt: skip
        assert entry is not None
        return practifi_view(entry.what.item, self.settings)  # type: ignore[union-attr, arg-type]

    def differing(self, graph_id: str, salesforce_id: str, groups: tuple[str, ...] = CONTENT) -> list[str]:
        """The groups in which two living events do not hold the same."""
        view, held = self.view_of(graph_id), self.items[Side.SALESFORCE][salesforce_id].content
        return [group for group in groups if value(view, group) != value(held, group)]

    # ---- inside ----

    def _origin_of(self, side: Side) -> dict[str, str]:
        return {"origin": self.origin} if side is Side.SALESFORCE else {}

    def _stamp(self, side: Side) -> datetime:
        self.now += self.tick
        return self.now.replace(microsecond=0) if side is Side.SALESFORCE else self.now

    def _version(self) -> str:
        return f"v{self.now.timestamp()}"

    def _position(self, name: str) -> Position:
        self._lanes[name] = self._lanes.get(name, -1) + 1
        return Position(f"{name}.changes", 0, self._lanes[name])

    def _fold(self, entry: JournalEntry) -> None:
        self.now += self.tick
        step = self.partition.fold(entry, len(self.entries))
        self.entries.append(entry)
        self.steps.append(step)
        if step is not None:
            self._told["sync"].extend(step.forwards)
            for command in step.commands:
                self._commands[command.side].append(command)

    def _save(self, item: Item, content: CalendarEvent, **members: Any) -> Item:
        stamp = self._stamp(item.side)
        if item.side is Side.SALESFORCE and content.span != item.content.span:
            # Salesforce forgets the answers of an event that is moved.
            content = replace(content, attendees=tuple(replace(a, response=Response.NONE) for a in content.attendees))
        saved = replace(item, content=content, modified_at=stamp, version=self._version(), **members)
        self.items[item.side][item.id] = self._past[item.side, item.id] = saved
        self._unread[item.side][item.id] = None
        return saved

    def _execute(self, command: Command) -> None:
        self.executed.append(command)
        self._edits_when_executed = self._edits
        result, item = (
            (Result.REFUSED, None)
            if self.refuses(command)
            else {Action.CREATE: self._create, Action.UPDATE: self._update, Action.DELETE: self._delete}[
                command.action
            ](command)
        )
        self.now += self.tick
        if result is Result.APPLIED and item is not None:
            self._told[command.side].append(Change(command.side, item.id, self.now, item, item.mailbox, cause=WRITE))
        code = "REFUSED" if result is Result.REFUSED else ""
        outcome = Outcome(
            command.command_id, command.pair_key, command.side, command.action, result, self.now, item, code
        )
        self._told["sync"].append(outcome)

    def _create(self, command: Command) -> tuple[Result, Item | None]:
        assert command.content is not None
        key = (command.side, command.pair_key, command.generation)
        if command.side is Side.SALESFORCE:  # the sink looks for its key first, whoever made the record
            marked = (one.id for one in self.items[command.side].values() if one.sync_key == command.pair_key)
            self._made.setdefault(key, next(marked, ""))
        if self._made.get(key):
            held = self.items[command.side].get(self._made[key])
            if held is None:
                return Result.GONE, None
            wanted = command.target or command.content
            shown = self.view_of(held.id) if command.side is Side.GRAPH else held.content
            is_same = all(value(shown, group) == value(wanted, group) for group in CONTENT)
            return (Result.APPLIED if is_same else Result.STALE), held
        content = self._rooms_as_held(command.side, command.content, command.content)
        places = {"mailbox": command.mailbox} if command.side is Side.GRAPH else {}
        self._made[key] = self.make(command.side, content, sync_key=command.pair_key, **places)
        return Result.APPLIED, self.items[command.side][self._made[key]]

    def _update(self, command: Command) -> tuple[Result, Item | None]:
        assert command.content is not None
        assert command.basis is not None
        held = self.items[command.side].get(command.id)
        if held is None:
            return Result.GONE, None
        groups = tuple(group for group in command.fields if group != MARKS)
        differing = [g for g in groups if _raw(held.content, g) != _raw(command.content, g)]
        checked = differing if command.side is Side.SALESFORCE else [*CONTENT, OWNER]
        is_basis = all(_raw(held.content, g) == _raw(command.basis, g) for g in checked)
        is_marked = MARKS not in command.fields or self._is_marked(held, command)
        if not differing and is_marked:
            return Result.APPLIED, held
        if held.version != command.version and not is_basis:
            return Result.STALE, held
        content = self._rooms_as_held(command.side, take(held.content, groups, command.content), held.content)
        if ROOMS in groups and command.side is Side.GRAPH:
            content = replace(content, attendees=command.content.attendees)
        if PEOPLE in groups and command.side is Side.SALESFORCE:
            content = replace(content, send_invitations=held.content.send_invitations)
        if MARKS in command.fields and command.side is Side.SALESFORCE:
            content = take(content, (MARKS,), command.content)
        key = command.pair_key if MARKS in command.fields else held.sync_key
        saved = self._save(held, content, sync_key=key)
        if PEOPLE in groups and TIME in groups and command.side is Side.SALESFORCE:
            saved = self._save(saved, replace(saved.content, attendees=command.content.attendees))
        return Result.APPLIED, saved

    def _rooms_as_held(self, side: Side, content: CalendarEvent, before: CalendarEvent) -> CalendarEvent:
        """Salesforce knows records and refuses what is taken; Graph knows addresses and names."""
        if side is Side.SALESFORCE:
            known = {room.record_id for room in before.rooms} if before is not content else set()
            rooms = tuple(
                Attendee("", kind=room.kind, record_id=room.record_id)
                for room in content.rooms
                if not self.rooms_taken or room.record_id in known
            )
        else:
            rooms = tuple(replace(room, record_id="") for room in content.rooms)
        return replace(content, rooms=rooms)

    def _is_marked(self, held: Item, command: Command) -> bool:
        is_key_right = held.sync_key == command.pair_key
        if command.side is Side.GRAPH or command.content is None:
            return is_key_right
        return is_key_right and _raw(held.content, MARKS) == _raw(command.content, MARKS)

    def _delete(self, command: Command) -> tuple[Result, Item | None]:
        held = self.items[command.side].get(command.id)
        if held is None:
            return Result.APPLIED, None
        is_safe = command.side is Side.SALESFORCE or held.version == command.version
        if not is_safe and (command.basis is None or _contents(held.content) != _contents(command.basis)):
            return Result.STALE, held
        del self.items[command.side][command.id]
        self._unread[command.side][command.id] = None
        return Result.APPLIED, None


def _raw(content: CalendarEvent, group: str) -> object:
    """A group as a service holds it."""
    if group == PEOPLE:
        return frozenset((a.address or a.record_id, a.response) for a in content.attendees)
    if group == ROOMS:
        return frozenset(a.address or a.record_id for a in content.rooms)
    return value(content, group)


def _contents(content: CalendarEvent) -> list[object]:
    return [_raw(content, group) for group in CONTENT]


def a_pair(world: World, content: CalendarEvent | None = None, *, first: Side = Side.GRAPH) -> tuple[str, str, str]:
    """An event made on one side and settled on both: pair key, Graph id, Salesforce id."""
    made = world.make(first, content or meeting())
    key = own_key(world.items[first][made])
    world.settle()
    state = world.pairs[key]
    assert state.graph.item is not None, state.reason
    assert state.salesforce.item is not None, state.reason
    return key, state.graph.item.id, state.salesforce.item.id
