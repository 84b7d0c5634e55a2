"""Overview, Users & Mailboxes, settings and their history, as an administrator uses them."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
from support.console import NOW, Console, fill
from support.console_firm import with_history, with_people

from concord.connecting import BrokerUnreachable
from concord.console.accounts import Role
from concord.console.app import pages
from concord.console.desk import Backlog
from concord.console.setting_words import FIELDS, SYNC
from concord.console.users import PAGE
from schemas.directory import DirectoryEntry, EntryKind
from schemas.settings import READERS, Direction, Settings, UserSetting

HOSTILE = "<script>alert(1)</script>\"'&{{7*7}}\u202egnp.exe\x1b[31m"


# ---- overview ------------------------------------------------------------------------------------------------------


def test_overview_of_a_firm_that_begins(console: Console) -> None:
    """Overview of a firm that begins."""
    seen = console.browser(Role.VIEWER).get("/")
    assert "Nobody takes part yet." in seen.text
    assert "Every change that came in has been worked off." in seen.text


def test_overview_counts_events_and_says_what_needs_a_person(console: Console) -> None:
    """Overview counts events and says what needs a person."""
    with_history(console).desk.left = Backlog(3, 90.0, 2)
    seen = console.browser(Role.VIEWER).get("/")
    assert "Something needs a person." in seen.text
    assert "1 event is in error" in seen.text
    assert "2 changes could not be worked on and are set aside" in seen.text
    assert "3 changes not worked off yet" in seen.text
    figures = re.search(r"Synced ?(\d+) ?Pending ?(\d+) ?Error ?(\d+) ?Not Synced ?(\d+)", seen.text)
    assert figures is not None
    assert sum(map(int, figures.groups())) == len(console.desk.states)
    assert "Private events are not synced under the present settings." in seen.text


def test_overview_says_when_everything_agrees(console: Console) -> None:
    """Overview says when everything agrees."""
    console.desk.saved = [Settings(number=1, users=(UserSetting("m", "a@firm.example", "005", is_enabled=True),))]
    assert "Everything is in agreement." in console.browser(Role.VIEWER).get("/").text


def test_the_part_that_renews_itself_is_what_the_page_holds(console: Console) -> None:
    """The part that renews itself is what the page holds."""
    browser = with_history(console).browser(Role.VIEWER)
    assert browser.get("/part/overview").text in browser.get("/").text


def test_what_cannot_be_answered_is_one_sentence(console: Console) -> None:
    """What cannot be answered is one sentence."""
    browser = console.browser(Role.VIEWER)
    console.desk.errors = [BrokerUnreachable("broker.example:9092", "is away", "Start it.")]
    seen = browser.get("/")
    assert seen.status == 503
    assert "The Kafka broker at broker.example:9092 is away. Start it." in seen.text
    console.desk.errors = [ValueError("secret text of an event")]
    seen = browser.get("/")
    assert seen.status == 500
    assert "secret text" not in seen.text


# ---- users & mailboxes ---------------------------------------------------------------------------------------------


def test_nothing_applies_before_save_and_save_shows_what_it_will_do(console: Console) -> None:
    """Nothing applies before save and save shows what it will do."""
    browser = with_people(console, 3).browser(Role.ADMINISTRATOR)
    form = browser.get("/users").form("/users")
    seen = browser.after(browser.post("/users", [*form, ("sync", "005001"), ("go", "review")]))
    assert "user001@firm.example: Sync Events turned on." in seen.text
    assert "1 user takes part then, 0 now." in seen.text
    assert console.desk.saved == []
    assert "1 change is not saved" in browser.get("/users").text
    done = browser.after(browser.post("/users/save", seen.form("/users/save")))
    assert "Saved as settings number 1." in done.text
    (document,) = console.desk.saved
    assert [user.address for user in document.users if user.is_enabled] == ["user001@firm.example"]
    assert document.changed_by == "administrator"
    assert "not saved" not in browser.get("/users").text


def test_saved_twice_it_is_saved_once(console: Console) -> None:
    """Saved twice it is saved once."""
    browser = with_people(console, 1).browser(Role.ADMINISTRATOR)
    form = browser.get("/users").form("/users")
    review = browser.after(browser.post("/users", [*form, ("sync", "005000"), ("go", "review")])).form("/users/save")
    browser.post("/users/save", review)
    assert "Nothing is left to save." in browser.after(browser.post("/users/save", review)).text
    assert len(console.desk.saved) == 1


def test_what_is_saved_is_what_was_looked_at(console: Console) -> None:
    """Somebody goes on ticking in another tab after they looked."""
    browser = with_people(console, 2).browser(Role.ADMINISTRATOR)
    form = browser.get("/users").form("/users")
    review = browser.after(browser.post("/users", [*form, ("sync", "005000"), ("go", "review")])).form("/users/save")
    browser.post("/users", [*form, ("sync", "005000"), ("sync", "005001"), ("go", "1")])
    assert "others than those that you looked at" in browser.after(browser.post("/users/save", review)).text
    assert console.desk.saved == []


def test_an_unticked_user_stops_and_nothing_is_deleted(console: Console) -> None:
    """An unticked user stops and nothing is deleted."""
    browser = with_people(console, 2).browser(Role.ADMINISTRATOR)
    form = browser.get("/users").form("/users")
    seen = browser.after(browser.post("/users", [*form, ("sync", "005000"), ("sync", "005001"), ("go", "review")]))
    browser.post("/users/save", seen.form("/users/save"))
    form = browser.get("/users").form("/users")
    assert form.count(("sync", "005000")) == 1, "its box is ticked now"
    left = [pair for pair in form if pair != ("sync", "005000")]
    seen = browser.after(browser.post("/users", [*left, ("go", "review")]))
    assert "Nothing is deleted on either side" in seen.text
    browser.post("/users/save", seen.form("/users/save"))
    assert [user.is_enabled for user in console.desk.saved[-1].users] == [False, True]


def test_ticks_are_kept_across_pages_and_searches(console: Console) -> None:
    """Ticks are kept across pages and searches."""
    browser = with_people(console, 2 * PAGE + 5).browser(Role.ADMINISTRATOR)
    seen = browser.get("/users")
    assert "page 1 of 3" in seen.text
    seen = browser.after(browser.post("/users", [*seen.form("/users"), ("sync", "005000"), ("go", "3")]))
    assert "page 3 of 3" in seen.text
    asked = fill(seen.form("/users"), new_search="USER001@", go="search")
    seen = browser.after(browser.post("/users", [*asked, ("sync", "005104")]))
    assert "1 user named “USER001@”" in seen.text
    assert "2 changes are not saved" in seen.text
    seen = browser.after(browser.post("/users", [*seen.form("/users"), ("go", "review")]))
    assert "user000@firm.example: Sync Events turned on." in seen.text
    assert "user104@firm.example: Sync Events turned on." in seen.text


def test_everyone_found_can_be_ticked_and_all_of_it_discarded(console: Console) -> None:
    """Everyone found can be ticked and all of it discarded."""
    browser = with_people(console, PAGE + 5).browser(Role.ADMINISTRATOR)
    seen = browser.after(browser.post("/users", [*browser.get("/users").form("/users"), ("go", "all")]))
    assert f"{PAGE + 5} changes are not saved" in seen.text
    seen = browser.after(browser.post("/users", [*seen.form("/users"), ("go", "discard")]))
    assert "not saved:" not in seen.text
    assert console.desk.saved == []


def test_drafts_are_each_persons_own(console: Console) -> None:
    """Drafts are each persons own."""
    first, second = with_people(console, 1).browser(Role.ADMINISTRATOR), console.browser(Role.ADMINISTRATOR)
    first.post("/users", [*first.get("/users").form("/users"), ("sync", "005000"), ("go", "1")])
    assert "not saved" in first.get("/users").text
    assert "not saved" not in second.get("/users").text


def test_more_users_than_licences_cannot_be_saved(console: Console) -> None:
    """More users than licences cannot be saved."""
    console.desk.saved = [Settings(number=1, licences=1)]
    browser = with_people(console, 2).browser(Role.ADMINISTRATOR)
    seen = browser.get("/users")
    assert "0 users take part in event sync, of 1 licence." in seen.text
    both = [("sync", "005000"), ("sync", "005001")]
    seen = browser.after(browser.post("/users", [*seen.form("/users"), *both, ("go", "review")]))
    assert "2 users would be enabled, but only 1 are licensed" in seen.text
    browser.post("/users/save", seen.form("/users/save"))
    assert len(console.desk.saved) == 1


def with_two_mailboxes(console: Console) -> Console:
    """Ann answers for a shared mailbox too, and none is her primary one."""
    ann = [
        UserSetting("m-ann", "ann@firm.example", "005ANN", "Ann"),
        UserSetting("m-info", "info@firm.example", "005ANN"),
    ]
    console.desk.saved = [Settings(number=1, users=tuple(ann))]
    return console


@pytest.mark.rule("3.primary")
def test_several_mailboxes_need_a_primary_one(console: Console) -> None:
    """Several mailboxes need a primary one."""
    browser = with_two_mailboxes(console).browser(Role.ADMINISTRATOR)
    form = browser.get("/users").form("/users")
    assert ("primary:005ANN", "") in form
    seen = browser.after(browser.post("/users", [*form, ("sync", "005ANN"), ("go", "review")]))
    assert "one of them must be the primary mailbox" in seen.text
    form = browser.get("/users").form("/users")
    chosen = [("primary:005ANN", "m-info") if pair == ("primary:005ANN", "") else pair for pair in form]
    seen = browser.after(browser.post("/users", [*chosen, ("go", "review")]))
    assert "info@firm.example became its user's Primary Mailbox." in seen.text
    browser.post("/users/save", seen.form("/users/save"))
    users = {user.mailbox: user for user in console.desk.saved[-1].users}
    assert (users["m-info"].is_primary, users["m-ann"].is_primary) == (True, False)
    assert all(user.is_enabled for user in users.values())


def test_made_up_users_and_mailboxes_change_nothing(console: Console) -> None:
    """Made up users and mailboxes change nothing."""
    browser = with_two_mailboxes(console).browser(Role.ADMINISTRATOR)
    token = dict(browser.get("/users").form("/users"))["token"]
    fields = [("token", token), ("shown", "005X"), ("sync", "005X"), ("primary:005ANN", "m-other"), ("shown", "005ANN")]
    seen = browser.after(browser.post("/users", [*fields, ("go", "review")]))
    assert "Nothing is changed." in browser.after(seen).text
    assert len(console.desk.saved) == 1


def test_whoever_no_practifi_user_belongs_to_cannot_be_ticked(console: Console) -> None:
    """Whoever no practifi user belongs to cannot be ticked."""
    console.desk.know([DirectoryEntry(EntryKind.MAILBOX, "m-x", "x@firm.example", "X")])
    browser = console.browser(Role.ADMINISTRATOR)
    seen = browser.get("/users")
    assert "no Practifi user has this address" in seen.text
    browser.post("/users", [*seen.form("/users"), ("shown", "m-x"), ("sync", "m-x"), ("go", "all")])
    assert "not saved" not in browser.get("/users").text


def test_a_viewer_sees_users_without_anything_to_press(console: Console) -> None:
    """A viewer sees users without anything to press."""
    browser = with_people(console, PAGE + 1).browser(Role.VIEWER)
    seen = browser.get("/users?search=user0&page=2")
    assert "page 2 of 2" in seen.text
    assert not [held for tag, held in seen.reader.tags if held.get("type") == "checkbox" or held.get("name") == "go"]


@pytest.mark.parametrize("query", ["page=0", "page=999999", "page=-1", "page=x", "page=" + "9" * 50, "search=%00"])
def test_odd_pages_are_pages(console: Console, query: str) -> None:
    """Odd pages are pages."""
    assert with_people(console, 2).browser(Role.VIEWER).get(f"/users?{query}").status == 200


# ---- settings ------------------------------------------------------------------------------------------------------


def test_every_setting_that_can_be_changed_has_its_place() -> None:
    """Every setting that can be changed has its place."""
    assert set(FIELDS) == set(READERS)


@pytest.mark.parametrize("field", list(FIELDS.values()), ids=lambda field: field.name)
def test_each_setting_is_looked_at_saved_and_told(console: Console, field: Any) -> None:
    """Each setting is looked at saved and told."""
    console.desk.saved = [Settings(number=1, preflight_at=NOW)]
    tab = "sync" if field in SYNC else "integration"
    other = {"date": "2025-01-02", "number": "7", "text": "ui,unknown"}.get(field.kind)
    value = other or next(value for value, _ in field.choices if value != field.value(console.desk.saved[0]))
    browser = console.browser(Role.ADMINISTRATOR)
    seen = browser.get(f"/settings/{tab}")
    assert field.effect in seen.text
    seen = browser.post(f"/settings/{tab}/review", fill(seen.form(f"/settings/{tab}/review"), **{field.name: value}))
    assert seen.status == 200
    assert field.word(value) in seen.text
    assert len(console.desk.saved) == 1, "nothing applies before Save"
    review = seen.form(f"/settings/{tab}/save")
    assert "Saved as settings number 2." in browser.after(browser.post(f"/settings/{tab}/save", review)).text
    assert field.value(console.desk.saved[1]) == value
    assert console.desk.saved[1].changed_by == "administrator"
    told = browser.get("/settings/history").text
    assert f"{field.label}: {field.word(field.value(console.desk.saved[0]))} → {field.word(value)}" in told
    browser.post(f"/settings/{tab}/save", review)
    assert len(console.desk.saved) == 2, "sent twice, saved once"


def test_bad_values_are_said_with_their_label_and_kept_in_the_form(console: Console) -> None:
    """Bad values are said with their label and kept in the form."""
    browser = console.browser(Role.ADMINISTRATOR)
    form = browser.get("/settings/integration").form("/settings/integration/review")
    wrong = fill(form, inbound_years="51", commencement_date="2026-13-01", outbound_months=HOSTILE)
    seen = browser.post("/settings/integration/review", wrong)
    assert seen.status == 400
    assert "Future Inbound Event Sync Range in Years: '51': use a whole number from 0 to 50" in seen.text
    assert dict(seen.form("/settings/integration/review"))["inbound_years"] == "51"
    assert "<script>alert" not in seen.response.text
    assert console.desk.saved == []


@pytest.mark.rule("1.2")
def test_writing_to_microsoft_waits_for_a_confirmed_preflight(console: Console) -> None:
    """Writing to microsoft waits for a confirmed preflight."""
    browser = console.browser(Role.ADMINISTRATOR)
    form = browser.get("/settings/sync").form("/settings/sync/review")
    seen = browser.post("/settings/sync/review", fill(form, direction="two_way"))
    assert seen.status == 400
    assert "needs a confirmed preflight first" in seen.text
    assert dict(seen.form("/settings/sync/review"))["direction"] == "two_way"


def test_nothing_different_is_nothing_to_save(console: Console) -> None:
    """Nothing different is nothing to save."""
    browser = console.browser(Role.ADMINISTRATOR)
    form = browser.get("/settings/sync").form("/settings/sync/review")
    assert "Nothing is different" in browser.after(browser.post("/settings/sync/review", form)).text


def test_another_setting_saved_meanwhile_stands_too(console: Console) -> None:
    """Another setting saved meanwhile stands too."""
    browser = console.browser(Role.ADMINISTRATOR)
    form = browser.get("/settings/sync").form("/settings/sync/review")
    review = browser.post("/settings/sync/review", fill(form, sync_internal_events="on")).form("/settings/sync/save")
    console.desk.saved.append(Settings(number=1, changed_by="olga", sync_private_events=True))
    browser.post("/settings/sync/save", review)
    assert console.desk.saved[-1].sync_internal_events
    assert console.desk.saved[-1].sync_private_events


def test_the_same_setting_saved_meanwhile_asks_again(console: Console) -> None:
    """The same setting saved meanwhile asks again."""
    console.desk.saved = [Settings(number=1, preflight_at=NOW)]
    browser = console.browser(Role.ADMINISTRATOR)
    form = browser.get("/settings/sync").form("/settings/sync/review")
    review = browser.post("/settings/sync/review", fill(form, direction="two_way")).form("/settings/sync/save")
    theirs = Settings(number=2, preflight_at=NOW, direction=Direction.PRACTIFI_TO_MICROSOFT, changed_by="olga")
    console.desk.saved.append(theirs)
    told = browser.after(browser.post("/settings/sync/save", review)).text
    assert "Nothing was saved: olga changed Sync Direction meanwhile." in told
    assert console.desk.saved[-1] is theirs


def test_before_save_it_is_told_which_events_it_touches(console: Console) -> None:
    """Before save it is told which events it touches."""
    browser = with_history(console).browser(Role.ADMINISTRATOR)
    form = browser.get("/settings/sync").form("/settings/sync/review")
    seen = browser.post("/settings/sync/review", fill(form, sync_private_events="on"))
    assert "1 event may appear in Practifi." in seen.text
    seen = browser.post("/settings/sync/review", fill(form, delete_from_microsoft="off"))
    assert "None would appear, change or go, and nobody would be mailed." in seen.text


def test_a_viewer_sees_settings_without_anything_to_press(console: Console) -> None:
    """A viewer sees settings without anything to press."""
    seen = console.browser(Role.VIEWER).get("/settings/sync")
    assert "Sync Direction" in seen.text
    assert not [held for tag, held in seen.reader.tags if tag == "input" and held.get("type") != "hidden"]


def test_a_long_history_has_pages(console: Console) -> None:
    """A long history has pages."""
    console.desk.saved = [Settings(number=number, inbound_years=number % 50) for number in range(1, 121)]
    browser = console.browser(Role.VIEWER)
    first, last = browser.get("/settings/history"), browser.get("/settings/history?from=100")
    assert "Older" in first.text
    assert "Newer" not in first.text
    assert "Newer" in last.text
    assert "Older" not in last.text


# ---- text of others ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [page.path for page in pages() if page.method == "GET" and page.needs])
def test_hostile_text_is_inert_wherever_it_is_shown(console: Console, path: str) -> None:
    """Names, addresses, reasons and who changed settings hold what would be script, template, colour or direction."""
    history = with_history(console)
    states = [replace(state, reason=HOSTILE) for state in history.desk.states]
    console.desk.states = states
    users = (
        UserSetting("mailbox-ann", f"ann{HOSTILE}@firm.example", "005ANN", HOSTILE, True),
        UserSetting("m2" + HOSTILE, f"b{HOSTILE}@firm.example", "005ANN", "Bob", True, is_primary=True),
    )
    console.desk.saved = [
        Settings(number=1, changed_by=HOSTILE, users=users, outbound_origins=(HOSTILE,), preflight_at=NOW),
        Settings(number=2, changed_by=HOSTILE),
    ]
    console.desk.saved[1] = replace(console.desk.saved[1], users=users)
    browser = console.browser(Role.ADMINISTRATOR)
    seen = browser.get(path + "?search=" + "%3Cscript%3E" if path == "/users" else path)
    assert seen.status in (200, 303, 400, 409)
    raw = seen.response.text
    assert "<script>alert" not in raw
    assert not re.search("[\x1b\u202e\x00]", raw)
    assert not [held for tag, held in seen.reader.tags if tag == "script" and "src" not in held]


def test_private_text_is_on_no_page(console: Console) -> None:
    """The day holds a private event: its words stand nowhere."""
    with_history(console)
    for role in Role:
        browser = console.browser(role)
        for page in pages():
            if page.method == "GET" and page.needs is not None and page.needs <= role:
                raw = browser.get(page.path).response.text
                assert not [word for word in ("Surgery", "Grey", "Clinic") if word in raw], page.path
