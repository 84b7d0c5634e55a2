"""The demo's own comparison: it must see every difference, and know what rightly differs."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from support.demo_firm import (
    ADVISER,
    CLIENTS,
    PARTNER,
    ROOM_ID,
    agreeing_firm,
    graph_event,
    person,
    practifi_record,
    tampered,
)

from concord import comparison
from concord.comparison import (
    DIFFERS,
    EQUAL,
    EXTERNAL_ID,
    GROUPS,
    INVITES,
    RECURRING,
    SYNC_STATUS,
    TEAMS,
    TEAMS_URL,
    Firm,
    compare,
    doubled,
)

AT_FOUR = {"dateTime": "2026-07-01T04:00:00.0000000", "timeZone": "UTC"}


def test_a_firm_that_agrees_agrees() -> None:
    """Six events are equal; each of the others is told apart with its reason, none is a problem."""
    agreement = compare(agreeing_firm())
    assert agreement.problems == []
    assert (agreement.agreeing, agreement.practifi_events) == (6, 7)
    assert agreement.refused == Counter(
        {
            "a draft": 1,
            "a date of a series after 01 Jan 2027, up to where series are carried": 1,
            "begins before 01 Jan 2026, where the range of sync begins": 1,
            "begins after 01 Jun 2036, where the range of sync ends": 1,
            "longer than 14 days, which Salesforce refuses": 1,
            "in Practifi before, not edited since": 1,
        }
    )
    assert agreement.fates["event-1"] == EQUAL
    assert agreement.fates["event-10"] == "cancelled by its organizer"
    assert agreement.fates["copy-1"] == "an attendee's copy"
    assert agreement.fates["series-1"] == EQUAL
    assert len(agreement.fates) == 14, "an event has no fate"


def test_recurrence_is_compared_date_by_date() -> None:
    """A date that is missing, differs, or does not say that it is part of a series is a problem of that date alone, and
    its series does not count as equal."""
    firm = agreeing_firm()
    for number, change, words in (
        (20, {"Subject": "Other"}, "on 20 Jul 2026: subject is"),
        (27, {EXTERNAL_ID: "nobody"}, "on 27 Jul 2026: 0 events in Practifi"),
        (27, {RECURRING: None}, "on 27 Jul 2026: Practifi shows None as its recurrence"),
        (1, {RECURRING: "Daily, no end"}, "Practifi shows 'Daily, no end' as its recurrence"),
    ):
        records = [one | (change if one["Id"] == practifi_record(number)["Id"] else {}) for one in firm.events]
        agreement = compare(replace(firm, events=records))
        assert words in agreement.problems[0], agreement.problems
        assert (agreement.fates["series-1"] == DIFFERS) is (number != 1)


def test_recurrence_without_a_date_in_range_says_so() -> None:
    """A series none of whose dates is carried is not lost: it says why, as its dates do."""
    firm = agreeing_firm()
    series = [graph_event(28, id="series-2", type="seriesMaster"), graph_event(29, id="series-3", type="seriesMaster"),
              graph_event(29, type="occurrence", seriesMasterId="series-3", isDraft=True)]  # fmt: skip
    agreement = compare(replace(firm, mailboxes={**firm.mailboxes, PARTNER: series}))
    assert agreement.problems == []
    assert agreement.fates["series-2"] == "a series without a date in the range of sync"
    assert agreement.fates["series-3"] == "a draft"


MICROSOFT = {
    "subject": {"subject": "Review 1b"},
    "body": {"text": "Agenda:\n- nothing"},
    "location": {"location": {"displayName": ""}},
    "time": {"end": AT_FOUR},
    "show_as": {"showAs": "tentative"},
    "privacy": {"sensitivity": "confidential", "attendees": []},
    "reminder": {"reminderMinutesBeforeStart": 10},
    "people": {"attendees": [person("client01@home.example", "accepted"), person("client09@home.example")]},
    "owner": {"organizer": {"emailAddress": {"name": "Idris", "address": PARTNER}}},
    "rooms": {"locations": []},
    "teams": {"onlineMeeting": {"joinUrl": "https://teams.example/join/2"}},
}
PRACTIFI = {
    "subject": {"Subject": None},
    "body": {"Description": "Agenda:\r\n- portfolio\r\n- more"},
    "location": {"Location": "Harbour House 2"},
    "time": {"StartDateTime": "2026-07-01T02:00:01.000+0000", "ReminderDateTime": "2026-07-01T01:45:01.000+0000"},
    "show_as": {"practifi__Show_Time_As__c": "Free"},
    "privacy": {"IsPrivate": True},
    "reminder": {"IsReminderSet": False},
    "owner": {"OwnerId": "005000000000009AAA"},
    "teams": {TEAMS: False, TEAMS_URL: None},
}


@pytest.mark.parametrize("group", GROUPS)
def test_each_group_tampered_with_in_microsoft_is_a_problem(group: str) -> None:
    """Whatever group differs on the Microsoft side is named."""
    problems = compare(tampered("microsoft", 1, MICROSOFT[group])).problems
    assert any(f": {group} is " in problem for problem in problems), problems


@pytest.mark.parametrize("group", [group for group in GROUPS if group in PRACTIFI])
def test_each_group_tampered_with_in_practifi_is_a_problem(group: str) -> None:
    """Whatever group differs on the Practifi side is named, and that group alone."""
    problems = compare(tampered("practifi", 1, PRACTIFI[group])).problems
    assert [problem.split(" is ")[0].split(": ")[1] for problem in problems] == [group]


@pytest.mark.parametrize("change", ["one is missing", "another answer", "one too many, invitations ticked"])
def test_people_tampered_with_in_practifi_are_a_problem(change: str) -> None:
    """A missing attendee, a wrong answer, and one that Microsoft 365 should have been told of."""
    firm = agreeing_firm()
    relations = [dict(one) for one in firm.relations]
    if change == "one is missing":
        del relations[0]
    elif change == "another answer":
        relations[0]["Status"] = "Declined"
    else:
        relations.append({**relations[0], "RelationId": CLIENTS["client09@home.example"]})
        firm = tampered("practifi", 1, {INVITES: True})
    problems = compare(replace(firm, relations=relations)).problems
    assert any(": people is " in problem for problem in problems), problems


def test_a_room_that_is_not_booked_in_practifi_is_a_problem() -> None:
    """A Resource Calendar is related to the event as people are."""
    firm = agreeing_firm()
    without = [one for one in firm.relations if one["RelationId"] != ROOM_ID]
    (problem,) = compare(replace(firm, relations=without)).problems
    assert ": rooms is " in problem


def test_a_room_that_another_practifi_event_holds_may_be_missing() -> None:
    """Salesforce lets nobody book it twice; an hour later it would have been free."""
    firm = agreeing_firm()
    rows = [one for one in firm.relations if one["RelationId"] != ROOM_ID]
    for start, problems in (("02", 0), ("04", 1)):
        times = {"StartDateTime": f"2026-07-01T{start}:30:00.000+0000", "EndDateTime": "2026-07-01T05:00:00.000+0000"}
        kept = {EXTERNAL_ID: None, SYNC_STATUS: "Not Synced", "LastModifiedDate": "2026-05-01T00:00:00.000+0000"}
        other = practifi_record(31, **times, **kept)
        booked = {"EventId": other["Id"], "RelationId": ROOM_ID, "Status": "New"}
        tried = replace(firm, events=[*firm.events, other], relations=[*rows, booked])
        assert len(compare(tried).problems) == problems


def test_people_known_to_practifi_alone_are_no_problem_without_invitations() -> None:
    """Rule 7.18: without Send Invitations Microsoft 365 is not told of Practifi's own attendees."""
    firm = agreeing_firm()
    extra = {**firm.relations[0], "RelationId": CLIENTS["client09@home.example"]}
    firm = replace(firm, relations=[*firm.relations, extra])
    assert compare(replace(firm, practifi_has_own_people=True)).problems == []
    assert len(compare(firm).problems) == 1, "nobody in Practifi added people, and one was added"


