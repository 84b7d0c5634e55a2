"""One command carried out in Microsoft 365, so that doing it again does nothing more: pure exchanges, no clock.

Each step is safe to repeat. A create carries a transactionId made from the pair and the generation, so Graph itself
knows it again; an update and a delete name the version they were decided on. Whatever answer gets lost, what the
service holds is read before anything is sent twice: Exchange mails the attendees at every write that takes effect.

Transient errors (Throttled, Unavailable) and AuthRejected are raised: the command stays and is tried again later.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import NAMESPACE_URL, UUID, uuid5

from connectors.exchange import Call, Exchange
from connectors.graph import wire
from connectors.graph.compare import holds, is_unchanged
from connectors.graph.text import html_around, join_block, without_join_block
from connectors.graph.translate import UnreadableEvent, to_body, to_item
from schemas.calendar import CalendarEvent
from schemas.changes import Item, Kind, Side
from schemas.commands import Action, Command, Outcome, Result
from schemas.errors import AuthRejected, Gone, Refused, ServiceError, Stale, Unavailable
from schemas.groups import BODY, CONTENT, MARKS, TEAMS

# How often one command is sent within one try. The edge tries again later, with back-off, for as long as it takes.
ATTEMPTS: Final = 3

# Names the transaction ids of our creates. Never change it: a create under way would be done twice.
TRANSACTIONS: Final[UUID] = uuid5(NAMESPACE_URL, "concord:graph:create")


@dataclass(frozen=True)
class _Ending:
    result: Result
    item: Item | None = None
    code: str = ""
    message: str = ""


# Told with an outcome whose event did not become the Teams meeting that was asked for.
NO_TEAMS: Final = (
    "Microsoft 365 did not make it a Teams meeting: the calendar does not offer it, or a licence is missing"
)


def apply_command(command: Command, *, now: datetime) -> Exchange[Outcome]:
    """Carry out one command and say what became of it; `now` is written into the outcome.

    Raises Throttled, Unavailable or AuthRejected when nothing can be said yet. Then the same command may be sent
    again at any time: what took effect is recognised.
    """
    assert command.side is Side.GRAPH
    ending, requests = yield from _counted(_carry_out(command))
    return Outcome(
        command_id=command.command_id,
        pair_key=command.pair_key,
        side=Side.GRAPH,
        action=command.action,
        result=ending.result,
        at=now,
        item=ending.item,
        code=ending.code,
        message=ending.message,
        warning=NO_TEAMS if _lacks_teams(command, ending.item) else "",
        requests=requests,
    )


def _lacks_teams(command: Command, item: Item | None) -> bool:
    wanted = command.content is not None and command.content.is_teams and TEAMS in command.fields
    return wanted and item is not None and not item.content.is_teams


def transaction_id(command: Command) -> str:
    """The key under which Graph creates this pair's event once, whoever asks and how often."""
    return str(uuid5(TRANSACTIONS, f"{command.pair_key}/{command.generation}"))


def _counted(inner: Exchange[_Ending]) -> Exchange[tuple[_Ending, int]]:
    """The inner exchange as it is, and how many requests it made."""
    requests = 0
    try:
        call = next(inner)
        while True:
            requests += 1
            try:
                reply = yield call
            except Unavailable as error:
                call = inner.throw(error)
            else:
                call = inner.send(reply)
    except StopIteration as stop:
        return stop.value, requests


def _carry_out(command: Command) -> Exchange[_Ending]:
    steps = {Action.CREATE: _create, Action.UPDATE: _update, Action.DELETE: _delete}
    try:
        return (yield from steps[command.action](command))
    except AuthRejected as error:
        if error.status != 403:
            raise
        return (yield from _denied(command, error))
    except Refused as error:
        return _Ending(Result.REFUSED, code=error.code, message=error.what)
    except UnreadableEvent as error:
        return _Ending(Result.REFUSED, code="UnreadableEvent", message=error.what)


def _denied(command: Command, denied: AuthRejected) -> Exchange[_Ending]:
    """A 403 about one event refuses the command; one about the whole mailbox is for an administrator."""
    error = yield from _ask(wire.get_calendar(command.mailbox))
    if isinstance(error, ServiceError):
        raise error
    return _Ending(Result.REFUSED, code=denied.code, message=denied.what)


