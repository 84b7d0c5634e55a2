"""One command, whatever the service answers: what is sent, what is read back, what becomes of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from support.graph_driver import Script, refusal, reply

from connectors.exchange import Reply, run
from connectors.graph import wire
from connectors.graph.sink import ATTEMPTS, apply_command, transaction_id
from connectors.graph.translate import to_body
from schemas.calendar import Attendee, CalendarEvent, Sensitivity, TimeSpan
from schemas.changes import Side
from schemas.commands import Action, Command, Outcome, Result
from schemas.errors import AuthRejected, ServiceError, Throttled, Unavailable
from schemas.groups import ALL, CONTENT

NOW = datetime(2026, 3, 1, tzinfo=UTC)
START = datetime(2026, 3, 10, 23, tzinfo=UTC)
HELD = CalendarEvent(
    TimeSpan(START, START + timedelta(hours=1)), "Review", "Agenda", "Banksia", attendees=(Attendee("a@x", "A"),)
)
ASKED = replace(HELD, subject="Review 2")
CREATE = Command(
    "c#1", "s:1", Side.GRAPH, Action.CREATE, NOW, 1, generation=1, mailbox="m", fields=ALL, content=HELD, target=HELD
)
UPDATE = Command(
    "c#2", "s:1", Side.GRAPH, Action.UPDATE, NOW, 2, id="e", mailbox="m", version='W/"1"', fields=("subject",),
    content=ASKED, basis=HELD,
)  # fmt: skip
DELETE = Command("c#3", "s:1", Side.GRAPH, Action.DELETE, NOW, 3, id="e", mailbox="m", version='W/"1"', basis=HELD)

CUT = Unavailable("The connection broke.")
STALE = refusal(412, "ErrorIrresolvableConflict")
GONE = refusal(404, "ErrorItemNotFound")
TAG = {"singleValueExtendedProperties": [{"id": wire.PAIR_TAG, "value": "s:1"}]}
UNCLEAR = [CUT, refusal(500, "ErrorInternalServerError"), Reply(502, {}, b"<html>"), refusal(504, "UnknownError"),
           Reply(200, {}, b"<html>")]  # fmt: skip


def holding(content: CalendarEvent = HELD, version: str = "1", **members: Any) -> dict[str, Any]:
    """An event that holds this content."""
    return {
        "id": "e",
        "@odata.etag": f'W/"{version}"',
        "type": "singleInstance",
        **to_body(content, CONTENT),
        **members,
    }


def found(*events: dict[str, Any]) -> Reply:
    """What a search brings."""
    return reply(200, {"value": list(events)})


def apply(command: Command, *answers: Reply | Exception) -> tuple[Outcome, Script]:
    """Carry a command out against these answers, all of which must be asked for."""
    script = Script(answers)
    outcome = run(apply_command(command, now=NOW), script)
    assert script.is_used_up
    assert outcome.requests == len(script.calls)
    return outcome, script


def fails(command: Command, *answers: Reply | Exception) -> ServiceError:
    """The error that comes out instead of an outcome."""
    script = Script(answers)
    with pytest.raises(ServiceError) as caught:
        run(apply_command(command, now=NOW), script)
    assert script.is_used_up
    return caught.value


def test_a_create_carries_its_key_and_our_tag() -> None:
    """One POST with everything; the answer, which never shows the tag, is the item."""
    outcome, script = apply(CREATE, reply(201, holding(iCalUId="0400", organizer={"emailAddress": {"address": "T@x"}})))
    body = script.calls[0].body
    assert body["transactionId"] == transaction_id(CREATE)
    assert body["singleValueExtendedProperties"] == [{"id": wire.PAIR_TAG, "value": "s:1"}]
    assert set(to_body(HELD, CONTENT)) <= set(body)
    assert (outcome.result, outcome.command_id, outcome.at) == (Result.APPLIED, "c#1", NOW)
    assert outcome.item is not None
    assert (outcome.item.id, outcome.item.sync_key, outcome.item.mailbox) == ("e", "s:1", "m")
    assert (outcome.item.i_cal_uid, outcome.item.version) == ("0400", 'W/"1"')
    assert outcome.item.content.organizer is not None
    assert outcome.item.content.organizer.address == "t@x"


def test_the_key_depends_on_pair_and_generation_only() -> None:
    """The same create always has the same key, another pair or another generation another; it never changes."""
    assert transaction_id(CREATE) == transaction_id(replace(CREATE, command_id="x", content=ASKED, revision=9))
    assert transaction_id(CREATE) != transaction_id(replace(CREATE, generation=2))
    assert transaction_id(CREATE) != transaction_id(replace(CREATE, pair_key="s:2"))
    assert transaction_id(CREATE) == "2e7615c9-6696-5459-8ff2-d7fa378a279e"


def test_nobody_is_invited_by_an_empty_list() -> None:
    """A create without attendees does not mention them."""
    _, script = apply(replace(CREATE, content=replace(HELD, attendees=())), reply(201, holding()))
    assert "attendees" not in script.calls[0].body


@pytest.mark.parametrize("unclear", UNCLEAR)
def test_an_unclear_create_is_looked_up_by_tag(unclear: Reply | Exception) -> None:
    """What was created although the answer was lost is found, not created again."""
    ours = holding(transactionId=transaction_id(CREATE), **TAG)
    outcome, script = apply(CREATE, unclear, found(ours))
    assert outcome.result is Result.APPLIED
    assert script.methods() == ["POST", "GET"]


def test_a_copy_with_our_tag_is_not_the_event_we_made() -> None:
    """People copy events, and the tag travels along; the transactionId does not."""
    copy = holding(id="copy", **TAG)
    outcome, script = apply(CREATE, CUT, found(copy, {}), reply(201, holding()))
    assert outcome.item is not None
    assert outcome.item.id == "e"
    assert script.methods() == ["POST", "GET", "POST"]
    assert script.calls[0].body == script.calls[2].body


def test_a_create_that_stays_unclear_is_for_later() -> None:
    """After a few tries the command stays; the same key makes the later try safe."""
    error = fails(CREATE, *[CUT, found()] * ATTEMPTS)
    assert isinstance(error, Unavailable)


def test_a_create_without_an_answer_body_is_looked_up() -> None:
    """201 with nothing in it says that it exists, not what it is."""
    outcome, _ = apply(CREATE, Reply(201), found(holding(transactionId=transaction_id(CREATE), **TAG)))
    assert outcome.result is Result.APPLIED


@pytest.mark.parametrize("status", [400, 409])
def test_a_used_key_leads_to_the_event_it_made(status: int) -> None:
    """Graph names the event, or it is found by tag; edits made since are edits in Microsoft 365."""
    edited = holding(ASKED, "7", transactionId=transaction_id(CREATE), **TAG)
    named = refusal(status, "ErrorDuplicateTransactionId", **{"@event.existingEventId": "e"})
    for answers in ([named, reply(200, edited)], [refusal(status, "ErrorDuplicateTransactionId"), found(edited)]):
        outcome, _ = apply(CREATE, *answers)
        assert outcome.result is Result.APPLIED
        assert outcome.item is not None
        assert (outcome.item.content.subject, outcome.item.version) == ("Review 2", 'W/"7"')


def test_an_older_create_without_a_target_is_stale() -> None:
    """Where the decision does not name what was to be agreed, other content means that things moved on."""
    named = refusal(400, "ErrorDuplicateTransactionId", **{"@event.existingEventId": "e"})
    outcome, _ = apply(replace(CREATE, target=None), named, reply(200, holding(ASKED, **TAG)))
    assert outcome.result is Result.STALE


def test_a_create_that_was_deleted_since_is_gone_when_its_address_says_so() -> None:
    """A direct 404 is proof."""
    named = refusal(400, "ErrorDuplicateTransactionId", **{"@event.existingEventId": "e"})
    assert apply(CREATE, named, GONE)[0].result is Result.GONE


def test_an_empty_search_is_no_proof_of_a_deletion() -> None:
    """A used key whose event cannot be found is refused: nothing may be deleted because of it."""
    outcome, _ = apply(CREATE, refusal(400, "ErrorDuplicateTransactionId"), found())
    assert (outcome.result, outcome.code) == (Result.REFUSED, "ErrorDuplicateTransactionId")


def test_an_update_writes_only_its_groups_if_nothing_changed() -> None:
    """One PATCH with If-Match and the members of its groups."""
    outcome, script = apply(UPDATE, reply(200, holding(ASKED, "2")))
    assert script.calls[0].body == {"subject": "Review 2"}
    assert script.calls[0].headers["if-match"] == 'W/"1"'
    assert outcome.result is Result.APPLIED
    assert outcome.item is not None
    assert (outcome.item.version, outcome.item.sync_key) == ('W/"2"', "s:1")


def test_marks_write_the_tag_and_nothing_else() -> None:
    """Restoring a mark touches no content."""
    _, script = apply(replace(UPDATE, fields=("marks",), content=HELD), reply(200, holding()))
    assert script.calls[0].body == TAG


@pytest.mark.parametrize("first", [STALE, *UNCLEAR])
def test_an_update_that_took_effect_is_recognised(first: Reply | Exception) -> None:
    """A repeat meets 412, a lost answer nothing at all: the event already holds what was asked, so it is applied."""
    answers = [first, reply(200, holding(ASKED, "2", **TAG))]
    outcome, script = apply(UPDATE, *answers)
    assert outcome.result is Result.APPLIED
    assert script.methods() == ["PATCH", "GET"]


@pytest.mark.parametrize("first", [STALE, *UNCLEAR[:4]])
def test_an_update_that_did_not_take_effect_is_sent_again_under_the_new_version(first: Reply | Exception) -> None:
    """The service bumped the version, or the request was lost: the content is as the decision knew it."""
    outcome, script = apply(UPDATE, first, reply(200, holding(HELD, "5")), reply(200, holding(ASKED, "6")))
    assert outcome.result is Result.APPLIED
    assert script.calls[2].headers["if-match"] == 'W/"5"'


@pytest.mark.parametrize("first", [STALE, *UNCLEAR[:4]])
def test_an_update_that_was_overtaken_is_stale(first: Reply | Exception) -> None:
    """Somebody edited meanwhile, also in another group: the item is handed back, nothing is written over it."""
    other = replace(HELD, location="Elsewhere")
    outcome, script = apply(UPDATE, first, reply(200, holding(other, "5", **TAG)))
    assert outcome.result is Result.STALE
    assert outcome.item is not None
    assert outcome.item.content.location == "Elsewhere"
    assert script.methods() == ["PATCH", "GET"]


def test_an_update_that_never_gets_through_is_for_later() -> None:
    """A version that keeps moving is not an outcome."""
    error = fails(UPDATE, *[STALE, reply(200, holding(HELD, "5"))] * ATTEMPTS)
    assert isinstance(error, Unavailable)
    assert not error.was_sent


@pytest.mark.parametrize("answers", [[GONE], [STALE, GONE], [CUT, GONE]])
def test_an_update_of_a_deleted_event_is_gone(answers: list[Reply | Exception]) -> None:
    """Also when it is found out only on reading back."""
    assert apply(UPDATE, *answers)[0].result is Result.GONE


def test_an_update_without_a_version_reads_first() -> None:
    """Otherwise a repeat would mail everybody again."""
    unversioned = replace(UPDATE, version="")
    assert apply(unversioned, reply(200, holding(ASKED, "4")))[0].result is Result.APPLIED
    outcome, script = apply(unversioned, reply(200, holding(HELD, "4")), reply(200, holding(ASKED, "5")))
    assert outcome.result is Result.APPLIED
    assert script.calls[1].headers["if-match"] == 'W/"4"'


def test_an_answer_as_html_is_read_again_as_text() -> None:
    """Our own reading of html may differ from Exchange's, and would look like an edit the next time."""
    html = holding(ASKED, "2") | {"body": {"contentType": "html", "content": "<p>Agenda</p>"}}
    outcome, script = apply(UPDATE, reply(200, html), reply(200, holding(ASKED, "2", **TAG)))
    assert outcome.result is Result.APPLIED
    assert script.methods() == ["PATCH", "GET"]


