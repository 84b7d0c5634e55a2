"""Commands carried out in Salesforce, hundreds of different pairs in each round of calls. Pure exchanges, no clock.

Every step may be done again: a create carries the unique sync key, so Salesforce itself refuses a second one; an
update is compared with what the record holds before it is written, and refused by Salesforce if somebody saves the
record in between. When an answer is lost the error is raised, the edge sends the same commands later, and what took
effect is recognised.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from datetime import datetime
from typing import Any, Final

from connectors.exchange import Call, Exchange, Reply
from connectors.salesforce import wire
from connectors.salesforce.compare import is_overtaken
from connectors.salesforce.fields import FieldNames
from connectors.salesforce.jobs import Job
from connectors.salesforce.relations import Relations
from connectors.salesforce.source import (
    OBJECT,
    by_event,
    event_queries,
    events_where,
    missing,
    read_records,
    relation_queries,
)
from connectors.salesforce.translate import is_private, is_room, to_fields, wanted_people, wanted_rooms
from schemas.commands import Action, Command, Outcome, Result
from schemas.errors import AuthRejected, Gone, Refused, ServiceError, Stale, Throttled, Unavailable
from schemas.groups import MARKS, PEOPLE, PRIVACY, ROOMS, TIME

RELATION: Final = "EventRelation"

# Commands of one round: creates, marks and edits share its calls, each call with up to 200 records.
ROUND_MAX: Final = 600

# How often one round writes to a record that somebody keeps saving. The edge tries again later.
ATTEMPTS: Final = 3

# That of the first create of a pair.
FIRST_GENERATION: Final = 1


def apply_command(
    command: Command, *, now: datetime, names: FieldNames, tried: Container[str] = frozenset()
) -> Exchange[Outcome]:
    """Carry out one command. Raises Throttled, Unavailable or AuthRejected when nothing can be said yet."""
    (result,) = yield from apply_commands((command,), now=now, names=names, tried=tried)
    if isinstance(result, ServiceError):
        raise result
    return result


def apply_commands(
    commands: Sequence[Command], *, now: datetime, names: FieldNames, tried: Container[str] = frozenset()
) -> Exchange[tuple[Outcome | ServiceError, ...]]:
    """Carry out commands of different pairs; one outcome each, in order, or the error after which to send it again.

    `tried` are the ids of commands that were sent before and got no answer: of a create that took effect then, somebody
    may have deleted the record since. Raises Throttled, Unavailable or AuthRejected when the round as a whole failed:
    all of it may be sent again. The `requests` of the outcomes sum up to the calls of the round.
    """
    assert len({command.pair_key for command in commands}) == len(commands) <= ROUND_MAX
    try:
        return (yield from _round(commands, now, names, tried))
    except (Throttled, Unavailable, AuthRejected):
        raise
    except ServiceError as error:
        if len(commands) == 1:
            return (_outcome_of(commands[0], Job.refused(commands[0], error), now, 1),)
    # A request that stood for several commands was refused as a whole: one of them is to blame. Each for itself.
    results: list[Outcome | ServiceError] = []
    for command in commands:
        results += yield from apply_commands((command,), now=now, names=names, tried=tried)
    return tuple(results)


def _round(
    commands: Sequence[Command], now: datetime, names: FieldNames, tried: Container[str]
) -> Exchange[tuple[Outcome | ServiceError, ...]]:
    jobs = [Job(command, names) for command in commands]
    requests = [0]
    yield from _counting(_carry_out(jobs, names, tried), requests)
    share, rest = divmod(requests[0], len(jobs))
    return tuple(_outcome_of(job.command, job, now, share + (place < rest)) for place, job in enumerate(jobs))


def _outcome_of(command: Command, job: Job, now: datetime, requests: int) -> Outcome | ServiceError:
    if job.error is not None:
        return job.error
    assert job.ending is not None, "every job ends"
    result, code, message = job.ending
    is_there = result is Result.STALE or (result is Result.APPLIED and not job.is_delete)
    return Outcome(
        command.command_id, command.pair_key, command.side, command.action, result, now,
        job.held if is_there else None, code, message, warning="; ".join(job.warnings), requests=requests,
    )  # fmt: skip


def _counting(inner: Exchange[None], requests: list[int]) -> Exchange[None]:
    """The inner exchange as it is; adds its requests to the count."""
    try:
        call = next(inner)
        while True:
            requests[0] += 1
            try:
                reply = yield call
            except Unavailable as error:
                call = inner.throw(error)
            else:
                call = inner.send(reply)
    except StopIteration:
        return


def _carry_out(jobs: list[Job], names: FieldNames, tried: Container[str]) -> Exchange[None]:
    _keep_apart(jobs)
    # A mark is ours alone: there is nothing that it could overwrite, so it is written without looking first.
    yield from _judge([job for job in jobs if job.is_open and job.record_id and job.command.fields != (MARKS,)], names)
    creates = [job for job in jobs if job.command.action is Action.CREATE]
    for job in creates:
        if not job.key:
            job.end(Result.REFUSED, "NO_KEY", "A create without a key would be made twice when it is tried again.")
    if not names.sync_key:
        yield from _find_again([job for job in creates if job.is_open], names)  # nothing else keeps it from being twice
    unanswered = [job for job in creates if job.is_open and job.is_new and job.command.command_id in tried]
    yield from _find_deleted([job for job in unanswered if job.command.generation == FIRST_GENERATION], names)
    for job in jobs:
        yield from _make_private(job, names)
    yield from _write(jobs, names)
    for job in jobs:
        yield from _move_out_of_rooms(job, names)
    for _ in range(ATTEMPTS - 1):
        saved_meanwhile = [job for job in jobs if job.is_open and job.is_modified]
        if not saved_meanwhile:
            break
        yield from _judge(saved_meanwhile, names)
        yield from _write([job for job in saved_meanwhile if job.is_open], names)
    for job in jobs:
        if job.is_open and job.is_modified:
            job.error = Throttled("The record keeps changing while we write to it.", 1.0)
    again = [job for job in creates if job.ending is not None and job.ending[1] in wire.DUPLICATES]
    yield from _find_again(again, names)
    yield from _relate([job for job in jobs if job.is_open and job.has_relations], names)
    yield from _read_back([job for job in jobs if job.is_open], names)


def _keep_apart(jobs: list[Job]) -> None:
    """One request may name a record once. That two pairs claim one is put right elsewhere."""
    claimed: set[str] = set()
    for job in jobs:
        if job.record_id and job.record_id in claimed:
            job.error = Throttled("Another pair's command for this record is under way.", 0.1)
        claimed.add(job.record_id)


def _judge(jobs: list[Job], names: FieldNames) -> Exchange[None]:
    """Compare updates and deletions with what the records hold: done already, gone, or edited since the decision."""
    rows, relations = yield from read_records([job.record_id for job in jobs], names)
    found = {row["Id"]: row for row in rows}
    unknown = [job.record_id for job in jobs if job.record_id not in found]
    gone = (yield from missing(unknown)) if unknown else set()
    for job in jobs:
        row = found.get(job.record_id)
        if row is None and job.record_id not in gone:
            job.end(Result.REFUSED, "NOT_AN_EVENT", "The record cannot be read as an event of its own.")
        elif row is None or row["IsDeleted"]:
            job.fail(Gone("The event does not exist.", code="ENTITY_IS_DELETED"))
        else:
            job.take(row, relations.get(job.record_id, []))
            job.judge()


def _write(jobs: list[Job], names: FieldNames) -> Exchange[None]:
    """Deletions, inserts and updates of records, together; where people need nothing, they are read back with it."""
    open_jobs = [job for job in jobs if job.is_open]
    doomed = [job for job in open_jobs if job.is_delete]
    created = [job for job in open_jobs if job.is_new]
    changed = [(job, job.body()) for job in open_jobs if not job.is_delete and not job.is_new]
    marked = [(job, body) for job, body in changed if body and job.held is None]
    edited = [(job, body) for job, body in changed if body and job.held is not None]
    steps: list[tuple[list[Job], Call]] = []
    steps += [(list(some), wire.delete([job.record_id for job in some])) for some in wire.chunks(doomed)]
    for some in wire.chunks(created):
        bodies = [{name: value for name, value in job.body().items() if value is not None} for job in some]
        steps.append((list(some), wire.insert(OBJECT, bodies)))
    for part in wire.chunks(marked):
        records = [{"id": job.record_id, **body} for job, body in part]
        steps.append(([job for job, _ in part], wire.update(OBJECT, records)))
    steps += [([job], wire.change(OBJECT, job.record_id, body, unmodified_since=job.seen_at)) for job, body in edited]
    lonely = [job for job in created if names.sync_key and not _has_company(job, names)]
    settled = [job for job, _ in (*marked, *edited) if not job.has_relations]
    by_key = [
        wire.soql(
            events_where(f"IsDeleted = false AND {names.sync_key} IN {wire.in_list(some)}", names), everything=True
        )
        for some in wire.text_chunks(job.key for job in lonely)
    ]
    replies = yield from wire.together([*(call for _, call in steps), *by_key, *_queries(settled, names)])
    for (some, _), reply in zip(steps, replies, strict=False):
        _took(some, reply)
    for job in doomed:
        if job.is_open:
            job.end(Result.APPLIED)
    rest = replies[len(steps) :]
    made = yield from wire.rows_behind(rest[: len(by_key)])
    _take_made(lonely, [row for rows in made for row in rows])
    yield from _read_answers(
        [job for job in settled if job.is_open and not job.is_modified], rest[len(by_key) :], names
    )


def _content(job: Job) -> Any:
    return job.command.content


def _has_company(job: Job, names: FieldNames) -> bool:
    return bool(wanted_people(_content(job), job.owner_id) or wanted_rooms(_content(job), names))


def _took(jobs: list[Job], reply: Reply) -> None:
    """What became of the records of one request."""
    if len(jobs) == 1 and reply.is_empty and reply.status < 300:
        return  # a change of one record is answered with nothing
    if len(jobs) == 1 and reply.status >= 300:
        (error, *_) = wire.errors_in(reply)
        jobs[0].is_modified = isinstance(error, Stale)
        if not isinstance(error, Stale):
            jobs[0].fail(error)
        return
    for job, saved in zip(jobs, wire.read_saved(reply), strict=True):
        if saved.error is not None:
            job.fail(saved.error)
        elif not job.record_id:
            job.record_id = saved.id


def _take_made(jobs: list[Job], rows: list[dict[str, Any]]) -> None:
    """Creates that invite nobody are complete with their record."""
    found = {row["Id"]: row for row in rows}
    for job in jobs:
        if job.is_open and job.record_id in found:
            job.take(found[job.record_id], [])
            job.end(Result.APPLIED)


def _make_private(job: Job, names: FieldNames) -> Exchange[None]:
    """An event that turns private loses its people in the same transaction: it may not keep them, and where the org
    does not let it turn private, they stay."""
    content = job.command.content
    if not job.is_open or content is None or PRIVACY not in job.groups or not is_private(content):
        return
    people = Relations(job.record_id, job.rows, names).towards(content, job.owner_id)
    if not people.deletes and not people.updates:
        return
    calls = [wire.delete(some, all_or_none=True) for some in wire.chunks(people.deletes)]
    calls += [wire.update(RELATION, some, all_or_none=True) for some in wire.chunks(people.updates)]
    calls.append(wire.change(OBJECT, job.record_id, {"IsPrivate": True}, unmodified_since=job.seen_at))
    replies = wire.read_composite((yield wire.composite(calls, all_or_none=True)), len(calls))
    errors = [error for reply in replies for error in wire.errors_in(reply)]
    if not errors:
        done = {*people.deletes, *(row["id"] for row in people.updates)}
        job.rows = [row for row in job.rows if row["Id"] not in done]
        job.seen_at = None  # modified by ourselves
        return
    telling = next((error for error in errors if error.code not in wire.UNDONE), errors[0])
    if isinstance(telling, (Gone, Stale)):  # something went or was saved meanwhile: look again
        telling = Throttled(telling.what, 0.1, code=telling.code)
    job.fail(telling)


def _move_out_of_rooms(job: Job, names: FieldNames) -> Exchange[None]:
    """An event that is refused at its new time although the command allows it to leave its rooms: leaves them and moves
    in one transaction. What is left to write follows, the rooms among it: those that are taken then are refused alone.
    """
    rooms = [row["Id"] for row in job.rows if is_room(row, names)]
    is_refused = job.ending is not None and job.ending[0] is Result.REFUSED
    if not is_refused or not rooms or not {TIME, ROOMS} <= set(job.command.fields):
        return
    times = to_fields(_content(job), (TIME,), names, job.command.pair_key)
    calls = [wire.delete(rooms, all_or_none=True), wire.change(OBJECT, job.record_id, times)]
    replies = wire.read_composite((yield wire.composite(calls, all_or_none=True)), len(calls))
    if any(wire.errors_in(reply) for reply in replies):
        return  # refused for another reason, which stands
    job.ending, job.seen_at = None, None
    job.rows = [row for row in job.rows if row["Id"] not in rooms]
    job.groups = tuple(dict.fromkeys((*job.groups, ROOMS)))
    yield from _write([job], names)


def _find_deleted(creates: list[Job], names: FieldNames) -> Exchange[None]:
    """Creates whose record was made by an earlier try and deleted by somebody since: they end as gone, or the record
    would come back. Only a pair's first: of a later one, the deleted record may be one from before."""
    if not creates:
        return
    by_key = {job.key: job for job in creates}
    key = names.sync_key or names.external_id
    queries = [
        wire.soql(f"SELECT Id, {key}, IsDeleted FROM Event WHERE IsChild = false AND {key} IN {wire.in_list(some)}",
                  everything=True)
        for some in wire.text_chunks(by_key)
    ]  # fmt: skip
    found: dict[str, list[bool]] = {}
    for rows in (yield from wire.rows_of_each(queries)):
        for row in rows:
            found.setdefault(row[key], []).append(row["IsDeleted"])
    for value, are_deleted in found.items():
        if value in by_key and all(are_deleted):
            by_key[value].end(Result.GONE, "ENTITY_IS_DELETED")