def _ask(call: Call) -> Exchange[Any]:
    """The answer's JSON, or the error that stands in its place (returned, not raised)."""
    try:
        reply = yield call
        return wire.read(reply)
    except ServiceError as error:
        return error


def _create(command: Command) -> Exchange[_Ending]:
    assert command.content is not None
    body = wire.with_tag(to_body(command.content, CONTENT), command.pair_key)
    body["transactionId"] = transaction_id(command)
    if not body["attendees"]:
        del body["attendees"]
    last: ServiceError | None = None
    for _ in range(ATTEMPTS):
        answer = yield from _ask(wire.create_event(command.mailbox, body))
        if isinstance(answer, wire.DuplicateCreate):
            return (yield from _made_before(command, answer))
        if not isinstance(answer, ServiceError) and _is_event(answer):
            return (yield from _created(command, answer))
        if isinstance(answer, ServiceError) and not _is_unclear(answer):
            raise answer
        last = answer if isinstance(answer, ServiceError) else None
        found = yield from _find(command)
        if found is not None:
            return (yield from _created(command, found))
        # Not there, or not to be found yet: Graph knows the transactionId, so asking once more makes no second one.
    raise last or Unavailable("Microsoft Graph confirms no create.")


def _made_before(command: Command, duplicate: wire.DuplicateCreate) -> Exchange[_Ending]:
    """The transactionId was used before: the event it made is ours, whatever has become of it since."""
    if not duplicate.existing_id:
        found = yield from _find(command)
        if found is None:  # an empty search proves nothing: a person has to look
            raise duplicate
        return (yield from _created(command, found))
    event = yield from _fetch(command, duplicate.existing_id)
    return _Ending(Result.GONE) if event is None else (yield from _created(command, event))


def _find(command: Command) -> Exchange[dict[str, Any] | None]:
    """The event that this create made, by our tag. A copy that a person made of it carries the tag too, but not the
    transactionId."""
    listed = yield from _ask(wire.find_tagged(command.mailbox, command.pair_key))
    if isinstance(listed, ServiceError):
        raise listed
    events = listed.get("value") if isinstance(listed, dict) else None
    for event in events if isinstance(events, list) else ():
        if _is_event(event) and event.get("transactionId") == transaction_id(command):
            found: dict[str, Any] = event
            return found
    return None


def _created(command: Command, event: dict[str, Any]) -> Exchange[_Ending]:
    """The event exists. One that was edited since is applied all the same where the decision names what was meant to
    be agreed (`target`): what differs from it is then an edit in Microsoft 365. Otherwise it is stale."""
    item = yield from _item_of(command, event)
    if item is None:
        return _Ending(Result.GONE)
    assert command.content is not None
    is_as_asked = command.target is not None or holds(item, command.content, CONTENT, command.pair_key)
    return _Ending(Result.APPLIED if is_as_asked else Result.STALE, item)


def _update(command: Command) -> Exchange[_Ending]:
    assert command.content is not None
    version = command.version
    if not version:
        item = yield from _read(command)
        ending = _judge(command, item)
        if ending is not None:
            return ending
        version = item.version if item is not None else ""
    for _ in range(ATTEMPTS):
        html = None
        if BODY in command.fields:
            current = yield from _ask(wire.get_event_html(command.mailbox, command.id))
            if isinstance(current, Gone):
                return _Ending(Result.GONE)
            if isinstance(current, ServiceError):
                raise current
            html = _html_body(current, command.content)
        body = to_body(command.content, command.fields, html=html)
        body = wire.with_tag(body, command.pair_key) if MARKS in command.fields else body
        answer = yield from _ask(wire.patch_event(command.mailbox, command.id, body, version))
        if isinstance(answer, Gone):
            return _Ending(Result.GONE)
        if not isinstance(answer, ServiceError):
            item = yield from _item_of(command, answer)
            return _Ending(Result.GONE) if item is None else _Ending(Result.APPLIED, item)
        if not isinstance(answer, Stale) and not _is_unclear(answer):
            raise answer
        item = yield from _read(command)
        ending = _judge(command, item)
        if ending is not None:
            return ending
        assert item is not None
        version = item.version
    raise Unavailable("The event keeps changing while we write to it.", was_sent=False)