URL = "https://teams.microsoft.com/l/meetup-join/1"
BLOCK = f'<div><span>{"_" * 80}</span></div><div><a href="{URL}">Join</a></div><div><span>{"_" * 80}</span></div>'


def test_a_new_body_keeps_the_join_block() -> None:
    """The html is read first; the new text replaces only the author's part."""
    current = holding(onlineMeeting={"joinUrl": URL}) | {
        "body": {"contentType": "html", "content": f"<html><body><p>Agenda</p>{BLOCK}</body></html>"}
    }
    text = f"New & better\n{'_' * 80}\nJoin\n{'_' * 80}"
    command = replace(UPDATE, fields=("body",), content=replace(HELD, body=text))
    _, script = apply(command, reply(200, current), reply(200, holding()))
    assert script.methods() == ["GET", "PATCH"]
    assert script.calls[1].body == {"body": {"contentType": "html", "content": f"<div>New &amp; better</div>\n{BLOCK}"}}


@pytest.mark.parametrize("meeting", [None, {}, {"joinUrl": None}, {"joinUrl": URL}])
def test_a_body_without_join_block_is_written_as_text(meeting: Any) -> None:
    """Nothing to keep: plain text."""
    command = replace(UPDATE, fields=("body",), content=replace(HELD, body="New"))
    _, script = apply(command, reply(200, holding(onlineMeeting=meeting)), reply(200, holding()))
    assert script.calls[1].body == {"body": {"contentType": "text", "content": "New"}}


