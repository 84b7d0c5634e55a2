"""Whether consumer groups get on: several looks at their lag, one after another, tell rate and state.

The states are those of Burrow, by what committed offsets say from outside: a stuck worker says nothing itself.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import Final

from concord.lag import Lag, LagReader

# How far back looks count, and how long nothing must have moved to be called standing, in seconds.
WINDOW_S: Final = 20.0


class State(StrEnum):
    """How one partition of a group gets on.

    ok: nothing is behind, or it is being worked off. warn: it moves, but falls further behind. stop: records wait,
    nothing moves, and the group has no worker. stall: the same, although there are workers. rewind: the committed
    offset went back, as during a replay.
    """

    OK = "ok"
    WARN = "warn"
    STOP = "stop"
    STALL = "stall"
    REWIND = "rewind"


@dataclass(frozen=True)
class Progress:
    """One partition of one group as it stands, records dealt with per second, and its state."""

    lag: Lag
    rate: float
    state: State


@dataclass(frozen=True)
class _Look:
    at: float
    committed: int | None
    behind: int


class History:
    """The looks of the last `window_s` seconds, and the one before them."""

    def __init__(self, window_s: float = WINDOW_S) -> None:
        self._window_s = window_s
        self._looks: dict[tuple[str, str, int], deque[_Look]] = {}

    def add(self, now: float, rows: Iterable[Lag], members: Mapping[str, int]) -> list[Progress]:
        """Take one look at a moment (seconds of any clock that does not go back) and tell how each partition gets on.

        `members` is how many workers each group has. What is not in `rows` any more is forgotten.
        """
        looks: dict[tuple[str, str, int], deque[_Look]] = {}
        found = []
        for row in rows:
            place = (row.group, row.topic, row.partition)
            kept = looks[place] = self._looks.get(place, deque())
            kept.append(_Look(now, row.committed, row.records_behind))
            while len(kept) > 2 and now - kept[1].at >= self._window_s:
                kept.popleft()
            found.append(Progress(row, _rate(kept), self._state(kept, members.get(row.group, 0))))
        self._looks = looks
        return found

    def _state(self, looks: deque[_Look], members: int) -> State:
        if any((after.committed or 0) < (before.committed or 0) for before, after in pairwise(looks)):
            return State.REWIND
        first, last = looks[0], looks[-1]
        if last.behind == 0:
            return State.OK
        if last.at - first.at < self._window_s or any(look.behind == 0 for look in looks):
            return State.OK
        if first.committed == last.committed:
            return State.STALL if members else State.STOP
        return State.WARN if last.behind > first.behind else State.OK


def _rate(looks: deque[_Look]) -> float:
    first, last = looks[0], looks[-1]
    if first.committed is None or last.committed is None or last.at <= first.at:
        return 0.0
    return max(0.0, (last.committed - first.committed) / (last.at - first.at))


def watch_progress(broker: str, seconds: float, looks: int = 5) -> list[Progress]:
    """Look at every group of ours several times within so many seconds, and tell how each got on.

    Raises ConcordError.
    """
    history = History(seconds * (1 - 1 / (4 * looks)))
    with LagReader(broker) as reader:
        began = time.monotonic()
        for number in range(looks):
            time.sleep(max(0.0, began + seconds * number / (looks - 1) - time.monotonic()))
            is_last = number == looks - 1
            found = history.add(time.monotonic(), reader.read(with_seconds=is_last), reader.members)
    return found
