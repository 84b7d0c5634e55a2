"""`make demo`: a small firm's day on real Kafka, shown live; an independent comparison decides the exit code."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import chain
from pathlib import Path
from typing import Final

import httpx
from rich.live import Live
from rich.table import Table
from rich.text import Text

from concord.changing import confirm, known_users, read_directory, set_settings, switch_users
from concord.cli_output import out, say
from concord.demo_day import Firm, Scene, scenes
from concord.demo_evidence import RESOURCES, Evidence, gather, read_log, sent_mails, shared_marks
from concord.demo_operator import operator_scenes
from concord.demo_places import place_scenes
from concord.demo_players import Outlook, Practifi
from concord.demo_series import series_scenes
from concord.demo_summary import judge, show
from concord.dev import DevOptions, Environment, Interruptions, ended_by_signals, environment
from concord.settling import Settling, wait_settled
from schemas.errors import ConcordError, ConfigError
from schemas.settings import Settings, UserSetting
from simulators.firm import build_firm

USERS: Final = 5
CONTACTS: Final = 40
EVENTS: Final = 150

# Longest waits, in seconds. On two idle cores an act is seen after about half a second, after a kill after about six.
DIRECTORY_S: Final = 90.0
ACT_S: Final = 60.0
SETTLE_S: Final = 120.0
# What each imported event or date of a series may add to the first exchange: it takes about 0.03 s on two idle cores.
SETTLE_PER_EVENT_S: Final = 0.3

SETTINGS: Final = {
    "direction": "two_way",
    "delete_from_microsoft": "on",
    "delete_from_practifi": "on",
    "sync_private_events": "on",
    "sync_internal_events": "on",
    "sync_unmatched_events": "on",
    "invitation_limit_per_hour": "0",  # a day, or a load, in minutes
}
# With calendars of others the range begins here, or most of what they hold would be too old to cross.
IMPORTS_SINCE: Final = {"commencement_date": "2000-01-01"}
INTERRUPTED: Final = 130


class Phases:
    """Where the time goes: seconds by phase, in order."""

    def __init__(self) -> None:
        self._last = time.monotonic()
        self.rows: list[tuple[str, float]] = []

    def done(self, what: str) -> None:
        """A phase has ended."""
        now = time.monotonic()
        self.rows.append((what, now - self._last))
        self._last = now


@dataclass
class Progress:
    """Each act, where it shows, and after how long: a live table on a terminal, elsewhere a line an act."""

    rows: list[tuple[str, str, str]] = field(default_factory=list)
    _live: Live | None = None

    @contextlib.contextmanager
    def shown(self) -> Iterator[None]:
        """Show for the length of a `with` block."""
        if not out.is_terminal:
            yield
            return
        with Live(self._table(), console=out, refresh_per_second=8) as self._live:
            yield

    def begin(self, what: str, seen_in: str) -> None:
        """Something was done and is waited for."""
        self.rows.append((what, seen_in, "..."))
        self._refresh()

    def end(self, after: str) -> None:
        """It was seen, or not."""
        self.rows[-1] = (*self.rows[-1][:2], after)
        self._refresh()
        if not out.is_terminal:
            say("{:<66} {:<14} {:>8}".format(*self.rows[-1]))

    def _refresh(self) -> None:
        if self._live is not None:
            self._live.update(self._table())

    def _table(self) -> Table:
        table = Table(box=None, pad_edge=False, header_style="bold", title="A day at the firm", title_justify="left")
        for column in ("what happened", "seen in", "after"):
            table.add_column(column, justify="right" if column == "after" else "left")
        for row in self.rows:
            table.add_row(*(Text(cell) for cell in row))
        return table


def run_demo(*, ics: Sequence[Path] = (), keep: bool = False) -> int:
    """Run the demo. Returns 0 when every act arrived, both sides agree and the mails were as predicted, else 1.

    Leaves nothing running and no folder behind; the logs are kept, and named, when something was wrong. Raises
    ConfigError before anything runs, ConcordError when it cannot go on. For the main thread.
    """
    unusable = [f"{path}: no such file" for path in ics if not path.is_file()]
    if unusable:
        raise ConfigError(unusable, "Nothing was started.")
    state_dir = Path(tempfile.mkdtemp(prefix="concord-demo-"))
    keeps_logs = True
    with ended_by_signals() as interruptions:
        try:
            is_good = _demo(tuple(ics), state_dir, interruptions, keep=keep)
            keeps_logs = not is_good
        except KeyboardInterrupt:
            keeps_logs = False
            say("Interrupted: everything was stopped.")
            return INTERRUPTED
        finally:
            interruptions.ignore()
            _tidy(state_dir, keeps_logs=keeps_logs)
    return 0 if is_good else 1


def _tidy(state_dir: Path, *, keeps_logs: bool) -> None:
    """Remove the run's folder, or all but its logs."""
    logs = state_dir / "logs"
    if not keeps_logs or not logs.is_dir():
        shutil.rmtree(state_dir, ignore_errors=True)
        return
    shutil.rmtree(state_dir / "data", ignore_errors=True)
    say(f"The logs of the roles are kept in {logs}.")