@pytest.mark.parametrize("answer", [Reply(204), GONE])
def test_a_delete_is_done_when_nothing_is_there(answer: Reply) -> None:
    """Deleted now or before: both are what was asked."""
    outcome, script = apply(DELETE, answer)
    assert (outcome.result, outcome.item) == (Result.APPLIED, None)
    assert script.calls[0].headers["if-match"] == 'W/"1"'


@pytest.mark.parametrize("first", [STALE, *UNCLEAR[:4]])
def test_an_unclear_delete_is_read_back(first: Reply | Exception) -> None:
    """Gone is applied; unchanged is deleted again under its new version; edited is stale."""
    assert apply(DELETE, first, GONE)[0].result is Result.APPLIED
    outcome, script = apply(DELETE, first, reply(200, holding(HELD, "5")), Reply(204))
    assert outcome.result is Result.APPLIED
    assert script.calls[2].headers["if-match"] == 'W/"5"'
    assert apply(DELETE, first, reply(200, holding(ASKED, "5")))[0].result is Result.STALE
    assert isinstance(fails(DELETE, *[first, reply(200, holding(HELD, "5"))] * ATTEMPTS), Unavailable)


ALL_COMMANDS = pytest.mark.parametrize("command", [CREATE, UPDATE, DELETE], ids=["create", "update", "delete"])


