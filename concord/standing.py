"""How the firm and its sources stand, read from the topics: what `concord status` and `concord sources` show."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import Final

from concord.changing import current_settings, known_users, read_directory
from concord.lag import Lag, read_lag
from concord.quarantined import open_records
from concord.reading import JournalFold, Read, latest_by_key
from projections.overview import Standing, overview, total
from schemas.changes import Wakeup
from schemas.codec import decode
from schemas.errors import UnreadableRecord
from schemas.settings import Settings
from schemas.state import PairState, Status
from schemas.topics import GRAPH_CHANGES, GRAPH_WAKEUPS, SALESFORCE_CHANGES, SALESFORCE_WAKEUPS
from streams.reasons import Reason, reason
from streams.reconcile import reconcile
from streams.shadow import SHADOW

# How far back the last change and wake-up of a source are looked for, in records per partition.
LOOK_BACK: Final = 5_000
# Wake-ups under a key that begins so are for the directory, not for a mailbox or object.
INNER: Final = "!"
# Why a pair is still not synced that the present settings would let pass.
WHEN_CHANGED: Final = Reason("when_changed", "2a", "Allowed by the present settings: synced when it next changes.")


@dataclass(frozen=True)
class FirmStanding:
    """Every user's standing, all of them as one, the settings in force, lag, how many records stand in quarantine, how
    many journal entries no known schema reads, and how many writes wait for an operator."""

    rows: list[Standing]
    total: Standing
    settings: Settings
    lag: list[Lag]
    in_quarantine: int
    unreadable: int
    held: int


def read_standing(broker: str) -> FirmStanding:
    """Fold the journal and count. Raises ConcordError."""
    settings = current_settings(broker)
    with JournalFold(broker) as fold:
        fold.advance()
        rows = standing_of(fold.pairs, fold.observed, settings, datetime.now(UTC))
        held = sum(state.held is not None for state in fold.pairs)
        quarantined = len(open_records(broker))
        return FirmStanding(rows, total(rows), settings, read_lag(broker), quarantined, fold.unreadable, held)


def standing_of(
    pairs: Iterable[PairState], observed: Mapping[str, datetime], settings: Settings, now: datetime
) -> list[Standing]:
    """Every user's standing under these settings, at this time. Pure."""
    return overview(pairs, settings, observed, partial(present_reason, settings=settings, now=now))


def present_reason(state: PairState, settings: Settings, now: datetime) -> str:
    """Why a pair is not synced, under the present settings and time: a change of settings decides nothing by itself,
    so the reason on record, and why a save was held back, may no longer hold."""
    if state.status is not Status.NOT_SYNCED:
        return state.reason
    plan = reconcile(replace(state, salesforce=replace(state.salesforce, held_back="")), settings, now)
    if plan.commands:
        return SHADOW if settings.shadow else WHEN_CHANGED.code
    return plan.reason


def told(code: str) -> Reason:
    """A reason code in words; also those that only stand in an overview."""
    return WHEN_CHANGED if code == WHEN_CHANGED.code else reason(code)


@dataclass(frozen=True)
class SourceStanding:
    """One mailbox or Salesforce object: whether it is read, when a change last came (record time, in milliseconds),
    and its last wake-up."""

    service: str
    name: str
    key: str
    is_enabled: bool
    changed_ms: int | None
    woken_ms: int | None
    woken_by: str


def read_sources(broker: str) -> list[SourceStanding]:
    """Every mailbox known and every Salesforce object read. Raises ConcordError."""
    users = known_users(read_directory(broker), current_settings(broker))
    changes = latest_by_key(broker, GRAPH_CHANGES, LOOK_BACK)
    woken = latest_by_key(broker, GRAPH_WAKEUPS, LOOK_BACK)
    rows = [
        _standing("Microsoft 365", user.address, user.mailbox, user.is_enabled, changes.get(user.mailbox), woken)
        for user in users
    ]
    rows += [_standing("Microsoft 365", "directory", key, True, None, woken) for key in sorted(woken) if _is_inner(key)]
    in_salesforce = latest_by_key(broker, SALESFORCE_CHANGES, LOOK_BACK)
    newest = max(in_salesforce.values(), key=lambda record: record.timestamp_ms, default=None)
    polled = latest_by_key(broker, SALESFORCE_WAKEUPS, LOOK_BACK)
    for key in sorted(polled):
        name, changed = ("directory", None) if _is_inner(key) else (key, newest)
        rows.append(_standing("Salesforce", name, key, True, changed, polled))
    return rows


def _is_inner(key: str) -> bool:
    return key.startswith(INNER)


def _standing(
    service: str, name: str, key: str, is_enabled: bool, changed: Read | None, woken: dict[str, Read]
) -> SourceStanding:
    wakeup = woken.get(key)
    reason = ""
    if wakeup is not None:
        with contextlib.suppress(UnreadableRecord):
            reason = decode(Wakeup, wakeup.value).reason
    return SourceStanding(
        service, name, key, is_enabled, changed.timestamp_ms if changed else None,
        wakeup.timestamp_ms if wakeup else None, reason,
    )  # fmt: skip
