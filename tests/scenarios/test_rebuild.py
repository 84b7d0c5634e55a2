"""Scenario *rebuild*: state lost, delta token lost, events copied in Outlook; ten rounds and nothing is doubled."""

from __future__ import annotations

from simulation.people import TAG_EXPANDED
from support.scripted import Story, day, guest, times, weekly


def test_rebuild_ten_times_leaves_the_counts_unchanged(firm: Story) -> None:
    """Singles made on either side, a series with a moved date, a private event: lost and found ten times over."""
    ann, bob = firm.people[:2]
    client = firm.clients[0]
    firm.make(ann, "Review", day(7), attendees=[guest(client.address), guest(bob.address)])
    firm.make(bob, "Doctor", day(8), sensitivity="private")
    series = firm.make(ann, "Stand-up", day(9), recurrence=weekly(day(9), 3))
    firm.save(ann, "Call", day(10))
    firm.settle()
    firm.change(ann, firm.dates(ann, series)[1]["id"], **times(day(16, 15)))
    firm.settle()
    counts, mails = firm.counts(), firm.mails()
    assert counts == (6, 6)
    for number in range(10):
        firm.world.lose_everything()
        if number % 2:
            firm.world.services.graph_simulator.expire_delta_tokens()
        firm.settle()
        assert firm.counts() == counts
    assert firm.mails() == mails, "nobody hears of a rebuild"
    assert {pair.status for pair in firm.ending().pairs.values() if pair.salesforce.item} == {"synced"}


def test_rebuild_with_a_copy_made_in_outlook_makes_one_event_of_it(firm: Story) -> None:
    """A copy takes our mark along. It becomes an event of its own, once, whichever is read first afterwards."""
    ann = firm.people[0]
    firm.save(ann, "Call", day(10))
    firm.settle()
    original = firm.world.outlook.request(
        "GET", f"/users/{ann.mailbox}/events", None, {"$expand": TAG_EXPANDED}
    )["value"][0]  # fmt: skip
    assert original["singleValueExtendedProperties"], "the event carries our mark"
    kept = {name: original[name] for name in ("subject", "start", "end", "singleValueExtendedProperties")}
    firm.world.outlook.request("POST", f"/users/{ann.mailbox}/events", kept)
    for _ in range(3):
        firm.world.lose_everything()
        firm.settle()
        assert firm.counts() == (2, 2)


def test_rebuild_after_a_lost_delta_token_deletes_only_what_is_gone(firm: Story) -> None:
    """What was deleted while no token was held is found by asking for it."""
    ann = firm.people[0]
    kept, gone = (firm.make(ann, name, day(number)) for name, number in (("Kept", 7), ("Gone", 8)))
    series = firm.make(ann, "Stand-up", day(9), recurrence=weekly(day(9), 3))
    firm.settle()
    firm.delete(ann, gone)
    firm.delete(ann, firm.dates(ann, series)[1]["id"])
    firm.world.services.graph_simulator.expire_delta_tokens()
    firm.settle()
    assert firm.event(ann, kept) is not None
    assert [one["Subject"] for one in firm.records()] == ["Kept", "Stand-up", "Stand-up"]
