"""What is written to `sync.quarantine`: the record as it was, and headers that say where, what and why.

The header names are those of Kafka Connect's dead letter queue. They carry no private text: a message only when it is
our own (`ConcordError.what`), a service's code in place of its words, which may quote values, a class name otherwise,
and the stack as places in the code without values.
"""

from __future__ import annotations

import traceback
from dataclasses import dataclass
from typing import Final

from concord.guard.record import Record
from schemas.errors import ConcordError, ServiceError, UnreadableRecord

PREFIX: Final = "__connect.errors."
# Places kept of a stack, the innermost ones: enough to find the line, small enough for a header.
STACK_PLACES: Final = 25
# When a record was quarantined, ISO 8601: its timestamp stays that of the record.
AT: Final = "concord.quarantine.at"
# Set when a record is too large to be quarantined with its headers: its bytes are where the headers say.
OMITTED: Final = "concord.value.omitted"


@dataclass(frozen=True)
class Reporter:
    """Who quarantines: the stage (connector name), the worker (task id), what ran, and the kind of failure."""

    connector: str
    task: str
    ran: str
    error_stage: str = "TRANSFORMATION"


def error_headers(record: Record, error: BaseException, reporter: Reporter) -> list[tuple[str, bytes]]:
    """The record's own headers, then the error headers; those of an earlier quarantine are replaced."""
    stage = "VALUE_CONVERTER" if isinstance(error, UnreadableRecord) else reporter.error_stage
    kind = type(error)
    added = {
        "topic": record.topic,
        "partition": str(record.partition),
        "offset": str(record.offset),
        "connector.name": reporter.connector,
        "task.id": reporter.task,
        "stage": stage,
        "class.name": reporter.ran,
        "exception.class.name": f"{kind.__module__}.{kind.__qualname__}",
        "exception.message": _message(error),
        "exception.stacktrace": stack_places(error),
    }
    kept = [(name, value) for name, value in record.headers if not name.startswith(PREFIX)]
    return kept + [(PREFIX + name, value.encode()) for name, value in added.items()]


def _message(error: BaseException) -> str:
    if isinstance(error, ServiceError) and error.code:
        return f"The service answered {error.code}."
    return error.what if isinstance(error, ConcordError) else type(error).__name__


def stack_places(error: BaseException) -> str:
    """Where an exception came from, one `module:line function` a line, innermost last, without any value."""
    places = [
        f"{frame.f_globals.get('__name__', '?')}:{line} {frame.f_code.co_name}"
        for frame, line in traceback.walk_tb(error.__traceback__)
    ]
    return "\n".join(places[-STACK_PLACES:])
