"""Scenario *empty source*: a mailbox or org that answers nothing, or nonsense, deletes nothing; a real burst waits."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from support.graph_driver import BASE
from support.scripted import Story, day, guest

from connectors.exchange import Call, Reply
from schemas.commands import Verdict
from schemas.journal import OperatorActed, OperatorAction, OperatorVerb
from schemas.topics import OPERATOR_ACTIONS

EVENTS = 30
BURST = 25


def error(status: int, code: str) -> Reply:
    """An error of Microsoft Graph."""
    return Reply(status, {}, json.dumps({"error": {"code": code, "message": "Injected."}}).encode())


def page(**members: Any) -> Reply:
    """A page of a delta query."""
    return Reply(200, {}, json.dumps({"value": [], **members}).encode())


LINK = f"{BASE}/users/MAILBOX/calendarView/delta?$deltatoken=made-up"
ANSWERS: dict[str, Reply] = {
    "empty": page(**{"@odata.deltaLink": LINK}),
    "empty body": Reply(200),
    "403": error(403, "ErrorAccessDenied"),
    "404": error(404, "ErrorItemNotFound"),
    "mailbox moved": error(404, "MailboxNotEnabledForRESTAPI"),
    "cut page": page(),
    "cut off in the middle": Reply(200, {}, b'{"value": [{"id": "AAMk'),
    "410": error(410, "SyncStateNotFound"),
    "500": error(500, "InternalServerError"),
}


def a_full_firm(firm: Story) -> list[str]:
    """Ann's calendar with thirty events, all in Practifi; their ids."""
    ann = firm.people[0]
    ids = [firm.make(ann, f"Review {n}", day(5 + n), attendees=[guest("una@elsewhere.example")]) for n in range(EVENTS)]
    firm.settle()
    assert firm.counts() == (EVENTS, EVENTS)
    return ids


def to_delta(call: Call, name: str, *, is_resync: bool) -> Reply | None:
    """The answer to a delta query; with a lost token the full read that follows gets it."""
    if "calendarView/delta" not in call.path:
        return None
    is_known = "deltatoken" in call.path or "$deltatoken" in call.params
    answer = ANSWERS["410" if is_resync and is_known else name]
    return replace(answer, body=answer.body.replace(b"MAILBOX", call.mailbox.encode()))


def try_to_read(firm: Story, side: str, answer: Callable[[Call], Reply | None]) -> None:
    """Have every source look while a service answers so, for a while; then it answers as it should."""
    transport = firm.world.services.graph if side == "graph" else firm.world.services.salesforce
    given: list[Reply] = []

    def refuse(call: Call) -> Reply | None:
        found = answer(call)
        given.extend([found] if found is not None else [])
        return found

    usual, transport.refuse = transport.refuse, refuse
    for _ in range(3):
        firm.pass_time(minutes=3)
        firm.world.wake_all("timer")
        firm.world.pump(400)
    transport.refuse = usual
    assert given, "nobody asked"
    firm.settle()


@pytest.mark.rule("7.20")
@pytest.mark.parametrize("name", list(ANSWERS))
@pytest.mark.parametrize("is_resync", [False, True], ids=["token held", "token lost"])
def test_empty_source_in_microsoft_deletes_nothing(firm: Story, name: str, is_resync: bool) -> None:
    """Whatever a mailbox answers instead of its events, to a delta or to a full read."""
    a_full_firm(firm)
    try_to_read(firm, "graph", lambda call: to_delta(call, name, is_resync=is_resync))
    assert firm.counts() == (EVENTS, EVENTS)
    assert [one for one in firm.writes() if "DELETE" in one.method] == []


def test_empty_source_that_knows_none_of_its_events_deletes_nothing(firm: Story) -> None:
    """A mailbox that answers "not found" to each event, as if all had been deleted: so many are held, and when it comes
    to its senses nothing waits any more."""
    a_full_firm(firm)

    def not_found(call: Call) -> Reply | None:
        if not call.path.endswith("$batch"):
            return to_delta(call, "empty", is_resync=True)
        missing = json.loads(error(404, "ErrorItemNotFound").body)
        answers = [{"id": one["id"], "status": 404, "headers": {}, "body": missing} for one in call.body["requests"]]
        return Reply(200, {}, json.dumps({"responses": answers}).encode())

    try_to_read(firm, "graph", not_found)
    assert sum(one.verdict is Verdict.HOLD for one in firm.decisions()) == EVENTS
    assert firm.counts() == (EVENTS, EVENTS)
    assert [one for one in firm.writes() if "DELETE" in one.method] == []
    assert (firm.world.operators.waiting(), firm.reasons()) == ([], {"in_agreement"})


