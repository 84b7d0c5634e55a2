"""Polls of the role: what was told is remembered in rows, however much it is, and only as long as it can come again."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from support.salesforce_client import SalesforceClient
from support.salesforce_driver import NAMES, build_lasting, calls_to
from support.table_rows import TableRows

from concord.roles.poll import EventPoll, PollMeans
from concord.roles.told_marks import MARK_ROW, KeptMarks, kept_marks
from connectors.exchange import run
from schemas.changes import Change
from schemas.codec import decode, encode
from schemas.cursors import SalesforceCursor
from schemas.settings import Settings
from simulators.salesforce.behaviour import Behaviour

CURSOR_ROW = b"Event"
OVERLAP_S = 120.0


@dataclass
class Source(TableRows):
    """A source's table, and polls that read into `told`."""

    org: SalesforceClient
    told: list[Change] = field(default_factory=list)

    async def _tell(self, changes: Iterable[Change]) -> None:
        self.told += changes

    async def _known(self) -> Mapping[str, str]:
        return {}

    async def _settings(self) -> Settings:
        return Settings()

    async def _ask(self, exchange: Any) -> Any:
        return run(exchange, calls_to(self.org))

    def cursor(self) -> SalesforceCursor:
        """Where polling stands."""
        raw = self.rows.get(CURSOR_ROW)
        return decode(SalesforceCursor, raw) if raw is not None else SalesforceCursor("Event")

    def poll(self) -> int:
        """One poll; how much it told."""
        before = len(self.told)
        means = PollMeans(self._ask, self._tell, lambda broken: None, self._known, self._settings, self.org.clock.now)
        asyncio.run(EventPoll(CURSOR_ROW, NAMES, OVERLAP_S, self, means).read(self.cursor()))
        return len(self.told) - before


@pytest.fixture
def source() -> Source:
    """An org whose events were all saved just now, many more than stand on one page."""
    org = build_lasting(behaviour=replace(Behaviour().calm(), page_rows=200))
    for number in range(450):
        org.event(Subject=f"e{number}")
    return Source(org)


def test_a_crowd_in_the_overlap_is_told_once_and_leaves_the_cursor_small(source: Source) -> None:
    """Each record has a row of its own, so a storm neither grows the cursor nor comes again with every poll."""
    assert [source.poll(), source.poll(), source.poll()] == [450, 0, 0]
    assert len(kept_marks(source)) == 450
    assert source.cursor().recent == {}
    assert len(source.rows[CURSOR_ROW]) < 200


def test_only_marks_that_changed_are_written_again(source: Source) -> None:
    """A poll writes as much as it told, not as much as it remembers."""
    source.poll()
    before = dict(source.items(MARK_ROW))
    source.org.clock.advance(1)
    edited = next(iter(kept_marks(source)))
    source.org.patch(f"/sobjects/Event/{edited}", {"Subject": "edited"})
    assert source.poll() == 1
    after = dict(source.items(MARK_ROW))
    assert [row for row in after if after[row] != before.get(row)] == [MARK_ROW + edited.encode()]


def test_marks_go_when_nothing_can_bring_their_records_again(source: Source) -> None:
    """An hour later the overlap holds none of them, and the edit of one is told."""
    source.poll()
    source.org.clock.advance(3_600)
    assert source.poll() == 0
    assert kept_marks(source) == {}
    source.org.patch(f"/sobjects/Event/{source.told[0].id}", {"Subject": "edited"})
    assert [source.poll(), source.poll()] == [1, 0]


def test_marks_of_an_earlier_version_move_from_the_cursor_into_rows(source: Source) -> None:
    """Nothing is told again after the upgrade, and what a change event asks about is found in either place."""
    source.poll()
    marks = kept_marks(source)
    source.rows = {CURSOR_ROW: encode(replace(source.cursor(), recent=marks))}
    assert dict(KeptMarks(source, source.cursor())) == marks
    assert source.poll() == 0
    assert kept_marks(source) == marks
    assert source.cursor().recent == {}
