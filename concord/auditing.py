"""The audit: reads both services anew and says, user by user, what is not as the log has it or not the same, and why.

What looks like drift is read a second time, with the log as it stands then: what changed while the audit ran is none.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from concord.asking import Asking
from concord.changing import current_settings, known_users, read_directory, users_named
from concord.config import Config
from concord.live import Live, read_again, read_mailbox, read_org, read_records
from concord.quarantined import open_records
from concord.reading import JournalFold
from concord.roles.graph_connection import Graph
from concord.roles.reach import reach_of
from concord.roles.salesforce_connection import Salesforce
from connectors.graph.source import Reach
from connectors.salesforce.budget import is_short
from connectors.salesforce.fields import FieldNames
from projections.directory import Directory
from projections.overview import NOBODY, mailbox_of
from projections.sync_state import own_key, side_of
from projections.wording import event_words
from schemas.changes import Change, Item, Side
from schemas.codec import decode
from schemas.errors import ConfigError, ServiceError, UnreadableRecord
from schemas.settings import Settings, UserSetting
from schemas.state import PairState
from streams.audit import FLEETING, Finding, Look, examine, held, stranger
from streams.intake import identified

GRAPH: Final = "Microsoft 365"
SALESFORCE: Final = "Salesforce"
SIDES: Final = (Side.GRAPH, Side.SALESFORCE)

States = Mapping[str, PairState]


@dataclass(frozen=True)
class Bounds:
    """How fast each service may be asked, in requests a second, and how often at most."""

    per_second: float = 10.0
    most: int = 10_000


@dataclass(frozen=True)
class Found:
    """One finding, whose it is, and the event in words, without text where it is private."""

    user: str
    event: str
    finding: Finding


@dataclass
class UserAudit:
    """One user's part: how many events there are, on either side or on the log, and what was found of some of them.

    `problem` is why the mailbox could not be read ("" when it could).
    """

    user: str
    events: int = 0
    found: list[Found] = field(default_factory=list)
    problem: str = ""

    @property
    def drift(self) -> list[Found]:
        """What is not as it should be."""
        return [one for one in self.found if one.finding.is_drift]


@dataclass(frozen=True)
class Audit:
    """Every user's part, and how many requests it took of each service."""

    users: list[UserAudit]
    requests: dict[str, int]

    @property
    def is_clean(self) -> bool:
        """Whether everything is as it should be, and could be read."""
        return not any(user.drift or user.problem for user in self.users)


@dataclass(frozen=True)
class Scope:
    """Whose events are audited: those of `users`, or of the whole org with the calendars of `users`."""

    settings: Settings
    users: tuple[UserSetting, ...]
    is_whole: bool

    @property
    def mailboxes(self) -> list[str]:
        """The mailboxes that are read."""
        return [user.mailbox for user in self.users]

    def covers(self, state: PairState) -> bool:
        """Whether a pair is audited."""
        return self.is_whole or mailbox_of(state, self.settings) in self.mailboxes

    def user_of(self, mailbox: str) -> str:
        """The address of a mailbox's user."""
        user = self.settings.user_of_mailbox(mailbox)
        return user.address if user is not None else NOBODY


def _clock() -> datetime:
    return datetime.now(UTC)


async def audit(config: Config, names: list[str], bounds: Bounds, now: Callable[[], datetime] = _clock) -> Audit:
    """Audit the users of these names, or the whole firm when there is none. Raises ConcordError."""
    settings, directory = current_settings(config.broker), read_directory(config.broker)
    scope = Scope(settings, tuple(_taking_part(names, settings, directory)), is_whole=not names)
    graph, salesforce = Graph(config), Salesforce(config)
    await graph.start()
    await salesforce.start()
    try:
        reader = Reader(
            Asking(GRAPH, graph.client.send, per_second=bounds.per_second, most=bounds.most),
            Asking(
                SALESFORCE, salesforce.client.send_async, per_second=bounds.per_second, most=bounds.most,
                is_short=lambda: is_short(salesforce.client.api_usage, config.salesforce_reserve_percent),
            ),
            await salesforce.names(), reach_of(settings, config, now()), now,
        )  # fmt: skip
        with JournalFold(config.broker) as fold:

            def states() -> States:
                fold.advance()
                return {state.pair_key: state for state in fold.pairs}

            found = await audited(scope, directory, reader, states, _in_quarantine(config.broker))
            counts = _counts(scope, states())
    finally:
        await graph.stop()
        await salesforce.stop()
    return Audit(by_user(scope, found, counts, reader.problems), reader.requests)


def _taking_part(names: list[str], settings: Settings, directory: Directory) -> list[UserSetting]:
    """The users meant, of whom every one takes part; all who do when nobody is named."""
    if not names:
        return [user for user in settings.users if user.is_enabled]
    chosen = users_named(names, known_users(directory, settings), directory)
    outside = [user for user in chosen if not user.is_enabled]
    if outside:
        raise ConfigError(
            [f"{user.address} is not enabled" for user in outside], "Only the calendars of enabled users are read."
        )
    return chosen


async def audited(
    scope: Scope, directory: Directory, reader: Reader, states: Callable[[], States], quarantined: frozenset[str]
) -> list[Found]:
    """What is found. `states` folds the journal up to now; it is asked before and after each look."""
    await reader.read(scope, states())
    first = judge(states(), reader.live, scope, directory, quarantined, reader.now())
    doubtful = [one.finding for one in first if one.finding.cause in FLEETING]
    if not doubtful:
        return first
    await reader.read_again(doubtful, states())
    return judge(states(), reader.live, scope, directory, quarantined, reader.now())


