"""What comes back of our own writes costs next to nothing: not read when a version says that it is ours."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from support.graph_driver import Send, send_to
from support.graph_firm import BASE, CLIENT, TOKEN, TOM, build_graph, meeting

from connectors.exchange import Call, Reply, run
from connectors.graph import wire
from connectors.graph.echoes import OwnVersions, naming
from connectors.graph.source import Reach, look_ahead, read_page
from schemas.changes import WRITTEN, Change, Wakeup
from schemas.cursors import GraphCursor
from simulators.graph.behaviour import Behaviour
from simulators.graph.service import GraphSimulator

NOW = datetime(2026, 3, 2, tzinfo=UTC)
# Three windows.
REACH = Reach(datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 5, 20, tzinfo=UTC), "w", window_days=30)


class Mailbox:
    """TOM's mailbox, looked at as the role does; `calls` is what the latest look asked."""

    def __init__(self) -> None:
        self.sim: GraphSimulator = build_graph(behaviour=Behaviour().calm())
        self.send: Send = send_to(self.sim, token=TOKEN, base_url=f"{BASE}/v1.0")
        self.cursor = GraphCursor(TOM.id)
        self.calls: list[Call] = []
        self.event = self.sim.add_event(TOM.id, meeting(CLIENT, subject="First"))
        self.look()
        self.cursor = replace(self.cursor, is_resync=False)

    def ask(self, call: Call) -> Reply:
        """Send one call."""
        self.calls.append(call)
        return self.send(call)

    def look(self, own: frozenset[str] = frozenset()) -> list[Change]:
        """A whole round."""
        self.calls = []
        changes: list[Change] = []
        ahead = run(look_ahead(self.cursor, REACH), self.ask)
        position, is_last = 0, False
        elsewhere: set[str] = set()
        while not is_last:
            page = run(
                read_page(self.cursor, REACH, now=NOW, position=position, ahead=ahead, own=own, elsewhere=elsewhere),
                self.ask,
            )
            elsewhere |= page.alive_ids
            self.cursor, position, is_last = page.cursor, page.position, page.is_last
            changes += page.changes
        return changes

    def write(self, subject: str) -> str:
        """An edit over the API; the version that its answer names."""
        answer = wire.read(self.send(wire.patch_event(TOM.id, self.event, {"subject": subject}, "")))
        return naming(answer["id"], answer["@odata.etag"])


def test_a_look_at_rest_is_one_request() -> None:
    """All windows are asked for together."""
    mailbox = Mailbox()
    assert len(mailbox.cursor.windows) == 3
    assert mailbox.look() == []
    assert [call.path for call in mailbox.calls] == ["/$batch"]


def test_what_we_wrote_is_not_read_again() -> None:
    """Only the version that our write left: the edit behind it is read."""
    mailbox = Mailbox()
    own = frozenset({mailbox.write("By us")})
    assert mailbox.look(own) == []
    assert len(mailbox.calls) == 1
    mailbox.write("By somebody")
    (change,) = mailbox.look(own)
    assert change.item is not None
    assert change.item.content.subject == "By somebody"
    assert len(mailbox.calls) == 2


def test_what_is_to_be_read_anew_is_read_whoever_wrote_it() -> None:
    """Under other settings the same content is told once more."""
    mailbox = Mailbox()
    own = frozenset({mailbox.write("By us")})
    mailbox.cursor = replace(mailbox.cursor, is_resync=True)
    assert [change.id for change in mailbox.look(own)] == [mailbox.event]


def test_a_deletion_is_confirmed_whoever_wrote_before() -> None:
    """A removed row shows no version."""
    mailbox = Mailbox()
    own = frozenset({mailbox.write("By us")})
    mailbox.sim.remove_event(TOM.id, mailbox.event)
    assert {(change.id, change.item) for change in mailbox.look(own)} == {(mailbox.event, None)}


def test_an_event_that_another_window_holds_is_not_looked_for_in_this_one() -> None:
    """Its edit is told there as a removal; when it is deleted, each window says so and it is read once in each."""
    mailbox = Mailbox()
    mailbox.write("By somebody")
    assert len(mailbox.look()) == 1
    assert [call.path for call in mailbox.calls] == ["/$batch", "/$batch"]
    mailbox.write("Again")
    mailbox.sim.remove_event(TOM.id, mailbox.event)
    assert {(change.id, change.item) for change in mailbox.look()} == {(mailbox.event, None)}


@pytest.mark.parametrize("status", [410, 429, 503])
def test_what_fails_ahead_is_asked_for_by_itself(status: int) -> None:
    """A window that the one request did not bring is read as if there had been none."""
    mailbox = Mailbox()
    mailbox.write("By somebody")
    plain, failing = mailbox.send, ["the first batch"]

    def send(call: Call) -> Reply:
        reply = plain(call)
        if call.path != "/$batch" or not failing:
            return reply
        failing.clear()
        body: dict[str, Any] = reply.json()
        for item in body["responses"]:
            item.update(status=status, body={"error": {"code": "x"}})
        return Reply(200, {}, json.dumps(body).encode())

    mailbox.send = send
    assert [change.id for change in mailbox.look()] == [mailbox.event]


def wakeup(*versions: str, reason: str = "notification", mailbox: str = "m") -> Wakeup:
    """A wake-up that names these."""
    return Wakeup(mailbox, reason, NOW, versions=versions)


def test_a_notification_of_nothing_but_our_writes_asks_for_nothing() -> None:
    """One that names anything else, or nothing, has the mailbox looked at."""
    own = OwnVersions()
    assert not own.settles(wakeup("1 a"))
    assert own.settles(wakeup("1 a", "2 b", reason=WRITTEN))
    assert own.settles(wakeup("1 a"))
    assert own.settles(wakeup("2 b", "1 a"))
    assert not own.settles(wakeup("1 a", "3 a"))
    assert not own.settles(wakeup("1 b"))
    assert not own.settles(wakeup())
    assert not own.settles(wakeup("1 a", mailbox="n"))


def test_memory_of_our_writes_is_bounded() -> None:
    """The oldest go first; one written again is young."""
    own = OwnVersions()
    own.note("m", ["1 a", "2 b"])
    own.note("m", (f"{n} c" for n in range(498)))
    own.note("m", ["1 a", "x y"])
    assert own.settles(wakeup("1 a"))
    assert not own.settles(wakeup("2 b"))
    assert len(own.of("m")) == 500