@pytest.mark.parametrize(
    "answer",
    [
        Reply(403, {}, b'[{"errorCode":"API_DISABLED_FOR_ORG","message":"Injected."}]'),
        Reply(404, {}, b'[{"errorCode":"NOT_FOUND","message":"Injected."}]'),
        Reply(503, {}, b'[{"errorCode":"SERVER_UNAVAILABLE","message":"Injected."}]'),
        Reply(200, {}, b"<html>maintenance</html>"),
        Reply(200, {}, b'{"compositeResponse": []}'),
    ],
    ids=["403", "404", "503", "a page of words", "nothing inside"],
)
def test_empty_source_in_practifi_deletes_nothing(firm: Story, answer: Reply) -> None:
    """Whatever the org answers instead of its records."""
    a_full_firm(firm)
    try_to_read(firm, "salesforce", lambda call: answer if call.method == "GET" or "composite" in call.path else None)
    assert firm.counts() == (EVENTS, EVENTS)
    assert [one for one in firm.writes() if "DELETE" in one.method] == []


def release_everything(firm: Story) -> int:
    """An operator releases all that waits; returns how much that was."""
    waiting = firm.world.operators.waiting()
    for key, hold in waiting:
        acted = OperatorActed(OperatorVerb.RELEASE, "olga", hold=hold.digest)
        firm.world._append(OPERATOR_ACTIONS, key, OperatorAction(key, firm.world.now(), acted))
    firm.settle()
    return len(waiting)


@pytest.mark.rule("7.20")
@pytest.mark.parametrize("side", ["graph", "salesforce"])
def test_empty_source_after_a_real_burst_is_held_until_released(firm: Story, side: str) -> None:
    """Somebody deletes 25 of 30 at once. The other side keeps them, marked Pending where it can be; an edit of another
    event goes on; then an operator releases them, and each attendee is told once."""
    ids = a_full_firm(firm)
    ann = firm.people[0]
    records = {one["Subject"]: one["Id"] for one in firm.records()}
    mails = firm.mails()
    for number in range(BURST):
        if side == "graph":
            firm.delete(ann, ids[number])
        else:
            firm.remove(records[f"Review {number}"])
    firm.change(ann, ids[-1], location={"displayName": "Room 9"})
    firm.settle()
    left, kept = EVENTS - BURST, EVENTS
    assert firm.counts() == ((left, kept) if side == "graph" else (kept, left))
    assert firm.mails() == mails
    assert next(one["Location"] for one in firm.records() if one["Id"] == records[f"Review {EVENTS - 1}"]) == "Room 9"
    assert firm.reasons() == {"in_agreement", "held_deletions"}
    assert release_everything(firm) == BURST
    assert firm.counts() == (left, left)
    assert len(firm.mails()) - len(mails) == (0 if side == "graph" else BURST)
    assert release_everything(firm) == 0


def test_empty_source_after_a_burst_that_is_dropped_keeps_everything(firm: Story) -> None:
    """As under the policy No: the records stay, and later edits of them go nowhere."""
    ids = a_full_firm(firm)
    for event_id in ids[:BURST]:
        firm.delete(firm.people[0], event_id)
    firm.settle()
    for key, hold in firm.world.operators.waiting():
        acted = OperatorActed(OperatorVerb.DROP, "olga", hold=hold.digest)
        firm.world._append(OPERATOR_ACTIONS, key, OperatorAction(key, firm.world.now(), acted))
    firm.settle()
    assert (firm.counts(), firm.world.operators.waiting()) == ((EVENTS - BURST, EVENTS), [])
    firm.edit(firm.records("Review 0")[0]["Id"], Subject="Edited")
    assert [one for one in firm.settle() if one.side == "graph"] == []
