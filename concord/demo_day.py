"""The scripted day: what the firm's people do, and how one sees that it arrived on the other side."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from concord.comparison import INVITES
from concord.demo_players import Outlook, Practifi, graph_time, practifi_time
from schemas.errors import ConcordError

KILLED: Final = "reconcile"


@dataclass(frozen=True)
class Scene:
    """One act: what is done (`act`), and whether it is seen on the other side (`is_seen`), asked again and again."""

    title: str
    towards: str
    act: Callable[[], None]
    is_seen: Callable[[], bool]


@dataclass
class Firm:
    """Who and what the day is about: two advisers by address, with their Salesforce ids, and some contacts."""

    outlook: Outlook
    practifi: Practifi
    adviser: str
    adviser_id: str
    partner: str
    partner_id: str
    contacts: list[tuple[str, str, str]]
    """(record id, name, address)."""
    noon: datetime
    room: tuple[str, str]
    """A room's name, and the Resource Calendar of this name in Practifi."""
    made: dict[str, str] = field(default_factory=dict)
    kill_role: Callable[[str], object] = lambda role: role


def scenes(firm: Firm) -> Iterator[Scene]:
    """The day, act by act."""
    yield from _in_outlook(firm)
    yield from _in_practifi(firm)
    yield from _on_both(firm)
    yield from _ends(firm)


def _meeting(firm: Firm, subject: str, start: datetime, people: int) -> dict[str, Any]:
    return {
        "subject": subject,
        "body": {"contentType": "text", "content": "Agenda:\n- portfolio\n- questions"},
        "start": graph_time(start),
        "end": graph_time(start + timedelta(hours=1)),
        "location": {"displayName": "Harbour House"},
        "attendees": [
            {"type": "required", "emailAddress": {"name": name, "address": address}}
            for _, name, address in firm.contacts[:people]
        ],
    }


def _seen_in_practifi(firm: Firm, name: str, test: Callable[[dict[str, Any]], bool]) -> Callable[[], bool]:
    def is_seen() -> bool:
        record = firm.practifi.with_external_id(firm.made[name])
        return record is not None and test(record)

    return is_seen


def seen_in_outlook(firm: Firm, name: str, test: Callable[[dict[str, Any]], bool]) -> Callable[[], bool]:
    """By the Practifi event's External ID, which is written back once Microsoft 365 has the event."""

    def is_seen() -> bool:
        record = firm.practifi.get(firm.made[name])
        external_id = (record or {}).get("practifi__External_ID__c")
        event = firm.outlook.get(firm.adviser, external_id) if external_id else None
        return event is not None and test(event)

    return is_seen


def _in_outlook(firm: Firm) -> Iterator[Scene]:
    outlook, day = firm.outlook, firm.noon

    def create(name: str, event: dict[str, Any]) -> Callable[[], None]:
        def act() -> None:
            firm.made[name] = outlook.create(firm.adviser, event)["id"]

        return act

    def edit(name: str, changes: dict[str, Any]) -> Callable[[], None]:
        return lambda: _done(outlook.edit(firm.adviser, firm.made[name], changes))

    yield Scene(
        "meeting with two clients made in Outlook", "Practifi",
        create("review", _meeting(firm, "Annual review", day, 2)),
        _seen_in_practifi(firm, "review", lambda r: r["Subject"] == "Annual review"),
    )  # fmt: skip
    yield Scene(
        "moved by a day in Outlook", "Practifi",
        edit("review", {"start": graph_time(day + timedelta(days=1)),
                        "end": graph_time(day + timedelta(days=1, hours=1))}),
        _seen_in_practifi(firm, "review", lambda r: _at(r["StartDateTime"]) == day + timedelta(days=1)),
    )  # fmt: skip
    third = [{"type": "required", "emailAddress": {"name": n, "address": a}} for _, n, a in firm.contacts[1:4]]
    yield Scene(
        "attendee list changed in Outlook", "Practifi", edit("review", {"attendees": third}),
        lambda: _people(firm, "review") == {record for record, _, _ in firm.contacts[1:4]},
    )  # fmt: skip
    first, last = around_clock_change(day)
    all_day = {
        "subject": "Conference", "isAllDay": True, "showAs": "oof",
        "start": {"dateTime": f"{first:%Y-%m-%d}T00:00:00", "timeZone": "Australia/Sydney"},
        "end": {"dateTime": f"{last:%Y-%m-%d}T00:00:00", "timeZone": "Australia/Sydney"},
    }  # fmt: skip
    yield Scene(
        f"all day {first:%d %b} to {last - timedelta(days=1):%d %b}, clocks change in between", "Practifi",
        create("conference", all_day),
        _seen_in_practifi(firm, "conference", lambda r: _days(r) == (f"{first:%F}", f"{last - timedelta(days=1):%F}")),
    )  # fmt: skip
    private = {**_meeting(firm, "Doctor", day + timedelta(days=2), 1), "sensitivity": "private"}
    yield Scene(
        "private event: carried without its attendee", "Practifi", create("private", private),
        _seen_in_practifi(firm, "private", lambda r: r["IsPrivate"] and not _people(firm, "private")),
    )  # fmt: skip


