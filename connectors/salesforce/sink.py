"""Commands carried out in Salesforce, up to 200 of different pairs in each round of calls. Pure exchanges, no clock.

Every step may be done again: a create carries the unique sync key, so Salesforce itself refuses a second one; an
update is compared with what the record holds before it is written. When an answer is lost the error is raised, the
edge sends the same commands later, and what took effect is recognised.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from connectors.exchange import Call, Exchange
from connectors.salesforce import wire
from connectors.salesforce.fields import FieldNames
from connectors.salesforce.source import OBJECT, read_items
from connectors.salesforce.translate import PEOPLE_PREFIXES, to_fields, wanted_relations
from schemas.calendar import CalendarEvent, Sensitivity
from schemas.changes import Item
from schemas.commands import Action, Command, Outcome, Result
from schemas.errors import AuthRejected, Gone, ServiceError, Throttled, Unavailable
from schemas.groups import MARKS, MEMBERS, OWNER, PEOPLE, PRIVACY

RELATION: Final = "EventRelation"


@dataclass
class _Job:
    """One command under way: the record it is about, and how it ended once it has."""

    command: Command
    record_id: str = ""
    held: Item | None = None
    groups: tuple[str, ...] = ()
    ending: tuple[Result, str, str] | None = None
    error: ServiceError | None = None
    warnings: list[str] = field(default_factory=list)

    @property
    def is_open(self) -> bool:
        return self.ending is None and self.error is None

    def end(self, result: Result, code: str = "", message: str = "") -> None:
        self.ending = (result, code, message)

    def fail(self, error: ServiceError) -> None:
        """A refusal and a missing record end the command; what passes leaves it to be sent again."""
        if isinstance(error, (Throttled, Unavailable, AuthRejected)):
            self.error = error
        elif isinstance(error, Gone):
            self.end(Result.APPLIED if self.command.action is Action.DELETE else Result.GONE, error.code)
        else:
            self.end(Result.REFUSED, error.code, error.what)


def apply_command(command: Command, *, now: datetime, names: FieldNames) -> Exchange[Outcome]:
    """Carry out one command. Raises Throttled, Unavailable or AuthRejected when nothing can be said yet."""
    (result,) = yield from apply_commands((command,), now=now, names=names)
    if isinstance(result, ServiceError):
        raise result
    return result


def apply_commands(
    commands: Sequence[Command], *, now: datetime, names: FieldNames
) -> Exchange[tuple[Outcome | ServiceError, ...]]:
    """Carry out commands of different pairs; one outcome each, in order, or the error after which to send it again."""
    assert len({command.pair_key for command in commands}) == len(commands) <= wire.COLLECTION_MAX
    jobs = [_Job(command, command.id, groups=command.fields) for command in commands]
    requests = [0]
    yield from _counting(_carry_out(jobs, names), requests)
    items: dict[str, Item] = {}
    done = [job.record_id for job in jobs if job.ending is not None and job.ending[0] is Result.APPLIED
            and job.command.action is not Action.DELETE]  # fmt: skip
    if done:
        items = yield from _counting(read_items(done, names), requests)
    return tuple(_outcome(job, items, now, requests[0]) for job in jobs)


def _outcome(job: _Job, items: dict[str, Item], now: datetime, requests: int) -> Outcome | ServiceError:
    if job.error is not None:
        return job.error
    assert job.ending is not None, "every job ends"
    result, code, message = job.ending
    item = job.held if result is Result.STALE else items.get(job.record_id)
    command = job.command
    if result is Result.APPLIED and item is None and command.action is not Action.DELETE:
        result = Result.GONE  # deleted between the write and the reading back
    return Outcome(
        command.command_id, command.pair_key, command.side, command.action, result, now, item, code, message,
        warning="; ".join(job.warnings), requests=requests,
    )  # fmt: skip


def _counting(inner: Exchange[Any], requests: list[int]) -> Exchange[Any]:
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
    except StopIteration as stop:
        return stop.value


def _carry_out(jobs: list[_Job], names: FieldNames) -> Exchange[None]:
    deletes = [job for job in jobs if job.command.action is Action.DELETE]
    creates = [job for job in jobs if job.command.action is Action.CREATE]
    updates = [job for job in jobs if job.command.action is Action.UPDATE]
    yield from _each(deletes, lambda some: wire.delete([job.record_id for job in some]))
    for job in deletes:
        if job.is_open:
            job.end(Result.APPLIED)
    if updates:
        held = yield from read_items([job.record_id for job in updates], names)
        for job in updates:
            _judge(job, held.get(job.record_id), names)
    yield from _create(creates, names)
    writing = [job for job in (*creates, *updates) if job.is_open]
    private = [job for job in writing if PRIVACY in job.groups and _is_private(job.command.content)]
    yield from _relate(private, withdraw_all=True)
    changing = [job for job in updates if job.is_open and _body(job, names)]
    yield from _each(
        changing, lambda some: wire.update(OBJECT, [{"id": job.record_id, **_body(job, names)} for job in some])
    )
    # People after everything else: a changed time resets the answers of those who are there already.
    yield from _relate([job for job in writing if job.is_open and PEOPLE in job.groups])
    for job in writing:
        if job.is_open:
            job.end(Result.APPLIED)


def _is_private(content: CalendarEvent | None) -> bool:
    return content is not None and content.sensitivity is not Sensitivity.NORMAL


def _body(job: _Job, names: FieldNames) -> dict[str, Any]:
    assert job.command.content is not None
    return to_fields(job.command.content, job.groups, names, job.command.pair_key)


def _judge(job: _Job, held: Item | None, names: FieldNames) -> None:
    """Compare an update with what the record holds: done already, gone, or edited since the decision."""
    command, content, basis = job.command, job.command.content, job.command.basis
    assert content is not None
    job.held = held
    if held is None:
        job.end(Result.GONE, "NOT_FOUND")
        return
    groups = [group for group in command.fields if group != MARKS]
    differing = [group for group in groups if _part(held.content, group) != _part(content, group)]
    if basis is not None and any(_part(held.content, group) != _part(basis, group) for group in differing):
        job.end(Result.STALE)
        return
    has_marks = MARKS not in command.fields or (
        (not names.sync_key or held.sync_key == command.pair_key)
        and _part(held.content, MARKS) == _part(content, MARKS)
    )
    if not differing and has_marks:
        job.end(Result.APPLIED)
    job.groups = (*differing, *(() if has_marks else (MARKS,)))


def _part(content: CalendarEvent, group: str) -> object:
    """One group as Salesforce can hold it, in a form that compares."""
    if group == PEOPLE:
        people = frozenset((p.record_id, p.response) for p in content.attendees if p.record_id)
        return people, content.send_invitations
    if group == OWNER:
        return content.owner_id
    return tuple(getattr(content, name) for name in MEMBERS[group])


def _create(creates: list[_Job], names: FieldNames) -> Exchange[None]:
    """Insert; a sync key that exists already names the record of an earlier try, or one found after a rebuild."""
    if not creates:
        return
    if not names.sync_key:
        raise Unavailable("The org has no sync key field: creates cannot be made safe.", was_sent=False)
    yield from _each(
        creates, lambda some: wire.insert(OBJECT, [_without_nothing(_body(job, names)) for job in some]), take_id=True
    )
    again = [job for job in creates if job.ending is not None and job.ending[1] in wire.DUPLICATES]
    if not again:
        return
    keys = wire.in_list(job.command.pair_key for job in again)
    rows = yield from wire.rows_of(f"SELECT Id, {names.sync_key} FROM Event WHERE {names.sync_key} IN {keys}")
    known = {row[names.sync_key]: row["Id"] for row in rows}
    held = yield from read_items(sorted(known.values()), names)
    for job in again:
        job.record_id = known.get(job.command.pair_key, "")
        _judge_existing(job, held.get(job.record_id))


def _without_nothing(body: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in body.items() if value is not None}


def _judge_existing(job: _Job, held: Item | None) -> None:
    """The record of this pair exists: ours from an earlier try, finished where only people are missing; else stale."""
    if held is None:
        return  # the refusal stands: the key is taken by a record that cannot be read
    content = job.command.content
    assert content is not None
    job.ending, job.held = None, held
    others = [group for group in job.command.fields if group not in (MARKS, PEOPLE)]
    if any(_part(held.content, group) != _part(content, group) for group in others):
        job.end(Result.STALE)
        return
    job.groups = (PEOPLE,) if _part(held.content, PEOPLE) != _part(content, PEOPLE) else ()


def _each(jobs: Sequence[_Job], build: Callable[[Sequence[_Job]], Call], *, take_id: bool = False) -> Exchange[None]:
    """One collections call for jobs that each stand for one record; failures end their own job only."""
    for some in wire.chunks([job for job in jobs if job.is_open]):
        for job, saved in zip(some, wire.read_saved((yield build(some))), strict=True):
            if saved.error is not None:
                job.fail(saved.error)
            elif take_id:
                job.record_id = saved.id


def _relate(jobs: Sequence[_Job], *, withdraw_all: bool = False) -> Exchange[None]:
    """Make the attendee rows of these events what the commands say; other rows (rooms, leads) stay."""
    jobs = [job for job in jobs if job.is_open]
    existing = [job.record_id for job in jobs if job.held is not None]
    rows = []
    for some in wire.chunks(existing):
        query = (
            f"SELECT Id, EventId, RelationId, Status, Response FROM {RELATION} WHERE EventId IN {wire.in_list(some)}"
        )
        rows += yield from wire.rows_of(query)
    inserts, updates, deletes = [], [], []
    for job in jobs:
        content = job.command.content
        assert content is not None
        owner_id = content.owner_id or (job.held.content.owner_id if job.held is not None else "")
        hide = withdraw_all or (_is_private(content) and PRIVACY in job.command.fields)
        wanted = {} if hide else wanted_relations(content, owner_id)
        present = {r["RelationId"]: r for r in rows if r["EventId"] == job.record_id and _is_person(r)}
        for record_id, row in present.items():
            if record_id not in wanted:
                deletes.append((job, row["Id"]))
            elif any(row.get(name) != value for name, value in wanted[record_id].items()):
                updates.append((job, {"id": row["Id"], **wanted[record_id]}))
        for record_id in wanted.keys() - present.keys():
            members = _without_nothing(wanted[record_id])
            inserts.append((job, {"EventId": job.record_id, "RelationId": record_id, **members}))
    inserts.sort(key=lambda pair: (pair[1]["EventId"], pair[1]["RelationId"]))
    for part in wire.chunks(deletes):
        yield from _people(part, wire.delete([row_id for _, row_id in part]))
    for part in wire.chunks(inserts):
        yield from _people(part, wire.insert(RELATION, [row for _, row in part]))
    for part in wire.chunks(updates):
        yield from _people(part, wire.update(RELATION, [row for _, row in part]))


def _is_person(row: dict[str, Any]) -> bool:
    return str(row["RelationId"]).startswith(PEOPLE_PREFIXES)


def _people(part: Sequence[tuple[_Job, Any]], call: Call) -> Exchange[None]:
    """One call for attendee rows. A row that Salesforce refuses is a warning: the event itself stays."""
    for (job, what), saved in zip(part, wire.read_saved((yield call)), strict=True):
        error = saved.error
        if error is None or isinstance(error, Gone) or error.code in wire.DUPLICATES:
            continue
        if isinstance(error, (Throttled, Unavailable, AuthRejected)):
            job.error = error
        else:
            who = what.get("RelationId", what.get("id", "")) if isinstance(what, dict) else what
            job.warnings.append(f"attendee {who}: {error.code}")
