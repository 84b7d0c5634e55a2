"""`concord mails`: a table per day and user with a sum, the same as JSON, and a sentence when there is nothing."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from typer.testing import CliRunner, Result

from concord import mailed
from concord.cli import app
from projections.mail_ledger import MailDay
from schemas.commands import MailKind

TODAY = datetime.now(UTC).date()
ROWS = [
    MailDay(TODAY, "ann@firm.example", 2, Counter({MailKind.INVITE: 3, MailKind.CANCEL: 1}), 2),
    MailDay(TODAY - timedelta(days=40), "bob@firm.example", 1, Counter({MailKind.UPDATE: 9}), 0),
]


@pytest.fixture(autouse=True)
def _days(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mailed, "read_mail_days", lambda _: ROWS)


def run(*words: str) -> Result:
    """`concord mails WORDS`."""
    return CliRunner().invoke(app, ["mails", *words], env={"CONCORD_BROKER": "nowhere:1"})


def test_days_are_listed_with_their_sum() -> None:
    """Only as far back as was asked for."""
    lines = run("--days", "60").stdout.splitlines()
    assert [line.split()[2:] for line in lines[1:3]] == [["2", "3", "0", "1", "2"], ["1", "0", "9", "0", "0"]]
    assert lines[3].split() == ["total", "3", "3", "9", "1", "2"]
    assert "bob@firm.example" not in run().stdout


def test_json_names_every_kind() -> None:
    """For programs; filtered by user, in whatever case."""
    (row,) = json.loads(run("--json", "--user", "ANN@firm.example").stdout)
    sent = {"invite": 3, "update": 0, "cancel": 1}
    assert row == {"day": f"{TODAY}", "user": "ann@firm.example", "writes": 2, "sent": sent, "open": 2}


def test_nothing_is_a_sentence() -> None:
    """Not an empty table."""
    assert run("--user", "nobody@firm.example").stdout == "No write mailed anybody in the last 30 days.\n"
