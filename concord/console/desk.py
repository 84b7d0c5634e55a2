"""What the pages ask and do: the functions of the command line, over folds that stay open between two requests."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Generic, Protocol, TypeVar

from concord.changing import DirectoryFold, append_settings, known_users, retry_pairs
from concord.config import load_config
from concord.console.plant import BrokerPlant, Plant
from concord.finding import Found, Story, belongs_to, find_pairs, read_story
from concord.held import Waiting, act
from concord.lag import LagReader
from concord.preflight import Checked, check
from concord.quarantined import ShelfFold
from concord.read_models.books import Books
from concord.reading import JournalFold, SettingsFold
from concord.undoing import Proposal, ask, propose
from schemas.changes import Side
from schemas.journal import OperatorVerb
from schemas.settings import Settings, UserSetting
from schemas.state import PairState

F = TypeVar("F")
T = TypeVar("T")

# How long a count of what is still on its way stays good, in seconds: asking costs the broker a little.
BACKLOG_S: Final = 3.0


@dataclass(frozen=True)
class Pairs:
    """Every pair as it stands, when each was last told of, and how many entries no known schema reads."""

    states: tuple[PairState, ...]
    observed: Mapping[str, datetime]
    unreadable: int = 0


@dataclass(frozen=True)
class People:
    """Everyone with a mailbox, and the sides whose directory has been read whole."""

    users: tuple[UserSetting, ...]
    complete_sides: frozenset[str]


@dataclass(frozen=True)
class Backlog:
    """What is not worked off: records on their way and the age of the oldest in seconds, and records set aside."""

    records: int
    oldest_s: float
    set_aside: int


class Desk(Protocol):
    """What pages need. Everything may raise ConcordError; for any thread."""

    def documents(self) -> list[Settings]:
        """Every settings document that took effect, oldest first."""

    def people(self, settings: Settings) -> People:
        """Who is known."""

    def pairs(self) -> Pairs:
        """How every pair stands."""

    def backlog(self) -> Backlog:
        """What is not worked off."""

    def change(self, make: Callable[[Settings], Settings]) -> Settings:
        """Write the next settings, made anew when somebody else's came first; the settings then in force."""

    def act(self, rows: Sequence[Waiting], verb: OperatorVerb, *, by: str) -> None:
        """Release or drop what waits, as it was shown."""

    def find(self, text: str) -> list[Found]:
        """The events that a key, an id or a part of a subject names; not by the words of private ones."""

    def story(self, found: Found, *, user_id: str = "") -> Story:
        """What happened to an event, private text left out for all but its owner, by their id in Entra."""

    def propose(self, decision: str, side: Side | None, *, force: bool) -> Proposal:
        """What undoing a decision would do now."""

    def undo(self, proposal: Proposal, *, by: str) -> None:
        """Ask for it, as it was shown."""

    def retry(self, pair_key: str, *, by: str) -> None:
        """Ask for another try of what a service refused."""

    def retry_all(self, pair_keys: Sequence[str], *, by: str) -> None:
        """The same for all of these, at one moment."""

    def version(self) -> str:
        """Another text when anything that pages show may have changed."""

    @property
    def books(self) -> Books:
        """Run log, conflict shelf and mail ledger."""

    @property
    def plant(self) -> Plant:
        """What runs below the pages."""

    def preflight(self, *, confirm_by: str) -> Checked:
        """Examine both services; confirmed by whoever is named, if nothing must be fixed."""


def in_force(documents: list[Settings]) -> Settings:
    """The settings that count now; the defaults when none were ever saved."""
    return documents[-1] if documents else Settings()


class _Kept(Generic[F]):
    """A fold that stays open. One look at a time; after an error it is opened anew."""

    def __init__(self, make: Callable[[], Any], advance: Callable[[F], object]) -> None:
        self._make = make
        self._advance = advance
        self._open: tuple[F, contextlib.ExitStack] | None = None
        self._lock = threading.Lock()

    def look(self, see: Callable[[F], T]) -> T:
        with self._lock:
            try:
                if self._open is None:
                    stack = contextlib.ExitStack()
                    self._open = (stack.enter_context(self._make()), stack)
                fold = self._open[0]
                self._advance(fold)
                return see(fold)
            except Exception:  # whatever it was: a fold that stopped half-way is not looked at again
                self._close()
                raise

    def close(self) -> None:
        with self._lock:
            self._close()

    def _close(self) -> None:
        if self._open is not None:
            _, stack = self._open
            self._open = None
            with contextlib.suppress(Exception):  # it failed already: what closing says is of no use
                stack.close()


