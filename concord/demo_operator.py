"""The part of the scripted day in which somebody must say yes: invitations that wait, and an edit that is undone."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Final

from concord.comparison import INVITES
from concord.demo_day import Firm, Scene, seen_in_outlook
from concord.demo_players import practifi_time
from concord.held import act, read_waiting
from concord.reading import read_topics
from concord.undoing import ask, propose
from schemas.changes import Side
from schemas.codec import decode
from schemas.commands import Decision
from schemas.errors import ConcordError
from schemas.journal import OperatorVerb
from schemas.settings import Settings
from schemas.topics import SYNC_DECISIONS

ADMINISTRATOR: Final = "demo"


def operator_scenes(firm: Firm, broker: str) -> Iterator[Scene]:
    """A seminar for more clients than one write may mail, and the words that lost the day's conflict."""
    yield from _held(firm, broker)
    yield from _undone(firm, broker)


def _held(firm: Firm, broker: str) -> Iterator[Scene]:
    day = firm.noon + timedelta(days=5)
    people = tuple(record for record, _, _ in firm.contacts[: Settings().invitation_limit_per_write + 1])

    def create() -> None:
        firm.made["seminar"] = firm.practifi.create(
            {
                "Subject": "Seminar", "OwnerId": firm.adviser_id, INVITES: True,
                "StartDateTime": practifi_time(day), "EndDateTime": practifi_time(day + timedelta(hours=2)),
            },
            people,
        )  # fmt: skip

    def waits() -> bool:
        return [(len(row.hold.mails), firm.made["seminar"] in row.pair_key) for row in read_waiting(broker)] == [
            (len(people), True)
        ]

    yield Scene(
        f"seminar with {len(people)} clients made in Practifi: too many mails, held", "concord held", create, waits
    )
    yield Scene(
        "the held seminar released by the administrator", "Microsoft 365",
        lambda: act(broker, read_waiting(broker), OperatorVerb.RELEASE, by=ADMINISTRATOR),
        seen_in_outlook(firm, "seminar", lambda event: len(event["attendees"]) == len(people)),
    )  # fmt: skip


def _undone(firm: Firm, broker: str) -> Iterator[Scene]:
    def undo() -> None:
        ask(broker, propose(broker, _conflict(broker), side=Side.SALESFORCE, force=False), by=ADMINISTRATOR)

    def is_back() -> bool:
        event = firm.outlook.get(firm.adviser, firm.made["review"])
        record = firm.practifi.with_external_id(firm.made["review"])
        wanted = "Annual review (Practifi's words)"
        return event is not None and record is not None and event["subject"] == record["Subject"] == wanted

    yield Scene("the conflict undone: the words that lost stand on both sides", "both", undo, is_back)


def _conflict(broker: str) -> str:
    """The decision that settled the day's conflict, as `concord undo` takes it. Raises ConcordError."""
    for record in read_topics(broker, SYNC_DECISIONS):
        decision = decode(Decision, record.value)
        if decision.lost:
            return f"{decision.partition}/{decision.offset}"
    raise ConcordError("No decision tells of the conflict.")
