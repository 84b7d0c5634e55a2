"""Values in words: what an administrator reads instead of JSON, ids and ISO times."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from projections.wording import NAMES, excerpts, span_words, stored, words
from schemas.calendar import Attendee, CalendarEvent, Response, Sensitivity, ShowAs, TimeSpan
from schemas.groups import ALL
from streams.mapping import readable

START = datetime(2026, 3, 7, 9, 0, tzinfo=UTC)
MIDNIGHT = datetime(2026, 3, 7, tzinfo=UTC)
EVENT = CalendarEvent(
    TimeSpan(START, START + timedelta(minutes=90)), "Review", "Bring the forms", "Room 1", ShowAs.OUT_OF_OFFICE,
    Sensitivity.PRIVATE, 15, (Attendee("carla@out.example", "Carla", record_id="003C", response=Response.ACCEPTED),),
    Attendee("ann@firm.example", "Ann"), "005ANN", sync_status="Synced", external_id="AAMk1",
    recurring="Every week on Mon, no end",
)  # fmt: skip


@pytest.mark.parametrize(
    ("span", "text"),
    [
        (TimeSpan(START, START + timedelta(minutes=90)), "Sat 7 Mar 2026 09:00–10:30 UTC"),
        (TimeSpan(START, START + timedelta(hours=20)), "Sat 7 Mar 2026 09:00 to Sun 8 Mar 2026 05:00 UTC"),
        (TimeSpan(MIDNIGHT, MIDNIGHT + timedelta(days=1), True), "all day Sat 7 Mar 2026"),
        (TimeSpan(MIDNIGHT, MIDNIGHT, True), "all day Sat 7 Mar 2026"),
        (TimeSpan(MIDNIGHT, MIDNIGHT + timedelta(days=3), True), "all days Sat 7 Mar 2026 to Mon 9 Mar 2026"),
    ],
)
def test_times_read_as_people_say_them(span: TimeSpan, text: str) -> None:
    """One date when start and end share it; the last day of an all-day event is inclusive."""
    assert span_words(span) == text


@pytest.mark.parametrize(
    ("group", "text"),
    [
        ("subject", "“Review”"),
        ("location", "“Room 1”"),
        ("show_as", "out of office"),
        ("privacy", "private"),
        ("reminder", "15 minutes before"),
        ("people", "Carla <carla@out.example> (accepted)"),
        ("owner", "Ann"),
        ("marks", "Synced, AAMk1"),
        ("recurring", "“Every week on Mon, no end”"),
    ],
)
def test_each_group_in_words(group: str, text: str) -> None:
    """Names instead of ids, plain words instead of enum values."""
    assert words(EVENT, group) == text


@pytest.mark.parametrize(
    "group", ["time", "people", "reminder", "subject", "body", "location", "show_as", "privacy", "recurring"]
)
def test_a_stored_value_reads_like_the_value_itself(group: str) -> None:
    """What a decision stored as JSON is told in the words used for an event."""
    assert stored(group, readable(EVENT, group)) == words(EVENT, group)


@pytest.mark.parametrize("group", ALL)
def test_every_group_has_a_name_and_words(group: str) -> None:
    """A group that is added to the vocabulary can be told."""
    assert NAMES[group]
    assert words(EVENT, group)


@pytest.mark.parametrize("group", ALL)
def test_empty_stored_values_have_a_word(group: str) -> None:
    """Nothing shows as blank: an empty value is named."""
    assert stored(group, "")


@pytest.mark.parametrize(
    "text", ["not json", "{}", "[1]", '[["a"]]', '{"start": "x", "end": "y", "all_day": 1}', "null"]
)
@pytest.mark.parametrize("group", ["time", "people"])
def test_text_of_another_form_stays_as_it_is(group: str, text: str) -> None:
    """A value written by another version is shown, not a reason to fail."""
    assert stored(group, text) == text


def test_long_texts_are_cut_around_their_first_difference() -> None:
    """Two long texts that differ late still show where they differ."""
    before, after = "x" * 300 + " old end", "x" * 300 + " new end"
    assert excerpts(before, after) != excerpts(after, before)
    assert "old" in excerpts(before, after)[0]
    assert "new" in excerpts(before, after)[1]
    assert max(map(len, excerpts(before, after))) <= 102


def test_short_texts_stay_whole() -> None:
    """Nothing is cut that fits."""
    assert excerpts("one", "two\nlines") == ("one", "two lines")
