"""The bulk path folds like the stage does, however little it may keep in memory, and from any point on."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.history import whole_day
from support.simulation_pairs import agreed_pair

from concord.guard import Record
from concord.rebuild.fold import BulkFold, CachedPairs
from concord.rebuild.rows import Rows, differences
from concord.roles.reconcile import rows_of
from schemas.codec import encode
from schemas.topics import SYNC_JOURNAL
from streams.stage import fold_partition

HISTORY = whole_day()
ENTRIES = [(offset, entry) for _, offset, entry in HISTORY.entries]
JOURNAL = [
    Record(SYNC_JOURNAL, 0, offset, 0, entry.pair_key.encode(), encode(entry)) for offset, entry in ENTRIES
]  # fmt: skip


def folded(rows: Rows, records: list[Record], half_bytes: int) -> BulkFold:
    """These records folded, and everything written."""
    fold = BulkFold(0, rows, half_bytes)
    for record in records:
        fold.fold(record)
    fold.finish()
    return fold


@pytest.mark.parametrize("half_bytes", [1, 60_000, 1 << 30])
def test_bulk_fold_is_the_table_of_the_worker(tmp_path: Path, half_bytes: int) -> None:
    """Byte for byte, whether every state is written at once or none before the end."""
    rows = Rows(tmp_path / "rows")
    folded(rows, JOURNAL, half_bytes)
    assert dict(rows.items()) == rows_of(fold_partition(0, ENTRIES))


@pytest.mark.parametrize("cut", range(0, len(JOURNAL), 3))
def test_fold_goes_on_from_what_the_rows_hold(tmp_path: Path, cut: int) -> None:
    """Going back to an older version folds only what came since."""
    rows = Rows(tmp_path / "rows")
    folded(rows, JOURNAL[:cut], 1 << 30)
    folded(rows, JOURNAL[cut:], 1 << 30)
    assert dict(rows.items()) == rows_of(fold_partition(0, ENTRIES))


def test_entries_that_the_worker_quarantined_are_passed_over(tmp_path: Path) -> None:
    """Bytes that no schema reads, and an entry at which the fold fails, change nothing and are counted."""
    rows = Rows(tmp_path / "rows")
    broken = JOURNAL[1]
    unreadable = Record(SYNC_JOURNAL, 0, len(JOURNAL), 0, b"x", b"rubbish")
    fold = BulkFold(0, rows, 1)
    for record in (*JOURNAL, unreadable):
        fold.fold(record)
    fold._partition.settings = None  # type: ignore[assignment]  # any fault of the stage
    fold.fold(Record(broken.topic, 0, len(JOURNAL) + 1, 0, broken.key, broken.value))
    assert (fold.entries, fold.unreadable, fold.failed) == (len(JOURNAL) + 2, 1, 1)


def test_a_pair_with_nothing_under_way_any_more_has_no_row_for_it(tmp_path: Path) -> None:
    """The index of pairs with a command under way is brought up to date on disk, too."""
    journal = type(HISTORY)()
    agreed_pair(journal)
    rows = Rows(tmp_path / "rows")
    for number, (_, offset, entry) in enumerate(journal.entries):
        folded(rows, [Record(SYNC_JOURNAL, 0, offset, 0, b"", encode(entry))], 1)
        under_way = [key for key, _ in rows.items() if key.startswith(b"!under-way/")]
        assert bool(under_way) is (number == 1), number


def test_pairs_are_never_listed_from_the_cache(tmp_path: Path) -> None:
    """A part of them is on disk only: whoever counted what is in memory would count wrong."""
    pairs = CachedPairs(Rows(tmp_path / "rows"))
    with pytest.raises(TypeError):
        list(pairs)
    with pytest.raises(TypeError):
        len(pairs)
    with pytest.raises(TypeError):
        del pairs["m:uid-G"]


def test_differences_name_each_kind(tmp_path: Path) -> None:
    """A row more, a row less and a row that holds something else; the guard's own rows do not count."""
    one, other = Rows(tmp_path / "one"), Rows(tmp_path / "other")
    one.write([(b"a", b"1"), (b"b", b"1"), (b"c", b"1"), (b"\x00position/x", b"1")])
    other.write([(b"a", b"1"), (b"b", b"2"), (b"d", b"1"), (b"e", b"1"), (b"e", None), (b"\x00position/x", b"9")])
    assert differences(one, other).keys == (b"b", b"c", b"d")
    assert differences(one, one).count == 0
    assert one.digest() != other.digest()
    other.write([(b"b", b"1"), (b"c", b"1"), (b"d", None)])
    assert one.digest() == other.digest()