def _counts(scope: Scope, states: States) -> dict[str, int]:
    """How many events each user has."""
    alive = (state for state in states.values() if scope.covers(state) and any(held(state)))
    return Counter(scope.user_of(mailbox_of(state, scope.settings)) for state in alive)


def _in_quarantine(broker: str) -> frozenset[str]:
    """Pair keys and ids of which a record stands in quarantine."""
    found = set()
    for row in open_records(broker):
        found.add((row.read.key or b"").decode("utf-8", "replace"))
        with contextlib.suppress(UnreadableRecord):
            found.add(decode(Change, row.read.value).id)
    return frozenset(found - {""})


class Reader:
    """Reads the services for an audit. `live` is what was found, `problems` why a mailbox could not be read."""

    def __init__(
        self, graph: Asking, salesforce: Asking, names: FieldNames, reach: Reach, now: Callable[[], datetime]
    ) -> None:
        self.live = Live()
        self.problems: dict[str, str] = {}
        self.now = now
        self._graph, self._salesforce = graph, salesforce
        self._names, self._reach = names, reach

    @property
    def requests(self) -> dict[str, int]:
        """How many were sent to each service."""
        return {one.name: one.count for one in (self._graph, self._salesforce)}

    async def read(self, scope: Scope, states: States) -> None:
        """Everything there is in this scope, and what else the log holds of it."""
        known = [item for state in states.values() if scope.covers(state) for item in held(state)]
        for mailbox in scope.mailboxes:
            ids = [item.id for item in known if item.mailbox == mailbox]
            try:
                await read_mailbox(self._graph, self.live, mailbox, ids, self._reach, self.now())
            except ServiceError as error:
                self.problems[mailbox] = error.what
        ids = [item.id for item in known if item.side is Side.SALESFORCE]
        if scope.is_whole:
            await read_org(self._salesforce, self.live, ids, self._names, self.now())
        else:
            owners = sorted({user.salesforce_id for user in scope.users})
            await read_records(self._salesforce, self.live, owners, ids, self._names, self.now())

    async def read_again(self, findings: Iterable[Finding], states: States) -> None:
        """A second look at what these are about."""
        records: set[str] = set()
        by_mailbox: dict[str, set[str]] = {}
        for finding in findings:
            state = states.get(finding.pair_key)
            items = list(held(state)) if state is not None else []
            items += [one for one in self.live.items.values() if finding.item_id == one.id]
            for item in items:
                (records if item.side is Side.SALESFORCE else by_mailbox.setdefault(item.mailbox, set())).add(item.id)
        for mailbox, ids in by_mailbox.items():
            known = sorted(one for one in ids if self.live.knows(Side.GRAPH, one))
            await read_again(self._graph, self.live, mailbox, known, self.now())
        if records:
            await read_records(self._salesforce, self.live, (), sorted(records), self._names, self.now())


def judge(
    states: States, live: Live, scope: Scope, directory: Directory, quarantined: frozenset[str], now: datetime
) -> list[Found]:
    """What is found of every pair in scope and of every item that no pair holds. Pure."""
    found = []
    on_log: set[tuple[Side, str]] = set()
    gone: dict[tuple[Side, str], PairState] = {}
    for state in states.values():
        on_log.update((item.side, item.id) for item in held(state))
        gone |= {(side, item_id): state for side in SIDES for item_id in side_of(state, side).gone}
        if scope.covers(state):
            looks = dict(_looks(state, live, directory))
            is_aside = not quarantined.isdisjoint({state.pair_key, *(item.id for item in held(state))})
            user = scope.user_of(mailbox_of(state, scope.settings))
            words = event_words(*(item.content for item in held(state)))
            found += [
                Found(user, words, one) for one in examine(state, looks, scope.settings, now, in_quarantine=is_aside)
            ]
    for (side, item_id), item in live.items.items():
        if (side, item_id) not in on_log:
            its_state = gone.get((side, item_id)) or states.get(item.sync_key) or states.get(own_key(item))
            finding = stranger(item, its_state, now, in_quarantine=item_id in quarantined)
            found.append(Found(_user_of(item, scope), event_words(item.content), finding))
    return sorted(found, key=lambda one: (one.user, one.finding.cause, one.event, one.finding.pair_key))


def _looks(state: PairState, live: Live, directory: Directory) -> Iterator[tuple[str, Look]]:
    """What was seen of the items of a pair."""
    for known in held(state):
        place = (known.side, known.id)
        if place in live.items:
            yield known.id, Look(identified(live.items[place], directory))
        elif place in live.gone:
            yield known.id, Look(None)
        elif place in live.unreadable:
            yield known.id, Look(None, is_readable=False)


def _user_of(item: Item, scope: Scope) -> str:
    if item.side is Side.GRAPH:
        return scope.user_of(item.mailbox)
    user = scope.settings.user_of_record(item.content.owner_id)
    return user.address if user is not None else NOBODY


def by_user(
    scope: Scope, found: Iterable[Found], counts: Mapping[str, int], problems: Mapping[str, str]
) -> list[UserAudit]:
    """The findings per user, by address; what is nobody's comes last. Pure."""
    parts = {user.address: UserAudit(user.address, problem=problems.get(user.mailbox, "")) for user in scope.users}
    for user, count in counts.items():
        parts.setdefault(user, UserAudit(user)).events = count
    for one in found:
        parts.setdefault(one.user, UserAudit(one.user)).found.append(one)
    return [parts[user] for user in sorted(parts, key=lambda user: (user == NOBODY, user))]
