"""Erasing a person: nothing mentions them any more, and every fold comes out as before."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from hypothesis import given
from support.builders import CLIENT, NOW, command, firm_settings, graph_item, meeting, salesforce_item
from support.history import PENDING, PRIVATE, REFUSED, REVIEW, whole_day
from support.pair_acts import DELETIONS, FIRSTS, Act, edit_acts, histories, lived
from support.pair_world import World
from support.read_model_rows import Rows

from concord.roles.reconcile import rows_of
from projections.read_models.catalogue import MODELS
from projections.timeline import timeline
from schemas.calendar import Attendee
from schemas.changes import Change, Side
from schemas.codec import decode, encode
from schemas.commands import Decision, FieldChange, MailKind, Outcome, PredictedMail, Result, Verdict
from schemas.journal import JournalEntry, OperatorActed, OperatorAction, OperatorVerb, SettingsChanged
from schemas.state import PairState, SideState
from streams.erasure import Person, erased, people_in, person_of, redacted, why_kept
from streams.stage import Partition, fold_partition

AT = datetime(2026, 5, 1, tzinfo=UTC)
CARLA = Attendee("Carla@Out.example", "Carla  Client", record_id="003CARLA")


def test_a_person_is_known_by_what_stood_beside_the_address() -> None:
    """Address, full name and record in any case; a single word is too little to look for."""
    person = person_of(" carla@out.EXAMPLE ", [CARLA, replace(CARLA, name="Carla", record_id=""), CLIENT])
    assert person.terms == {"carla@out.example", "carla client", "003carla"}
    assert person.is_in(b"Lunch with CARLA CLIENT")
    assert not person.is_in(b"Lunch with Carla")
    assert not person.is_in(None)


def erased_again(
    entries: list[tuple[int, JournalEntry]], keys: set[str], number: int = 0
) -> tuple[Partition, Partition, list[tuple[int, JournalEntry]]]:
    """The partition before and after, and the entries as they stand then."""
    part = erased(number, entries, keys, AT, "olga")
    after = [(offset, part.entries.get(offset, entry)) for offset, entry in entries]
    after = [(offset, decode(JournalEntry, encode(entry))) for offset, entry in after]
    return fold_partition(number, entries), fold_partition(number, after), after


def test_a_day_folds_to_the_same_bytes_whoever_is_erased() -> None:
    """One pair, several, all of them; again and again, too."""
    entries = [(offset, entry) for _, offset, entry in whole_day().entries]
    for keys in ({REVIEW}, {REVIEW, PRIVATE}, {REVIEW, PRIVATE, REFUSED, PENDING}):
        before, after, rest = erased_again(entries, keys)
        assert rows_of(after) == rows_of(before)
        assert [offset for offset, _ in rest] == [offset for offset, _ in entries]
        _, twice, _ = erased_again(rest, keys)
        assert rows_of(twice) == rows_of(before)
        texts = {entry.pair_key: b"" for _, entry in rest}
        for _, entry in rest:
            texts[entry.pair_key] += encode(entry)
    assert b"Room 2" not in texts[REVIEW]  # what gave way in a conflict stands in no state


@given(acts=histories(edit_acts(people=True), DELETIONS), first=FIRSTS)
def test_the_state_goes_on_from_an_erased_history_as_it_would_have(acts: list[Act], first: Side) -> None:
    """Whatever a pair lived through: the same bytes after it is erased, and after an edit that comes later."""
    world, key, ids = lived(acts, first=first)
    world.settle()
    entries = list(enumerate(world.entries))
    part = erased(0, entries, {key}, AT, "olga")
    after = [(offset, part.entries.get(offset, entry)) for offset, entry in entries]
    assert rows_of(fold_partition(0, after)) == rows_of(world.partition)
    _edit_and_settle(world, ids)
    more = list(enumerate(world.entries))[len(entries) :]
    assert rows_of(fold_partition(0, [*after, *more])) == rows_of(world.partition)


def _edit_and_settle(world: World, ids: dict[Side, str]) -> None:
    for side, item_id in ids.items():
        world.edit(side, item_id, subject=f"Later in {side}")
    world.settle()


def test_mails_that_were_counted_count_on() -> None:
    """The tally of a partition is part of its state."""
    world = World(settings=firm_settings(invitation_limit_per_hour=100, send_invitations=True))
    made = world.make(Side.SALESFORCE, meeting(attendees=(CLIENT,), send_invitations=True))
    world.settle()
    assert world.partition.tally.minutes
    entries = list(enumerate(world.entries))
    before, after, rest = erased_again(entries, {f"s:{made}"})
    assert (after.tally, rows_of(after)) == (before.tally, rows_of(before))
    assert any(entry.erased is not None and entry.erased.mailed for _, entry in rest)


def test_what_is_kept_of_a_history_is_told_once() -> None:
    """One line with the day and who did it; nothing of the texts; settings stay."""
    entries = [(offset, entry) for _, offset, entry in whole_day().entries]
    _, _, rest = erased_again(entries, {REVIEW})
    told = timeline([(0, offset, entry) for offset, entry in rest if entry.pair_key == REVIEW], [], [])
    assert [moment.headline for moment in told] == ["Erased on 2026-05-01 by olga: what happened before is not kept"]
    assert any(isinstance(entry.what, SettingsChanged) for _, entry in rest)


def test_read_models_fold_what_is_left() -> None:
    """A private event stays private by what its state holds; an event stays somebody's."""
    entries = [(offset, entry) for _, offset, entry in whole_day().entries]
    _, _, rest = erased_again(entries, {REVIEW, PRIVATE})
    rows = Rows(MODELS).fold(*((0, offset, entry) for offset, entry in rest))
    pairs = {row["pair_key"]: row for row in rows.of("pairs")}
    assert pairs[PRIVATE]["event"].startswith("(private)")
    assert (pairs[REVIEW]["owner"], pairs[REVIEW]["is_private"]) == ("mailbox-ann", False)
    assert len([row for row in rows.of("moments") if row["pair_key"] == REVIEW]) == 1


