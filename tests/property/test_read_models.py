"""The read models are folds of the journal and the decisions: in any order of the two, with any repeats."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from support.builders import CLIENT, firm_settings
from support.pair_acts import DELETIONS, FIRSTS, OTHER, Act, edit_acts, histories, lived
from support.pair_world import World
from support.read_model_rows import Rows

from projections.mail_ledger import MailLedger
from projections.read_models.notes import Placed
from projections.read_models.stored import value_of
from projections.timeline import Moment, timeline, was_private
from schemas.calendar import Sensitivity
from schemas.changes import Side
from schemas.commands import Decision, Result
from schemas.journal import OperatorVerb, OutcomeKnown
from schemas.state import PairState

Rounds = list[tuple[list[Act], str]]
ROUNDS = st.lists(
    st.tuples(
        histories(edit_acts(people=True), DELETIONS, size=4),
        st.sampled_from(["", "", "burst", "retry", "release", "drop", "refuse", "private"]),
    ),
    min_size=1,
    max_size=4,
)


def worked(rounds: Rounds, first: Side) -> World:
    """Some rounds of people at work, each carried through to its end: edits on both sides at once, deletions in bursts,
    refusals, and an operator. Practifi's users invite two clients: one too many to go out unasked."""
    settings = firm_settings(invitation_limit_per_write=1)
    world, key, ids = lived([], first=first, settings=settings)
    world.edit(Side.SALESFORCE, ids[Side.SALESFORCE], attendees=(CLIENT, OTHER), send_invitations=True)
    for acts, finally_ in rounds:
        world.refuses = (lambda command: command.side is Side.SALESFORCE) if finally_ == "refuse" else (lambda _: False)
        for act in acts:
            act.happen(world, ids)
        if finally_ == "private":
            world.edit(Side.GRAPH, ids[Side.GRAPH], sensitivity=Sensitivity.PRIVATE)
        for side in Side:
            world.read(side, in_burst=finally_ == "burst")
        world.settle()
        if finally_ in ("retry", "release", "drop"):
            world.act(key, OperatorVerb(finally_))
            world.settle()
    return world


def journal(world: World) -> list[Placed]:
    """The entries with where they stand."""
    return [(0, offset, entry) for offset, entry in enumerate(world.entries)]


def decisions(world: World) -> list[Decision]:
    """What was decided, in order."""
    return [step.decision for step in world.steps if step is not None and step.decision is not None]


def interleaved(world: World, behind: list[int]) -> list[Placed | Decision]:
    """Both topics as a reader may get them: each decision some entries behind its own."""
    facts: list[tuple[int, int, Placed | Decision]] = [(2 * at, 0, placed) for at, placed in enumerate(journal(world))]
    late = 0
    for number, decision in enumerate(decisions(world)):
        late = max(late, 2 * (decision.offset + behind[number % len(behind)]) + 1)
        facts.append((late, number, decision))
    return [fact for _, _, fact in sorted(facts, key=lambda row: row[:2])]


@given(rounds=ROUNDS, first=FIRSTS, behind=st.lists(st.integers(0, 20), min_size=1, max_size=5))
def test_rows_are_the_same_however_late_decisions_come(rounds: Rounds, first: Side, behind: list[int]) -> None:
    """Live they come one by one, in a rebuild all at the end."""
    world = worked(rounds, first)
    at_the_end = Rows().fold(*journal(world), *decisions(world))
    assert Rows().fold(*interleaved(world, [0])).everything() == at_the_end.everything()
    assert Rows().fold(*interleaved(world, behind)).everything() == at_the_end.everything()


@given(rounds=ROUNDS, data=st.data())
def test_repeats_change_nothing(rounds: Rounds, data: st.DataObject) -> None:
    """Intake writes some inputs again under new offsets after a crash, in their order; reconcile repeats decisions."""
    world = worked(rounds, Side.GRAPH)
    facts = interleaved(world, [0])
    once = Rows().fold(*facts)
    start = data.draw(st.integers(0, len(facts)))
    stop = data.draw(st.integers(start, len(facts)))
    again = [
        fact if isinstance(fact, Decision) else (0, len(world.entries) + number, fact[2])
        for number, fact in enumerate(facts[start:stop])
    ]
    assert Rows().fold(*facts[:stop], *again, *facts[stop:]).everything() == once.everything()


