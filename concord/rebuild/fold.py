"""A journal partition folded over more pairs than fit into memory: the stage's own fold, over a cache over `Rows`."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from typing import Final

from concord.guard import Record
from concord.rebuild.rows import Rows
from concord.roles.reconcile import SETTINGS_ROW, TALLY_ROW, common_rows, pair_rows
from schemas.codec import decode
from schemas.errors import UnreadableRecord
from schemas.journal import JournalEntry
from schemas.settings import Settings
from schemas.state import PairState, Tally
from streams.stage import Partition

# Bytes of states that one of the two halves of the cache may hold, as estimated.
HALF_BYTES: Final = 64 << 20
# A state in memory without its texts, in bytes.
STATE_BYTES: Final = 24_000


class CachedPairs(MutableMapping[str, PairState]):
    """The pairs of a partition: those used lately in memory, the others on disk, written in batches.

    Two halves stand for a cache that forgets what was used least lately: when the newer half is full, what the older
    one still holds is written and forgotten, and the newer becomes the older.
    """

    def __init__(self, rows: Rows, half_bytes: int = HALF_BYTES) -> None:
        self._rows = rows
        self._half_bytes = half_bytes
        self._newer: dict[str, PairState] = {}
        self._older: dict[str, PairState] = {}
        self._newer_bytes = 0
        self._changed: set[str] = set()

    def __getitem__(self, key: str) -> PairState:
        state = self._newer.get(key)
        if state is not None:
            return state
        state = self._older.pop(key, None)
        if state is None:
            raw = self._rows.get(key.encode())
            if raw is None:
                raise KeyError(key)
            state = decode(PairState, raw)
        self._keep(key, state)
        return state

    def __setitem__(self, key: str, state: PairState) -> None:
        self._changed.add(key)
        if key in self._newer:
            self._newer[key] = state
        else:
            self._older.pop(key, None)
            self._keep(key, state)

    def __delitem__(self, key: str) -> None:
        raise TypeError("A pair is never removed from its table.")

    def __iter__(self) -> Iterator[str]:
        raise TypeError("The pairs are read from the rows, once everything is written.")

    def __len__(self) -> int:
        raise TypeError("The pairs are counted in the rows, once everything is written.")

    def write_out(self) -> None:
        """Write everything that changed; the cache is empty afterwards."""
        self._write(self._older)
        self._write(self._newer)
        self._older, self._newer, self._newer_bytes = {}, {}, 0

    def _keep(self, key: str, state: PairState) -> None:
        self._newer[key] = state
        self._newer_bytes += STATE_BYTES + _text_bytes(state)
        if self._newer_bytes > self._half_bytes:
            self._write(self._older)
            self._older, self._newer, self._newer_bytes = self._newer, {}, 0

    def _write(self, held: dict[str, PairState]) -> None:
        changed = self._changed.intersection(held)
        self._rows.write(row for key in changed for row in pair_rows(held[key]).items())
        self._changed -= changed


def _text_bytes(state: PairState) -> int:
    """About how much the texts of a state take: each side holds its body once or twice."""
    items = (state.graph.item, state.salesforce.item, *state.graph.copies, *state.salesforce.copies)
    return sum(4 * len(item.content.body) for item in items if item is not None)


class BulkFold:
    """Folds the entries of one journal partition into `rows`, from what they hold on."""

    def __init__(self, number: int, rows: Rows, half_bytes: int = HALF_BYTES) -> None:
        self._rows = rows
        self._pairs = CachedPairs(rows, half_bytes)
        settings, tally = rows.get(SETTINGS_ROW), rows.get(TALLY_ROW)
        self._partition = Partition(
            number,
            Settings() if settings is None else decode(Settings, settings),
            self._pairs,
            Tally() if tally is None else decode(Tally, tally),
        )
        self.entries = 0
        self.unreadable = 0
        """Entries that no schema reads: the worker quarantined them."""
        self.failed = 0
        """Entries that the stage cannot fold: the worker quarantined them, too."""

    def fold(self, record: Record) -> None:
        """Fold one record of the journal."""
        self.entries += 1
        try:
            entry = decode(JournalEntry, record.value)
        except UnreadableRecord:
            self.unreadable += 1
            return
        try:
            self._partition.fold(entry, record.offset)
        except Exception:  # noqa: BLE001  # whatever the worker would have quarantined
            self.failed += 1

    def finish(self) -> None:
        """Write what is still in memory."""
        self._pairs.write_out()
        self._rows.write(common_rows(self._partition).items())
