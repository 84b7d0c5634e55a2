"""The gates: decision orders of product facts §7 as factors multiplied, ranges at their edges, deletions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from itertools import product
from typing import Any

import pytest
from support.builders import (
    ANN,
    BOB,
    CLIENT,
    COLLEAGUE,
    NOW,
    STRANGER,
    firm_settings,
    graph_item,
    meeting,
    salesforce_item,
    span,
)

from schemas.calendar import Attendee, CalendarEvent, Response, Sensitivity, TimeSpan
from schemas.changes import Item
from schemas.groups import BODY, CONTENT, OWNER, PEOPLE, SUBJECT
from schemas.settings import Direction
from schemas.state import UNTOLD, SideState
from streams.policy import deletion_gate, inbound_gate, inbound_range, outbound_gate, user_of
from streams.reasons import REASONS

OUT = Direction.PRACTIFI_TO_MICROSOFT
IN = Direction.MICROSOFT_TO_PRACTIFI
ANN_OFF = replace(ANN, is_enabled=False, outbound_since=None)


@dataclass(frozen=True)
class Level:
    """One level of a factor: what it makes of settings, item and content, and the reason it gives (None: passes)."""

    name: str
    code: str | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    item: dict[str, Any] = field(default_factory=dict)
    content: dict[str, Any] = field(default_factory=dict)
    call: dict[str, Any] = field(default_factory=dict)


def multiplied(factors: dict[str, tuple[Level, ...]]) -> Iterator[tuple[str, str | None, list[Level]]]:
    """Every combination with its name and the reason of the first factor that gives one."""
    for levels in product(*factors.values()):
        name = " ".join(f"{factor}={level.name}" for factor, level in zip(factors, levels, strict=True))
        yield name, next((level.code for level in levels if level.code), None), list(levels)


def merged(levels: list[Level], part: str) -> dict[str, Any]:
    """What all levels together say of one part."""
    return {key: value for level in levels for key, value in getattr(level, part).items()}


# ---- inbound --------------------------------------------------------------------------------------------------------

# In the order of the product facts; `attendee_copy` stands where `not_default_calendar` would: only default calendars
# are read, and what they may hold that is not the pair's own is a copy.
INBOUND_FACTORS = {
    "user": (
        Level("enabled"),
        Level("disabled", "user_disabled", {"users": (ANN_OFF, BOB)}),
        Level("unknown", "user_disabled", {"users": ()}),
    ),
    "direction": (
        Level("two-way"),
        Level("in", None, {"direction": IN}),
        Level("out", "direction", {"direction": OUT}),
    ),
    "copy": (
        Level("own"),
        Level("outside organizer", None, item={"is_organizer": False, "organizer_mailbox": ""}),
        Level(
            "of an enabled organizer",
            "attendee_copy",
            item={"is_organizer": False, "organizer_mailbox": "mailbox-dora"},
        ),
    ),
    "draft": (Level("no"), Level("yes", "draft", item={"is_draft": True})),
    "range": (Level("in"), Level("out", "out_of_range", {"commencement_date": date(2026, 3, 8)})),
    "privacy": (
        Level("normal"),
        Level("private", None, content={"sensitivity": Sensitivity.PRIVATE}),
        Level("off", "private_off", {"sync_private_events": False}, content={"sensitivity": Sensitivity.PERSONAL}),
    ),
    "people": (
        Level("matched", None, content={"attendees": (CLIENT, STRANGER)}),
        Level("internal off", "internal_off", {"sync_internal_events": False}, content={"attendees": (COLLEAGUE,)}),
        Level("unmatched off", "unmatched_off", {"sync_unmatched_events": False}, content={"attendees": (STRANGER,)}),
    ),
    "length": (Level("short"), Level("long", "too_long", content={"span": span(5, 14 * 24 + 1)})),
}
DORA = replace(BOB, mailbox="mailbox-dora", salesforce_id="005DORA")


@pytest.mark.rule("7.2", "2a.sync_private_events")
def test_inbound_order_is_the_documented_one() -> None:
    """First hit names the reason: every combination of the factors, for an event that would enter."""
    count = 0
    for name, expected, levels in multiplied(INBOUND_FACTORS):
        settings = firm_settings(**({"users": (ANN, DORA)} | merged(levels, "settings")))
        if "copy=of an enabled organizer" in name and not settings.is_mailbox_enabled("mailbox-dora"):
            continue
        item = graph_item(meeting(**merged(levels, "content")), **merged(levels, "item"))
        assert inbound_gate(item, None, settings, NOW) == expected, name
        count += 1
    assert count > 700


def test_participation_is_asked_only_when_an_event_enters() -> None:
    """Once agreed, losing its matched attendee does not stop an event's later edits."""
    settings = firm_settings(sync_internal_events=False, sync_unmatched_events=False)
    for people, code in (((COLLEAGUE,), "internal_off"), ((STRANGER,), "unmatched_off")):
        item = graph_item(meeting(attendees=people))
        assert inbound_gate(item, None, settings, NOW) == code
        assert inbound_gate(item, meeting(), settings, NOW) is None


