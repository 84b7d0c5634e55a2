"""Scenario *recurrence*: what people do to series in Outlook and to dates in Practifi, through the whole loop."""

from __future__ import annotations

from datetime import timedelta

import pytest
from support.scripted import EXTERNAL_ID, RECURRING, Story, day, guest, story, times, weekly


def at(*weeks: int, hour: int = 9) -> list[str]:
    """Mondays at an hour, so many weeks after 2 March."""
    return [f"{day(7 * week, hour):%Y-%m-%dT%H:%M}" for week in weeks]


def a_series(firm: Story, dates: int = 4) -> str:
    """A weekly series from 9 March on."""
    made = firm.make(firm.people[0], "Stand-up", day(7), recurrence=weekly(day(7), dates))
    firm.settle()
    assert firm.starts() == at(*range(1, 1 + dates))
    return made


def ids(firm: Story) -> dict[str, str]:
    """Start -> record id."""
    return {one["StartDateTime"][:16]: one["Id"] for one in firm.records()}


@pytest.mark.rule("4.recurring", "7.14")
def test_recurrence_gives_each_date_an_event_with_the_series_in_words(firm: Story) -> None:
    """Each date is a Practifi event of its own that says what it is part of; the series itself is none."""
    a_series(firm)
    assert {one[RECURRING] for one in firm.records()} == {"Weekly on Mon, 4 times"}
    assert firm.settle() == []


@pytest.mark.rule("10.2")
def test_recurrence_moved_and_cancelled_dates_keep_the_others(firm: Story) -> None:
    """A moved date keeps its record; a cancelled one goes alone, also when it is the last one left."""
    ann = firm.people[0]
    series = a_series(firm)
    before = ids(firm)
    dates = firm.dates(ann, series)
    firm.change(ann, dates[1]["id"], **times(day(14, 15)))
    firm.delete(ann, dates[2]["id"])
    firm.settle()
    assert firm.starts() == [*at(1), *at(2, hour=15), *at(4)]
    assert ids(firm)[at(2, hour=15)[0]] == before[at(2)[0]]
    for left in firm.dates(ann, series):
        firm.delete(ann, left["id"])
        firm.settle()
    assert firm.records() == []


def test_recurrence_retimed_after_exceptions_keeps_the_records(firm: Story) -> None:
    """A series that is re-timed forgets its exceptions, as Exchange does; pairs are known by their original date."""
    ann = firm.people[0]
    series = a_series(firm)
    dates = firm.dates(ann, series)
    firm.change(ann, dates[1]["id"], **times(day(14, 15)))
    firm.delete(ann, dates[2]["id"])
    firm.settle()
    before = {one[EXTERNAL_ID]: one["Id"] for one in firm.records()}
    firm.change(ann, series, **times(day(7, 11)))
    firm.settle()
    assert firm.starts() == at(1, 2, 3, 4, hour=11)
    after = {one[EXTERNAL_ID]: one["Id"] for one in firm.records()}
    assert {graph: record for graph, record in after.items() if graph in before} == before


def test_recurrence_moved_to_another_weekday_ends_the_old_dates(firm: Story) -> None:
    """Other dates are other events: the old ones end, under a policy that deletes, and new ones begin."""
    ann = firm.people[0]
    series = a_series(firm, 3)
    firm.change(ann, series, **times(day(8)), recurrence=weekly(day(8), 3))
    firm.settle()
    assert firm.starts() == [f"{day(8 + 7 * week):%Y-%m-%dT%H:%M}" for week in range(3)]


def test_recurrence_from_single_to_series_and_back(firm: Story) -> None:
    """A single event that is repeated stands there date by date; made single again it is one event again."""
    ann = firm.people[0]
    made = firm.make(ann, "Lunch", day(7))
    firm.settle()
    firm.change(ann, made, recurrence=weekly(day(7), 3))
    firm.settle()
    assert firm.starts() == at(1, 2, 3)
    firm.change(ann, made, recurrence=None)
    firm.settle()
    assert firm.starts() == at(1)
    assert firm.records()[0][RECURRING] is None
    assert firm.settle() == []


