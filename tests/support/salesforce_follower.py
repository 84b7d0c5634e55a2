"""A follower of an org's change events without sockets, beside a poller that shares what is remembered of records."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from support.pubsub_client import EVENTS, RELATIONS, BusOrg, Listener, build_bus
from support.salesforce_driver import Poller, calls_to

from connectors.exchange import run
from connectors.salesforce.change_events import EventSchema
from connectors.salesforce.notices import Heard, hear
from schemas.changes import Change, Notice

UI = "com/salesforce/api/soap/66.0;client=SfdcInternalAPI/"
IMPORT = "com/salesforce/api/bulkapi/66.0"
OURS = "com/salesforce/api/rest/66.0;client=concord"
LATE = timedelta(minutes=3)


@dataclass
class Follower:
    """Hears what a bus tells; `poll` is the net below. `told` is what both told, in order."""

    world: BusOrg
    poller: Poller
    listeners: list[Listener]
    own_user: str = ""
    told: list[Change] = field(default_factory=list)
    waiting: list[Notice] = field(default_factory=list)

    def fetch(self) -> list[Notice]:
        """Take what the bus has, in commit order, without hearing it yet."""
        found = []
        for listener in self.listeners:
            for batch in listener.step():
                for event, _ in batch.events:
                    schema = self.world.bus.schema_by_id(event.schema_id).text
                    found.append(EventSchema(schema).read(event.payload))
            listener.ask(100)
        self.waiting += sorted(found, key=lambda notice: notice.commit)
        return self.waiting

    def hear(self, count: int | None = None) -> Heard:
        """Hear the next so many notices that wait, all without a count."""
        self.fetch()
        some, self.waiting = self.waiting[:count], self.waiting[count:] if count is not None else []
        cursor = self.poller.cursor
        heard = run(
            hear(
                some, self.poller.names, cursor.recent, now=self.world.org.clock.now(),
                told_until=cursor.since or datetime.min.replace(tzinfo=self.world.org.clock.now().tzinfo),
                own_user=self.own_user,
            ),
            calls_to(self.world.org),
        )  # fmt: skip
        self.poller.cursor = replace(cursor, recent={**cursor.recent, **heard.marks})
        self.told += heard.changes
        return heard

    def poll(self, *, is_caught_up: bool = True) -> list[Change]:
        """A poll as the net below: what change events may still tell is left open."""
        self.poller.told = (lambda sure: sure - LATE) if is_caught_up else (lambda sure: None)
        changes = self.poller.poll()
        self.told += changes
        return changes

    def origins(self, record_id: str) -> list[str]:
        """The origins with which a record was told."""
        return [change.origin for change in self.told if change.id == record_id and change.item is not None]

    def save(self, record_id: str, how: str = "ui", **fields: Any) -> None:
        """Somebody saves an event: in the user interface (ui), by an import (bulk), or we ourselves (api)."""
        headers = {"x_sim_origin": how} if how != "api" else {"sforce_call_options": "client=concord"}
        answer = self.world.org.patch(f"/sobjects/Event/{record_id}", fields, **headers)
        assert answer.status == 204, answer.body


def follower(world: BusOrg | None = None, **poller: Any) -> Follower:
    """A follower of a calm org, which has read everything there is and hears all that comes."""
    world = world or build_bus()
    listeners = [world.listen(topic) for topic in (EVENTS, RELATIONS)]
    made = Follower(world, Poller(world.org, **poller), listeners)
    made.poll()
    world.wait(600)
    made.poll()
    made.told.clear()
    return made