@pytest.mark.parametrize(
    ("people", "organizer", "code"),
    [
        ((), None, "internal_off"),
        ((COLLEAGUE,), None, "internal_off"),
        ((replace(COLLEAGUE, record_id=""),), None, "internal_off"),
        ((COLLEAGUE, STRANGER), None, "unmatched_off"),
        ((COLLEAGUE, CLIENT), None, None),
        ((COLLEAGUE,), STRANGER, "unmatched_off"),
        ((COLLEAGUE,), CLIENT, None),
        ((), CLIENT, None),
    ],
)
@pytest.mark.rule("2a.sync_internal_events", "2a.sync_unmatched_events")
def test_internal_means_users_only_and_unmatched_means_no_outsider_matches(
    people: tuple[Attendee, ...], organizer: Attendee | None, code: str | None
) -> None:
    """An event with nobody else is internal; the organizer takes part; a matched user is no matched outsider."""
    settings = firm_settings(sync_internal_events=False, sync_unmatched_events=False)
    content = meeting(attendees=people, organizer=organizer) if organizer else meeting(attendees=people)
    assert inbound_gate(graph_item(content), None, settings, NOW) == code


@pytest.mark.rule("10.1")
def test_unmatched_toggle_does_not_let_internal_events_in() -> None:
    """Product facts §10.1: internal events obey their own toggle, and so do unmatched ones."""
    only_unmatched = firm_settings(sync_internal_events=False, sync_unmatched_events=True)
    only_internal = firm_settings(sync_internal_events=True, sync_unmatched_events=False)
    internal, unmatched = (graph_item(meeting(attendees=(a,))) for a in (COLLEAGUE, STRANGER))
    assert [inbound_gate(item, None, only_unmatched, NOW) for item in (internal, unmatched)] == ["internal_off", None]
    assert [inbound_gate(item, None, only_internal, NOW) for item in (internal, unmatched)] == [None, "unmatched_off"]


# ---- ranges ---------------------------------------------------------------------------------------------------------


def at(moment: datetime, **members: Any) -> CalendarEvent:
    """An hour from this moment."""
    return meeting(span=TimeSpan(moment, moment + timedelta(hours=1), **members))


SECOND = timedelta(seconds=1)
COMMENCEMENT = datetime(2025, 9, 3, tzinfo=UTC)


@pytest.mark.parametrize(
    ("start", "expected"),
    [
        (COMMENCEMENT, None),
        (COMMENCEMENT - SECOND, "out_of_range"),
        (NOW.replace(year=2036), None),
        (NOW.replace(year=2036) + SECOND, "out_of_range"),
    ],
)
@pytest.mark.rule("7.14", "2b.inbound_years")
def test_inbound_range_runs_from_commencement_day_to_the_years_ahead(start: datetime, expected: str | None) -> None:
    """Both ends inclusive (rule 7.14); the start decides."""
    settings = firm_settings(commencement_date=COMMENCEMENT.date())
    assert inbound_gate(graph_item(at(start)), None, settings, NOW) == expected