@ALL_COMMANDS
@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (refusal(429, "ApplicationThrottled", {"retry-after": "3"}), Throttled),
        (refusal(503, "ServiceUnavailable"), Unavailable),
        (refusal(503, "ServerBusy", {"retry-after": "3"}), Throttled),
        (Unavailable("no route", was_sent=False), Unavailable),
        (refusal(401, "InvalidAuthenticationToken"), AuthRejected),
    ],
)
def test_what_passes_is_raised_not_decided(command: Command, answer: Any, kind: type[ServiceError]) -> None:
    """Throttling, an unreachable service and bad credentials never become an outcome; nothing was read back."""
    assert isinstance(fails(command, answer), kind)


@ALL_COMMANDS
@pytest.mark.parametrize(
    "answer",
    [refusal(400, "ErrorPropertyValidationFailure"), refusal(413, "TooLarge"),
     refusal(404, "MailboxNotEnabledForRESTAPI"), refusal(507, "ErrorQuotaExceeded"),
     refusal(400, "ErrorInvalidIdMalformed")],
)  # fmt: skip
def test_what_can_never_succeed_is_refused_in_the_services_words(command: Command, answer: Reply) -> None:
    """Code and message are Graph's own."""
    outcome, _ = apply(command, answer)
    assert outcome.result is Result.REFUSED
    assert outcome.message == f"About {outcome.code}."


@ALL_COMMANDS
def test_a_403_is_about_one_event_or_the_whole_mailbox(command: Command) -> None:
    """The calendar tells: readable means this event is refused, denied as well means an administrator must act."""
    denied = refusal(403, "ErrorAccessDenied")
    assert apply(command, denied, reply(200, {"id": "cal"}))[0].code == "ErrorAccessDenied"
    assert isinstance(fails(command, denied, denied), AuthRejected)
    assert isinstance(fails(command, denied, refusal(429, "x")), Throttled)


@ALL_COMMANDS
def test_an_answer_lost_while_reading_back_is_for_later(command: Command) -> None:
    """Two lost answers in a row leave everything open, so nothing is decided and nothing sent twice."""
    script = Script([CUT, CUT])
    with pytest.raises(Unavailable):
        run(apply_command(command, now=NOW), script)
    assert script.methods()[1] == "GET"


def test_an_event_that_cannot_be_read_back_is_refused() -> None:
    """It exists, but we have no words for it: shown as an error, not tried for ever."""
    outcome, _ = apply(UPDATE, STALE, reply(200, holding() | {"start": None}))
    assert (outcome.result, outcome.code) == (Result.REFUSED, "UnreadableEvent")


def test_a_private_create_says_so() -> None:
    """Sensitivity is part of the create, not an afterthought."""
    _, script = apply(replace(CREATE, content=replace(HELD, sensitivity=Sensitivity.PRIVATE)), reply(201, holding()))
    assert script.calls[0].body["sensitivity"] == "private"
