"""The org's own log of the integration: what an administrator finds there with SOQL. Pure.

Neither the service's words nor anything of an event stands in a row: they may be private. A row that stands there
already is not written again, whoever asks and how often.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from connectors.exchange import Exchange
from connectors.salesforce import wire
from connectors.salesforce.fields import FieldNames
from connectors.salesforce.translate import moment
from schemas.changes import Side
from schemas.commands import Outcome, Result

# Events logged in one round; each takes a row for every external system.
ROWS_MAX: Final = 60
SYSTEMS_MAX: Final = 3
MESSAGE_MAX: Final = 1_000


@dataclass(frozen=True)
class LogRow:
    """What is to be told: when, what, and whether it is an error or a warning."""

    at: datetime
    message: str
    is_error: bool


def row_of(outcome: Outcome) -> LogRow | None:
    """What the org's log says of an outcome; None when there is nothing to say."""
    where = "Microsoft 365" if outcome.side is Side.GRAPH else "Practifi"
    if outcome.result is Result.REFUSED:
        what = f"{where} refused the {outcome.action} of an event ({outcome.code or 'no code'})."
    elif outcome.warning:
        what = f"The {outcome.action} of an event in {where} left something out: {outcome.warning}."
    else:
        return None
    message = f"{what} For more: concord explain '{outcome.pair_key}' ({outcome.command_id.rpartition('#')[2]})"
    return LogRow(outcome.at, message[:MESSAGE_MAX], outcome.result is Result.REFUSED)


def write_rows(rows: Sequence[LogRow], systems: Sequence[str], names: FieldNames) -> Exchange[int]:
    """Write rows that are not there yet; returns how many were written. Errors stand under each system, warnings under
    the first. Raises ServiceError as the service answers; then some may have been written, and asking again is safe."""
    assert len(rows) <= ROWS_MAX
    assert 0 < len(systems) <= SYSTEMS_MAX
    wanted = {
        (system, row.at.astimezone(UTC).replace(microsecond=0), row.message): row
        for row in rows
        for system in (systems if row.is_error else systems[:1])
    }
    known = yield from _known(wanted.keys(), names)
    records = [
        {
            names.log_message: message,
            names.log_system: system,
            names.log_time: wire.instant(at),
            names.log_is_error: row.is_error,
        }
        for (system, at, message), row in wanted.items()
        if (system, at, message) not in known
    ]
    for some in wire.chunks(records):
        for saved in wire.read_saved((yield wire.insert(names.log_object, some))):
            if saved.error is not None:
                raise saved.error
    return len(records)


def _known(wanted: Any, names: FieldNames) -> Exchange[set[tuple[str, datetime, str]]]:
    """Those of these rows that stand in the log."""
    times = sorted(at for _, at, _ in wanted)
    systems = wire.in_list(sorted({system for system, _, _ in wanted}))
    found = yield from wire.rows_of(
        f"SELECT {names.log_system}, {names.log_time}, {names.log_message} FROM {names.log_object} "
        f"WHERE {names.log_time} >= {wire.instant(times[0])} AND {names.log_time} <= {wire.instant(times[-1])} "
        f"AND {names.log_system} IN {systems}"
    )
    return {
        (row[names.log_system], moment(row[names.log_time]).replace(microsecond=0), str(row[names.log_message]))
        for row in found
    }
