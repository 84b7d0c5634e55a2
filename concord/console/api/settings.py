"""The firm's settings and their history: read, look at a change, save it."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from concord.console.accounts import Role
from concord.console.api.users import Saved
from concord.console.desk import in_force
from concord.console.operations import BadRequest, Listing, Operation, Paging, Shape, following, operation
from concord.console.pages import Page, Visit
from concord.console.setting_words import FIELDS, INTEGRATION, SYNC, changes, user_changes
from concord.console.settings import clashes, effect_words, told_history
from schemas.errors import ConfigError
from schemas.settings import Settings, change_settings
from streams.what_if import what_if


class Choice(Shape):
    """One value that a setting may have."""

    value: str
    label: str


class Setting(Shape):
    """One setting as it is in force."""

    name: str
    label: str
    effect: str
    tab: str = Field(description="sync or integration")
    kind: str = Field(description="choice, date, number or text")
    value: str
    choices: list[Choice]


class SettingsTold(Shape):
    """The settings in force."""

    number: int
    changed_at: datetime | None
    changed_by: str
    settings: list[Setting]


class SettingsWanted(Shape):
    """Settings by name, as text; all of them are changed or none."""

    settings: dict[str, str] = Field(min_length=1)


class SettingsSent(SettingsWanted):
    """The same, with the number of the settings that were looked at."""

    number: int = Field(ge=0)


class ChangeTold(Shape):
    """One setting before and after, in words."""

    name: str
    label: str
    before: str
    after: str


class SettingsReview(Shape):
    """What a change would do."""

    changes: list[ChangeTold]
    effects: list[str] = Field(description="what it leads to for the events that are known, one sentence each")


class Document(Shape):
    """One settings document of the history."""

    number: int
    changed_at: datetime | None
    changed_by: str
    changes: list[ChangeTold]
    user_changes: list[str]


class Documents(Listing):
    """Settings documents, the newest first."""

    items: list[Document]


def show(visit: Visit) -> SettingsTold:
    """What is in force."""
    document = in_force(visit.desk.documents())
    rows = [("sync", field) for field in SYNC] + [("integration", field) for field in INTEGRATION]
    return SettingsTold(
        number=document.number, changed_at=document.changed_at, changed_by=document.changed_by,
        settings=[
            Setting(
                name=field.name, label=field.label, effect=field.effect, tab=tab, kind=field.kind,
                value=field.value(document),
                choices=[Choice(value=value, label=label) for value, label in field.choices],
            )
            for tab, field in rows
        ],
    )  # fmt: skip


def _changes(before: Settings, after: Settings) -> list[ChangeTold]:
    return [
        ChangeTold(name=one.field.name, label=one.field.label, before=one.before, after=one.after)
        for one in changes(before, after)
    ]


def _wanted(visit: Visit, current: Settings, updates: dict[str, str]) -> Settings:
    return change_settings(current, updates, by=visit.who.name, now=visit.site.now())


def review(visit: Visit) -> SettingsReview:
    """What a change would do. Raises ConfigError. Nothing is saved."""
    before = in_force(visit.desk.documents())
    after = _wanted(visit, before, visit.takes(SettingsWanted).settings)
    effect = what_if(visit.desk.pairs().states, before, after, visit.site.now())
    return SettingsReview(changes=_changes(before, after), effects=effect_words(effect))


def save(visit: Visit) -> Saved:
    """Save, on top of whatever others saved of other settings meanwhile. Raises ConfigError."""
    sent = visit.takes(SettingsSent)
    unknown = [f"unknown setting {name!r}" for name in sent.settings if name not in FIELDS]
    if unknown:
        raise ConfigError(unknown, "Nothing was changed.")
    documents = visit.desk.documents()
    before = in_force(documents)
    clash = clashes(documents, str(sent.number), sent.settings)
    if clash:
        raise BadRequest(409, f"Nothing was saved: {before.changed_by} changed {', '.join(clash)} meanwhile.")
    after = visit.desk.change(lambda current: _wanted(visit, current, sent.settings))
    lines = [f"{one.label}: {one.before} → {one.after}" for one in _changes(before, after)]
    return Saved(number=after.number, is_changed=after.number != before.number, changes=lines)


def history(visit: Visit) -> Documents:
    """Who changed what, when."""
    asked = visit.asks(Paging)
    rows = told_history(visit.desk.documents())
    items = [
        Document(
            number=after.number, changed_at=after.changed_at, changed_by=after.changed_by,
            changes=_changes(before, after), user_changes=user_changes(before, after),
        )
        for before, after in rows[asked.start : asked.start + asked.limit]
    ]  # fmt: skip
    return Documents(items=items, total=len(rows), next=following("/settings/history", asked, len(rows)))


def pages() -> tuple[Page, ...]:
    """The operations of this module."""
    told = Operation("What a change of settings would do. Nothing is saved", SettingsReview, takes=SettingsWanted)
    saved = Operation("Change settings. Sent twice, they are saved once", Saved, takes=SettingsSent)
    past = Operation("Every settings document: who, when, what", Documents, Paging)
    return (
        operation("/settings", show, Role.VIEWER, Operation("The settings in force", SettingsTold)),
        operation("/settings/review", review, Role.ADMINISTRATOR, told, "POST"),
        operation("/settings", save, Role.ADMINISTRATOR, saved, "PATCH"),
        operation("/settings/history", history, Role.VIEWER, past),
    )
