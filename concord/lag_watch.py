"""Consumer lag looked at again and again, with a short history in memory: what the console shows engineers."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from concord.lag import Lag, LagReader
from concord.telemetry.progress import History, Progress
from schemas.errors import ConcordError

# Time between two looks, in seconds, and how many are kept: an hour.
EVERY_S: Final = 15.0
KEPT: Final = 240


@dataclass(frozen=True)
class Look:
    """One look: when, and per group how many records were behind and how old the oldest was, in seconds."""

    at: datetime
    behind: dict[str, tuple[int, float]]


@dataclass(frozen=True)
class Watched:
    """How every partition of every group gets on, how many workers each group has, and the looks before, the oldest
    first. `problem` says why there is no newer look."""

    at: datetime | None = None
    progress: tuple[Progress, ...] = ()
    members: dict[str, int] = field(default_factory=dict)
    looks: tuple[Look, ...] = ()
    problem: str = ""


class LagWatch:
    """Looks in a thread of its own once started; without it, whenever somebody asks. `stop` when done."""

    def __init__(self, broker: str, every_s: float = EVERY_S, make: Callable[[str], LagReader] = LagReader) -> None:
        self._broker = broker
        self._every_s = every_s
        self._make = make
        self._history = History()
        self._looks: deque[Look] = deque(maxlen=KEPT)
        self._watched = Watched()
        self._looked_at = float("-inf")
        self._reader: tuple[LagReader, contextlib.ExitStack] | None = None
        self._lock = threading.Lock()
        self._ending = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Look every so often from now on."""
        self._thread = threading.Thread(target=self._run, name="lag-watch", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Look no more, and hang up."""
        self._ending.set()
        if self._thread is not None:
            self._thread.join(timeout=self._every_s)
        with self._lock:
            self._close()

    def now(self) -> Watched:
        """The last look, unless it is too old: then a new one."""
        with self._lock:
            if time.monotonic() - self._looked_at > self._every_s:
                self._look()
            return self._watched

    def _run(self) -> None:
        while not self._ending.is_set():
            with self._lock:
                self._look()
            self._ending.wait(self._every_s)

    def _look(self) -> None:
        self._looked_at = time.monotonic()
        try:
            if self._reader is None:
                stack = contextlib.ExitStack()
                self._reader = (stack.enter_context(self._make(self._broker)), stack)
            reader = self._reader[0]
            rows = reader.read()
            progress = self._history.add(time.monotonic(), rows, reader.members)
        except Exception as error:  # noqa: BLE001  # whatever it was: the next look opens anew
            self._close()
            problem = error.what if isinstance(error, ConcordError) else f"Lag cannot be read: {type(error).__name__}."
            last = self._watched
            self._watched = Watched(last.at, last.progress, last.members, tuple(self._looks), problem)
            return
        at = datetime.now(UTC)
        self._looks.append(Look(at, _by_group(rows)))
        self._watched = Watched(at, tuple(progress), dict(reader.members), tuple(self._looks))

    def _close(self) -> None:
        if self._reader is not None:
            _, stack = self._reader
            self._reader = None
            with contextlib.suppress(Exception):  # it failed already: what closing says is of no use
                stack.close()


def _by_group(rows: list[Lag]) -> dict[str, tuple[int, float]]:
    found: dict[str, tuple[int, float]] = {}
    for row in rows:
        records, oldest_s = found.get(row.group, (0, 0.0))
        found[row.group] = (records + row.records_behind, max(oldest_s, row.seconds_behind or 0.0))
    return found