def _judge(command: Command, item: Item | None) -> _Ending | None:
    """What an event that was read means for an update: done, gone, overtaken, or None: as it was, so write."""
    assert command.content is not None
    if item is None:
        return _Ending(Result.GONE)
    if holds(item, command.content, command.fields, command.pair_key):
        return _Ending(Result.APPLIED, item)
    return None if _is_as_decided(command, item) else _Ending(Result.STALE, item)


def _is_as_decided(command: Command, item: Item) -> bool:
    """Whether the event is still what the decision was about. One that was repeated meanwhile is not, though its
    content reads the same: a write to it would reach every date of the series."""
    if item.kind is Kind.SERIES_MASTER:
        return False
    return command.basis is not None and is_unchanged(item, command.basis)


def _delete(command: Command) -> Exchange[_Ending]:
    version = command.version
    for _ in range(ATTEMPTS):
        answer = yield from _ask(wire.delete_event(command.mailbox, command.id, version))
        if isinstance(answer, Gone) or not isinstance(answer, ServiceError):
            return _Ending(Result.APPLIED)
        if not isinstance(answer, Stale) and not _is_unclear(answer):
            raise answer
        item = yield from _read(command)
        if item is None:
            return _Ending(Result.APPLIED)
        if not _is_as_decided(command, item):
            return _Ending(Result.STALE, item)
        version = item.version
    raise Unavailable("The event keeps changing while we delete it.", was_sent=False)


def _is_unclear(error: ServiceError) -> bool:
    """Whether the request may have taken effect."""
    return isinstance(error, Unavailable) and error.was_sent


def _is_event(answer: Any) -> bool:
    return isinstance(answer, dict) and isinstance(answer.get("id"), str) and bool(answer["id"])


def _fetch(command: Command, event_id: str) -> Exchange[dict[str, Any] | None]:
    """An event of the command's mailbox as it is now; None when it does not exist. Raises any other answer."""
    event = yield from _ask(wire.get_event(command.mailbox, event_id))
    if isinstance(event, Gone):
        return None
    if isinstance(event, ServiceError):
        raise event
    if not _is_event(event):
        raise Unavailable("Microsoft Graph answered a read without the event.", was_sent=False)
    found: dict[str, Any] = event
    return found


def _read(command: Command) -> Exchange[Item | None]:
    """The command's event as it is now, tag included; None when it does not exist."""
    event = yield from _fetch(command, command.id)
    return None if event is None else to_item(event, command.mailbox)


def _item_of(command: Command, answer: Any) -> Exchange[Item | None]:
    """A write's answer as an item. Answers never show our tag, so it is taken as written; an answer without the event,
    or with its body as html although text was asked for, is replaced by a read."""
    body = answer.get("body") if isinstance(answer, dict) else None
    is_html = isinstance(body, dict) and str(body.get("contentType")).lower() == "html"
    if _is_event(answer) and not is_html:
        tag = wire.tag_of(answer) if "singleValueExtendedProperties" in answer else command.pair_key
        return to_item(answer, command.mailbox, tag)
    event_id = answer["id"] if _is_event(answer) else command.id
    event = yield from _fetch(command, event_id)
    return None if event is None else to_item(event, command.mailbox)


def _html_body(current: Any, content: CalendarEvent) -> str | None:
    """The html to write so that an online meeting keeps its join block; None when there is none to keep."""
    meeting = current.get("onlineMeeting") if isinstance(current, dict) else None
    body = current.get("body") if isinstance(current, dict) else None
    join_url = meeting.get("joinUrl") if isinstance(meeting, dict) else None
    document = body.get("content") if isinstance(body, dict) else None
    if not isinstance(join_url, str) or not isinstance(document, str):
        return None
    block = join_block(document, join_url)
    return html_around(without_join_block(content.body, join_url), block) if block else None
