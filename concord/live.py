"""What both services hold now, read anew through the same exchanges as the sources use. Writes nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Final

from concord.asking import Asking
from connectors.graph.listing import Listed
from connectors.graph.source import Page, Reach, Readings, read_page, restart, verify_missing
from connectors.salesforce.drift import DriftPage, read_some
from connectors.salesforce.drift import read_page as read_every
from connectors.salesforce.fields import FieldNames
from connectors.salesforce.source import missing
from schemas.changes import Change, Item, Side
from schemas.cursors import GraphCursor
from schemas.errors import ConcordError, ResyncNeeded

# Ids asked for in one exchange.
AT_ONCE: Final = 200
# How often a read that the service lost its place in is begun anew.
BEGINNINGS: Final = 3


@dataclass
class Live:
    """Items by side and id. `gone` do not exist, by direct reads; `unreadable` exist and cannot be put into our words.

    What is in none of the three was not looked at.
    """

    items: dict[tuple[Side, str], Item] = field(default_factory=dict)
    gone: set[tuple[Side, str]] = field(default_factory=set)
    unreadable: set[tuple[Side, str]] = field(default_factory=set)

    def take(self, side: Side, changes: Iterable[Change], unreadable: Iterable[str]) -> None:
        """What a reading brought; the latest counts."""
        for change in changes:
            self._forget(side, change.id)
            if change.item is None:
                self.gone.add((side, change.id))
            else:
                self.items[side, change.id] = change.item
        for item_id in filter(None, unreadable):
            self._forget(side, item_id)
            self.unreadable.add((side, item_id))

    def take_gone(self, side: Side, ids: Iterable[str]) -> None:
        """What direct reads say does not exist."""
        for item_id in ids:
            self._forget(side, item_id)
            self.gone.add((side, item_id))

    def knows(self, side: Side, item_id: str) -> bool:
        """Whether this was looked at."""
        return any((side, item_id) in found for found in (self.items, self.gone, self.unreadable))

    def _forget(self, side: Side, item_id: str) -> None:
        self.items.pop((side, item_id), None)
        self.gone.discard((side, item_id))
        self.unreadable.discard((side, item_id))


async def read_mailbox(
    graph: Asking, live: Live, mailbox: str, known: Iterable[str], reach: Reach, now: datetime
) -> None:
    """Everything that a source reads of a mailbox the first time, and what else the log holds of it."""
    cursor, position, is_last, beginnings = GraphCursor(mailbox), 0, False, BEGINNINGS
    listed: Listed = {}
    while not is_last:
        try:
            page: Page = await graph.ask(partial(read_page, cursor, reach, now=now, position=position, listed=listed))
        except ResyncNeeded:
            beginnings -= 1
            if not beginnings:
                raise
            cursor, position = restart(cursor), 0
            continue
        live.take(Side.GRAPH, page.changes, (broken.id for broken in page.unreadable))
        cursor, position, is_last, listed = page.cursor, page.position, page.is_last, page.listed
    await read_again(graph, live, mailbox, [one for one in known if not live.knows(Side.GRAPH, one)], now)


async def read_again(graph: Asking, live: Live, mailbox: str, ids: Sequence[str], now: datetime) -> None:
    """These events of a mailbox, one by one."""
    for start in range(0, len(ids), AT_ONCE):
        some = ids[start : start + AT_ONCE]
        readings: Readings = await graph.ask(partial(verify_missing, mailbox, some, now=now))
        live.take(Side.GRAPH, readings.changes, (broken.id for broken in readings.unreadable))


async def read_org(salesforce: Asking, live: Live, known: Iterable[str], names: FieldNames, now: datetime) -> None:
    """Every event of the org, and what else the log holds."""
    for _ in range(BEGINNINGS):
        try:
            await _every_page(salesforce, live, names, now)
            break
        except ResyncNeeded:
            continue
    else:
        raise ConcordError("Salesforce lost its place among the events again and again.", "Try again later.")
    await _confirm_gone(salesforce, live, [one for one in known if not live.knows(Side.SALESFORCE, one)])


async def _every_page(salesforce: Asking, live: Live, names: FieldNames, now: datetime) -> None:
    position, is_last = "", False
    while not is_last:
        page: DriftPage = await salesforce.ask(partial(read_every, names, now=now, position=position))
        live.take(Side.SALESFORCE, page.changes, (broken.id for broken in page.unreadable))
        position, is_last = page.position, not page.position


async def read_records(
    salesforce: Asking, live: Live, owners: Sequence[str], ids: Sequence[str], names: FieldNames, now: datetime
) -> None:
    """These events, and all others of these owners."""
    page: DriftPage = await salesforce.ask(partial(read_some, owners, ids, names, now=now))
    live.take(Side.SALESFORCE, page.changes, (broken.id for broken in page.unreadable))
    await _confirm_gone(salesforce, live, [one for one in ids if one not in page.seen])


async def _confirm_gone(salesforce: Asking, live: Live, ids: Sequence[str]) -> None:
    """Of what no reading brought, what two direct reads say does not exist."""
    for start in range(0, len(ids), AT_ONCE):
        gone: set[str] = await salesforce.ask(partial(missing, ids[start : start + AT_ONCE]))
        live.take_gone(Side.SALESFORCE, gone)
