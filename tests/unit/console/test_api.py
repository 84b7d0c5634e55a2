"""The API: what it answers is what its description says, for every operation; what it does is what the pages do."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from functools import cache
from typing import Any
from urllib.parse import urlencode

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator
from sqlalchemy import insert
from support.console import NOW, Browser, Console
from support.console_firm import mailbox, with_held, with_people
from support.history import PRIVATE, REFUSED, REVIEW, tell_conflict, tell_private, tell_refused
from support.read_model_facts import facts_of, kept

from concord.console.accounts import Role
from concord.console.api.document import document
from concord.console.api.table import operations
from concord.console.app import pages
from concord.console.operations import ROOT
from concord.preflight_checks import Finding, Level
from concord.quarantined import Quarantined
from concord.read_models.database import open_database
from concord.read_models.keeper import Keeper
from concord.reading import Read
from projections.read_models.tables import RUNS
from schemas.directory import AddressClass, DirectoryEntry, EntryKind
from schemas.topics import SYNC_QUARANTINE

HOSTILE = "<script>alert(1)</script>\"'\u202e\x1b[31m"


@cache
def described() -> dict[str, Any]:
    """The description as it is served."""
    return document(operations())


def test_whatever_has_a_page_has_operations() -> None:
    """Who adds pages adds operations; signing in and the stream of a page are for browsers alone."""
    parts = {page.path.split("/")[1] or "overview" for page in pages() if page.api is None and not page.is_part}
    known = {page.path.removeprefix(ROOT).split("/")[1] for page in operations()}
    assert parts - known == {"sign-in", "sign-out"}


class Program:
    """A program with a token. Every answer is checked against the description."""

    def __init__(self, console: Console, role: Role) -> None:
        self._browser = Browser(console.app)
        token = console.programs.add(f"{role.word}{len(console.programs.all())}", role, timedelta(days=1))
        self._headers = {"authorization": f"Bearer {token}"}

    def ask(self, method: str, path: str, status: int = 200, **body: Any) -> Any:
        """The JSON of an answer."""
        members = {"json": body} if body else {}
        seen = self._browser.ask(method, ROOT + path, headers=self._headers, **members).response
        assert seen.status_code == status, seen.text
        told = described()["paths"][ROOT + path.partition("?")[0]][method.lower()]["responses"][str(status)]
        ((kind, held),) = told["content"].items()
        assert seen.headers["content-type"] == kind
        schema = {**held["schema"], "components": described()["components"]}
        Draft202012Validator(schema).validate(seen.json())
        return seen.json()

    def get(self, path: str, status: int = 200) -> Any:
        """Read."""
        return self.ask("GET", path, status)


def test_the_description_is_openapi_3_1_and_is_served(console: Console) -> None:
    """The description is openapi 3 1 and is served."""
    served = Browser(console.app).get("/api/v1/openapi.json").response.json()
    assert served == described()
    OpenAPIV31SpecValidator(served).validate()
    assert {(path, method.upper()) for path, held in served["paths"].items() for method in held} == {
        (page.path, page.method) for page in operations()
    }


def test_answers_are_as_described_and_what_is_described_is_asked(console: Console) -> None:
    """Each operation once, in a firm where each has something to answer. One that is added needs a line here."""
    with_held(console, subject=HOSTILE)
    history = console.desk.history
    for tell in (tell_conflict, tell_private, tell_refused):
        tell(history)
    console.desk.states = list(history.partition.pairs.values())
    console.desk.saved = [replace(history.settings, number=1)]
    console.desk.findings = (Finding("rooms", Level.OK, "2 rooms"),)
    console.desk.plant.set_aside = set_aside()
    engine = open_database(console.desk.books.engine.url)
    kept(engine, facts_of(history))
    engine.dispose()
    with_people(console, 3)
    program = Program(console, Role.ADMINISTRATOR)
    asked = set()

    def ask(method: str, path: str, status: int = 200, **body: Any) -> Any:
        asked.add((method, ROOT + path.partition("?")[0]))
        return program.ask(method, path, status, **body)

    assert ask("GET", "/overview")["held"] == 2
    assert ask("GET", "/session") == {"name": "token:administrator0", "role": "administrator", "token": ""}
    assert ask("GET", "/users?search=user&limit=2")["next"] == "/api/v1/users?limit=2&search=user&start=2"
    change = {"changes": [{"key": "005001", "is_enabled": True}]}
    assert ask("POST", "/users/review", **change)["changes"] == ["user001@firm.example: Sync Events turned on."]
    assert ask("PATCH", "/users", **change)["is_changed"]
    assert not ask("PATCH", "/users", **change)["is_changed"], "sent twice"
    number = ask("GET", "/settings")["number"]
    wish = {"settings": {"licences": "7"}}
    assert ask("POST", "/settings/review", **wish)["changes"][0]["after"] == "7"
    assert ask("PATCH", "/settings", **wish, number=number)["is_changed"]
    assert not ask("PATCH", "/settings", **wish, number=number)["is_changed"], "sent twice"
    assert ask("GET", "/settings/history?limit=1")["items"][0]["changes"][0]["name"] == "licences"
    assert ask("GET", "/events?search=Invite", 200)["total"] == 0
    assert ask("GET", "/events?search=alert")["items"][0]["subject"] == f"{HOSTILE} 0"
    event = ask("GET", f"/event?pair={REVIEW}")
    undo = next(one for moment in event["moments"] for one in moment["undos"] if one["side"] == "salesforce")
    proposal = ask("GET", f"/event/undo?decision={undo['decision']}&side={undo['side']}")
    assert ask("POST", "/event/undo", **undo, seen=proposal["seen"])["pair"] == REVIEW
    assert ask("POST", "/event/undo", 409, **undo, seen="another")["detail"] == (
        "The event has changed since. Look again."
    )
    assert ask("POST", "/event/retry", pair=REFUSED)["is_asked"]
    marks = [one["mark"] for one in ask("GET", "/held?kind=invitations")["items"]]
    assert ask("POST", "/held/release", marks=[marks[0], "nothing"]) == {"acted": 1, "gone": 1}
    assert ask("POST", "/held/drop", marks=marks[1:]) == {"acted": 1, "gone": 0}
    ask_lists(ask)
    ask_platform(ask)
    assert console.desk.plant.settled == [(verb, place, "token:administrator0") for verb, place in SETTLED]
    assert [verb for verb, _, _ in console.desk.acts[:4]] == [f"undo {undo['decision']}", "retry", "release", "drop"]
    assert {by for _, _, by in console.desk.acts} == {"token:administrator0"}
    assert asked | {("GET", f"{ROOT}/openapi.json")} == {(page.method, page.path) for page in operations()}


def ask_lists(ask: Any) -> None:
    """Each list; their rows are those of the pages."""
    row = next(one for one in ask("GET", "/logs?status=errors&direction=inbound")["items"])
    assert row["errors"] == 1
    assert "FIELD_CUSTOM_VALIDATION_EXCEPTION" in row["message"]
    found = ask("GET", f"/logs/run?{urlencode({'run': row['mark']})}")
    assert REFUSED in {one["pair"] for one in found["records"] if one["result"] == "error"}
    assert ask("POST", "/logs/retry", run=row["mark"])["events"] == 1
    assert ask("POST", "/logs/retry-errors")["events"] in (0, 1)
    assert ask("GET", "/logs/retries")["items"] == []
    lost = ask("GET", "/conflicts")["items"]
    assert [(one["pair"], one["field"]) for one in lost] == [(REVIEW, "location")]
    assert ask("GET", "/conflicts?asked=yes")["items"] == []
    assert ask("GET", "/mails?recipient=nobody")["items"] == []


def ask_platform(ask: Any) -> None:
    """What engineers look at."""
    assert ask("GET", "/preflight")["checked_at"] is None
    assert ask("POST", "/preflight/run")["findings"][0]["level"] == "ok"
    assert ask("POST", "/preflight/confirm", 422, looked=True, others_off=False)["problems"]
    assert ask("POST", "/preflight/confirm", looked=True, others_off=True)["confirmed_by"] == "token:administrator0"
    assert ask("GET", "/platform")["topics"][-1]["partitions"] == 0
    places = [one["place"] for one in ask("GET", "/platform/quarantine?limit=1")["items"]]
    assert ask("POST", "/platform/quarantine/retry", places=[*places, "9/9"]) == {"settled": 1, "gone": 1}
    (left,) = ask("GET", "/platform/quarantine")["items"]
    assert ask("POST", "/platform/quarantine/drop", places=[left["place"]]) == {"settled": 1, "gone": 0}


SETTLED = (("retry", "0/0"), ("drop", "0/1"))


def set_aside() -> list[Quarantined]:
    """Two records."""
    read = Read(SYNC_QUARANTINE, 0, 0, 0, b"k", b"{")
    error = ("graph.changes", "0", "7", "intake", "schemas.errors.UnreadableRecord", "no schema")
    return [Quarantined(place, NOW, *error, read) for _, place in SETTLED]


def test_lists_go_on_where_a_part_ends(console: Console) -> None:
    """Each row once, the newest first, with the same filter."""
    engine = open_database(console.desk.books.engine.url)
    Keeper(engine).prepare()
    row = {"build": 1, "direction": "inbound", "owner": "m", "processed": 1, "synced": 0, "errors": 1}
    row |= dict.fromkeys(("created", "updated", "deleted"), 0)
    rows = [{"started_ms": number * 1000} | row for number in range(130)]
    with engine.begin() as transaction:
        transaction.execute(insert(RUNS), rows)
    engine.dispose()
    program, path, starts = Program(console, Role.VIEWER), "/logs?status=errors", []
    while path:
        told = program.get(path)
        starts += [one["started"] for one in told["items"]]
        path = (told["older"] or "").removeprefix(ROOT)
    assert len(starts) == len(set(starts)) == 130
    assert starts == sorted(starts, reverse=True)


def test_private_events_show_neither_text_nor_people(console: Console) -> None:
    """Found by their key, told without what they are about."""
    tell_private(console.desk.history)
    program = Program(console, Role.ADMINISTRATOR)
    told = f"{program.get(f'/events?search={PRIVATE}')} {program.get(f'/event?pair={PRIVATE}')}"
    content = console.desk.history.of(PRIVATE)[0][2].what.item.content
    assert content.subject
    assert content.subject not in told
    assert not any(one.address in told for one in content.attendees)


def test_what_is_not_there_is_said(console: Console) -> None:
    """What is not there is said."""
    program = Program(console, Role.ADMINISTRATOR)
    assert program.get("/event?pair=m:none", 404)["detail"] == "There is no such event."
    seen = Browser(console.app).get("/api/v1/nothing").response
    assert (seen.status_code, seen.headers["content-type"]) == (404, "application/problem+json")


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("/users?limit=0", "limit: "), ("/users?limit=501", "limit: "), ("/users?start=-1", "start: "),
        ("/users?start=x", "start: "), ("/users?pages=1", "pages: "), ("/users?limit=1&limit=2", "twice"),
        ("/events", "search: "), ("/held?kind=other", "kind: "), ("/event/undo?decision=0/1&side=both", "side: "),
    ],
)  # fmt: skip
def test_parameters_that_are_not_known_are_named(console: Console, path: str, why: str) -> None:
    """Parameters that are not known are named."""
    told = Program(console, Role.ADMINISTRATOR).get(path, 400)
    assert why in " ".join([told["detail"], *told["problems"]])


def test_lists_are_read_part_by_part(console: Console) -> None:
    """Each row once, in the order of the whole."""
    program = Program(with_people(console, 7), Role.VIEWER)
    path, names = "/users?limit=3", []
    while path:
        told = program.get(path)
        names += [one["name"] for one in told["items"]]
        path = (told["next"] or "").removeprefix(ROOT)
    assert names == [f"User {number:03}" for number in range(7)]
    assert told["total"] == 7


def test_users_are_changed_together_or_not_at_all(console: Console) -> None:
    """Nobody known, a mailbox of another, no Salesforce user: each is named and nothing is saved."""
    with_people(console, 2).desk.know([DirectoryEntry(EntryKind.MAILBOX, "m9", "lone@firm.example", "Lone")])
    program = Program(console, Role.ADMINISTRATOR)
    changes = [
        {"key": "005000", "is_enabled": True}, {"key": "nobody", "is_enabled": True},
        {"key": "005001", "primary": "m000"}, {"key": "m9", "is_enabled": True},
    ]  # fmt: skip
    told = program.ask("PATCH", "/users", 422, changes=changes)
    assert told["problems"] == [
        "'nobody' is nobody known", "'m000' is no mailbox of User 001", "Lone: no Salesforce user has this address"
    ]  # fmt: skip
    assert program.ask("POST", "/users/review", changes=changes)["problems"] == told["problems"]
    assert console.desk.saved == []


def test_the_primary_mailbox_is_chosen_by_the_api_too(console: Console) -> None:
    """The primary mailbox is chosen by the api too."""
    console.desk.know(mailbox(0))
    console.desk.know([
        DirectoryEntry(EntryKind.MAILBOX, "m100", "second@firm.example", "Second"),
        DirectoryEntry(EntryKind.ADDRESS, "005000", "second@firm.example", "", address_class=AddressClass.USER),
    ])  # fmt: skip
    program = Program(console, Role.ADMINISTRATOR)
    (user,) = program.get("/users")["items"]
    assert (len(user["mailboxes"]), user["primary"]) == (2, "")
    lines = program.ask("PATCH", "/users", changes=[{"key": "005000", "is_enabled": True, "primary": "m100"}])
    assert "second@firm.example became its user's Primary Mailbox." in lines["changes"]
    assert [one.mailbox for one in console.desk.saved[-1].users if one.is_primary] == ["m100"]


def test_settings_that_somebody_changed_meanwhile_are_not_overwritten(console: Console) -> None:
    """Other settings may have been changed."""
    program = Program(console, Role.ADMINISTRATOR)
    program.ask("PATCH", "/settings", settings={"licences": "5"}, number=0)
    assert program.ask("PATCH", "/settings", settings={"inbound_years": "2"}, number=0)["is_changed"]
    told = program.ask("PATCH", "/settings", 409, settings={"licences": "6"}, number=0)
    assert told["detail"] == "Nothing was saved: token:administrator0 changed Licences meanwhile."
    assert program.ask("PATCH", "/settings", 422, settings={"licence": "6"}, number=0)["problems"]
    assert program.ask("POST", "/settings/review", 422, settings={"licences": "many"})["problems"]


def test_a_session_writes_with_its_own_token(console: Console) -> None:
    """As a script of a page would."""
    browser = with_people(console, 1).browser(Role.ADMINISTRATOR)
    token = browser.get("/api/v1/session").response.json()["token"]
    body = {"changes": [{"key": "005000", "is_enabled": True}]}
    seen = browser.ask("PATCH", "/api/v1/users", json=body, headers={"x-concord-token": token})
    assert seen.status == 200
    assert console.desk.saved[-1].changed_by == "administrator"


def test_a_token_that_was_removed_does_not_count(console: Console) -> None:
    """A token that was removed does not count."""
    program = Program(console, Role.VIEWER)
    program.get("/session")
    console.programs.remove("viewer0")
    program.get("/session", 401)