@pytest.mark.parametrize(
    ("now", "years", "latest"),
    [
        (datetime(2028, 2, 29, 12, tzinfo=UTC), 1, datetime(2029, 2, 28, 12, tzinfo=UTC)),
        (datetime(2028, 2, 29, 12, tzinfo=UTC), 4, datetime(2032, 2, 29, 12, tzinfo=UTC)),
        (datetime(2026, 3, 2, 9, tzinfo=UTC), 0, datetime(2026, 3, 2, 9, tzinfo=UTC)),
        (datetime(9990, 12, 31, tzinfo=UTC), 50, datetime(9999, 12, 31, tzinfo=UTC)),
    ],
)
def test_years_ahead_on_leap_days_and_at_the_end_of_time(now: datetime, years: int, latest: datetime) -> None:
    """A leap day a year on is the last of February; no year past 9999 is asked for."""
    assert inbound_range(firm_settings(inbound_years=years), now)[1] == latest


def test_range_without_a_commencement_date_begins_today() -> None:
    """Nobody was ever enabled: there is no past to read."""
    earliest, _ = inbound_range(firm_settings(commencement_date=None), NOW)
    assert earliest == datetime(2026, 3, 2, tzinfo=UTC)


@pytest.mark.parametrize(
    ("now", "months", "latest"),
    [
        (datetime(2026, 8, 31, 9, tzinfo=UTC), 6, datetime(2027, 2, 28, 9, tzinfo=UTC)),
        (datetime(2027, 8, 31, 9, tzinfo=UTC), 6, datetime(2028, 2, 29, 9, tzinfo=UTC)),
        (datetime(2026, 12, 15, 9, tzinfo=UTC), 1, datetime(2027, 1, 15, 9, tzinfo=UTC)),
        (datetime(2026, 3, 2, 9, tzinfo=UTC), 24, datetime(2028, 3, 2, 9, tzinfo=UTC)),
    ],
)
@pytest.mark.rule("7.14", "2b.outbound_months")
def test_outbound_range_ends_whole_months_ahead(now: datetime, months: int, latest: datetime) -> None:
    """Inclusive; a day that the month lacks is its last day."""
    settings = firm_settings(outbound_months=months)
    assert outbound(at(latest), settings=settings, now=now) is None
    assert outbound(at(latest + SECOND), settings=settings, now=now) == "out_of_range"


def test_event_that_begins_now_is_not_history() -> None:
    """From now on inclusive; a second earlier it has begun."""
    assert outbound(at(NOW)) is None
    assert outbound(at(NOW - SECOND)) == "past"


def day(offset: int, days: int = 1) -> CalendarEvent:
    """All day, so many days from NOW's date."""
    start = datetime(2026, 3, 2, tzinfo=UTC) + timedelta(days=offset)
    return meeting(span=TimeSpan(start, start + timedelta(days=days), is_all_day=True))


def test_all_day_event_of_today_has_not_begun() -> None:
    """Its midnight in UTC is nobody's morning; yesterday's is history, also when it lasts a week."""
    assert [outbound(day(offset)) for offset in (-1, 0, 1)] == ["past", None, None]
    assert [outbound(day(-1, 7)), outbound(day(0, 7))] == ["past", None]


