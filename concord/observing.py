"""Logs: one line a record on standard error, JSON unless a person is looking.

No private text (invariant I9): an exception is told by its class and the places it came through, its message only when
it is our own; libraries that would print addresses, tokens or record contents are heard from WARNING on only.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any, Final

import structlog

from schemas.errors import ConcordError

# Heard from WARNING on, whatever the level: httpx and msal print URLs and ids, the others print without end.
QUIET: Final = frozenset(
    {"aiokafka", "asyncio", "faust", "httpcore", "httpx", "kafka", "mode", "msal", "urllib3", "uvicorn"}
)
# Places kept of a stack, the innermost ones.
STACK_PLACES: Final = 25


def configure_logs(level: str = "INFO", form: str = "", *, is_terminal: bool | None = None) -> None:
    """Send the logs of this process to standard error, as text for people or as one JSON object a line.

    `level` is DEBUG, INFO, WARNING or ERROR; `form` json, text, or "": text on a terminal. `is_terminal` None: ask
    standard error. May be called again.
    """
    is_terminal = sys.stderr.isatty() if is_terminal is None else is_terminal
    is_text = is_terminal if form == "" else form == "text"
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        places_of_exception,
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    final: list[Any] = (
        [structlog.dev.ConsoleRenderer(colors=is_terminal)]
        if is_text
        else [structlog.processors.EventRenamer("message"), structlog.processors.JSONRenderer(ensure_ascii=False)]
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.PositionalArgumentsFormatter(), structlog.stdlib.ExtraAdder(), *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *final],
        )
    )
    handler.addFilter(_is_heard)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    logging.getLogger("kafka").propagate = True
    root.setLevel(level)
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)


def _is_heard(record: logging.LogRecord) -> bool:
    """A library may lower its own level later (Faust's worker does), so the handler asks again."""
    return record.levelno >= logging.WARNING or record.name.split(".", 1)[0] not in QUIET


def places_of_exception(_: Any, __: str, event: MutableMapping[str, Any]) -> Mapping[str, Any]:
    """Replace a logged exception by its class, the places it came through, and its message if that is our own."""
    info = event.pop("exc_info", None)
    error = _exception(info)
    if error is None:
        return event
    event["error"] = type(error).__name__
    if isinstance(error, ConcordError):
        event["problem"] = error.what
    event["places"] = stack_places(error)
    return event


def _exception(info: Any) -> BaseException | None:
    if isinstance(info, BaseException):
        return info
    if isinstance(info, tuple):
        return info[1] if len(info) > 1 and isinstance(info[1], BaseException) else None
    return sys.exc_info()[1] if info else None


def stack_places(error: BaseException) -> str:
    """`module:line function`, innermost last, without any value."""
    places = []
    trace = error.__traceback__
    while trace is not None:
        frame = trace.tb_frame
        places.append(f"{frame.f_globals.get('__name__', '?')}:{trace.tb_lineno} {frame.f_code.co_name}")
        trace = trace.tb_next
    return " > ".join(places[-STACK_PLACES:])