class BrokerDesk:
    """The desk of a deployment. `close` when done."""

    def __init__(self, broker: str, books: Books) -> None:
        self._broker = broker
        self._books = books
        self._plant = BrokerPlant(broker)
        self._settings: _Kept[SettingsFold] = _Kept(lambda: SettingsFold(broker), lambda fold: fold.advance())
        self._directory: _Kept[DirectoryFold] = _Kept(lambda: DirectoryFold(broker), lambda fold: fold.advance())
        self._journal: _Kept[JournalFold] = _Kept(lambda: JournalFold(broker), lambda fold: fold.advance())
        self._shelf: _Kept[ShelfFold] = _Kept(lambda: ShelfFold(broker), lambda fold: fold.advance())
        self._lag: _Kept[LagReader] = _Kept(lambda: LagReader(broker), lambda _: None)
        self._counted: tuple[float, Backlog] | None = None

    def documents(self) -> list[Settings]:
        """Every settings document that took effect, oldest first."""
        return self._settings.look(lambda fold: list(fold.documents))

    def people(self, settings: Settings) -> People:
        """Who is known."""
        return self._directory.look(
            lambda fold: People(tuple(known_users(fold.directory, settings)), fold.directory.complete_sides)
        )

    def pairs(self) -> Pairs:
        """How every pair stands."""
        return self._journal.look(lambda fold: Pairs(tuple(fold.pairs), dict(fold.observed), fold.unreadable))

    def backlog(self) -> Backlog:
        """What is not worked off."""
        counted = self._counted
        if counted is not None and time.monotonic() - counted[0] < BACKLOG_S:
            return counted[1]
        rows = self._lag.look(lambda reader: reader.read())
        found = Backlog(
            sum(row.records_behind for row in rows),
            max((row.seconds_behind or 0.0 for row in rows), default=0.0),
            self._shelf.look(lambda fold: len(fold.open)),
        )
        self._counted = (time.monotonic(), found)
        return found

    def change(self, make: Callable[[Settings], Settings]) -> Settings:
        """Write the next settings, made anew when somebody else's came first; the settings then in force."""
        return append_settings(self._broker, make)

    def act(self, rows: Sequence[Waiting], verb: OperatorVerb, *, by: str) -> None:
        """Release or drop what waits, as it was shown."""
        act(self._broker, rows, verb, by=by)

    def find(self, text: str) -> list[Found]:
        """The events that a key, an id or a part of a subject names."""
        return find_pairs(self._broker, text)

    def story(self, found: Found, *, user_id: str = "") -> Story:
        """What happened to an event, private text left out for all but its owner, by their id in Entra."""
        is_owner = found.is_private and belongs_to(found, user_id, in_force(self.documents()))
        return read_story(self._broker, found, show_private=is_owner)

    def propose(self, decision: str, side: Side | None, *, force: bool) -> Proposal:
        """What undoing a decision would do now."""
        return propose(self._broker, decision, side=side, force=force)

    def undo(self, proposal: Proposal, *, by: str) -> None:
        """Ask for it, as it was shown."""
        ask(self._broker, proposal, by=by)

    def retry(self, pair_key: str, *, by: str) -> None:
        """Ask for another try of what a service refused."""
        self.retry_all([pair_key], by=by)

    def retry_all(self, pair_keys: Sequence[str], *, by: str) -> None:
        """The same for all of these, at one moment."""
        retry_pairs(self._broker, list(pair_keys), by=by)

    @property
    def books(self) -> Books:
        """Run log, conflict shelf and mail ledger."""
        return self._books

    @property
    def plant(self) -> BrokerPlant:
        """What runs below the pages."""
        return self._plant

    def preflight(self, *, confirm_by: str) -> Checked:
        """Examine both services; confirmed by whoever is named, if nothing must be fixed."""
        return check(load_config("services"), confirm_by=confirm_by)

    def version(self) -> str:
        """Another text when anything that pages show may have changed."""
        entries, left = self._journal.look(lambda fold: fold.taken), self.backlog()
        return f"{entries} {len(self.documents())} {left.records} {left.set_aside}"

    def close(self) -> None:
        """Hang up."""
        for kept in (self._settings, self._directory, self._journal, self._shelf, self._lag):
            kept.close()
        self._books.close()
        self._plant.close()
