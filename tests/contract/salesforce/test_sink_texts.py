"""Any content against the Salesforce simulator: what is written reads back as the same."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.salesforce_client import SalesforceClient, later
from support.salesforce_driver import (
    NAMES,
    build_lasting,
    calls_to,
    carry_out,
    content,
    create,
    made,
    own_events,
    reading,
    update,
)

from connectors.salesforce.compare import is_done
from schemas.calendar import CalendarEvent, Sensitivity, ShowAs, TimeSpan
from schemas.commands import Result
from schemas.groups import ALL, MEMBERS, PEOPLE


@pytest.fixture
def org() -> SalesforceClient:
    """A calm org."""
    return build_lasting()


def same(one: CalendarEvent, other: CalendarEvent, *groups: str) -> list[str]:
    """The groups in which two contents differ, people compared by record and answer."""

    def part(of: CalendarEvent, group: str) -> object:
        if group == PEOPLE:
            return {(a.record_id, a.response) for a in of.attendees}, of.send_invitations
        return [getattr(of, name) for name in MEMBERS[group] if name != "organizer"]

    return [group for group in groups or ALL if part(one, group) != part(other, group)]


TEXTS = {
    "emoji": "\N{WINKING FACE}\u200d\N{FAMILY} caf\u00e9 \U0001f1e6\U0001f1fa",
    "right to left": "\u05e9\u05dc\u05d5\u05dd \u202eabc\u202c \u0645\u0631\u062d\u0628\u0627",
    "markup": "<b>&amp;</b> 'quoted' \"twice\" \\ %00 {{!Name}}",
    "reference": "@{r0.id} and @{r1.records[0].Id} and $Record",
    "soql": "x' OR Subject LIKE '%",
}


@pytest.mark.parametrize("name", TEXTS)
def test_texts_arrive_as_they_are(org: SalesforceClient, name: str) -> None:
    """On creating, on updating, and as the key of the pair."""
    text = TEXTS[name]
    wanted = content(org, subject=text, location=text, body=f"{text}\n\n{text}", external_id=text)
    outcome = carry_out(create(wanted, pair_key=text), calls_to(org))
    assert outcome.result is Result.APPLIED
    assert outcome.item is not None
    assert same(outcome.item.content, wanted) == []
    assert outcome.item.sync_key == text
    assert carry_out(create(wanted, pair_key=text), calls_to(org)).item == outcome.item
    assert len(own_events(org)) == 1
    changed = update(outcome.item, "body", "subject", body=text, subject=f"{text}!", pair_key=text)
    assert carry_out(changed, calls_to(org)).result is Result.APPLIED
    assert reading(org, outcome.item.id).content.subject == f"{text}!"


def test_texts_at_their_limits(org: SalesforceClient) -> None:
    """The longest that fit go whole; longer ones are cut, never refused; control characters are left out."""
    exact = content(org, subject="s" * 255, location="l" * 255, body="b" * 32_000)
    item = made(org, exact)
    assert same(item.content, exact) == []
    longer = create(
        content(org, subject="\N{FAMILY}" * 200, body="b\x00\ud800" * 40_000, location=" l " * 400), pair_key="longer"
    )
    for _ in range(2):
        outcome = carry_out(longer, calls_to(org))
        assert outcome.result is Result.APPLIED
        assert outcome.item is not None
        assert outcome.item.content.subject == "\N{FAMILY}" * 127
        assert outcome.item.content.body == "b" * 32_000


def span(start: datetime, minutes: int, days: int, *, is_all_day: bool) -> TimeSpan:
    """A span from a moment, or of whole days from its date."""
    if not is_all_day:
        return TimeSpan(start, start + timedelta(minutes=minutes))
    midnight = start.replace(hour=0, minute=0, second=0)
    return TimeSpan(midnight, midnight + timedelta(days=days), is_all_day=True)


EPOCH = datetime(2020, 1, 1, tzinfo=UTC)
CONTENTS = st.builds(
    CalendarEvent,
    span=st.builds(
        span,
        st.integers(0, 16 * 366 * 86_400).map(lambda seconds: EPOCH + timedelta(seconds=seconds)),
        st.integers(0, 20_160),
        st.integers(1, 14),
        is_all_day=st.booleans(),
    ),
    subject=st.text(max_size=300),
    body=st.text(max_size=400),
    location=st.text(max_size=300),
    show_as=st.sampled_from(ShowAs),
    sensitivity=st.sampled_from(Sensitivity),
    reminder_minutes=st.none() | st.integers(0, 50_000),
    send_invitations=st.booleans(),
    recurring=st.text(max_size=300),
)
GROUPS_DRAWN = ("time", "subject", "body", "location", "show_as", "privacy", "reminder", "recurring")
DRAWN = (*(MEMBERS[group][0] for group in GROUPS_DRAWN), "send_invitations")


@given(CONTENTS, CONTENTS, st.text(min_size=1, max_size=60).filter(lambda text: text == text.strip()))
@settings(max_examples=40, deadline=None)
def test_any_content_reads_back_as_what_was_written(one: CalendarEvent, two: CalendarEvent, key: str) -> None:
    """Content -> record -> item holds the same in every group; so does any update of it, and both are recognised."""
    org = build_lasting()
    key = key.replace("\x00", "0")
    one, two = (replace(c, owner_id=org.ids["ada"], sync_status="Synced", external_id="e") for c in (one, two))
    command = create(one, pair_key=key)
    outcome = carry_out(command, calls_to(org))
    assert outcome.result is Result.APPLIED, outcome
    assert outcome.item is not None
    assert [group for group in ALL if not is_done(outcome.item, command, group, NAMES)] == []
    again = carry_out(command, calls_to(org))
    assert (again.result, again.item) == (Result.APPLIED, outcome.item)
    changing = update(outcome.item, *ALL, pair_key=key, **{name: getattr(two, name) for name in DRAWN})
    outcome = carry_out(changing, calls_to(org))
    assert outcome.result is Result.APPLIED, outcome
    assert outcome.item is not None
    assert [group for group in ALL if not is_done(outcome.item, changing, group, NAMES)] == []
    assert carry_out(changing, calls_to(org)).item == outcome.item
    assert len(own_events(org)) == 1


def test_a_trigger_that_tidies_texts_is_nobodys_edit(org: SalesforceClient) -> None:
    """White space apart the record holds what we wrote: a repeated create is applied, not stale."""
    item = made(org)
    org.simulator.update(
        "Event", item.id, {"Subject": "Portfolio  review", "Description": "First line second < & > line"}
    )
    assert carry_out(create(content(org)), calls_to(org)).result is Result.APPLIED


def test_times_with_seconds_are_recognised(org: SalesforceClient) -> None:
    """Salesforce keeps whole minutes of duration."""
    start = later(days=2, seconds=20)
    wanted = content(org, span=TimeSpan(start, start + timedelta(minutes=30, seconds=25)))
    for _ in range(2):
        outcome = carry_out(create(wanted), calls_to(org))
        assert outcome.result is Result.APPLIED
        assert outcome.item is not None
        assert outcome.item.content.span == TimeSpan(start, start + timedelta(minutes=30))
