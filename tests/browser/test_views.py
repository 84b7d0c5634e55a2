"""Every page as it looks: light and dark, wide and narrow, without a fault that axe-core finds, never wider than its
window. Comes after `test_tasks`, whose traces fill the pages.

SCREENSHOTS names a folder to write each view to (`make screenshots`).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.browser import AXE, HEIGHT, NOWHERE, SCHEMES, WIDTHS, faults_of, keep, sign_in, window

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page
    from support.running import Running

pytestmark = [pytest.mark.broker, pytest.mark.long]


def path(to: str) -> Callable[[Page], None]:
    """The page with this address."""

    def go(page: Page) -> None:
        page.goto(to)

    return go


def _press(to: str, name: str, *ticked: str) -> Callable[[Page], None]:
    """The page that a button or link leads to, the last of its kind if there is one, once boxes were pressed."""

    def go(page: Page) -> None:
        page.goto(to)
        for selector in ticked:
            if page.locator(selector).count():
                page.locator(selector).first.click()
        found = page.locator("main").locator(f"button:has-text({name!r}), a:has-text({name!r})")
        if found.count():
            found.last.click()
            page.wait_for_load_state()

    return go


def _first(to: str) -> Callable[[Page], None]:
    """Where the first link of a list leads."""

    def go(page: Page) -> None:
        page.goto(to)
        if page.locator("tbody th a").count():
            page.locator("tbody th a").first.click()
            page.wait_for_load_state()

    return go


VIEWS = {
    "overview": path("/"),
    "users": path("/users"),
    "users-save": _press("/users", "Save …", "tbody input[name=sync]"),
    "sync-settings": path("/settings/sync"),
    "sync-settings-save": _press("/settings/sync", "Save …", "input[name=delete_from_practifi]:not(:checked)"),
    "integration-settings": path("/settings/integration"),
    "history": path("/settings/history"),
    "events": path("/events?search=e"),
    "event": _first("/events?search=Review"),
    "undo": _press("/events?search=Review+of+the+plan", "Undo what was written"),
    "held": path("/held"),
    "held-release": _press("/held", "Release …", "input[name=hold]"),
    "logs": path("/logs"),
    "run": _first("/logs?status=errors"),
    "retries": path("/logs/retries"),
    "conflicts": path("/conflicts"),
    "mails": path("/mails"),
    "platform": path("/platform"),
    "quarantine": path("/platform/quarantine"),
    "quarantine-retry": _press("/platform/quarantine", "Retry …", "input[name=place]"),
    "quarantine-record": _first("/platform/quarantine"),
    "preflight": path("/preflight"),
    "refused": path(NOWHERE),
}


@pytest.fixture(scope="module")
def visitor(browser: Browser, firm: Running, at: str) -> Iterator[Page]:
    """A window in which the administrator has signed in, with axe-core in each page."""
    with window(browser, at) as shown:
        shown.context.add_init_script(path=AXE)
        shown.goto("/sign-in")
        assert views(shown, "sign-in") == []
        sign_in(shown, firm.env.password or "")
        yield shown


def views(page: Page, name: str) -> list[str]:
    """Look at the page in each view, and keep it if asked to; every fault found."""
    found = []
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": HEIGHT})
        for scheme in SCHEMES:
            page.emulate_media(color_scheme=scheme)
            # Between light and dark only colours change.
            rules = () if scheme == SCHEMES[0] else ("color-contrast", "link-in-text-block")
            found += [f"{name}, {scheme}, {width} px: {fault}" for fault in faults_of(page, *rules)]
            if folder := os.environ.get("SCREENSHOTS"):
                keep(page, Path(folder) / f"{name}-{scheme}-{width}.png")
    return found


@pytest.mark.parametrize("name", VIEWS)
def test_nobody_is_shut_out(name: str, visitor: Page) -> None:
    """No fault in any view."""
    VIEWS[name](visitor)
    assert views(visitor, name) == []


def test_what_axe_looks_for_is_found(visitor: Page) -> None:
    """A page made worse on purpose is found so."""
    visitor.goto("/users")
    visitor.evaluate("document.querySelector('#new_search').labels[0].remove()")
    visitor.evaluate("document.querySelector('h1').style.cssText = 'color: #888; background: #999; width: 4000px'")
    found = " ".join(faults_of(visitor))
    assert "label:" in found
    assert "color-contrast:" in found
    assert "wider than its window" in found
