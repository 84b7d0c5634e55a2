"""Reading mailboxes of the Graph simulator: what arrives on the log is what the calendar holds."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from support.graph_driver import LossyWire, Send, send_to
from support.graph_firm import ANA, BASE, CLIENT, OLD, TOKEN, TOM, GraphClient, build_graph, meeting

from connectors.exchange import run
from connectors.graph import wire
from connectors.graph.source import Page, Reach, Readings, finish_resync, read_page, restart, verify_missing
from schemas.calendar import TimeSpan
from schemas.changes import Change, Item, Kind
from schemas.cursors import GraphCursor
from schemas.errors import AuthRejected, Refused, Throttled, Unavailable
from simulators.graph.behaviour import Behaviour
from simulators.graph.service import GraphSimulator
from simulators.graph.tenant import User

REACH = Reach(datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 5, 1, tzinfo=UTC), wanted="w", page_size=4)


def at(day: str, hour: int = 10) -> dict[str, Any]:
    """Start and end of an hour on that day, in UTC."""
    zone = {"timeZone": "UTC"}
    return {
        "start": {"dateTime": f"{day}T{hour:02}:00:00"} | zone,
        "end": {"dateTime": f"{day}T{hour + 1:02}:00:00"} | zone,
    }


@dataclass
class Reader:
    """What the role does: pages to the log, cursor saved after each, missing ids verified after a resync."""

    sim: GraphSimulator
    user: User = TOM
    reach: Reach = REACH
    cursor: GraphCursor = field(default_factory=lambda: GraphCursor(TOM.id))
    log: list[Change] = field(default_factory=list)
    pages: list[Page] = field(default_factory=list)
    send: Send | None = None

    def __post_init__(self) -> None:
        self.cursor = replace(self.cursor, mailbox=self.user.id)
        self.wire: Send = self.send or send_to(self.sim, token=TOKEN, base_url=f"{BASE}/v1.0")

    def page(self, position: int = 0) -> Page:
        """One page, published and saved."""
        listed = self.pages[-1].listed if self.pages and position == self.pages[-1].position else {}
        read = read_page(self.cursor, self.reach, now=self.sim.clock.now(), position=position, listed=listed)
        page = run(read, self.wire)
        assert self.sim.last_fault is None, self.sim.last_fault
        self.log += page.changes
        self.pages.append(page)
        self.cursor = page.cursor
        return page

    def round(self) -> list[Change]:
        """One whole round; what it brought."""
        before, position, seen = len(self.log), 0, set()
        known = set(self.state())
        while True:
            page = self.page(position)
            position = page.position
            seen |= page.seen_ids
            if page.is_last:
                break
        if self.cursor.is_resync:
            self.log += self.verify(known - seen).changes
            self.cursor = finish_resync(self.cursor)
        return self.log[before:]

    def verify(self, ids: Iterable[str]) -> Readings:
        """Ids that did not come again."""
        return run(verify_missing(self.user.id, sorted(ids), now=self.sim.clock.now()), self.wire)

    def state(self) -> dict[str, Item]:
        """The fold of the log: what somebody who read it holds to be true."""
        held: dict[str, Item] = {}
        for change in self.log:
            if change.item is None:
                held.pop(change.id, None)
            else:
                held[change.id] = change.item
        return held

    def subjects(self) -> list[str]:
        """Subjects of what is held, sorted."""
        return sorted(item.content.subject for item in self.state().values())


def truth(sim: GraphSimulator, user: User = TOM) -> list[str]:
    """Subjects of the single events in the calendar."""
    return sorted(
        e["subject"] for e in sim.events_of(user.id) if e["type"] == "singleInstance" and not e["isCancelled"]
    )


def fill(sim: GraphSimulator, count: int, user: User = TOM) -> list[str]:
    """So many meetings, one a day."""
    return [
        sim.add_event(user.id, meeting(CLIENT, subject=f"M{n:02}", **at(f"2026-03-{n + 2:02}"))) for n in range(count)
    ]


def test_a_first_read_brings_everything_once() -> None:
    """Page by page, with times in UTC, bodies as text and the tag; a second round brings nothing."""
    sim = build_graph()
    fill(sim, 11)
    tag = wire.with_tag({}, "s:1")
    sim.add_event(
        TOM.id, meeting(subject="Tagged", body={"contentType": "html", "content": "<p>One</p><p>two</p>"}) | tag
    )
    reader = Reader(sim)
    assert sorted(c.item.content.subject for c in reader.round() if c.item) == truth(sim)
    assert len(reader.pages) >= 3
    tagged = next(item for item in reader.state().values() if item.sync_key)
    assert (tagged.sync_key, tagged.content.body) == ("s:1", "One\ntwo")
    assert tagged.content.span == TimeSpan(datetime(2026, 3, 10, 23, tzinfo=UTC), datetime(2026, 3, 11, tzinfo=UTC))
    assert tagged.mailbox == TOM.id
    assert reader.round() == []


def test_a_changed_event_arrives_with_its_new_content_and_a_deleted_one_as_removal() -> None:
    """One change each, and nothing about what stayed as it was."""
    sim = build_graph()
    ids = fill(sim, 5)
    reader = Reader(sim)
    reader.round()
    sim.edit_event(TOM.id, ids[0], {"subject": "Edited"})
    sim.remove_event(TOM.id, ids[1])
    added = sim.add_event(TOM.id, meeting(subject="New", **at("2026-04-01")), mails=True)
    changes = reader.round()
    assert {c.id: c.item.content.subject if c.item else None for c in changes} == {
        ids[0]: "Edited",
        ids[1]: None,
        added: "New",
    }


def test_an_event_that_leaves_the_window_is_alive() -> None:
    """Delta calls it removed; its own address says where it went (7.19). Coming back, it is an item again."""
    sim = build_graph()
    (event_id,) = fill(sim, 1)
    reader = Reader(sim)
    reader.round()
    sim.edit_event(TOM.id, event_id, at("2027-01-10"))
    (change,) = reader.round()
    assert change.item is not None
    assert change.item.content.span.start_utc.year == 2027
    sim.edit_event(TOM.id, event_id, at("2026-03-20"))
    (change,) = reader.round()
    assert change.item is not None
    assert change.item.content.span.start_utc.month == 3


@pytest.mark.rule("7.19")
def test_events_outside_the_window_never_count_as_deleted() -> None:
    """Delta reports them as removed whenever they are made or edited: they arrive as what they are."""
    sim = build_graph()
    reader = Reader(sim)
    reader.round()
    event_id = sim.add_event(TOM.id, meeting(subject="Far", **at("2031-01-10")), mails=True)
    sim.edit_event(TOM.id, event_id, {"subject": "Far away"})
    assert [c.item.content.subject if c.item else None for c in reader.round()] == ["Far away"]
    sim.remove_event(TOM.id, event_id)
    assert [c.item for c in reader.round()] == [None]


def test_an_event_that_moves_between_windows_is_never_lost() -> None:
    """It leaves one window and enters the other, whichever is read first."""
    sim = build_graph()
    reach = replace(REACH, window_days=20)
    early, late = (sim.add_event(TOM.id, meeting(subject=d, **at(d))) for d in ("2026-03-05", "2026-04-25"))
    reader = Reader(sim, reach=reach)
    reader.round()
    assert len(reader.cursor.windows) == 4
    sim.edit_event(TOM.id, early, {"subject": "to late", **at("2026-04-25")})
    sim.edit_event(TOM.id, late, {"subject": "to early", **at("2026-03-05")})
    reader.round()
    assert reader.subjects() == ["to early", "to late"]


def test_an_all_day_event_keeps_its_dates_over_a_clock_change() -> None:
    """Whole days float: 4 to 6 April stay so, though Sydney's clocks change on the 5th."""
    sim = build_graph()
    zone = {"timeZone": "AUS Eastern Standard Time"}
    sim.add_event(TOM.id, meeting(
        isAllDay=True, start={"dateTime": "2026-04-04T00:00:00"} | zone, end={"dateTime": "2026-04-07T00:00:00"} | zone
    ))  # fmt: skip
    reader = Reader(sim)
    (change,) = reader.round()
    assert change.item is not None
    days = TimeSpan(datetime(2026, 4, 4, tzinfo=UTC), datetime(2026, 4, 7, tzinfo=UTC), is_all_day=True)
    assert change.item.content.span == days