def test_recurrence_of_an_event_made_in_practifi(firm: Story) -> None:
    """An event that Practifi made carries our mark. Repeated in Outlook every date shows that mark: it names none of
    them, and none of them is written to for its sake."""
    ann = firm.people[0]
    record = firm.save(ann, "Call", day(7))
    firm.settle()
    event = next(one for one in firm.world.outlook.events(ann.mailbox) if one["subject"] == "Call")
    firm.change(ann, event["id"], recurrence=weekly(day(7), 3))
    assert [write for write in firm.settle() if write.side == "graph"] == []
    assert firm.starts() == at(1, 2, 3)
    assert record not in {one["Id"] for one in firm.records()}
    assert firm.settle() == []


def test_recurrence_this_and_following(firm: Story) -> None:
    """Outlook ends the series and begins another: the earlier dates stay, the later ones are new events."""
    ann = firm.people[0]
    series = a_series(firm)
    before = ids(firm)
    rule = weekly(day(7), 4)
    rule["range"] = {**rule["range"], "type": "endDate", "endDate": f"{day(20):%F}"}
    firm.change(ann, series, recurrence=rule)
    firm.make(ann, "Stand-up", day(21, 10), recurrence=weekly(day(21), 2))
    firm.settle()
    assert firm.starts() == [*at(1, 2), *at(3, 4, hour=10)]
    assert [ids(firm)[start] for start in at(1, 2)] == [before[start] for start in at(1, 2)]
    assert firm.records()[0][RECURRING] == f"Weekly on Mon until {day(20):%F}"


def test_recurrence_without_end_reaches_the_horizon_day_by_day() -> None:
    """An endless series stands as far as the setting says, and each day brings what has come within reach, once."""
    with story(series_months=1) as firm:
        firm.make(firm.people[0], "Stand-up", day(0, 11), recurrence=weekly(day(0), 0))
        firm.settle()
        assert firm.starts() == at(0, 1, 2, 3, 4, hour=11)  # up to 2 April
        for _ in range(8):
            firm.pass_time(days=1)
            firm.settle()
        assert firm.starts() == at(0, 1, 2, 3, 4, 5, hour=11)
        firm.pass_time(days=21)
        firm.settle()
        assert firm.starts() == at(*range(9), hour=11)
        assert {one[RECURRING] for one in firm.records()} == {"Weekly on Mon, no end"}


@pytest.mark.parametrize(
    ("zone", "hour", "expected"),
    [
        # New York goes on 8 March, London on 29 March, Sydney goes back on 5 April.
        ("America/New_York", 9, ["14", "13", "13", "13", "13", "13"]),
        ("Eastern Standard Time", 9, ["14", "13", "13", "13", "13", "13"]),
        ("Europe/London", 9, ["09", "09", "09", "09", "08", "08"]),
        ("Australia/Sydney", 21, ["10", "10", "10", "10", "10", "11"]),
    ],
)
def test_recurrence_follows_the_clocks_of_its_own_zone(zone: str, hour: int, expected: list[str], firm: Story) -> None:
    """The wall-clock time stays, so the instant moves when the clocks change there."""
    start = day(0, hour)
    firm.make(firm.people[0], "Stand-up", start, zone=zone, recurrence=weekly(start, 6, zone))
    firm.settle()
    assert [one[11:13] for one in firm.starts()] == expected, firm.starts()


@pytest.mark.rule("10.3")
def test_recurrence_edit_of_a_date_in_practifi_is_a_patch_of_that_date(firm: Story) -> None:
    """The date becomes an exception; the series and its other dates stay, and only that date's people are mailed."""
    ann, client = firm.people[0], firm.clients[0]
    made = firm.make(ann, "Stand-up", day(7), recurrence=weekly(day(7), 3), attendees=[guest(client.address)])
    firm.settle()
    firm.edit(ids(firm)[at(2)[0]], Subject="Stand-up at the client's")
    writes = [write for write in firm.settle() if write.side == "graph"]
    assert [write.method for write in writes] == ["PATCH"]
    dates = firm.dates(ann, made)
    assert [one["subject"] for one in dates] == ["Stand-up", "Stand-up at the client's", "Stand-up"]
    assert [one["type"] for one in dates] == ["occurrence", "exception", "occurrence"]
    assert firm.mails() == [("update", client.address)]
    assert firm.settle() == []


