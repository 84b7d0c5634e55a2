"""The console without a broker: a desk on paper, and a browser that fills in the forms it is shown."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, Final

import httpx
from sqlalchemy import Engine, StaticPool, create_engine
from sqlalchemy.engine import URL
from support.history import History
from support.simulation_pairs import START

from concord.changing import known_users
from concord.console.accounts import Accounts, Role
from concord.console.app import console_app
from concord.console.desk import Backlog, Pairs, People, in_force
from concord.console.entra import Entra
from concord.console.live import Live
from concord.console.programs import Programs
from concord.console.sessions import Sessions
from concord.console.store import lay_out
from concord.finding import Found, Story, belongs_to
from concord.held import Waiting
from concord.lag_watch import Watched
from concord.preflight import Checked, is_clear
from concord.preflight_checks import Finding
from concord.quarantined import Quarantined
from concord.read_models.books import Books
from concord.topics import TopicState
from concord.undoing import Proposal, read_number, rehearsed
from projections.directory import Directory
from projections.timeline import item_of, timeline, was_private
from schemas.changes import Side
from schemas.directory import DirectoryEntry
from schemas.errors import ConcordError
from schemas.journal import OperatorVerb
from schemas.settings import Settings
from schemas.state import PairState
from schemas.tables import TableVersion
from schemas.topics import TOPICS
from streams.intake import SETTINGS_KEY
from streams.taken import what_was_taken

NOW: Final = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
AT: Final = "http://127.0.0.1:8940"
FORM: Final = {"content-type": "application/x-www-form-urlencoded"}
NAMES: Final = {Role.VIEWER: "vera", Role.OPERATOR: "otto", Role.ADMINISTRATOR: "administrator"}


@dataclass
class PaperPlant:
    """What runs below the pages, on paper."""

    watched: Watched = field(default_factory=Watched)
    set_aside: list[Quarantined] = field(default_factory=list)
    settled: list[tuple[str, str, str]] = field(default_factory=list)
    """What was settled: verb, place, who."""

    def lag(self) -> Watched:
        """How every consumer group gets on."""
        return self.watched

    def topics(self) -> list[TopicState]:
        """All but the last exist."""
        return [*(TopicState(spec, 4) for spec in TOPICS[:-1]), TopicState(TOPICS[-1], 0)]

    def table(self) -> TableVersion:
        """The second version."""
        return TableVersion("sync-state", 2, 1, NOW, "olga")

    def quarantine(self) -> list[Quarantined]:
        """What is open."""
        return list(self.set_aside)

    def settle(self, places: Sequence[str], verb: str, *, by: str) -> int:
        """Retry or drop what is still open."""
        done = [row for row in self.set_aside if row.where in places]
        self.set_aside = [row for row in self.set_aside if row not in done]
        self.settled += [(verb, row.where, by) for row in done]
        return len(done)


@dataclass
class PaperDesk:
    """What a broker would hold, as lists. `errors` are raised, one a question, before anything is answered."""

    saved: list[Settings] = field(default_factory=list)
    directory: Directory = field(default_factory=Directory)
    states: list[PairState] = field(default_factory=list)
    left: Backlog = field(default_factory=lambda: Backlog(0, 0.0, 0))
    errors: list[Exception] = field(default_factory=list)
    history: History = field(default_factory=History)
    acts: list[tuple[str, str, str]] = field(default_factory=list)
    """What was asked for: verb, pair key, who."""
    books: Books = field(default_factory=lambda: Books(URL.create("sqlite", database=":memory:")))
    plant: PaperPlant = field(default_factory=PaperPlant)
    findings: tuple[Finding, ...] = ()

    def know(self, entries: Iterable[DirectoryEntry]) -> None:
        """Read these into the directory."""
        for entry in entries:
            self.directory.put(entry.key, entry)

    def documents(self) -> list[Settings]:
        """Every document."""
        if self.errors:
            raise self.errors.pop(0)
        return list(self.saved)

    def people(self, settings: Settings) -> People:
        """Who is known."""
        return People(tuple(known_users(self.directory, settings)), self.directory.complete_sides)

    def pairs(self) -> Pairs:
        """How every pair stands."""
        return Pairs(tuple(self.states), dict.fromkeys((state.pair_key for state in self.states), NOW))

    def backlog(self) -> Backlog:
        """What is not worked off."""
        return self.left

    def change(self, make: Callable[[Settings], Settings]) -> Settings:
        """Write the next document unless it says what stands."""
        current = in_force(self.saved)
        wanted = make(current)
        stamp = {"number": 0, "changed_at": NOW, "changed_by": ""}
        if _with(wanted, stamp) != _with(current, stamp):
            self.saved.append(wanted)
        return in_force(self.saved)

    def act(self, rows: Sequence[Waiting], verb: OperatorVerb, *, by: str) -> None:
        """Release or drop."""
        self.acts += [(verb.value, row.pair_key, by) for row in rows]

    def find(self, text: str) -> list[Found]:
        """By key, or by subject unless private."""
        keys = dict.fromkeys(entry.pair_key for _, _, entry in self.history.entries if entry.pair_key != SETTINGS_KEY)
        found = [self._found(key) for key in keys]
        by_key = [one for one in found if one.pair_key == text]
        subjects = [one for one in found if one.content is not None and not one.is_private]
        return by_key or [one for one in subjects if text and one.content and text in one.content.subject]

    def _found(self, key: str) -> Found:
        entries = self.history.of(key)
        items = [item for _, _, entry in entries if (item := item_of(entry)) is not None]
        is_private = was_private(entry for _, _, entry in entries)
        content = items[-1].content if items else None
        return Found(key, tuple(entries), tuple(self.history.of(SETTINGS_KEY)), content, is_private)

    def story(self, found: Found, *, user_id: str = "") -> Story:
        """As the topics would tell it."""
        history = self.history
        is_owner = found.is_private and belongs_to(found, user_id, in_force(self.saved))
        moments = timeline(found.entries, history.decisions, history.sent, show_private=is_owner)
        content = None if found.is_private and not is_owner else found.content
        state = history.partition.pairs[found.pair_key]
        return Story(found.pair_key, state, history.settings, content, found.is_private, tuple(moments))

    def propose(self, decision: str, side: Side | None, *, force: bool) -> Proposal:
        """What undoing a decision would do now."""
        number = read_number(decision)
        record = next((one for one in self.history.decisions if (one.partition, one.offset) == number), None)
        if record is None:
            raise ConcordError(f"There is no decision {decision}.")
        commands = tuple(one for one in self.history.sent if one.command_id in record.commands)
        wanted = replace(what_was_taken(decision, commands, side), is_forced=force)
        state = self.history.partition.pairs[record.pair_key]
        return rehearsed(state, wanted, commands, self.history.settings, START)

    def undo(self, proposal: Proposal, *, by: str) -> None:
        """Ask for it."""
        self.acts.append((f"undo {proposal.undo.decision}", proposal.pair_key, by))

    def preflight(self, *, confirm_by: str) -> Checked:
        """These findings; confirmed by whoever is named, if nothing must be fixed."""
        if self.errors:
            raise self.errors.pop(0)
        if confirm_by and is_clear(self.findings):
            self.change(lambda now: replace(now, number=now.number + 1, preflight_at=NOW, preflight_by=confirm_by))
        return Checked(self.findings, in_force(self.saved), NOW)

    def version(self) -> str:
        """What is there."""
        return f"{len(self.saved)} {len(self.states)}"

    def retry(self, pair_key: str, *, by: str) -> None:
        """Ask for another try."""
        self.retry_all([pair_key], by=by)

    def retry_all(self, pair_keys: Sequence[str], *, by: str) -> None:
        """Ask for another try of all of these."""
        self.acts += [("retry", key, by) for key in pair_keys]


def _with(document: Settings, members: dict[str, Any]) -> dict[str, Any]:
    return {**vars(document), **members}


class _Reader(HTMLParser):
    """Forms with the fields that a browser would send, links, and the text."""

    def __init__(self) -> None:
        super().__init__()
        self.forms: dict[str, list[tuple[str, str]]] = {}
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.rows: list[str] = []
        self._is_in_rows = False
        self._form: list[tuple[str, str]] | None = None
        self._select = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        held = dict(attrs)
        self.tags.append((tag, held))
        self._is_in_rows = self._is_in_rows or tag == "tbody"
        if tag == "form":
            self._form = self.forms.setdefault(held.get("action") or "", [])
        elif tag == "select":
            self._select = held.get("name") or ""
        elif self._form is not None and tag == "option" and "selected" in held:
            self._form.append((self._select, held.get("value") or ""))
        elif self._form is not None and tag == "input" and held.get("name"):
            kind = held.get("type", "text")
            if kind not in ("checkbox", "radio") or "checked" in held:
                self._form.append((str(held["name"]), held.get("value") or ""))

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._form = None
        if tag == "tbody":
            self._is_in_rows = False

    def handle_data(self, data: str) -> None:
        self.text.append(data)
        if self._is_in_rows:
            self.rows.append(data)


@dataclass
class Seen:
    """An answer as a person sees it."""

    response: httpx.Response
    reader: _Reader

    @property
    def status(self) -> int:
        """The status code."""
        return self.response.status_code

    @property
    def text(self) -> str:
        """What is there to read, on one line."""
        return " ".join("".join(self.reader.text).split())

    @property
    def goes_to(self) -> str:
        """Where it sends the browser."""
        return self.response.headers.get("location", "")

    def reader_rows(self) -> str:
        """What the rows of its tables say, on one line."""
        return " ".join(" ".join(self.reader.rows).split())

    def form(self, action: str) -> list[tuple[str, str]]:
        """What the form with this action would send, its buttons aside."""
        return list(self.reader.forms[action])


class Browser:
    """Keeps cookies; follows nothing by itself."""

    def __init__(self, app: Any, address: str = "192.0.2.1", at: str = AT) -> None:
        self._app = app
        self._address = address
        self._at = at
        self.cookies = httpx.Cookies()

    def ask(self, method: str, path: str, **members: Any) -> Seen:
        """One request."""

        async def exchange() -> httpx.Response:
            transport = httpx.ASGITransport(app=self._app, client=(self._address, 1234))
            async with httpx.AsyncClient(transport=transport, base_url=self._at, cookies=self.cookies) as client:
                response = await client.request(method, path, **members)
                self.cookies = client.cookies
                return response

        response = asyncio.run(exchange())
        reader = _Reader()
        reader.feed(response.text)
        return Seen(response, reader)

    def get(self, path: str, **members: Any) -> Seen:
        """A page."""
        return self.ask("GET", path, **members)

    def post(self, path: str, fields: Iterable[tuple[str, str]], **members: Any) -> Seen:
        """A form, sent."""
        body = str(httpx.QueryParams(list(fields)))
        return self.ask("POST", path, content=body, headers={**FORM, **members.pop("headers", {})}, **members)

    def sign_in(self, name: str, password: str) -> Seen:
        """Fill in the sign-in form."""
        form = self.get("/sign-in").form("/sign-in")
        kept = [(key, value) for key, value in form if key not in ("name", "password")]
        return self.post("/sign-in", [*kept, ("name", name), ("password", password)])

    def after(self, seen: Seen) -> Seen:
        """The page that an answer leads to."""
        assert seen.status == 303, (seen.status, seen.text)
        return self.get(seen.goes_to)


def fill(form: list[tuple[str, str]], **values: str) -> list[tuple[str, str]]:
    """A form with these fields in the place of what they held."""
    return [(name, value) for name, value in form if name not in values] + list(values.items())


@dataclass
class Console:
    """A console with one account of each role. `seconds` is its clock."""

    desk: PaperDesk
    accounts: Accounts
    passwords: dict[Role, str]
    programs: Programs
    live: Live
    store: Engine
    app: Any = None
    seconds: float = 0.0

    def browser_of(self, user_id: str, role: Role = Role.VIEWER) -> Browser:
        """A browser in which Entra has signed in a user with this id."""
        browser = Browser(self.app)
        token = Sessions(self.store, NOW.timestamp).begin("somebody@firm.example", role, user_id=user_id)
        browser.cookies.set("concord", token, domain="127.0.0.1")
        return browser

    def browser(self, role: Role | None = None) -> Browser:
        """A new browser, signed in with this role."""
        browser = Browser(self.app)
        if role is not None:
            seen = browser.sign_in(NAMES[role], self.passwords[role])
            assert seen.status == 303, seen.text
        return browser


def store_in_memory() -> Engine:
    """What a console keeps between two requests."""
    engine = create_engine("sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False})
    lay_out(engine)
    return engine


def console_at(folder: Path, *, url: str = "", entra: Entra | None = None) -> Console:
    """A console whose accounts are in this folder."""
    accounts = Accounts(folder / "accounts.json")
    passwords = {role: accounts.set(name, role) for role, name in NAMES.items()}
    programs = Programs(folder / "tokens.json", lambda: NOW)
    books = Books(URL.create("sqlite", database=str(folder / "models.db")))
    live = Live(lambda: "1")
    live.close()  # whoever asks for the stream is answered at once
    console = Console(PaperDesk(books=books), accounts, passwords, programs, live, store_in_memory())
    console.app = console_app(
        console.desk,
        accounts,
        programs,
        console.store,
        console.live,
        url=url,
        entra=entra,
        clock=lambda: console.seconds,
        now=lambda: NOW,
    )
    return console