def test_an_attendees_copy_of_a_cancelled_meeting_is_a_removal() -> None:
    """Ana's copy stays in her calendar as cancelled; for us the meeting is over."""
    sim = build_graph()
    event_id = sim.add_event(TOM.id, meeting(ANA.mail, subject="Ours", **at("2026-03-10")), mails=True)
    reader = Reader(sim, user=ANA)
    (change,) = reader.round()
    assert change.item is not None
    assert not change.item.is_organizer
    assert change.item.content.organizer is not None
    assert change.item.content.organizer.address == TOM.mail
    sim.remove_event(TOM.id, event_id)
    (change,) = reader.round()
    assert change.item is None
    assert change.cause == "deletion"


@pytest.mark.rule("7.19")
def test_a_dead_token_reads_everything_again_and_deletes_only_what_is_gone() -> None:
    """What was deleted while the token was dead is found by its address, not by its absence."""
    sim = build_graph()
    ids = fill(sim, 9)
    far = sim.add_event(TOM.id, meeting(subject="Far", **at("2026-03-30")))
    reader = Reader(sim)
    reader.round()
    sim.remove_event(TOM.id, ids[3])
    sim.edit_event(TOM.id, far, at("2030-01-10"))
    sim.expire_delta_tokens()
    changes = reader.round()
    assert [c.id for c in changes if c.item is None] == [ids[3]]
    assert reader.subjects() == truth(sim)
    assert not reader.cursor.is_resync


