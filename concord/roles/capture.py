"""What change events told, worked off: the records they name are read and told, then the place behind them is saved."""

from __future__ import annotations

from dataclasses import dataclass

from concord.roles.change_stream import replay_row
from concord.roles.poll import PollMeans
from concord.roles.removals import Run
from concord.roles.told_marks import KeptMarks, Table, mark_row
from connectors.salesforce.fields import FieldNames
from connectors.salesforce.notices import Heard, hear
from connectors.salesforce.source import NEVER
from schemas.changes import Wakeup
from schemas.cursors import SalesforceCursor


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
                run.save(mark_row(record_id), mark.encode())
            is_incomplete = heard.is_incomplete
        if wakeup.replay_id:
            run.save(replay_row(wakeup.topic), bytes.fromhex(wakeup.replay_id))
        await run.end(await self.means.settings())
        return is_incomplete
