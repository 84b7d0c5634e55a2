"""The console on a real broker, after the commands: what one of them saves, the other shows."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from integration.cli.firm import Firm
from sqlalchemy.engine import URL
from support.console import Browser, fill, store_in_memory
from support.history import PRIVATE

from concord.console.accounts import Accounts, Role
from concord.console.app import console_app
from concord.console.desk import BrokerDesk
from concord.console.live import Live
from concord.console.programs import Programs
from concord.read_models.books import Books
from concord.reading import read_topics
from schemas.codec import decode
from schemas.journal import OperatorAction, OperatorVerb
from schemas.topics import OPERATOR_ACTIONS

pytestmark = pytest.mark.broker


@pytest.fixture
def browser(firm: Firm, tmp_path: Path) -> Iterator[Browser]:
    """Signed in as administrator."""
    accounts = Accounts(tmp_path / "accounts.json")
    password = accounts.set("olga", Role.ADMINISTRATOR)
    desk = BrokerDesk(firm.address, Books(URL.create("sqlite", database=str(tmp_path / "models.db"))))
    browser = Browser(
        console_app(desk, accounts, Programs(tmp_path / "tokens.json"), store_in_memory(), Live(desk.version))
    )
    browser.sign_in("olga", password)
    yield browser
    desk.close()


def test_what_the_console_saves_the_command_line_shows(firm: Firm, browser: Browser) -> None:
    """What the console saves the command line shows."""
    before = json.loads(firm.run("settings", "show", "--json").stdout)
    form = browser.get("/settings/integration").form("/settings/integration/review")
    wanted = str(before["inbound_years"] + 1)
    seen = browser.post("/settings/integration/review", fill(form, inbound_years=wanted))
    review = seen.form("/settings/integration/save")
    for _ in range(2):  # pressed twice
        browser.post("/settings/integration/save", review)
    after = json.loads(firm.run("settings", "show", "--json").stdout)
    assert (after["number"], after["inbound_years"]) == (before["number"] + 1, int(wanted))
    assert after["changed_by"] == "olga"


def test_what_the_api_saves_the_command_line_shows(firm: Firm, browser: Browser) -> None:
    """Under the name of who asked, once however often it is sent."""
    before = json.loads(firm.run("settings", "show", "--json").stdout)
    told = browser.get("/api/v1/session").response.json()
    wanted = {"number": before["number"], "settings": {"outbound_months": str(before["outbound_months"] + 1)}}
    for _ in range(2):
        seen = browser.ask("PATCH", "/api/v1/settings", json=wanted, headers={"x-concord-token": told["token"]})
        assert seen.response.json()["number"] == before["number"] + 1
    after = json.loads(firm.run("settings", "show", "--json").stdout)
    assert (after["outbound_months"], after["changed_by"]) == (before["outbound_months"] + 1, "olga")


def test_what_the_command_line_saves_the_console_shows(firm: Firm, browser: Browser) -> None:
    """What the command line saves the console shows."""
    assert "written by the command" not in browser.get("/settings/history").text
    assert firm.run("settings", "set", "series_months=31", "--by", "written by the command").exit_code == 0
    assert "written by the command" in browser.get("/settings/history").text
    assert dict(browser.get("/settings/integration").form("/settings/integration/review"))["series_months"] == "31"


def test_users_are_switched_as_the_command_would(firm: Firm, browser: Browser) -> None:
    """Users are switched as the command would."""
    assert firm.run("users", "disable", "bob@firm.example").exit_code == 0
    seen = browser.get("/users")
    assert "bob@firm.example" in seen.text
    seen = browser.after(browser.post("/users", [*seen.form("/users"), ("sync", "005BOB"), ("go", "review")]))
    browser.post("/users/save", seen.form("/users/save"))
    listed = json.loads(firm.run("users", "list", "--json").stdout)["users"]
    assert {one["address"]: one["is_enabled"] for one in listed}["bob@firm.example"]


def test_the_overview_counts_what_status_counts(firm: Firm, browser: Browser) -> None:
    """The overview counts what status counts."""
    told = json.loads(firm.run("status", "--json").stdout)
    seen = browser.get("/")
    assert seen.status == 200
    assert f"Error{told['total']['error']}" in seen.text.replace(" ", "")


def test_an_event_is_found_and_told_from_the_topics(browser: Browser) -> None:
    """As `concord explain` finds it; the private one without its words."""
    seen = browser.after(browser.get("/events?search=Annual"))
    assert "Lost: location" in seen.text
    assert "Undo what was written to Practifi" in seen.text
    raw = browser.get("/event", params={"pair": PRIVATE}).response.text
    assert "This event is private" in raw
    assert "Surgery" not in raw


def test_an_undo_is_asked_for_as_the_command_would(firm: Firm, browser: Browser) -> None:
    """Under the name of who pressed; pressed twice, the same wish stands there twice, which is carried out once."""
    seen = browser.after(browser.get("/events?search=Annual"))
    link = next(str(held["href"]) for _, held in seen.reader.tags if "side=salesforce" in str(held.get("href")))
    form = browser.get(link).form("/event/undo")
    for _ in range(2):
        assert "The undo is asked for" in browser.after(browser.post("/event/undo", form)).text
    actions = [decode(OperatorAction, read.value).action for read in read_topics(firm.address, OPERATOR_ACTIONS)]
    first, second = (one for one in actions if one.verb is OperatorVerb.UNDO and one.by == "olga")
    assert first == second
