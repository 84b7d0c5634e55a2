"""Events: find, tell the story of one, try a refused write again, undo a decision."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from pydantic import Field

from concord.cli_explain import title_of
from concord.cli_undo import mail_words, value_rows
from concord.console.accounts import Role
from concord.console.events import (
    SEARCH_MAX,
    digest,
    in_order,
    is_refused,
    list_words,
    may_undo,
    told,
    why_nothing,
)  # fmt: skip
from concord.console.operations import BadRequest, Listing, Missing, Operation, Paging, Shape, following, operation
from concord.console.pages import Page, Visit
from concord.finding import Story, one_pair
from concord.undoing import Proposal
from schemas.changes import Side
from schemas.commands import Command
from streams.mapping import STATUS_LABELS
from streams.reasons import reason

# Characters of a pair key or an id.
KEY_MAX: Final = 500


class EventsAsked(Paging):
    """What is looked for."""

    search: str = Field(min_length=1, max_length=SEARCH_MAX, description="an id, or a part of the subject")


class EventFound(Shape):
    """One event."""

    pair: str
    subject: str
    when: str
    is_private: bool


class Events(Listing):
    """Events by their start."""

    items: list[EventFound]


class PairAsked(Shape):
    """Which event."""

    pair: str = Field(min_length=1, max_length=KEY_MAX)


class Value(Shape):
    """One field before and after."""

    field: str
    before: str
    after: str


class UndoOffered(Shape):
    """An undo that may be asked for."""

    decision: str
    side: Side


class MomentTold(Shape):
    """One moment of the story."""

    at: datetime
    headline: str
    where: str
    sentences: list[str]
    values: list[Value]
    undos: list[UndoOffered]


class EventTold(Shape):
    """The story of one event."""

    pair: str
    title: str
    status: str
    why: str
    is_private: bool
    can_be_retried: bool
    moments: list[MomentTold]


class Retried(Shape):
    """Whether another try was asked for."""

    is_asked: bool = Field(description="false: it is not in error, so there is nothing to try again")


class UndoAsked(Shape):
    """Which decision, and on which side when it wrote to both."""

    decision: str = Field(min_length=3, max_length=40, description="as the story of the event names it")
    side: Side | None = None
    force: bool = Field(False, description="also if the event has changed since, or it was undone before")


class UndoSent(UndoAsked):
    """The same, with the mark of the proposal that was looked at."""

    seen: str = Field(max_length=64)


class Written(Shape):
    """One field as it would be written, the old value before an arrow."""

    field: str
    value: str


class UndoWrite(Shape):
    """One write of an undo."""

    side: Side
    action: str
    values: list[Written]


class UndoTold(Shape):
    """What an undo would do now."""

    pair: str
    seen: str = Field(description="names this proposal; the undo is asked for with it")
    writes: list[UndoWrite]
    mails: str = Field(description="whom it would mail")
    changed_since: list[str] = Field(description="what has changed since the decision")
    is_repeated: bool
    why_nothing: str
    can_be_asked: bool = Field(description="false: not without force, or not at all")


class UndoDone(Shape):
    """What was asked for."""

    pair: str


def find(visit: Visit) -> Events:
    """What is known by this text."""
    asked = visit.asks(EventsAsked)
    found = in_order(visit.desk.find(asked.search))
    items = []
    for one in found[asked.start : asked.start + asked.limit]:
        subject, when = list_words(one)
        items.append(EventFound(pair=one.pair_key, subject=subject, when=when, is_private=one.is_private))
    return Events(items=items, total=len(found), next=following("/events", asked, len(found)))


def _story(visit: Visit, key: str) -> Story:
    found = visit.desk.find(key)
    if not found:
        raise Missing("There is no such event.")
    return visit.desk.story(one_pair(found, key), user_id=visit.who.user_id)


def show(visit: Visit) -> EventTold:
    """The story of one event."""
    story = _story(visit, visit.asks(PairAsked).pair)
    moments = []
    for one in story.moments:
        words = told(one, story.settings)
        moments.append(MomentTold(
            at=one.at, headline=one.headline, where=words.where, sentences=list(words.sentences),
            values=[Value(field=name, before=before, after=after) for name, before, after in words.rows],
            undos=[UndoOffered(decision=decision, side=Side(side)) for decision, side in words.undos],
        ))  # fmt: skip
    return EventTold(
        pair=story.pair_key, title=title_of(story), status=STATUS_LABELS[story.state.status],
        why=reason(story.state.reason).text if story.state.reason else "", is_private=story.is_private,
        can_be_retried=is_refused(story.state), moments=moments,
    )  # fmt: skip


def retry(visit: Visit) -> Retried:
    """Try a refused write once more."""
    story = _story(visit, visit.takes(PairAsked).pair)
    if not is_refused(story.state):
        return Retried(is_asked=False)
    visit.desk.retry(story.pair_key, by=visit.who.name)
    return Retried(is_asked=True)


def propose(visit: Visit) -> UndoTold:
    """What an undo would do. Nothing is asked for."""
    asked = visit.asks(UndoAsked)
    found = visit.desk.propose(asked.decision, asked.side, force=asked.force)
    return UndoTold(
        pair=found.pair_key, seen=digest(found), writes=[_write(one, found) for one in found.writes],
        mails=mail_words(found), changed_since=list(found.changed), is_repeated=found.is_repeated,
        why_nothing=why_nothing(found), can_be_asked=may_undo(found, force=asked.force),
    )  # fmt: skip


def _write(command: Command, found: Proposal) -> UndoWrite:
    rows = value_rows(command, is_private=found.is_private)
    return UndoWrite(
        side=command.side, action=command.action, values=[Written(field=name, value=value) for name, value in rows]
    )


def undo(visit: Visit) -> UndoDone:
    """Ask for the undo that was looked at."""
    sent = visit.takes(UndoSent)
    found = visit.desk.propose(sent.decision, sent.side, force=sent.force)
    if sent.seen != digest(found):
        raise BadRequest(409, "The event has changed since. Look again.")
    if not may_undo(found, force=sent.force):
        raise BadRequest(409, f"Nothing was asked for. {why_nothing(found)}".strip())
    visit.desk.undo(found, by=visit.who.name)
    return UndoDone(pair=found.pair_key)


def pages() -> tuple[Page, ...]:
    """The operations of this module."""
    proposed = Operation("What undoing a decision would do now. Nothing is asked for", UndoTold, UndoAsked)
    undone = Operation("Undo a decision. Sent twice, it is undone once", UndoDone, takes=UndoSent)
    retried = Operation("Try a refused write again. Safe to send twice", Retried, takes=PairAsked)
    return (
        operation("/events", find, Role.VIEWER, Operation("Find events by id or subject", Events, EventsAsked)),
        operation("/event", show, Role.VIEWER, Operation("The story of one event", EventTold, PairAsked)),
        operation("/event/retry", retry, Role.OPERATOR, retried, "POST"),
        operation("/event/undo", propose, Role.OPERATOR, proposed),
        operation("/event/undo", undo, Role.OPERATOR, undone, "POST"),
    )
