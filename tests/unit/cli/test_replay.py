"""Where a replay begins."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from concord.cli_replay import _start
from concord.replay_ranges import Start, first_offset
from concord.replay_stages import Stage
from concord.replaying import tables_of
from concord.roles.reconcile import INTAKE_TABLES
from schemas.errors import ConcordError

MOMENT = datetime(2026, 3, 2, 9, tzinfo=UTC)


@pytest.mark.parametrize(
    ("wanted", "at_moment", "first"),
    [
        (Start(is_earliest=True), None, 10),
        (Start(offset=25), None, 25),
        (Start(offset=0), None, 10),  # retention took what was before
        (Start(offset=99), None, 40),  # ahead of what was taken: nothing is left out
        (Start(moment=MOMENT), 30, 30),
        (Start(moment=MOMENT), 60, 40),
        (Start(moment=MOMENT), None, 40),  # nothing that late
    ],
)
def test_a_replay_begins_where_it_is_told_but_never_ahead(wanted: Start, at_moment: int | None, first: int) -> None:
    """The topic begins at 10, the stage has taken everything below 40."""
    assert first_offset(wanted, 10, at_moment, 40) == first


def test_a_topic_emptied_by_retention_is_not_gone_over() -> None:
    """Its beginning lies ahead of what was taken: the guard sees to that, a replay does not."""
    assert first_offset(Start(is_earliest=True), 50, None, 40) == 40


def test_exactly_one_beginning_is_given() -> None:
    """None or two of them is a mistake to be told, not to be guessed at."""
    assert _start("", 0, to_earliest=False) == Start(offset=0)
    for words in (("", -1, False), ("", 5, True), ("2026-03-02", -1, True)):
        with pytest.raises(ConcordError, match="from where"):
            _start(words[0], words[1], to_earliest=words[2])


def test_every_input_of_intake_has_the_table_that_keeps_its_position() -> None:
    """The reconcile role and a replay read the same list."""
    assert tables_of(Stage.INTAKE, 3).keys() == INTAKE_TABLES.keys()
    assert tables_of(Stage.RECONCILE, 3) == {"sync.journal": "concord-reconcile-sync-state-v3-changelog"}