def _find_again(creates: list[Job], names: FieldNames) -> Exchange[None]:
    """Records that carry these pairs' keys already: of an earlier try, or left from before the state was lost."""
    by_key = {job.key: job for job in creates}
    key = names.sync_key or names.external_id
    queries = [
        wire.soql(f"SELECT Id, {key} FROM Event WHERE IsDeleted = false AND IsChild = false AND {key} IN "
                  f"{wire.in_list(some)} ORDER BY CreatedDate ASC, Id ASC", everything=True)
        for some in wire.text_chunks(by_key)
    ]  # fmt: skip
    known: dict[str, str] = {}
    for rows in (yield from wire.rows_of_each(queries)):
        for row in rows:
            known.setdefault(row[key], row["Id"])
    found, relations = yield from read_records(sorted(known.values()), names)
    alive = {row["Id"]: row for row in found if not row["IsDeleted"]}
    for value, job in by_key.items():
        record = alive.get(known.get(value, ""))
        if record is not None:  # else not made yet, or the key is taken by what cannot be read: the refusal stands
            job.again(record, relations.get(record["Id"], []))


def _relate(jobs: list[Job], names: FieldNames) -> Exchange[None]:
    """Make the attendee and room rows of these events what the commands say; other rows (leads) stay."""
    deletes: list[tuple[Job, str]] = []
    inserts: list[tuple[Job, dict[str, Any]]] = []
    updates: list[tuple[Job, dict[str, Any]]] = []
    for job in jobs:
        relations = Relations(job.record_id, job.rows, names)
        differences = []
        if ROOMS in job.groups:
            differences.append(relations.booking(_content(job), only_add=job.is_again))
        if PEOPLE in job.groups:
            differences.append(relations.towards(_content(job), job.owner_id, only_add=job.is_again))
        for difference in differences:
            deletes += [(job, row_id) for row_id in difference.deletes]
            inserts += [(job, row) for row in difference.inserts]
            updates += [(job, row) for row in difference.updates]
    steps: list[tuple[Call, Sequence[tuple[Job, Any]]]] = []
    steps += [(wire.delete([row_id for _, row_id in part]), part) for part in wire.chunks(deletes)]
    steps += [(wire.insert(RELATION, [row for _, row in part]), part) for part in wire.chunks(inserts)]
    steps += [(wire.update(RELATION, [row for _, row in part]), part) for part in wire.chunks(updates)]
    replies = yield from wire.together([*(call for call, _ in steps), *_queries(jobs, names)])
    for (_, part), reply in zip(steps, replies, strict=False):
        _took_people(part, reply)
    yield from _read_answers(jobs, replies[len(steps) :], names)