def practifi_with(*records: dict[str, Any]) -> Firm:
    """The agreeing firm with further Practifi events."""
    firm = agreeing_firm()
    return replace(firm, events=[*firm.events, *records])


def outlook_with(*events: dict[str, Any]) -> Firm:
    """The agreeing firm with further events in the adviser's mailbox."""
    firm = agreeing_firm()
    return replace(firm, mailboxes={**firm.mailboxes, ADVISER: [*firm.mailboxes[ADVISER], *events]})


def lost(side: str) -> Firm:
    """The agreeing firm without the first event of one side."""
    firm = agreeing_firm()
    if side == "practifi":
        return replace(firm, events=firm.events[1:])
    return replace(firm, mailboxes={**firm.mailboxes, ADVISER: firm.mailboxes[ADVISER][1:], PARTNER: []})


FAULTS = {
    "doubled in Practifi": (
        practifi_with(practifi_record(31, **{EXTERNAL_ID: "event-1"})),
        "2 events in Practifi instead of 1",
    ),
    "lost in Practifi": (lost("practifi"), "0 events in Practifi instead of 1"),
    "lost in Microsoft 365": (lost("microsoft"), "shows 'Synced', but has no event in Microsoft 365"),
    "never carried to Practifi": (outlook_with(graph_event(11)), "0 events in Practifi instead of 1"),
    "never carried to Microsoft 365": (
        practifi_with(practifi_record(31, **{EXTERNAL_ID: None, SYNC_STATUS: "Not Synced"})),
        "saved since outbound sync began, but not in Microsoft 365",
    ),
    "points to another event": (tampered("practifi", 1, {EXTERNAL_ID: "event-2"}), "instead of 1"),
    "status not written": (tampered("practifi", 1, {SYNC_STATUS: "Pending"}), "shows 'Pending' instead of 'Synced'"),
    "status error": (tampered("practifi", 3, {SYNC_STATUS: "Error"}), "shows 'Error' instead of 'Synced'"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_doubled_lost_and_wrongly_marked_events_are_problems(fault: str) -> None:
    """One event too many, one too few, or one whose status lies."""
    firm, words = FAULTS[fault]
    agreement = compare(firm)
    assert any(words in problem for problem in agreement.problems), agreement.problems
    assert not agreement.is_whole


BROKEN = {
    "show-as table": ("LABELS", {**comparison.LABELS, "oof": "Busy"}),
    "answers": ("STATUSES", {}),
    "longest event": ("LONGEST", timedelta(days=40)),
    "most people": ("PEOPLE_MAX", 60),
    "line ends": ("plain", lambda text: text or ""),
    "time": ("instant", lambda value: agreeing_firm().since),
    "ranges and drafts": ("refusal", lambda event, firm: None),
    "whose copy counts": ("_not_leading", lambda event, firm: None),
    "external id": ("EXTERNAL_ID", "Concord_Sync_Key__c"),
    "status field": ("SYNC_STATUS", "Subject"),
    "people": ("_people", lambda event, records, owner: frozenset()),
}


@pytest.mark.parametrize("rule", BROKEN)
def test_a_broken_rule_of_the_comparison_shows(rule: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The comparison is no tautology: with any one of its rules broken, two sides that agree no longer do."""
    monkeypatch.setattr(comparison, *BROKEN[rule])
    assert compare(agreeing_firm()).problems


def test_a_text_that_is_too_long_for_practifi_may_be_cut_and_nothing_else() -> None:
    """Practifi holds 32,000 characters: a longer text may end there, a shorter one may not."""
    whole, firm = "word " * 7_000, agreeing_firm()
    firm.mailboxes[ADVISER][0]["text"] = whole
    for held, is_good in ((whole[:32_000], True), (whole[:20_000], False), ("other " + whole[:31_990], False)):
        firm.events[0]["Description"] = held
        assert (compare(firm).problems == []) is is_good


def test_an_outsiders_meeting_in_two_mailboxes_is_one_event() -> None:
    """Whichever mailbox leads, the other copy needs no Practifi event of its own; without any it is lost."""
    outsider = {"emailAddress": {"name": "Olga", "address": "olga@elsewhere.example"}}
    copies = [graph_event(1, id=f"event-{n}", isOrganizer=False, organizer=outsider) for n in (1, 77)]
    firm = replace(agreeing_firm(), mailboxes={ADVISER: [copies[0]], PARTNER: [copies[1]]}, events=[], relations=[])
    for held in ("event-1", "event-77"):
        owner = firm.owners[ADVISER if held == "event-1" else PARTNER]
        record = practifi_record(1, **{EXTERNAL_ID: held, "OwnerId": owner})
        rows = agreeing_firm().relations
        related = [one for one in rows if one["EventId"] == record["Id"] and one["RelationId"] != ROOM_ID]
        assert compare(replace(firm, events=[record], relations=related)).problems == []
    assert len(compare(firm).problems) == 1


def test_twins_that_were_not_there_before_are_found() -> None:
    """Two events that look alike on one side are a duplicate, unless both sides together held as many before."""
    before = replace(agreeing_firm(), events=[])
    assert doubled(agreeing_firm(), before) == []
    twin = graph_event(1, id="event-99", iCalUId="uid-99")
    assert doubled(outlook_with(twin), before) == ["'Review 1' at 01 Jul 2026 02:00 stands 2 times in Microsoft 365"]
    assert doubled(outlook_with(twin), outlook_with(twin)) == []
    record = practifi_record(31, Subject="Review 1", StartDateTime="2026-07-01T02:00:00.000+0000")
    record["EndDateTime"] = "2026-07-01T03:00:00.000+0000"
    assert doubled(practifi_with(record), before) == ["'Review 1' at 01 Jul 2026 02:00 stands 2 times in Practifi"]