def _in_practifi(firm: Firm) -> Iterator[Scene]:
    practifi, day = firm.practifi, firm.noon + timedelta(days=3)
    first, second = firm.contacts[4][0], firm.contacts[5][0]

    def create() -> None:
        firm.made["call"] = practifi.create(
            {
                "Subject": "Strategy call", "Description": "Bring the forms.", "OwnerId": firm.adviser_id,
                "StartDateTime": practifi_time(day), "EndDateTime": practifi_time(day + timedelta(minutes=30)),
                INVITES: True,
            },
            (first, second),
        )  # fmt: skip

    yield Scene(
        "call with two clients made in Practifi", "Microsoft 365", create,
        seen_in_outlook(firm, "call", lambda e: e["subject"] == "Strategy call"),
    )  # fmt: skip
    yield Scene(
        "subject edited in Practifi", "Microsoft 365",
        lambda: practifi.edit(firm.made["call"], {"Subject": "Strategy call (second half)"}),
        seen_in_outlook(firm, "call", lambda e: e["subject"] == "Strategy call (second half)"),
    )  # fmt: skip

    def kill_and_move() -> None:
        firm.kill_role(KILLED)
        later = day + timedelta(hours=2)
        practifi.edit(firm.made["call"], {"StartDateTime": practifi_time(later),
                                          "EndDateTime": practifi_time(later + timedelta(minutes=30))})  # fmt: skip

    moved = f"{day + timedelta(hours=2):%Y-%m-%dT%H:%M:%S}"
    yield Scene(
        "moved in Practifi while the reconcile worker is killed (SIGKILL)", "Microsoft 365", kill_and_move,
        seen_in_outlook(firm, "call", lambda e: e["start"]["dateTime"][:19] == moved),
    )  # fmt: skip


def _on_both(firm: Firm) -> Iterator[Scene]:
    def conflict() -> None:
        record = _there(firm.practifi.with_external_id(firm.made["review"]))
        firm.practifi.edit(record["Id"], {"Subject": "Annual review (Practifi's words)", "Location": "Room 2"})
        firm.outlook.edit(firm.adviser, firm.made["review"], {"subject": "Annual review (Microsoft's words)"})

    def is_settled() -> bool:
        event = firm.outlook.get(firm.adviser, firm.made["review"])
        record = firm.practifi.with_external_id(firm.made["review"])
        return (
            event is not None
            and record is not None
            and event["subject"] == record["Subject"] == "Annual review (Microsoft's words)"
            and event["location"]["displayName"] == record["Location"] == "Room 2"
        )

    yield Scene("subject edited on both sides at once: Microsoft wins", "both", conflict, is_settled)


def _ends(firm: Firm) -> Iterator[Scene]:
    yield Scene(
        "deleted in Outlook (policy: delete in Practifi)", "Practifi",
        lambda: firm.outlook.delete(firm.adviser, firm.made["private"]),
        lambda: firm.practifi.with_external_id(firm.made["private"]) is None,
    )  # fmt: skip
    ended: dict[str, str] = {}

    def delete() -> None:
        ended["event"] = _there(firm.practifi.get(firm.made["call"]))["practifi__External_ID__c"]
        firm.practifi.delete(firm.made["call"])

    yield Scene(
        "deleted in Practifi (policy: delete in Microsoft 365)", "Microsoft 365", delete,
        lambda: firm.outlook.get(firm.adviser, ended["event"]) is None,
    )  # fmt: skip


def _there(record: dict[str, Any] | None) -> dict[str, Any]:
    """A record that was seen before. Raises ConcordError when it is there no more."""
    if record is None:
        raise ConcordError("The event has vanished from Practifi.")
    return record


def _done(_: object) -> None:
    return None


def _at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def _days(record: dict[str, Any]) -> tuple[str, str] | None:
    """First and last day of an all-day event."""
    return (record["StartDateTime"][:10], record["EndDateTime"][:10]) if record["IsAllDayEvent"] else None


def _people(firm: Firm, name: str) -> set[str]:
    record = firm.practifi.with_external_id(firm.made[name])
    if record is None:
        return set()
    return firm.practifi.related(record["Id"])


def around_clock_change(after: datetime) -> tuple[datetime, datetime]:
    """The Saturday before and the Tuesday after the first Sunday of the next April, when Sydney's clocks go back."""
    year = after.year + (after.month >= 4)
    sunday = datetime(year, 4, 1, tzinfo=UTC)
    while sunday.weekday() != 6:
        sunday += timedelta(days=1)
    return sunday - timedelta(days=1), sunday + timedelta(days=2)
