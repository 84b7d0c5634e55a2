"""Chromium, driven by Playwright, and axe-core in it. `make setup-extras` brings what is missing of the three."""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page

NAMES: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
AXE: Final = Path(__file__).parents[1] / "thirdparty" / "node" / "node_modules" / "axe-core" / "axe.min.js"
INSTALL: Final = "make setup-extras installs it"
# Longest wait for what a page shows, in milliseconds: far beyond what is usual, so that a busy machine fails nothing.
SEEN_MS: Final = 60_000
SCHEMES: Final = ("light", "dark")
WIDTHS: Final = (1600, 360)
HEIGHT: Final = 900
# How much of a page a picture shows, and in how many colours.
KEPT_PX: Final = 1600
COLOURS: Final = 40
NOWHERE: Final = "/nowhere"

# Every rule unless some are named, those of WCAG 2.2 and of good practice too.
_JUDGE: Final = """async (only) => {
  const told = await axe.run(document, only.length ? { runOnly: only, resultTypes: ["violations"] }
    : { resultTypes: ["violations"], rules: { "target-size": { enabled: true } } });
  return told.violations.flatMap((one) => one.nodes.map((node) =>
    `${one.id}: ${node.html.slice(0, 200)} ${node.failureSummary}`));
}"""
_WIDER: Final = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


def find_chromium() -> str | None:
    """The Chromium of this machine."""
    return next((found for name in NAMES if (found := shutil.which(name))), None)


def why_not() -> str:
    """Why no page can be looked at here, "" when they can."""
    if importlib.util.find_spec("playwright") is None:
        return f"no Playwright: {INSTALL}"
    if find_chromium() is None:
        return f"no Chromium: {INSTALL} as root on Debian"
    return "" if AXE.exists() else f"no axe-core: {INSTALL}"


@contextmanager
def chromium() -> Iterator[Browser]:
    """The browser, for a `with` block. Its sandbox cannot be had by root."""
    from playwright.sync_api import sync_playwright

    flags = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=find_chromium(), args=[*flags, "--disable-gpu"])
        try:
            yield browser
        finally:
            browser.close()


def is_complaint(said: ConsoleMessage) -> bool:
    """Whether a line in the browser's console tells of a fault."""
    return said.type == "error" and not said.location["url"].endswith(NOWHERE)


@contextmanager
def window(browser: Browser, address: str, **members: Any) -> Iterator[Page]:
    """A window of somebody new, for a `with` block. Fails when a page complains in the browser's console, other than of
    an address that there is not."""
    context: BrowserContext = browser.new_context(
        base_url=address, viewport={"width": WIDTHS[0], "height": HEIGHT}, **members
    )
    context.set_default_timeout(SEEN_MS)
    complaints: list[str] = []
    try:
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda said: complaints.append(said.text) if is_complaint(said) else None)
        yield page
        assert complaints == []
    finally:
        context.close()


def sign_in(page: Page, password: str) -> None:
    """Type the administrator's name and password."""
    page.goto("/sign-in")
    page.get_by_label("Name").fill("administrator")
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("heading", name="Overview").wait_for()


def faults_of(page: Page, *rules: str) -> list[str]:
    """What axe-core finds on a page as it is shown now, by these rules or all, and how far it is wider than its window.
    The window must have been opened with axe-core (`AXE`) as a script of its own."""
    found: list[str] = page.evaluate(_JUDGE, list(rules))
    wider = page.evaluate(_WIDER)
    return found + ([f"wider than its window by {wider} px"] if wider > 0 else [])


def keep(page: Page, path: Path) -> None:
    """Write the page, down to `KEPT_PX`, as a PNG of its most frequent colours: links, errors and marks keep theirs."""
    from io import BytesIO

    from PIL import Image

    seen = Image.open(BytesIO(page.screenshot(full_page=True, animations="disabled", caret="hide"))).convert("RGB")
    seen = seen.crop((0, 0, seen.width, min(seen.height, KEPT_PX)))
    counted = sorted(seen.getcolors(seen.width * seen.height) or [], reverse=True)[:COLOURS]
    palette = Image.new("P", (1, 1))
    palette.putpalette([part for _, colour in counted for part in colour])
    path.parent.mkdir(parents=True, exist_ok=True)
    seen.quantize(palette=palette, dither=Image.Dither.NONE).save(path, optimize=True)
