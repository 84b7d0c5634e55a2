"""Firms on the paper desk of a console: people, a day's history, writes that wait."""

from __future__ import annotations

from dataclasses import replace

from support.console import Console
from support.history import CLIENT, whole_day
from support.simulation_pairs import TWO_WAY, content

from schemas.directory import AddressClass, DirectoryEntry, EntryKind


def mailbox(number: int, name: str = "", address: str = "") -> list[DirectoryEntry]:
    """A mailbox and the Salesforce user with its address."""
    address = address or f"user{number:03}@firm.example"
    return [
        DirectoryEntry(EntryKind.MAILBOX, f"m{number:03}", address, name or f"User {number:03}"),
        DirectoryEntry(EntryKind.ADDRESS, f"005{number:03}", address, name, address_class=AddressClass.USER),
    ]


def with_people(console: Console, count: int) -> Console:
    """So many people are known, nobody takes part."""
    for number in range(count):
        console.desk.know(mailbox(number))
    console.desk.know([DirectoryEntry(EntryKind.COMPLETE, side) for side in ("graph", "salesforce")])
    return console


def with_history(console: Console) -> Console:
    """A firm's day: one event in agreement, one private, one refused, one under way, one ignored."""
    history = whole_day()
    console.desk.saved = [replace(history.settings, number=1)]
    console.desk.states = list(history.partition.pairs.values())
    console.desk.history = history
    return console


def with_held(console: Console, count: int = 2, subject: str = "Invite", **members: object) -> Console:
    """So many Practifi events whose invitations wait."""
    history = console.desk.history
    history.settings = replace(TWO_WAY, invitation_limit_per_write=1, sync_private_events=True)
    history.partition.settings = history.settings
    people = tuple(
        replace(CLIENT, address=f"client{number}@out.example", record_id=f"003{number}") for number in range(3)
    )
    for number in range(count):
        held = content(f"{subject} {number}", attendees=people, send_invitations=True, **members)
        history.salesforce(f"s:00U{number}", f"00U{number}", held, at=10 + number)
    console.desk.saved = [history.settings]
    console.desk.states = list(history.partition.pairs.values())
    assert [state.held is not None for state in console.desk.states] == [True] * count
    return console