def _took_people(part: Sequence[tuple[Job, Any]], reply: Reply) -> None:
    """A row that Salesforce refuses is a warning: the event itself stays."""
    for (job, what), saved in zip(part, wire.read_saved(reply), strict=True):
        error = saved.error
        if error is None or isinstance(error, Gone) or error.code in wire.DUPLICATES:
            continue
        if isinstance(error, Refused):
            who = what.get("RelationId", what.get("id", "")) if isinstance(what, dict) else what
            is_room = str(who).startswith(job.names.calendar_prefix or "\0")
            job.warnings.append(f"{'room' if is_room else 'attendee'} {who}: {error.code}")
        else:
            job.error = error


def _queries(jobs: list[Job], names: FieldNames) -> list[Call]:
    ids = [job.record_id for job in jobs]
    return [*event_queries(ids, names), *relation_queries(ids, names)]


def _read_back(jobs: list[Job], names: FieldNames) -> Exchange[None]:
    """What the records hold that were written but not read since."""
    replies = yield from wire.together(_queries(jobs, names))
    yield from _read_answers(jobs, replies, names)


def _read_answers(jobs: list[Job], replies: list[Reply], names: FieldNames) -> Exchange[None]:
    """End these jobs with what their records hold now."""
    answers = yield from wire.rows_behind(replies)
    half = len(answers) // 2  # as many queries for the events as for the relations of the same ids
    found = {row["Id"]: row for rows in answers[:half] for row in rows if not row["IsDeleted"]}
    relations = by_event(row for rows in answers[half:] for row in rows)
    for job in jobs:
        row = found.get(job.record_id)
        if not job.is_open:
            continue
        if row is None:
            job.end(Result.GONE, "ENTITY_IS_DELETED")  # between the write and the reading back
            continue
        job.take(row, relations.get(job.record_id, []))
        if job.is_open and job.held is not None:
            is_stale = job.is_again and is_overtaken(job.held.content, job.command, names)
            job.end(Result.STALE if is_stale else Result.APPLIED)
