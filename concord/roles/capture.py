"""What change events told, worked off: the records they name are read and told, then the place behind them is saved."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from concord.roles.change_stream import replay_row
from concord.roles.poll import PollMeans
from concord.roles.removals import Rows, Run
from connectors.salesforce.fields import FieldNames
from connectors.salesforce.notices import Heard, hear
from connectors.salesforce.source import NEVER
from schemas.changes import Wakeup
from schemas.cursors import SalesforceCursor

MARK_ROW: Final = b"told/"


class Table(Rows, Protocol):
    """What is used of a lane beside its rows."""

    def delete(self, row: bytes) -> None:
        """Remove a row, there or not."""

    def items(self, prefix: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        """Rows that begin with a prefix, sorted."""


class KeptMarks(Mapping[str, str]):
    """The marks by record id: young ones are rows of their own, a poll gathers them into its cursor."""

    def __init__(self, table: Table, cursor: SalesforceCursor) -> None:
        self._table = table
        self._gathered = cursor.recent

    def __getitem__(self, record_id: str) -> str:
        raw = self._table.get(MARK_ROW + record_id.encode())
        return self._gathered[record_id] if raw is None else raw.decode()

    def __iter__(self) -> Iterator[str]:
        return iter(self._gathered.keys() | young_marks(self._table).keys())

    def __len__(self) -> int:
        return sum(1 for _ in self)


def young_marks(table: Table) -> dict[str, str]:
    """The marks that no poll has gathered yet."""
    return {row.removeprefix(MARK_ROW).decode(): mark.decode() for row, mark in table.items(MARK_ROW)}


def forget(table: Table, record_ids: Iterator[str]) -> None:
    """A poll gathered these marks."""
    for record_id in record_ids:
        table.delete(MARK_ROW + record_id.encode())


@dataclass(frozen=True)
class Capture:
    """One wake-up of a change stream. `own_user` is the id of our user, "" when unknown."""

    name: str
    names: FieldNames
    table: Table
    means: PollMeans
    own_user: str = ""

    async def work_off(self, wakeup: Wakeup, cursor: SalesforceCursor) -> bool:
        """Tell what it names, then save the place. Whether a poll has to find what it does not name."""
        run = Run(self.name, self.table, self.means.tell, self.means.known)
        is_incomplete = False
        if wakeup.notices:
            heard: Heard = await self.means.ask(
                hear(
                    wakeup.notices, self.names, KeptMarks(self.table, cursor), now=self.means.now(),
                    told_until=cursor.since or NEVER, own_user=self.own_user,
                )
            )  # fmt: skip
            await run.tell(heard.changes)
            for broken in heard.unreadable:
                self.means.put_aside(broken)
            await self.table.acknowledged()
            for record_id, mark in heard.marks.items():
                run.save(MARK_ROW + record_id.encode(), mark.encode())
            is_incomplete = heard.is_incomplete
        if wakeup.replay_id:
            run.save(replay_row(wakeup.topic), bytes.fromhex(wakeup.replay_id))
        await run.end(await self.means.settings())
        return is_incomplete