@pytest.mark.parametrize(
    ("before", "after", "expected_in", "expected_out"),
    [
        (5, 6, None, None),
        (5, -5, None, None),
        (-5, 5, None, None),
        (-5, -4, None, "past"),
        (5, 4000, None, None),
        (4000, 5, None, None),
        (4000, 4001, "out_of_range", "out_of_range"),
        (-5, 4000, None, "out_of_range"),
        (-400, -399, "out_of_range", "past"),
    ],
)
def test_moved_event_counts_at_its_old_and_its_new_start(
    before: int, after: int, expected_in: str | None, expected_out: str | None
) -> None:
    """A move into or out of the range is carried, so that no ghost stays behind at the old time."""
    agreed, now_at = meeting(span=span(before)), meeting(span=span(after))
    assert inbound_gate(graph_item(now_at), agreed, firm_settings(), NOW) == expected_in
    assert outbound(now_at, graph=graph_item(agreed), agreed=agreed) == expected_out


@pytest.mark.parametrize(("days", "expected"), [(14, None), (15, "too_long")])
@pytest.mark.rule("7.22")
def test_fourteen_days_are_what_salesforce_takes(days: int, expected: str | None) -> None:
    """Rule 7.22, all-day or not; a second more than 14 days is too long."""
    all_day = TimeSpan(
        span(all_day=True).start_utc, span(all_day=True).start_utc + timedelta(days=days), is_all_day=True
    )
    assert inbound_gate(graph_item(meeting(span=all_day)), None, firm_settings(), NOW) == expected
    timed = meeting(span=span(5, 24 * 14))
    assert inbound_gate(graph_item(timed), None, firm_settings(), NOW) is None
    longer = replace(timed, span=replace(timed.span, end_utc=timed.span.end_utc + SECOND))
    assert inbound_gate(graph_item(longer), None, firm_settings(), NOW) == "too_long"


# ---- outbound -------------------------------------------------------------------------------------------------------


def outbound(content: CalendarEvent | None = None, **call: Any) -> str | None:
    """The outbound gate for an event of Ann's with this content; a new one unless told otherwise."""
    content = content or meeting()
    side = {name: call.pop(name) for name in ("edited_at", "origin") if name in call}
    usual: dict[str, Any] = {
        "here": SideState(call.pop("item", salesforce_item(content)), **({"edited_at": NOW, "origin": "ui"} | side)),
        "graph": None,
        "agreed": None,
        "groups": CONTENT,
        "settings": firm_settings(),
        "now": NOW,
    }
    return outbound_gate(**(usual | call))


BEFORE_GROUPS = {"user_disabled", "direction", "not_edited_since", "imported", "awaiting_origin"}
FLAGGED = {"send_invitations": True}
CROWD = tuple(replace(STRANGER, address=f"{n}@x.example") for n in range(51))
OUTBOUND_FACTORS = {
    "user": (
        Level("enabled"),
        Level("disabled", "user_disabled", {"users": (ANN_OFF,)}),
        Level("unknown", "user_disabled", {"users": ()}),
    ),
    "direction": (
        Level("two-way"),
        Level("out", None, {"direction": OUT}),
        Level("in", "direction", {"direction": IN}),
    ),
    "saved": (
        Level("since"),
        Level("on the dot", None, call={"edited_at": ANN.outbound_since}),
        Level("before", "not_edited_since", call={"edited_at": NOW - timedelta(days=1, seconds=1)}),
        Level("never", "not_edited_since", call={"edited_at": None}),
        Level("not begun", "not_edited_since", {"users": (replace(ANN, outbound_since=None),)}),
        Level("imported", "imported", call={"origin": "com/salesforce/api/bulkapi/66.0"}),
        Level("unknown", "imported", call={"origin": ""}),
        Level("untold", "awaiting_origin", call={"origin": UNTOLD}),
    ),
    "groups": (
        Level("content"),
        Level("people and content", None, call={"groups": (PEOPLE, BODY)}),
        Level("people", "attendees_only", call={"groups": (PEOPLE,)}),
        Level("people and owner", "attendees_only", call={"groups": (PEOPLE, OWNER)}),
        Level("ticked", None, call={"groups": (PEOPLE,)}, content=FLAGGED),
        Level("unticked", "no_invitations", call={"groups": (PEOPLE,), "was_ticked": True}),
        Level("owner", "owner_changed", call={"groups": (OWNER,)}),
    ),
    "start": (
        Level("ahead"),
        Level("past", "past", content={"span": span(-1)}, call={"before": span(-2)}),
        Level("far", "out_of_range", content={"span": span(800)}, call={"before": span(900)}),
    ),
    "privacy": (
        Level("normal"),
        Level("private", None, content={"sensitivity": Sensitivity.PRIVATE}),
        Level("off", "private_off", {"sync_private_events": False}, content={"sensitivity": Sensitivity.PRIVATE}),
        Level("off there", "private_off", {"sync_private_events": False}, call={"private_there": True}),
    ),
    "organizer": (Level("ours"), Level("another", "not_organizer", call={"is_organizer": False})),
}


