"""Events: found by id or subject, told in plain words; a refused write tried again, a decision undone."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

from starlette.responses import Response

from concord.cli_explain import change_words, mail_lines, mailbox_words, title_of, verdict_words
from concord.cli_undo import mail_words, value_rows
from concord.console.accounts import Role
from concord.console.pages import Page, Visit
from concord.finding import Found, Story, one_pair
from concord.undoing import Proposal
from projections.timeline import Moment, service
from projections.wording import HIDDEN, NAMES, excerpts, span_words
from schemas.changes import Side
from schemas.commands import Decision
from schemas.errors import ConcordError
from schemas.settings import Settings
from schemas.state import PairState, Status
from streams.mapping import STATUS_LABELS
from streams.reasons import reason

# Events listed, and characters of a value and of a search that are looked at.
LISTED: Final = 50
SHOWN: Final = 200
SEARCH_MAX: Final = 200


@dataclass(frozen=True)
class Told:
    """One moment in words: values as (name, before, after) rows, what followed as sentences, and the undos that may be
    asked for as (decision, side) pairs."""

    moment: Moment
    where: str
    rows: tuple[tuple[str, str, str], ...]
    sentences: tuple[str, ...]
    undos: tuple[tuple[str, str], ...]


def search(visit: Visit) -> Response:
    """What is known by this text; one event is shown at once."""
    text = visit.query.one("search")[:SEARCH_MAX]
    found = visit.desk.find(text) if text else []
    if len(found) == 1:
        return visit.go(_address(found[0].pair_key))
    rows = [(one, _address(one.pair_key), *list_words(one)) for one in in_order(found)[:LISTED]]
    return visit.show("events.html", search=text, rows=rows, more=max(0, len(found) - LISTED))


def in_order(found: list[Found]) -> list[Found]:
    """By start; those never read last."""
    return sorted(found, key=lambda one: (one.content is None, one.content and one.content.span.start_utc))


def _address(pair_key: str) -> str:
    return f"/event?{urlencode({'pair': pair_key})}"


def list_words(found: Found) -> tuple[str, str]:
    """Subject and time of an event in a list."""
    if found.content is None:
        return "An event that was never read", ""
    subject = HIDDEN if found.is_private else found.content.subject or "An event without a subject"
    return subject, span_words(found.content.span)


def _story(visit: Visit, pair_key: str) -> Story:
    return visit.desk.story(one_pair(visit.desk.find(pair_key), pair_key), user_id=visit.who.user_id)


def show(visit: Visit) -> Response:
    """The story of one event."""
    story = _story(visit, visit.query.one("pair"))
    sides = [
        (service(side), *_side_words(held, story.settings))
        for side, held in ((Side.GRAPH, story.state.graph), (Side.SALESFORCE, story.state.salesforce))
    ]
    return visit.show(
        "event.html", story=story, title=title_of(story), sides=sides, stands=STATUS_LABELS[story.state.status],
        why=reason(story.state.reason).text if story.state.reason else "",
        moments=[told(moment, story.settings) for moment in story.moments],
        is_refused=is_refused(story.state), may_act=visit.who.role >= Role.OPERATOR,
    )  # fmt: skip


def _side_words(held: Any, settings: Settings) -> tuple[str, str]:
    if held.item is None:
        return "deleted" if held.is_deleted else "never there", ""
    where = mailbox_words(held.item.mailbox, settings) if held.item.mailbox else ""
    return where or "there", held.item.id


def is_refused(state: PairState) -> bool:
    """Whether a service refused its last write."""
    return state.status is Status.ERROR


def told(moment: Moment, settings: Settings) -> Told:
    """A moment in words."""
    rows = [(NAMES[group], "", excerpts("", text, SHOWN)[1]) for group, text in moment.holds]
    rows += [(NAMES[one.group], *excerpts(one.before, one.after, SHOWN)) for one in moment.differences]
    sentences: list[str] = []
    if moment.outcome is not None:
        said = " ".join(filter(None, (moment.outcome.code, moment.outcome.message)))
        sentences += [f"The service said: {said}"] if said else []
        sentences += [f"Left out: {moment.outcome.warning}"] if moment.outcome.warning else []
    if moment.decision is not None:
        sentences += _decision_words(moment.decision, moment)
        rows += [(NAMES.get(one.field, one.field), *change_words(one)) for one in _written(moment.decision, moment)]
    where = mailbox_words(moment.mailbox, settings) if moment.mailbox else ""
    return Told(moment, where, tuple(rows), tuple(sentences), tuple(_undos(moment)))


def _written(decision: Decision, moment: Moment) -> list[Any]:
    return list(decision.changes) if decision.commands or decision.is_shadow else []


def _decision_words(decision: Decision, moment: Moment) -> list[str]:
    verdict = verdict_words(decision)
    basis = f"rule {decision.rule or '–'}, settings number {decision.settings_number}"
    words = [f"{verdict[0].upper()}{verdict[1:]} {decision.text} ({basis})"]
    for change in decision.lost:
        before, after = change_words(change)
        words.append(f"Lost: {NAMES.get(change.field, change.field)} {before} in Practifi gave way to {after}.")
    words += [f"Sent: {sent.action} in {service(sent.side)}." for sent in moment.sent]
    words += [f"{line[0].upper()}{line[1:]}." for line in mail_lines(decision.mails)]
    if decision.held is not None:
        words.append(f"Held: {decision.held.action} in {service(decision.held.side)} waits for a person.")
        words += [f"{line[0].upper()}{line[1:]}." for line in mail_lines(decision.held.mails, "mails it would send")]
    return words


def _undos(moment: Moment) -> list[tuple[str, str]]:
    """What may be undone: a decision that overwrote or deleted, by side where both were written."""
    if moment.decision is None:
        return []
    name = f"{moment.partition}/{moment.offset}"
    return [(name, sent.side.value) for sent in moment.sent if sent.action != "create" and sent.fields != ("marks",)]


def retry(visit: Visit) -> Response:
    """Try a refused write once more. Safe to press twice."""
    key = visit.form.one("pair")
    story = _story(visit, key)
    if not is_refused(story.state):
        return visit.go(_address(key), "Nothing to try again: it is not in error.")
    visit.desk.retry(story.pair_key, by=visit.who.name)
    return visit.go(_address(key), "It is tried again; the story below shows how it goes.")


def propose(visit: Visit) -> Response:
    """What an undo would do, before it is asked for."""
    asked = visit.query if visit.page.method == "GET" else visit.form
    return _proposal(visit, *_asked(visit, asked.one("decision"), asked.one("side"), asked.one("force")))


def _asked(visit: Visit, decision: str, side: str, force: str) -> tuple[Proposal, bool]:
    try:
        chosen = Side(side) if side else None
    except ValueError:
        raise ConcordError("There is no such side.") from None
    return visit.desk.propose(decision, chosen, force=force == "yes"), force == "yes"


def _proposal(visit: Visit, proposal: Proposal, force: bool, problem: str = "") -> Response:
    changed = ", ".join(NAMES.get(group, group) for group in proposal.changed)
    return visit.show(
        "undo.html", proposal=proposal, force=force, why=why_nothing(proposal), changed=changed,
        problem=problem, seen=digest(proposal),
        writes=[(f"{one.action} in {service(one.side)}", value_rows(one, is_private=proposal.is_private))
                for one in proposal.writes],
        mails=mail_words(proposal), back=_address(proposal.pair_key), side=visit.query.one("side"),
    )  # fmt: skip


def why_nothing(proposal: Proposal) -> str:
    """Why an undo would write nothing, "" when it would."""
    if proposal.writes:
        return ""
    is_told = proposal.reason not in ("", "undone")
    return reason(proposal.reason).text if is_told else "Both sides hold this already."


def may_undo(proposal: Proposal, *, force: bool) -> bool:
    """Whether this undo may be asked for."""
    return bool(proposal.writes) and (force or not (proposal.is_repeated or proposal.changed))


def digest(proposal: Proposal) -> str:
    """Names what was shown: an undo that would do something else by now has another."""
    return hashlib.sha256(repr(proposal.undo).encode()).hexdigest()


def undo(visit: Visit) -> Response:
    """Ask for the undo that was shown. Safe to press twice: a decision is undone once."""
    form = visit.form
    proposal, force = _asked(visit, form.one("decision"), form.one("side"), form.one("force"))
    visit.query = form
    if form.one("seen") != digest(proposal):
        return _proposal(visit, proposal, force, "The event has changed since. Look again.")
    if not may_undo(proposal, force=force):
        return _proposal(visit, proposal, force, "Nothing was asked for.")
    visit.desk.undo(proposal, by=visit.who.name)
    return visit.go(_address(proposal.pair_key), "The undo is asked for; the story below shows how it goes.")


def pages() -> tuple[Page, ...]:
    """The pages of this module."""
    return (
        Page("/events", search, Role.VIEWER),
        Page("/event", show, Role.VIEWER, is_live=True),
        Page("/event/retry", retry, Role.OPERATOR, "POST"),
        Page("/event/undo", propose, Role.OPERATOR),
        Page("/event/undo", undo, Role.OPERATOR, "POST"),
    )