def _demo(ics: tuple[Path, ...], state_dir: Path, interruptions: Interruptions, *, keep: bool) -> bool:
    phases = Phases()
    seed = build_firm(datetime.now(UTC), users=USERS, contacts=CONTACTS, events=EVENTS)
    options = DevOptions(port_base=0, seed=seed, ics=ics, state_dir=state_dir, needs_empty_broker=True)
    say(f"A firm of {USERS} users, {CONTACTS} contacts and {EVENTS} events. Starting Kafka and every role ...")
    with environment(options, lambda part: phases.done(f"start: {part}")) as env:
        try:
            verdict = judge(perform(env, phases))
            show(verdict)
            if keep:
                _hold(env)
        finally:
            interruptions.ignore()
    return not verdict.problems


def _hold(env: Environment) -> None:
    """Leave everything running until a signal comes."""
    say(f"Still running. Microsoft Graph {env.simulators.graph_url}, Salesforce {env.simulators.salesforce_url}.")
    say(f"In another terminal: export CONCORD_BROKER={env.broker.address}, then `concord status`. Ctrl-C ends it.")
    with contextlib.suppress(KeyboardInterrupt):
        while True:
            time.sleep(1)


def perform(env: Environment, phases: Phases) -> Evidence:
    """Play the day, and read what both services and the log hold after it. Raises ConcordError."""
    variables = env.simulators.environment()
    with (
        contextlib.closing(Outlook(env.simulators.graph_url, variables["GRAPH_TOKEN"])) as outlook,
        contextlib.closing(
            Practifi(env.simulators.salesforce_url, variables["SF_TOKEN"], variables["SF_VERSION"])
        ) as practifi,
    ):
        broker = env.broker.address
        _until(lambda: len(read_directory(broker).complete_sides) == 2, DIRECTORY_S, "the directory of both sides")
        since = date.fromisoformat(IMPORTS_SINCE["commencement_date"])
        before = gather(
            env.simulators, outlook, practifi, Settings(users=tuple(_everybody(broker)), commencement_date=since)
        )
        confirm(broker, by="demo")
        set_settings(broker, SETTINGS | (IMPORTS_SINCE if env.simulators.reports else {}), by="demo")
        settings = switch_users(broker, [], enable=True, every=True, by="demo")
        phases.done("read the directory, enable everybody")
        imported = sum(map(len, before.mailboxes.values())) if env.simulators.reports else 0
        progress = Progress()
        with progress.shown():
            shortfalls = _first_exchange(env, progress, SETTLE_S + imported * SETTLE_PER_EVENT_S)
            phases.done("exchange the existing events")
            cast = _cast(env, outlook, practifi, settings)
            shortfalls += _day(
                chain(scenes(cast), series_scenes(cast), place_scenes(cast), operator_scenes(cast, broker)), progress
            )
            phases.done("the day")
        settling = wait_settled(broker, SETTLE_S)
        if not settling.is_settled:
            shortfalls.append(f"not settled {SETTLE_S:.0f} s after the last act: {_open_work(settling)}")
        phases.done("settle")
        now = gather(env.simulators, outlook, practifi, settings)
        log = read_log(broker)
    phases.done("compare")
    return Evidence(
        now=now, before=before, log=log, sent=sent_mails(env.simulators), shared_marks=shared_marks(env.simulators),
        reports=env.simulators.reports, restarts=env.roles.restarts, shortfalls=tuple(shortfalls),
        phases=tuple(phases.rows),
    )  # fmt: skip