@given(rounds=ROUNDS, first=FIRSTS)
def test_what_waits_is_what_the_pairs_hold(rounds: Rounds, first: Side) -> None:
    """After every entry; invitations to more than nobody wait, so that much does."""
    world = worked(rounds, first)
    rows, pairs = Rows(), world.partition.pairs
    rows.fold(*interleaved(world, [0]))
    held = {key: state.held.digest for key, state in pairs.items() if state.held is not None}
    assert held == {row["pair_key"]: row["digest"] for row in rows.of("held_writes")}
    told = {row["pair_key"]: row["status"] for row in rows.of("pairs") if "status" in row}
    assert told == {key: pairs[key].status for key in told}
    silent = {key for key, state in pairs.items() if key not in told}
    assert all(pairs[key].status == PairState(key).status for key in silent)


@given(rounds=ROUNDS, first=FIRSTS)
def test_the_story_is_the_one_that_is_told_from_the_topics(rounds: Rounds, first: Side) -> None:
    """`concord explain` reads whole topics; the rows say the same of every pair, but for the commands."""
    world = worked(rounds, first)
    rows = Rows().fold(*journal(world), *decisions(world))
    for key in world.partition.pairs:
        entries = [placed for placed in journal(world) if placed[2].pair_key == key]
        made = [decision for decision in decisions(world) if decision.pair_key == key]
        stored = {
            (row["partition"], row["offset"]): value_of(Decision, row["decision"])
            for row in rows.of("moment_decisions")
        }
        told = [value_of(Moment, row["moment"]) for row in rows.of("moments") if row["pair_key"] == key]
        told = [replace(moment, decision=stored.get((moment.partition, moment.offset))) for moment in told]
        assert timeline(entries, made, ()) == told


@given(rounds=ROUNDS, first=FIRSTS)
def test_nothing_private_is_kept(rounds: Rounds, first: Side) -> None:
    """Neither in rows nor in notes, whenever the event was marked, and whatever was kept before (I9)."""
    world = worked(rounds, first)
    rows = Rows().fold(*interleaved(world, [3]))
    for key in world.partition.pairs:
        entries = [entry for _, _, entry in journal(world) if entry.pair_key == key]
        if not was_private(entries):
            continue
        kept = "\n".join(
            [repr(row) for table in rows.tables.values() for row in table.values() if row.get("pair_key") == key]
            + [repr(note.held) for (_, of), note in rows.notes.items() if of == key]
        )
        for state in (world.partition.pairs[key],):
            for item in (state.graph.item, state.salesforce.item):
                for text in (item.content.subject, item.content.body, item.content.location) if item else ():
                    assert not text or text not in kept
        assert "@out.example" not in kept


@given(rounds=ROUNDS, first=FIRSTS)
def test_runs_and_mails_count_what_the_outcomes_say(rounds: Rounds, first: Side) -> None:
    """Each outcome is in one run; the ledger is that of `projections.mail_ledger`."""
    world = worked(rounds, first)
    rows = Rows().fold(*journal(world), *decisions(world))
    told = {entry.source: entry.what.outcome for entry in world.entries if isinstance(entry.what, OutcomeKnown)}
    runs = rows.of("runs")
    assert sum(run["processed"] for run in runs) == len(told)
    assert sum(run["errors"] for run in runs) == sum(one.result is Result.REFUSED for one in told.values())
    ledger = MailLedger()
    for decision in decisions(world):
        ledger.decided(decision)
    mailed = [(one.pair_key, len(one.mails)) for one in ledger.mailings]
    assert sorted(mailed) == sorted((row["pair_key"], row["mails"].count("[") - 1) for row in rows.of("mailings"))
