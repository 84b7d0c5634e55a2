"""What an administrator comes to each page for, done in Chromium from the sign-in to what the other service then holds.

Each test signs in anew and needs no other; what one leaves on a page, `test_views` finds there.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest
from support.browser import SEEN_MS
from support.running import Running

from concord.changing import current_settings, known_users, read_directory
from concord.comparison import INVITES
from concord.connecting import producer_of
from schemas.settings import UserSetting
from schemas.topics import GRAPH_CHANGES

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

pytestmark = [pytest.mark.broker, pytest.mark.long]


def go_to(page: Page, name: str) -> None:
    """Press a name in the list of pages."""
    page.get_by_role("navigation", name="Pages").get_by_role("link", name=name, exact=True).click()
    page.get_by_role("heading", name=name, level=1).wait_for()


def press(page: Page, name: str) -> None:
    """Press a button or a link that looks like one."""
    found = page.get_by_role("main").get_by_role("button", name=name, exact=True)
    found.or_(page.get_by_role("main").get_by_role("link", name=name, exact=True)).first.click()


def row(page: Page, words: str) -> Locator:
    """The row of a table that holds these words."""
    return page.get_by_role("main").locator("tbody tr").filter(has_text=words).first


def come_again(page: Page, look: Callable[[], bool], firm: Running, what: str) -> None:
    """Load a page anew until it shows something: what it reads is written a few seconds behind."""

    def is_there() -> bool:
        if look():
            return True
        page.wait_for_timeout(1000)
        page.reload()
        return look()

    firm.until(is_there, f"{what} on {page.url}")


def find(page: Page, subject: str) -> None:
    """Search for an event by its subject; it is shown at once, being the only one."""
    go_to(page, "Events")
    page.get_by_label("Part of the subject, or an id").fill(subject)
    press(page, "Search")
    page.get_by_role("heading", name=subject, level=1).wait_for()


def in_outlook(firm: Running, owner: UserSetting, subject: str) -> dict[str, Any]:
    """The event with this subject in a mailbox, once it is there."""
    sims = firm.env.simulators

    def look() -> dict[str, Any] | None:
        held = sims.on_graph(sims.graph.events_of, owner.mailbox)
        return next((event for event in held if event["subject"] == subject), None)

    return firm.until(look, f"{subject!r} in Outlook")


def new_entry(firm: Running, subject: str, day: datetime, people: int = 0) -> str:
    """Somebody makes an event in Practifi, and invites so many contacts."""
    more = {INVITES: True} if people else {}
    return firm.practifi.create(
        firm.entry(subject, day, firm.users[0], **more), tuple(one[0] for one in firm.people[:people])
    )


def test_users_and_mailboxes_with_the_keyboard_alone(firm: Running, page: Page) -> None:
    """Somebody is let take part: nothing applies before Save; then what stood in their calendar comes to Practifi."""
    third = next(
        user for user in known_users(read_directory(firm.broker), firm.settings)
        if user.salesforce_id and not user.is_enabled
    )  # fmt: skip
    made = firm.outlook.create(third.address, firm.meeting("Garden meeting", firm.a_free_day()))

    def tab_to(words: str) -> None:
        for _ in range(60):
            page.keyboard.press("Tab")
            focused = page.locator(":focus")
            label = focused.evaluate("one => (one.labels?.length ? one.labels[0] : one).textContent.trim()")
            if label == words:
                ring = focused.evaluate("one => getComputedStyle(one).outlineStyle")
                assert ring == "solid", f"nobody sees that {words!r} has the focus"
                return
        raise AssertionError(f"the tab key does not lead to {words!r}")

    tab_to("Skip to the page")
    tab_to("Users & Mailboxes")
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Users & Mailboxes").wait_for()
    tab_to(f"Sync Events of {third.name}")
    page.keyboard.press("Space")
    assert firm.practifi.with_external_id(made["id"]) is None
    tab_to("Save …")
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Save these changes?").wait_for()
    assert "3 users take part then, 2 now" in page.inner_text("main")
    assert not is_enabled(firm, third)
    tab_to("Save")
    page.keyboard.press("Enter")
    page.get_by_text("Saved as settings number").wait_for()
    assert is_enabled(firm, third)
    firm.record_of(made["id"], Subject="Garden meeting")


def is_enabled(firm: Running, user: UserSetting) -> bool:
    """Whether the settings in force let somebody take part."""
    found = current_settings(firm.broker).user_of_mailbox(user.mailbox)
    return found is not None and found.is_enabled


def test_sync_settings(firm: Running, page: Page) -> None:
    """Private events are let through: shown before it is saved, told in the history, and carried to Practifi."""
    made = firm.outlook.create(
        firm.users[0].address, firm.meeting("Own matter", firm.a_free_day(), sensitivity="private")
    )
    go_to(page, "Sync Settings")
    page.get_by_role("group", name="Sync Private Events").get_by_label("On").check()
    press(page, "Save …")
    page.get_by_role("heading", name="Save these settings?").wait_for()
    assert row(page, "Sync Private Events").get_by_role("cell").all_inner_texts() == ["Off", "On"]
    assert not current_settings(firm.broker).sync_private_events
    press(page, "Save")
    page.get_by_text("Saved as settings number").wait_for()
    go_to(page, "History")
    assert "Sync Private Events: Off → On" in row(page, "administrator").inner_text()
    firm.outlook.edit(firm.users[0].address, made["id"], {"location": {"displayName": "At home"}})
    firm.record_of(made["id"], Location="At home")


def test_integration_settings_and_held(firm: Running, page: Page) -> None:
    """With a limit of two mails a write, three invitations wait until they are released; then they leave, once."""
    go_to(page, "Integration Settings")
    page.get_by_label(re.compile("mail", re.IGNORECASE)).first.fill("2")
    press(page, "Save …")
    press(page, "Save")
    page.get_by_text("Saved as settings number").wait_for()
    assert current_settings(firm.broker).invitation_limit_per_write == 2
    day, sent = firm.a_free_day(), firm.mails_sent()
    for subject in ("Seminar on wills", "Seminar on trusts"):
        new_entry(firm, subject, day, people=3)
    go_to(page, "Held")
    come_again(page, lambda: page.get_by_role("checkbox", name=re.compile("Seminar")).count() == 2, firm, "both")
    page.get_by_role("checkbox", name=re.compile("Seminar on wills")).check()
    press(page, "Release …")
    page.get_by_role("heading", name="Make these writes?").wait_for()
    assert firm.people[0][2] in page.inner_text("main")
    assert firm.mails_sent() == sent
    press(page, "Release 1")
    in_outlook(firm, firm.users[0], "Seminar on wills")
    firm.until(lambda: (firm.mails_sent() - sent).total() == 3, "three invitations")
    go_to(page, "Mail ledger")
    page.get_by_label("Recipient's address").fill(firm.people[0][2])
    press(page, "Show")
    come_again(page, lambda: row(page, "Seminar on wills").count() > 0, firm, "the mails")
    go_to(page, "Held")
    assert row(page, "Seminar on trusts").count() == 1
    assert row(page, "Seminar on wills").count() == 0


def test_events_and_undo(firm: Running, page: Page) -> None:
    """What an edit in Practifi overwrote in Outlook comes back, and the page tells why it was written."""
    adviser = firm.users[0]
    made = firm.outlook.create(adviser.address, firm.meeting("Review of the plan", firm.a_free_day()))
    record = firm.record_of(made["id"], Subject="Review of the plan")
    firm.practifi.edit(record["Id"], {"Location": "The wrong house"})
    firm.until(lambda: place_of(firm, adviser, made["id"]) == "The wrong house", "the new place in Outlook")
    find(page, "Review of the plan")
    come_again(page, lambda: page.get_by_text("Undo what was written to Microsoft 365").count() > 0, firm, "the undo")
    press(page, "Undo what was written to Microsoft 365 …")
    page.get_by_role("heading", name="Undo this?").wait_for()
    assert "Harbour House" in page.inner_text("main")
    press(page, "Undo")
    page.get_by_text("The undo is asked for").wait_for()
    firm.until(lambda: place_of(firm, adviser, made["id"]) == "Harbour House", "the old place in Outlook")
    firm.record_of(made["id"], Location="Harbour House")


def place_of(firm: Running, owner: UserSetting, event_id: str) -> str:
    """Where an event takes place, in Outlook."""
    event = firm.outlook.get(owner.address, event_id)
    return str(event["location"]["displayName"]) if event else ""


def test_logs_and_errors(firm: Running, page: Page) -> None:
    """What Microsoft 365 refused stands under Errors Only; Retry carries it over."""
    client = firm.env.simulators.environment()["GRAPH_CLIENT_ID"]
    body = '{"error": {"code": "ErrorInvalidRequest", "message": "The calendar was not ready."}}'
    fault = {"path": "/events", "method": "POST", "client": client, "status": 400, "body": body, "count": 1}
    firm.control("graph", "faults", fault)
    new_entry(firm, "Refused at first", firm.a_free_day())
    go_to(page, "Logs & Errors")
    press(page, "Errors Only")
    come_again(page, lambda: page.get_by_role("button", name=re.compile("^Retry the errors")).count() > 0, firm, "it")
    assert "The calendar was not ready." in page.inner_text("tbody")
    page.locator("tbody th a").first.click()
    assert row(page, "Refused at first").count() == 1
    press(page, "Retry the errors of this row")
    page.get_by_text("1 of 1 tried: 1 without an error").first.wait_for(timeout=SEEN_MS)
    in_outlook(firm, firm.users[0], "Refused at first")


def test_conflicts(firm: Running, page: Page) -> None:
    """The subject that lost in Practifi is written back to both sides."""
    adviser = firm.users[0]
    made = firm.outlook.create(adviser.address, firm.meeting("Talk", firm.a_free_day()))
    record = firm.record_of(made["id"], Subject="Talk")
    firm.env.roles.halt("sink-graph")  # so that the first edit is not through when the second comes
    try:
        firm.practifi.edit(record["Id"], {"Subject": "Talk, in Practifi's words"})
        firm.until(lambda: any(one.status == "pending" for one in firm.pairs().values()), "the edit under way")
        firm.outlook.edit(adviser.address, made["id"], {"subject": "Talk, in Microsoft's words"})
        firm.record_of(made["id"], Subject="Talk, in Microsoft's words")
    finally:
        firm.env.roles.resume("sink-graph")
    firm.settle()
    go_to(page, "Conflicts")
    come_again(page, lambda: row(page, "Talk, in Practifi's words").count() > 0, firm, "the conflict")
    row(page, "Talk, in Practifi's words").get_by_role("link", name=re.compile("^Write it back")).click()
    page.get_by_role("heading", name="Undo this?").wait_for()
    assert page.get_by_role("button", name="Undo", exact=True).count(), page.inner_text("main")
    press(page, "Undo")
    page.get_by_text("The undo is asked for").wait_for()
    in_outlook(firm, adviser, "Talk, in Practifi's words")
    firm.record_of(made["id"], Subject="Talk, in Practifi's words")


def test_overview_renews_itself(firm: Running, page: Page) -> None:
    """What is made in Outlook is counted without anybody loading the page anew."""
    count = page.locator(".figures div").filter(has_text="Synced").locator("dd").first
    before = int(count.inner_text().replace(",", ""))
    page.evaluate("window.isStillThere = true")
    made = firm.outlook.create(firm.users[0].address, firm.meeting("One more", firm.a_free_day()))
    firm.record_of(made["id"], Subject="One more")
    page.wait_for_function(
        "before => [...document.querySelectorAll('.figures div')].some(one => one.innerText.startsWith('Synced')"
        " && Number(one.innerText.replace(/[^0-9]/g, '')) > before)",
        arg=before,
    )
    assert page.evaluate("window.isStillThere")


def test_preflight(firm: Running, page: Page) -> None:
    """Looked at, read and confirmed under the administrator's name."""
    go_to(page, "Preflight")
    press(page, "Look at everything now")
    page.get_by_role("heading", name="What was found").wait_for()
    page.get_by_label("I have read every line above.").check()
    page.get_by_label("No other calendar sync is on").check()
    press(page, "Confirm")
    page.get_by_text(re.compile(r"Confirmed .* by administrator")).first.wait_for()
    assert current_settings(firm.broker).preflight_by == "administrator"


def test_platform_and_quarantine(firm: Running, page: Page) -> None:
    """A record that nobody can read is given back, and comes back with one more retry; the workers are all there."""
    with producer_of(firm.broker) as producer:
        producer.send(GRAPH_CHANGES, key=b"bad", value=b"\x00garbage \xff", partition=0).get(timeout=30)
    go_to(page, "Platform")
    assert "no worker" not in page.get_by_role("region", name="Roles").inner_text()
    press(page, "Quarantine")
    come_again(page, lambda: row(page, GRAPH_CHANGES).count() > 0, firm, "the record")
    row(page, GRAPH_CHANGES).get_by_role("checkbox").check()
    press(page, "Retry …")
    page.get_by_role("heading", name="Retry 1 record?").wait_for()
    press(page, "Retry")
    come_again(page, lambda: row(page, GRAPH_CHANGES).locator("td.number").all_inner_texts() == ["1"], firm, "it again")
