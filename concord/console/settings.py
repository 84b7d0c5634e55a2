"""Sync Settings and Integration Settings: shown, looked at once more before they are saved, and their history."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import Final

from starlette.responses import Response

from concord.console.accounts import Role
from concord.console.desk import in_force
from concord.console.pages import Page, Visit
from concord.console.setting_words import FIELDS, INTEGRATION, SYNC, Field, changes, user_changes
from schemas.changes import Side
from schemas.commands import Action
from schemas.errors import ConfigError
from schemas.settings import Settings, change_settings
from streams.what_if import WhatIf, what_if

# Documents shown on one page of the history.
PAGE: Final = 50
_TABS: Final[dict[str, tuple[str, tuple[Field, ...]]]] = {
    "sync": ("Sync Settings", SYNC),
    "integration": ("Integration Settings", INTEGRATION),
}


def show(visit: Visit, tab: str) -> Response:
    """The settings of one tab, as they are in force."""
    document = in_force(visit.desk.documents())
    return _form(visit, tab, document, {field.name: field.value(document) for field in _TABS[tab][1]})


def _form(
    visit: Visit, tab: str, document: Settings, values: dict[str, str], *, problems: tuple[str, ...] = ()
) -> Response:
    title, fields = _TABS[tab]
    return visit.show(
        "settings.html", status=400 if problems else 200, tab=tab, title=title, fields=fields, values=values,
        document=document, problems=problems, may_change=visit.who.role >= Role.ADMINISTRATOR,
    )  # fmt: skip


def review(visit: Visit, tab: str) -> Response:
    """What a change would do, before anything is saved."""
    document = in_force(visit.desk.documents())
    updates, values = _sent(visit, tab, document)
    try:
        after = change_settings(document, updates, by=visit.who.name, now=visit.site.now())
    except ConfigError as error:
        return _form(visit, tab, document, values, problems=tuple(map(_in_words, error.problems)))
    found = changes(document, after)
    if not found:
        return visit.go(f"/settings/{tab}", "Nothing is different from what is in force.")
    effect = what_if(visit.desk.pairs().states, document, after, visit.site.now())
    return visit.show(
        "settings_review.html", tab=tab, title=_TABS[tab][0], changes=found, effect=effect_words(effect),
        updates=updates, document=document,
    )  # fmt: skip


def save(visit: Visit, tab: str) -> Response:
    """Save what was reviewed, on top of whatever others saved meanwhile. Sent twice, it is saved once."""
    seen = visit.form.one("number")
    updates = {field.name: visit.form.one(field.name) for field in _TABS[tab][1] if field.name in visit.form}
    before = in_force(visit.desk.documents())
    clash = clashes(visit.desk.documents(), seen, updates)
    if clash:
        words = ", ".join(clash)
        return visit.go(
            f"/settings/{tab}", f"Nothing was saved: {before.changed_by} changed {words} meanwhile. Look again."
        )
    now = visit.site.now()
    try:
        after = visit.desk.change(lambda current: _next(current, updates, by=visit.who.name, now=now))
    except ConfigError as error:
        values = {field.name: updates.get(field.name, field.value(before)) for field in _TABS[tab][1]}
        return _form(visit, tab, before, values, problems=tuple(map(_in_words, error.problems)))
    notice = f"Saved as settings number {after.number}." if after.number != before.number else "This was saved already."
    return visit.go(f"/settings/{tab}", notice)


def _next(current: Settings, updates: dict[str, str], *, by: str, now: datetime) -> Settings:
    return change_settings(current, updates, by=by, now=now)


def clashes(documents: list[Settings], seen: str, updates: Mapping[str, str]) -> list[str]:
    """Labels of the settings of which somebody saved another value after the document of this number. Pure."""
    looked_at = next((one for one in documents if str(one.number) == seen), Settings())
    current = in_force(documents)
    if str(current.number) == seen:
        return []
    return [
        FIELDS[name].label
        for name, wanted in updates.items()
        if _text_of(current, name) not in (_text_of(looked_at, name), wanted)
    ]


def _text_of(document: Settings, name: str) -> str:
    return FIELDS[name].value(document)


def _sent(visit: Visit, tab: str, document: Settings) -> tuple[dict[str, str], dict[str, str]]:
    """What was sent and differs from what is in force, and everything as it was sent."""
    values = {field.name: visit.form.one(field.name, field.value(document)) for field in _TABS[tab][1]}
    updates = {field.name: values[field.name] for field in _TABS[tab][1] if values[field.name] != field.value(document)}
    return updates, values


def _in_words(problem: str) -> str:
    """A problem with the label of its field in the place of its name."""
    for field in (*SYNC, *INTEGRATION):
        name, equals, rest = problem.partition("=")
        if equals and name == field.name:
            return f"{field.label}: {rest}"
    return problem


def effect_words(found: WhatIf) -> list[str]:
    """What a change leads to, one sentence each; empty when nothing of what is known is touched."""
    where = {Side.GRAPH: "Microsoft 365", Side.SALESFORCE: "Practifi"}
    done = {Action.CREATE: "appear in", Action.UPDATE: "change in", Action.DELETE: "be deleted from"}
    lines = [
        f"{_events(count)} may {done[action]} {where[side]}." for (side, action), count in sorted(found.writes.items())
    ]
    if found.mailed:
        lines.append(f"Those writes would mail {found.mailed} people outside the firm.")
    stopped = found.stopped.total()
    if stopped:
        lines.append(
            f"{_events(stopped)} on both sides would stay as they are, but no longer follow changes in Microsoft 365."
        )
    return lines


def _events(count: int) -> str:
    return "1 event" if count == 1 else f"{count:,} events"


def told_history(documents: list[Settings]) -> list[tuple[Settings, Settings]]:
    """Each document with the one before it, the newest first. Pure."""
    return list(zip([Settings(), *documents], documents, strict=False))[::-1]


def history(visit: Visit) -> Response:
    """Every document, newest first: who, when, what."""
    told = told_history(visit.desk.documents())
    rows = [(after, changes(before, after), user_changes(before, after)) for before, after in told]
    text = visit.query.one("from", "0")
    first = int(text) if text.isdecimal() and len(text) < 9 else 0
    return visit.show("history.html", rows=rows[first : first + PAGE], first=first, page=PAGE, total=len(rows))


def pages() -> tuple[Page, ...]:
    """The pages of this module."""
    found = [Page("/settings/history", history, Role.VIEWER, is_live=True)]
    for tab in _TABS:
        found += [
            Page(f"/settings/{tab}", partial(show, tab=tab), Role.VIEWER),
            Page(f"/settings/{tab}/review", partial(review, tab=tab), Role.ADMINISTRATOR, "POST"),
            Page(f"/settings/{tab}/save", partial(save, tab=tab), Role.ADMINISTRATOR, "POST"),
        ]
    return tuple(found)