def test_a_token_that_dies_in_the_middle_of_a_round_costs_nothing() -> None:
    """The window begins again; what came before stays."""
    sim = build_graph()
    fill(sim, 9)
    reader = Reader(sim)
    first = reader.page()
    assert (first.begins, first.is_last) == (True, False)
    sim.expire_delta_tokens()
    reader.round()
    assert [page.begins for page in reader.pages] == [True, True, False, False]
    assert reader.subjects() == truth(sim)


def test_a_crash_in_the_middle_of_a_resync_forgets_nothing() -> None:
    """The new process knows from the cursor that ids are still to be verified, whatever it did not see."""
    sim = build_graph()
    ids = fill(sim, 9)
    reader = Reader(sim)
    reader.round()
    sim.remove_event(TOM.id, ids[0])
    sim.expire_delta_tokens()
    assert not reader.page().is_last
    crashed = Reader(sim, cursor=reader.cursor, log=reader.log)
    crashed.round()
    assert crashed.subjects() == truth(sim)


def test_a_long_first_read_goes_on_after_a_crash() -> None:
    """Each page moves the saved cursor: what was read is not read again."""
    sim = build_graph()
    fill(sim, 20)
    reader = Reader(sim)
    reader.page()
    reader.page()
    crashed = Reader(sim, cursor=reader.cursor)
    crashed.round()
    assert len(crashed.log) == 12
    assert len({c.id for c in [*reader.log, *crashed.log]}) == 20


def test_other_settings_read_everything_again() -> None:
    """Another fingerprint: every event comes again, and nothing counts as deleted."""
    sim = build_graph()
    fill(sim, 5)
    reader = Reader(sim)
    reader.round()
    reader.reach = replace(REACH, wanted="other")
    assert len(reader.round()) == 5
    assert all(c.item is not None for c in reader.log)


def test_each_date_of_a_series_is_an_item_of_its_own() -> None:
    """Every instance arrives under the series' iCalUId and its own date; the master arrives as a master."""
    sim = build_graph()
    fill(sim, 2)
    pattern = {"type": "weekly", "interval": 1, "daysOfWeek": ["monday"]}
    span = {"type": "numbered", "startDate": "2026-03-09", "numberOfOccurrences": 4}
    sim.add_event(TOM.id, meeting(subject="Series", recurrence={"pattern": pattern, "range": span}, **at("2026-03-09")))
    reader = Reader(sim)
    reader.round()
    found = [
        change.item for change in reader.log if change.item is not None and change.item.content.subject == "Series"
    ]
    masters = {item.id: item for item in found if item.kind is Kind.SERIES_MASTER}
    dates = {item.original_start: item for item in found if item.kind is not Kind.SERIES_MASTER}
    assert len(masters) == 1
    (master,) = masters.values()
    assert sorted(f"{start:%F}" for start in dates if start) == ["2026-03-09", "2026-03-16", "2026-03-23", "2026-03-30"]
    assert {item.i_cal_uid for item in dates.values()} == {master.i_cal_uid}
    assert {item.content.recurring for item in dates.values()} == {"Weekly on Mon, 4 times"}


@pytest.mark.parametrize("how", ["before", "after"])
@pytest.mark.parametrize("number", range(8))
def test_a_lost_answer_moves_nothing(number: int, how: str) -> None:
    """Wherever the connection breaks, the next try brings what is missing, and nothing counts as deleted."""
    sim = build_graph()
    ids = fill(sim, 9)
    lossy = LossyWire(send_to(sim, token=TOKEN, base_url=f"{BASE}/v1.0"), {number: how})
    reader = Reader(sim, send=lossy)
    settle(reader)
    sim.remove_event(TOM.id, ids[0])
    settle(reader)
    assert reader.subjects() == truth(sim)
    assert [c.id for c in reader.log if c.item is None] == [ids[0]]


