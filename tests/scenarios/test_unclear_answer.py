"""Scenario *unclear answer*: a sink that dies or hears nothing at any step of a write doubles no event and no mail."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import pytest
from simulation.guarded import Crash
from simulation.transport import Transport
from support.scripted import INVITES, Story, day, guest, story

from connectors.exchange import Call, Reply
from schemas.errors import Unavailable

STRANGERS: Final = ("una@elsewhere.example", "vic@elsewhere.example")


@dataclass
class Accident:
    """What happens at the so-manieth request of a command on one side: `how` is when the process dies, or that the
    answer is lost."""

    transport: Transport
    number: int
    how: str
    requests: int = 0
    has_happened: bool = False

    def __post_init__(self) -> None:
        self._perform: Callable[[Call, str], Reply] = self.transport.perform
        self.transport.perform = self.perform  # type: ignore[method-assign]

    def perform(self, call: Call, command_id: str) -> Reply:
        """Carry out one request, or not."""
        self.requests += bool(command_id)
        if not command_id or self.requests != self.number or self.has_happened:
            return self._perform(call, command_id)
        self.has_happened = True
        if self.how == "killed before the request left":
            raise Crash
        self._perform(call, command_id)
        if self.how == "killed before the answer came":
            raise Crash
        raise Unavailable("The connection broke.", was_sent=True)


HOW: Final = ("killed before the request left", "killed before the answer came", "answer lost")
# More requests than any of these writes takes.
REQUESTS_MAX: Final = 20


def at_every_step(side: str, how: str, act: Callable[[Story], Callable[[], None]]) -> None:
    """Play a story once for each request of a write, with an accident there. `act` does what leads to the write and
    returns what must hold at the end."""
    for number in range(1, REQUESTS_MAX):
        with story() as firm:
            prepared = act(firm)
            services = firm.world.services
            accident = Accident(services.graph if side == "graph" else services.salesforce, number, how)
            prepared()
            if not accident.has_happened:
                assert number > 1, "no request was made"
                return
    raise AssertionError(f"more than {REQUESTS_MAX} requests for one write")


@pytest.mark.parametrize("how", HOW)
def test_unclear_answer_to_a_create_in_microsoft_makes_one_event_and_one_mail_each(how: str) -> None:
    """The transaction id and our mark lead back to what was made."""

    def act(firm: Story) -> Callable[[], None]:
        ann, client = firm.people[0], firm.clients[0]

        def made() -> None:
            firm.invite(firm.save(ann, "Call", day(9), **{INVITES: True}), client.contact_id)
            firm.settle()
            assert firm.counts() == (1, 1)
            assert firm.mails() == [("invite", client.address)]
            assert firm.reasons() == {"in_agreement"}

        return made

    at_every_step("graph", how, act)


@pytest.mark.parametrize("how", HOW)
def test_unclear_answer_to_an_update_in_microsoft_tells_everybody_once(how: str) -> None:
    """What was written is read back and not written again."""

    def act(firm: Story) -> Callable[[], None]:
        ann = firm.people[0]
        event_id = firm.make(ann, "Review", day(9), attendees=[guest(one) for one in STRANGERS])
        firm.settle()

        def edited() -> None:
            firm.edit(firm.records()[0]["Id"], Subject="Edited")
            firm.settle()
            event = firm.event(ann, event_id)
            assert event is not None
            assert (event["subject"], firm.counts()) == ("Edited", (1, 1))
            assert Counter(firm.mails()) == Counter(("update", one) for one in STRANGERS)

        return edited

    at_every_step("graph", how, act)


@pytest.mark.parametrize("how", HOW)
def test_unclear_answer_to_a_deletion_in_microsoft_cancels_once(how: str) -> None:
    """An event that is not found was deleted: by us, before the answer was lost."""

    def act(firm: Story) -> Callable[[], None]:
        firm.make(firm.people[0], "Review", day(9), attendees=[guest(one) for one in STRANGERS])
        firm.settle()

        def deleted() -> None:
            firm.remove(firm.records()[0]["Id"])
            firm.settle()
            assert firm.counts() == (0, 0)
            assert Counter(firm.mails()) == Counter(("cancel", one) for one in STRANGERS)

        return deleted

    at_every_step("graph", how, act)


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("what", ["create", "update", "delete"])
def test_unclear_answer_in_practifi_leaves_one_record_and_mails_nobody(what: str, how: str) -> None:
    """The same on the other side, where the sync key leads back to what was made."""

    def act(firm: Story) -> Callable[[], None]:
        ann = firm.people[0]
        people = [guest(firm.clients[0].address), guest(STRANGERS[0])]
        event_id = "" if what == "create" else firm.make(ann, "Review", day(9), attendees=people)
        firm.settle()

        def done() -> None:
            if what == "create":
                firm.make(ann, "Review", day(9), attendees=people)
            elif what == "update":
                firm.change(ann, event_id, subject="Edited")
            else:
                firm.delete(ann, event_id)
            firm.settle()
            records = firm.records()
            expected = {"create": ["Review"], "update": ["Edited"], "delete": []}[what]
            assert [one["Subject"] for one in records] == expected
            assert [firm.related(one["Id"]) for one in records] == [{firm.clients[0].contact_id}] * len(records)
            assert firm.mails() == []

        return done

    at_every_step("salesforce", how, act)
