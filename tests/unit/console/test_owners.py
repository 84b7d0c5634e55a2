"""Private events show their text to their owner, signed in by Entra as that user, and to nobody else."""

from __future__ import annotations

from dataclasses import replace

import pytest
from support.console import Console
from support.history import PRIVATE, tell_private
from support.simulation_pairs import MAILBOX, content

from concord.console.accounts import Role
from schemas.calendar import Sensitivity

PAGES = (f"/event?pair={PRIVATE}", f"/api/v1/event?pair={PRIVATE}")
WORDS = ("Surgery", "Clinic", "client@out.example")


def with_private(console: Console) -> Console:
    """Somebody's private event."""
    tell_private(console.desk.history)
    console.desk.states = list(console.desk.history.partition.pairs.values())
    console.desk.saved = [replace(console.desk.history.settings, number=1)]
    return console


@pytest.mark.parametrize("path", PAGES)
def test_the_owner_reads_what_is_theirs(console: Console, path: str) -> None:
    """In the page and in the API; lists name it to nobody."""
    browser = with_private(console).browser_of(MAILBOX)
    text = browser.get(path).response.text
    assert [word for word in WORDS if word not in text] == []
    assert "Surgery" not in browser.get(f"/api/v1/events?search={PRIVATE}").response.text


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("user_id", ["mailbox-bob", "mailbox-ann ", "MAILBOX-ANN"])
def test_nobody_else_reads_it(console: Console, path: str, user_id: str) -> None:
    """Whatever their role, however they signed in, whatever they are called."""
    with_private(console)
    for browser in (console.browser_of(user_id, Role.ADMINISTRATOR), console.browser(Role.ADMINISTRATOR)):
        seen = browser.get(path)
        assert seen.status == 200
        assert [word for word in WORDS if word in seen.response.text] == []


def test_what_also_stood_elsewhere_is_shown_to_nobody(console: Console) -> None:
    """A copy in another mailbox, or another's record in Practifi: not one owner's alone."""
    with_private(console)
    held = replace(content("Surgery", sensitivity=Sensitivity.PRIVATE), owner_id="005OTHER")
    console.desk.history.salesforce(PRIVATE, "00U9", held, at=30, sync_key=PRIVATE)
    assert "Surgery" not in console.browser_of(MAILBOX).get(PAGES[0]).response.text