@pytest.mark.rule("10.2")
def test_recurrence_deletion_of_a_date_in_practifi_cancels_that_date(firm: Story) -> None:
    """One date is cancelled, nothing else."""
    ann = firm.people[0]
    series = a_series(firm)
    firm.remove(ids(firm)[at(2)[0]])
    writes = [write for write in firm.settle() if write.side == "graph"]
    assert [write.method for write in writes] == ["DELETE"]
    assert [one["start"]["dateTime"][:16] for one in firm.dates(ann, series)] == at(1, 3, 4)
    assert firm.starts() == at(1, 3, 4)


def test_recurrence_date_moved_in_practifi_past_its_neighbour_is_refused_with_graphs_words(firm: Story) -> None:
    """Graph lets no date of a series pass another: the record shows Error, and the date stays where it was."""
    ann = firm.people[0]
    series = a_series(firm)
    record = ids(firm)[at(2)[0]]
    firm.edit(record, StartDateTime=f"{day(30):%Y-%m-%dT%H:%M:%SZ}", EndDateTime=f"{day(30, 10):%Y-%m-%dT%H:%M:%SZ}")
    firm.settle()
    shown = next(one for one in firm.records() if one["Id"] == record)
    assert shown["practifi__Microsoft_365_Sync_Status__c"] == "Error"
    assert [one["start"]["dateTime"][:16] for one in firm.dates(ann, series)] == at(1, 2, 3, 4)


@pytest.mark.rule("10.4")
def test_recurrence_never_leaves_practifi(firm: Story) -> None:
    """Whatever Practifi makes goes out as a single event."""
    ann = firm.people[0]
    for week in (1, 2, 3):
        firm.save(ann, "Call", day(7 * week))
    firm.settle()
    events = firm.world.outlook.events(ann.mailbox)
    assert [(one["type"], one["recurrence"]) for one in events] == [("singleInstance", None)] * 3


def test_recurrence_deleted_as_a_whole_ends_every_date(firm: Story) -> None:
    """A deleted series takes its exceptions along; in the mailbox of a colleague who attends nothing is doubled."""
    ann, bob = firm.people[:2]
    made = firm.make(ann, "Stand-up", day(7), recurrence=weekly(day(7), 3), attendees=[guest(bob.address)])
    firm.settle()
    assert firm.starts() == at(1, 2, 3)
    firm.change(ann, firm.dates(ann, made)[0]["id"], subject="Kick-off")
    firm.settle()
    firm.delete(ann, made)
    firm.settle()
    assert firm.records() == []


def test_recurrence_kept_by_the_policy_is_neither_deleted_nor_made_again() -> None:
    """Under the policy No the dates of a deleted series stay in Practifi and are no longer connected."""
    with story(delete_from_microsoft=False) as firm:
        ann = firm.people[0]
        made = firm.make(ann, "Stand-up", day(7), recurrence=weekly(day(7), 3))
        firm.settle()
        firm.delete(ann, made)
        firm.settle()
        assert firm.starts() == at(1, 2, 3)
        assert "deletion_kept" in firm.reasons()
        firm.pass_time(days=1)
        assert firm.settle() == []


def test_recurrence_found_again_after_the_state_was_lost(firm: Story) -> None:
    """Marks on the records are enough to pair each date again: nothing is written, nothing doubled."""
    ann = firm.people[0]
    series = a_series(firm)
    firm.change(ann, firm.dates(ann, series)[1]["id"], **times(day(14, 15)))
    firm.settle()
    before = ids(firm)
    firm.world.lose_everything()
    assert [write for write in firm.settle() if write.side == "graph" or write.created] == []
    assert ids(firm) == before
    firm.change(ann, firm.dates(ann, series)[0]["id"], **times(day(7) + timedelta(minutes=30)))
    firm.settle()
    assert firm.starts() == ["2026-03-09T09:30", *at(2, hour=15), *at(3, 4)]