def test_outbound_order_is_the_documented_one() -> None:
    """First hit names the reason: every combination of the factors, for an edit of an agreed event."""
    count = 0
    for name, expected, levels in multiplied(OUTBOUND_FACTORS):
        call = merged(levels, "call")
        agreed = meeting(span=call.pop("before", span()), send_invitations=call.pop("was_ticked", False))
        sensitivity = Sensitivity.PRIVATE if call.pop("private_there", False) else Sensitivity.NORMAL
        graph = graph_item(replace(agreed, sensitivity=sensitivity), is_organizer=call.pop("is_organizer", True))
        settings = firm_settings(**merged(levels, "settings"))
        if "user=disabled" in name or "user=unknown" in name:
            settings = replace(settings, users=levels[0].settings["users"])
        content = meeting(**merged(levels, "content"))
        if "groups=ticked" in name and content.sensitivity is Sensitivity.PRIVATE and expected not in BEFORE_GROUPS:
            expected = "no_invitations"  # a private event's attendees stay where they are, ticked or not
        usual = {"groups": (SUBJECT,)} | call
        assert outbound(content, graph=graph, agreed=agreed, settings=settings, **usual) == expected, name
        count += 1
    assert count > 3000


NEW_FACTORS = {
    factor: levels for factor, levels in OUTBOUND_FACTORS.items() if factor in {"user", "direction", "saved"}
} | {
    "start": (
        Level("ahead"),
        Level("past", "past", content={"span": span(-1)}),
        Level("far", "out_of_range", content={"span": span(800)}),
    ),
    "privacy": OUTBOUND_FACTORS["privacy"][:3],
    "people": (
        Level("client", None, content={"attendees": (CLIENT, COLLEAGUE)}),
        Level("internal", None, content={"attendees": (COLLEAGUE,)}),
        Level("internal off", "internal_off", {"sync_internal_events": False}, content={"attendees": (COLLEAGUE,)}),
        Level("nobody, internal off", "internal_off", {"sync_internal_events": False}),
        Level("unmatched off", None, {"sync_unmatched_events": False}, content={"attendees": (COLLEAGUE, CLIENT)}),
    ),
}


def test_outbound_order_for_a_new_event() -> None:
    """What was never agreed has no edited groups; who attends is asked instead."""
    for name, expected, levels in multiplied(NEW_FACTORS):
        settings = firm_settings(**merged(levels, "settings"))
        if "user=disabled" in name or "user=unknown" in name:
            settings = replace(settings, users=levels[0].settings["users"])
        content = meeting(**merged(levels, "content"))
        assert outbound(content, settings=settings, **merged(levels, "call")) == expected, name


@pytest.mark.rule("7.11")
def test_shortened_list_is_never_written() -> None:
    """Rule 7.11: of more than 50 attendees none is changed; other groups may be."""
    graph, ticked = graph_item(meeting(attendees=CROWD)), meeting(send_invitations=True)
    assert outbound(ticked, graph=graph, agreed=meeting(), groups=(PEOPLE,)) == "truncated"
    assert outbound(ticked, graph=graph, agreed=meeting(), groups=(PEOPLE, SUBJECT)) is None