def test_a_pair_that_names_the_person_or_is_busy_is_kept() -> None:
    """What both services hold is theirs to change first."""
    person = Person(frozenset({"client@out.example"}))
    named = PairState("k", graph=SideState(item=graph_item(meeting(attendees=(CLIENT,)))))
    busy = PairState("k", salesforce=SideState(pending=command()))
    assert why_kept(named, person) == "the event still names the person"
    assert why_kept(busy, person) == "a write is under way"
    assert why_kept(PairState("k", graph=SideState(item=graph_item())), person) == ""


def test_records_of_every_topic_lose_texts_and_people_and_keep_their_place() -> None:
    """What tells where, when and how it went stays; done twice, nothing changes."""
    text = "Lunch with Carla Client"
    full = meeting(
        text, body=text, location=text, attendees=(CARLA,), organizer=CARLA, join_url="https://x/carla client"
    )
    mails = (PredictedMail(MailKind.INVITE, "carla@out.example"),)
    item = salesforce_item(full)
    order = command(content=full, basis=full, source=full, target=full, mails=mails, fields=("subject",))
    changed = FieldChange(Side.GRAPH, "subject", text, "Lunch")
    records = [
        Change(Side.SALESFORCE, "S", NOW, item, native=text, origin="ui"),
        Outcome("k#1", "k", order.side, order.action, Result.APPLIED, NOW, item, message=text, warning=text),
        order,
        Decision(
            "k", Verdict.WRITE, "marks", NOW, 0, 4, 1, changes=(changed,), lost=(changed,), mails=mails, text=text
        ),
        OperatorAction("k", NOW, OperatorActed(OperatorVerb.RETRY, "olga", note=text)),
    ]
    person = person_of(CARLA.address, [CARLA])
    for record in records:
        left = redacted(record)
        assert person.is_in(encode(record))
        assert not person.is_in(encode(left)), left
        assert redacted(left) == left
    change, _, sent, decision, _ = (redacted(record) for record in records)
    assert (change.id, change.item.content.span, change.item.modified_at) == ("S", full.span, item.modified_at)
    assert (sent.command_id, sent.content, len(sent.mails)) == (order.command_id, None, 1)
    assert (decision.offset, decision.reason, decision.changes) == (4, "marks", ())


def test_everyone_an_entry_names_is_found() -> None:
    """Attendees and organizer of what was seen or answered."""
    named = {one.name for _, _, entry in whole_day().entries for one in people_in(entry)}
    assert {"Ann", "Carla Client"} <= named