def _everybody(broker: str) -> list[UserSetting]:
    return known_users(read_directory(broker), Settings())


def _first_exchange(env: Environment, progress: Progress, limit_s: float) -> list[str]:
    """What was there before is exchanged, and nobody gets a mail of it. Raises ConcordError when it does not end."""
    progress.begin("the firm's existing events exchanged, no mail sent", "both")
    begun = time.monotonic()
    settling = wait_settled(env.broker.address, limit_s)
    if not settling.is_settled:
        raise ConcordError(f"The first exchange has not ended after {limit_s:.0f} s: {_open_work(settling)}.")
    mails = sum(sent_mails(env.simulators).values())
    progress.end(_took(begun))
    return [f"{mails} mails were sent by enabling users, which must send none"] if mails else []


def _cast(env: Environment, outlook: Outlook, practifi: Practifi, settings: Settings) -> Firm:
    users = [user for user in settings.users if user.is_enabled]
    rows = practifi.query("SELECT Id, Name, Email FROM Contact WHERE Email != null ORDER BY Email LIMIT 25")
    room = practifi.query(f"{RESOURCES} ORDER BY Name LIMIT 1")[0]
    noon = datetime.now(UTC).replace(hour=2, minute=0, second=0, microsecond=0) + timedelta(days=7)
    return Firm(
        outlook=outlook,
        practifi=practifi,
        adviser=users[0].address,
        adviser_id=users[0].salesforce_id,
        partner=users[1].address,
        partner_id=users[1].salesforce_id,
        contacts=[(row["Id"], row["Name"], row["Email"]) for row in rows],
        noon=noon,
        room=(room["Name"], room["Id"]),
        kill_role=env.roles.kill,
    )


def _day(acts: Iterator[Scene], progress: Progress) -> list[str]:
    """Play act after act. The first that never shows ends the day: those after it build on it."""
    for scene in acts:
        problem = _play(scene, progress)
        if problem:
            left = [later.title for later in acts]
            return [problem, *([f"not played after that: {', '.join(left)}"] if left else [])]
    return []


def _play(scene: Scene, progress: Progress) -> str:
    """One act; what went wrong, "" when it was seen."""
    progress.begin(scene.title, scene.towards)
    begun = time.monotonic()
    try:
        scene.act()
        begun = time.monotonic()
        while not scene.is_seen():
            if time.monotonic() - begun > ACT_S:
                progress.end("never")
                return f"{scene.title}: not seen in {scene.towards} within {ACT_S:.0f} s"
            time.sleep(0.05)
    except (ConcordError, httpx.HTTPError) as error:
        progress.end("failed")
        return f"{scene.title}: {error}"
    progress.end(_took(begun))
    return ""


def _took(begun: float) -> str:
    return f"{time.monotonic() - begun:.2f} s"


def _until(test: Callable[[], bool], limit_s: float, what: str) -> None:
    deadline = time.monotonic() + limit_s
    while not test():
        if time.monotonic() > deadline:
            raise ConcordError(f"Waited {limit_s:.0f} s for {what} in vain.")
        time.sleep(0.3)


def _open_work(settling: Settling) -> str:
    """What is left, in a few words."""
    behind = [f"{row.group} is {row.records_behind} records behind on {row.topic}" for row in settling.behind[:3]]
    pending = [f"{len(settling.pending)} pairs are under way"] if settling.pending else []
    return "; ".join([*behind, *pending, *([settling.problem] if settling.problem else [])]) or "something still moves"
