"""Read models, case by case: what a run counts, what the shelf keeps, what goes on waiting."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from support.history import History, tell_conflict, tell_refused
from support.read_model_rows import Rows
from support.simulation_pairs import START, agreed_pair, content

from projections.wording import HIDDEN
from schemas.calendar import Sensitivity
from schemas.changes import Side
from schemas.commands import Action, Decision, FieldChange, Hold, HoldKind, MailKind, PredictedMail, Result, Verdict
from schemas.journal import OperatorActed, OperatorVerb
from schemas.undo import Undo

KEY = "m:uid-G"


def rows_of(history: History) -> Rows:
    """The day folded."""
    return Rows().fold(*history.entries, *history.decisions)


def decision(offset: int, **members: Any) -> Decision:
    """A decision about the pair."""
    usual: dict[str, Any] = {"verdict": Verdict.NOTHING, "reason": "in_agreement", "settings_number": 1}
    return Decision(KEY, decided_at=START, partition=0, offset=offset, **(usual | members))


def test_a_run_is_five_minutes_of_one_owner_in_one_direction() -> None:
    """The conflict's writes inbound fall into one; half an hour later another begins."""
    history = History()
    tell_conflict(history)
    step = history.graph("m:uid-late", "LATE", content("Late"), at=1800)
    history.answer(step.commands[0], at=1801)
    runs = rows_of(history).of("runs")
    assert [(run["direction"], run["owner"], run["processed"], run["errors"]) for run in runs] == [
        ("inbound", "mailbox-ann", 2, 0),
        ("outbound", "mailbox-ann", 2, 0),
        ("inbound", "mailbox-ann", 1, 0),
    ]
    assert [run["synced"] for run in runs] == [2, 1, 1]  # one outbound write found the event changed meanwhile


def test_a_refused_write_is_one_error_with_its_words() -> None:
    """The decision that follows it is not a second one."""
    history = History()
    key = tell_refused(history)
    rows = rows_of(history)
    assert [(run["processed"], run["errors"]) for run in rows.of("runs")] == [(1, 1)]
    (record,) = rows.of("run_records")
    assert (record["pair_key"], record["result"], record["code"]) == (
        key, "error", "FIELD_CUSTOM_VALIDATION_EXCEPTION"
    )  # fmt: skip


def test_an_error_that_no_service_told_of_counts_once() -> None:
    """Two engines: decided again with every reading, an error only once until something else is decided."""
    fought = {"verdict": Verdict.ERROR, "reason": "two_engines", "text": "Another sync writes."}
    rows = Rows().fold(decision(1, **fought), decision(2, **fought), decision(3), decision(4, **fought))
    assert [run["errors"] for run in rows.of("runs")] == [2]
    assert [record["message"] for record in rows.of("run_records")] == ["Another sync writes."] * 2


def test_the_shelf_names_the_decision_and_who_asked() -> None:
    """What `concord undo` takes; asked for by an undo, whichever is folded first."""
    history = History()
    tell_conflict(history)
    made = next(one for one in history.decisions if one.lost)
    undo = Undo(f"{made.partition}/{made.offset}", Side.SALESFORCE, ("location",))
    history.enter(KEY, "operator.actions", OperatorActed(OperatorVerb.UNDO, "olga", undo=undo), 90)
    rows = rows_of(history)
    (value,) = rows.of("lost_values")
    assert (value["offset"], value["field"], value["lost"], value["won"]) == (
        made.offset, "location", "Room 2", "Room 3"
    )  # fmt: skip
    (asked,) = rows.of("lost_asked")
    assert (asked["offset"], asked["by"]) == (made.offset, "olga")


def test_nothing_is_lost_under_shadow_mode() -> None:
    """Decided, not written."""
    lost = (FieldChange(Side.SALESFORCE, "location", "Room 2", "Room 3"),)
    assert Rows().fold(decision(1, lost=lost, is_shadow=True)).of("lost_values") == []


def test_a_write_goes_on_waiting_while_others_of_its_pair_are_made() -> None:
    """Until a decision says that nothing waits, or something else does."""
    mails = (PredictedMail(MailKind.UPDATE, "carla@out.example"),)
    hold = Hold(HoldKind.INVITATIONS, "d1", START, Side.GRAPH, Action.UPDATE, ("time",), mails, 1)
    rows = Rows().fold(decision(1, verdict=Verdict.HOLD, held=hold, waits="d1"))
    rows.fold(decision(2, verdict=Verdict.WRITE, commands=("c",), waits="d1"))
    assert [row["digest"] for row in rows.of("held_writes")] == ["d1"]
    rows.fold(decision(3, verdict=Verdict.HOLD, held=replace(hold, digest="d2"), waits="d2"))
    assert [row["digest"] for row in rows.of("held_writes")] == ["d2"]
    rows.fold(decision(2, verdict=Verdict.HOLD, held=hold, waits="d1"))  # comes again after a crash
    assert [row["digest"] for row in rows.of("held_writes")] == ["d2"]
    assert rows.fold(decision(4)).of("held_writes") == []


def test_an_event_that_turns_private_takes_its_past_along() -> None:
    """Everything told before is hidden: text, people, messages, lost values, addresses."""
    history = History()
    agreed_pair(history, "Surgery")
    lost = (FieldChange(Side.SALESFORCE, "subject", "Surgery of Carla", "Surgery"),)
    mails = (PredictedMail(MailKind.UPDATE, "carla@out.example"),)
    hold = Hold(HoldKind.INVITATIONS, "d1", START, Side.GRAPH, Action.UPDATE, ("subject",), mails, 1)
    rows = rows_of(history).fold(decision(90, lost=lost, mails=mails, commands=("c",), held=hold, waits="d1"))
    assert "carla@out.example" in rows.everything()
    history.graph(KEY, "G", content("Surgery", sensitivity=Sensitivity.PRIVATE), at=99)
    rows.fold(history.entries[-1])
    assert "carla" not in rows.everything().lower()
    assert "surgery" not in rows.everything().lower()
    assert HIDDEN in rows.everything()


def test_pairs_belong_to_the_organizers_mailbox() -> None:
    """Before it is seen, to a copy's or to the owner in Practifi."""
    history = History()
    history.salesforce("s:1", "S1", content("Made in Practifi"), at=1)
    history.graph("m:copy", "C", content("A copy"), at=2, is_organizer=False, mailbox="mailbox-zoe")
    history.graph("m:copy", "C2", content("A copy"), at=3, is_organizer=False, mailbox="mailbox-bob")
    history.graph("m:both", "B", content("A copy"), at=4, is_organizer=False, mailbox="mailbox-bob")
    history.graph("m:both", "B2", content("The organizer's"), at=5, mailbox="mailbox-zoe")
    owners = {row["pair_key"]: row["owner"] for row in rows_of(history).of("pairs")}
    assert owners == {"s:1": "005ANN", "m:copy": "mailbox-bob", "m:both": "mailbox-zoe"}


def test_a_write_is_under_way_until_it_is_answered() -> None:
    """Ordered by a decision, answered by an outcome; stale and gone are answers too."""
    history = History()
    step = history.graph(KEY, "G", content("Review"), at=1)
    (write,) = rows_of(history).of("writes")
    assert (write["command_id"], write.get("answered_ms")) == (step.commands[0].command_id, None)
    history.answer(step.commands[0], "S", at=4, result=Result.STALE)
    write = next(one for one in rows_of(history).of("writes") if one["command_id"] == step.commands[0].command_id)
    assert write["answered_ms"] - write["decided_ms"] == timedelta(seconds=3) // timedelta(milliseconds=1)
