"""Writes that wait, on real Kafka with real processes: held, listed and released by way of the command line."""

from __future__ import annotations

import json
from typing import Any

import pytest
from support.running import Running
from typer.testing import CliRunner, Result

from concord.changing import set_settings
from concord.cli import app
from concord.comparison import INVITES

pytestmark = pytest.mark.broker


def run(firm: Running, *words: str) -> Result:
    """Run `concord WORDS` against this firm's broker."""
    return CliRunner().invoke(app, list(words), env={"CONCORD_BROKER": firm.broker})


def waiting(firm: Running, subject: str) -> list[dict[str, Any]]:
    """What waits of the events with this subject."""
    rows: list[dict[str, Any]] = json.loads(run(firm, "held", "--json").stdout)
    return [row for row in rows if row["event"].startswith(subject)]


def test_invitation_waits_until_it_is_released_and_is_told_in_the_ledger(firm: Running) -> None:
    """Nobody is mailed before, everybody once after; pressed twice, it acts once."""
    adviser, day = firm.users[0], firm.a_free_day()
    usual = str(firm.settings.invitation_limit_per_write)
    set_settings(firm.broker, {"invitation_limit_per_write": "1"}, by="test")
    try:
        firm.settle()
        sent = firm.mails_sent()
        people = list(firm.people[4:7])
        record_id = firm.practifi.create(
            firm.entry("Seminar for clients", day, adviser, **{INVITES: True}), tuple(one[0] for one in people)
        )
        (row,) = firm.until(lambda: waiting(firm, "Seminar for clients"), "the held invitation")
        assert (row["user"], row["kind"], row["outside"]) == (adviser.address, "invitations", len(people))
        assert {mail.split()[1] for mail in row["mails"]} == {one[2].lower() for one in people}
        firm.settle()
        assert firm.mails_sent() == sent
        for _ in range(2):
            shown = run(firm, "held", "release", row["pair_key"], "--yes", "--by", "olga")
            if shown.exit_code:
                assert "nothing of this event waits" in shown.output + str(shown.exception)
        firm.event_of(adviser, record_id, subject="Seminar for clients")
        firm.settle()
        invited = firm.mails_sent() - sent
        assert {address: count for (_, address), count in invited.items()} == {one[2].lower(): 1 for one in people}
        firm.assert_mails_as_predicted()
        assert waiting(firm, "Seminar for clients") == []
        told = json.loads(run(firm, "mails", "--json", "--user", adviser.address).stdout)
        assert sum(one["sent"]["invite"] for one in told) >= len(people)
    finally:
        set_settings(firm.broker, {"invitation_limit_per_write": usual}, by="test")
    firm.settle()
