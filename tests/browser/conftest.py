"""One firm with its console, and one Chromium, for this folder; all of it is skipped where there is no browser."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from support.browser import chromium, sign_in, why_not, window

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page
    from support.running import Running


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Say why nothing here runs, before anything is started."""
    reason = why_not()
    for item in items:
        if reason and "tests/browser/" in item.nodeid:
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="package")
def firm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Three users, two of whom take part, two-way. A test gives its events subjects of their own."""
    # Imported here, when the filters of the root conftest are in force: importing kafka-python itself warns.
    from support.running import TWO_WAY, running

    from concord.changing import confirm, known_users, read_directory, set_settings, switch_users
    from schemas.settings import Settings

    with running(tmp_path_factory.mktemp("concord"), console=True) as started:
        started.until(lambda: len(read_directory(started.broker).complete_sides) == 2, "the directory", 90)
        confirm(started.broker, by="test")
        set_settings(started.broker, {**TWO_WAY, "sync_private_events": "off"}, by="test")
        known = known_users(read_directory(started.broker), Settings())
        first, second, _ = (user.address for user in known if user.salesforce_id)
        started.settings = switch_users(started.broker, [first, second], enable=True, by="test")
        started.settle()
        yield started


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium. Ended with its module: while it is driven, nothing else in this process can run an event loop."""
    with chromium() as started:
        yield started


@pytest.fixture(scope="package")
def at(firm: Running) -> str:
    """The console's address."""
    return f"http://{firm.env.variables['CONCORD_CONSOLE_LISTEN']}"


@pytest.fixture
def page(browser: Browser, firm: Running, at: str) -> Iterator[Page]:
    """A window in which the administrator has just signed in."""
    with window(browser, at) as shown:
        sign_in(shown, firm.env.password or "")
        yield shown