def test_user_of_a_pair_is_the_mailbox_that_leads_else_the_owner() -> None:
    """Microsoft 365 decides where there is an event there."""
    settings = firm_settings()
    copy = graph_item(mailbox=BOB.mailbox)
    found = [user_of(g, s, settings) for g, s in ((copy, salesforce_item()), (None, salesforce_item()), (None, None))]
    assert [user and user.mailbox for user in found] == [BOB.mailbox, ANN.mailbox, None]


# ---- deletions ------------------------------------------------------------------------------------------------------

SETTINGS_OF_DELETIONS = {
    "user": (Level("enabled"), Level("disabled", "user_disabled", {"users": (ANN_OFF,)})),
    "policy": (
        Level("yes"),
        Level("no", "deletion_kept", {"delete_from_microsoft": False, "delete_from_practifi": False}),
    ),
    "direction": (Level("two-way"),),
}


@pytest.mark.rule("2a.delete_from_microsoft")
def test_deletion_in_microsoft_needs_user_direction_and_policy() -> None:
    """Practifi's record goes only under "Delete Synced Events, from Microsoft 365: Yes", also when it is history."""
    factors = SETTINGS_OF_DELETIONS | {
        "direction": (
            Level("two-way"),
            Level("in", None, {"direction": IN}),
            Level("out", "deletion_kept", {"direction": OUT}),
        ),
        "start": (Level("ahead"), Level("past", None, content={"span": span(-9)})),
    }
    for name, expected, levels in multiplied(factors):
        survivor = salesforce_item(meeting(**merged(levels, "content")))
        settings = firm_settings(**({"delete_from_practifi": False} | merged(levels, "settings")))
        assert deletion_gate(True, survivor, settings, NOW) == expected, name


def test_deletion_in_practifi_needs_user_direction_policy_organizer_and_a_future() -> None:
    """A cancellation is mailed: only the organizer's copy, only what has not begun."""
    factors = SETTINGS_OF_DELETIONS | {
        "direction": (
            Level("two-way"),
            Level("out", None, {"direction": OUT}),
            Level("in", "deletion_kept", {"direction": IN}),
        ),
        "organizer": (Level("ours"), Level("another", "not_organizer", item={"is_organizer": False})),
        "start": (
            Level("ahead"),
            Level("past", "past", content={"span": span(-9)}),
            Level("today", None, content={"span": day(0).span}),
        ),
    }
    for name, expected, levels in multiplied(factors):
        survivor = graph_item(meeting(**merged(levels, "content")), **merged(levels, "item"))
        settings = firm_settings(**({"delete_from_microsoft": False} | merged(levels, "settings")))
        assert deletion_gate(False, survivor, settings, NOW) == expected, name


def test_survivor_of_an_unknown_owner_is_not_deleted() -> None:
    """Nobody's event is nobody's to delete."""
    stranger: Item = salesforce_item(meeting(owner_id="005NOBODY"))
    assert deletion_gate(True, stranger, firm_settings(), NOW) == "user_disabled"
    assert deletion_gate(False, graph_item(mailbox="mailbox-nobody"), firm_settings(), NOW) == "user_disabled"


def test_every_reason_that_a_gate_gives_is_explained() -> None:
    """An administrator reads the sentence, not the code."""
    factors = [INBOUND_FACTORS, OUTBOUND_FACTORS, NEW_FACTORS]
    codes = {level.code for table in factors for levels in table.values() for level in levels if level.code}
    codes |= {"deletion_kept", "truncated"}
    assert codes <= set(REASONS)
    assert all(row.text.endswith(".") and row.rule for row in REASONS.values())


@pytest.mark.rule("7.13")
@pytest.mark.parametrize("answer", list(Response))
def test_no_answer_decides_whether_an_event_syncs(answer: Response) -> None:
    """Whoever accepted, declined or said nothing: the event comes in and stands with its client."""
    item = graph_item(meeting(attendees=(replace(CLIENT, response=answer),)))
    assert inbound_gate(item, None, firm_settings(), NOW) is None