@pytest.mark.parametrize(
    ("trouble", "error"),
    [
        (lambda sim: sim.put_out_of_scope(TOM.id), AuthRejected),
        (lambda sim: sim.put_user(replace(TOM, mailbox_enabled=False)), Refused),
        (lambda sim: sim.throttle_mailbox(TOM.id, sim.clock.now() + timedelta(seconds=30)), Throttled),
    ],
)
def test_a_mailbox_in_trouble_loses_nothing(trouble: Callable[[GraphSimulator], None], error: type[Exception]) -> None:
    """No permission, no licence, no patience: the read raises, the cursor stays, and nothing is deleted."""
    sim = build_graph()
    fill(sim, 3)
    reader = Reader(sim)
    reader.round()
    trouble(sim)
    before = reader.cursor
    for act in (reader.page, lambda: reader.verify(reader.state())):
        with pytest.raises(error):
            act()
    assert reader.cursor == before
    assert len(reader.state()) == 3


def test_a_user_without_mailbox_is_refused_by_name() -> None:
    """Not "not found": the code says that the mailbox is not there."""
    with pytest.raises(Refused) as caught:
        Reader(build_graph(), user=OLD).page()
    assert caught.value.code == "MailboxNotEnabledForRESTAPI"


def test_starting_over_brings_everything_again() -> None:
    """What to do when a link cannot be followed at all."""
    sim = build_graph()
    fill(sim, 3)
    reader = Reader(sim)
    reader.round()
    reader.cursor = restart(reader.cursor)
    assert len(reader.round()) == 3


@pytest.mark.parametrize("seed", range(25))
def test_the_log_folds_to_the_calendar(seed: int) -> None:
    """Random days of a busy mailbox, every wart, lost answers: the fold of the log is the truth."""
    sim = build_graph(Behaviour().rough(), seed)
    rng = sim.world.rng
    lose = {n: rng.choice(["before", "after"]) for n in range(400) if rng.random() < 0.05}
    lossy = LossyWire(send_to(sim, token=TOKEN, base_url=f"{BASE}/v1.0"), lose)
    reader = Reader(sim, reach=replace(REACH, window_days=25), send=lossy)
    ids: list[str] = []
    for step in range(60):
        sim.clock.advance(rng.uniform(0, 5))
        day = (datetime(2026, 2, 20, tzinfo=UTC) + timedelta(days=rng.randrange(90))).date().isoformat()
        act = rng.random()
        if act < 0.3 or not ids:
            ids.append(sim.add_event(TOM.id, meeting(CLIENT, subject=f"S{step}", **at(day)), mails=True))
        elif act < 0.5:
            sim.edit_event(TOM.id, rng.choice(ids), {"subject": f"S{step}", **(at(day) if rng.random() < 0.5 else {})})
        elif act < 0.6:
            sim.remove_event(TOM.id, ids.pop(rng.randrange(len(ids))))
        elif act < 0.65:
            sim.expire_delta_tokens()
        else:
            try:
                reader.round()
            except (Unavailable, Throttled):
                sim.clock.advance(10)
    sim.clock.advance(60)
    settle(reader)
    held = reader.state()
    inside = {e["id"]: e["subject"] for e in sim.events_of(TOM.id)}
    assert {event_id: item.content.subject for event_id, item in held.items() if event_id in inside} == {
        event_id: subject for event_id, subject in inside.items() if event_id in held
    }
    assert set(held) <= set(inside), "nothing is held that was deleted"
    window = [e for e in sim.events_of(TOM.id) if "2026-03-01" <= e["start"]["dateTime"] < "2026-05-01"]
    assert {e["id"] for e in window} <= set(held), "everything in the window is held"


def settle(reader: Reader) -> None:
    """Rounds until one goes through and is followed by one that brings nothing new."""
    for _ in range(20):
        try:
            before = reader.state()
            reader.round()
        except (Unavailable, Throttled):
            reader.sim.clock.advance(10)
            continue
        if reader.state() == before:
            return
        reader.sim.clock.advance(10)
    raise AssertionError("the mailbox does not settle")


@pytest.mark.rule("7.1")
def test_only_the_default_calendar_is_read() -> None:
    """An event of a second calendar of the same mailbox is not told, also when the cursor died and all is read anew."""
    sim = build_graph()
    fill(sim, 2)
    client = GraphClient(sim)
    made = client.send("POST", f"/users/{TOM.id}/calendars", {"name": "Birds"}).json()
    answer = client.send("POST", f"/users/{TOM.id}/calendars/{made['id']}/events", meeting(subject="Owls"))
    assert answer.status == 201
    reader = Reader(sim)
    reader.round()
    sim.expire_delta_tokens()
    reader.round()
    assert reader.subjects() == ["M00", "M01"]
