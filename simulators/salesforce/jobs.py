"""Bulk API 2.0: ingest and query jobs. They run by the clock, in transactions of 200 records."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from simulators.http import Response
from simulators.salesforce.bulk_csv import (
    DELIMITERS,
    LINE_ENDINGS,
    body_of,
    flattened,
    read_table,
    read_text,
    write_table,
)
from simulators.salesforce.calls import Call, change_origin, no_content
from simulators.salesforce.changes import Actor, Transaction
from simulators.salesforce.errors import MultipleChoices, SalesforceError, method_not_allowed, not_found
from simulators.salesforce.ids import IdSource
from simulators.salesforce.queries import Queries
from simulators.salesforce.records import Records
from simulators.salesforce.rows import external_id_field
from simulators.salesforce.schema import SObject
from simulators.salesforce.values import datetime_text, read_datetime

CHUNK: Final = 200
"""Records of one transaction."""
KEPT: Final = timedelta(days=7)
RESULTS_MAX: Final = 50_000
"""Most rows of one page of query results when the caller asks for more or nothing."""
_INGEST: Final = frozenset({"insert", "update", "upsert", "delete", "hardDelete"})
_WAITING: Final = frozenset({"UploadComplete", "InProgress"})


@dataclass
class Job:
    """One job. `results` are rows of text: [id, created or error, *cells] for ingest, cells for queries."""

    id: str
    kind: str
    operation: str
    sobject: str
    user_id: str
    origin: str
    change_origin: str
    created: str
    api_version: str
    delimiter: str = "COMMA"
    line_ending: str = "LF"
    external_id: str = ""
    query: str = ""
    state: str = "Open"
    stamp: str = ""
    due: str = ""
    error: str = ""
    data: str = ""
    header: list[str] = field(default_factory=list)
    succeeded: list[list[str]] = field(default_factory=list)
    failed: list[list[str]] = field(default_factory=list)
    unprocessed: list[list[str]] = field(default_factory=list)

    def info(self) -> dict[str, Any]:
        """The job as every answer shows it."""
        body: dict[str, Any] = {
            "id": self.id,
            "operation": self.operation,
            "object": self.sobject,
            "createdById": self.user_id,
            "createdDate": self.created,
            "systemModstamp": self.stamp,
            "state": self.state,
            "concurrencyMode": "Parallel",
            "contentType": "CSV",
            "apiVersion": float(self.api_version),
            "lineEnding": self.line_ending,
            "columnDelimiter": self.delimiter,
        }
        if self.kind == "ingest":
            body["contentUrl"] = f"services/data/v{self.api_version}/jobs/ingest/{self.id}/batches"
            if self.external_id:
                body["externalIdFieldName"] = self.external_id
        return body

    def status(self) -> dict[str, Any]:
        """The answer to GET: the job and what it has done."""
        done = len(self.succeeded) + len(self.failed)
        body = {**self.info(), "numberRecordsProcessed": done, "retries": 0, "totalProcessingTime": done}
        if self.kind == "query":
            return {**body, "jobType": "V2Query", "isPkChunkingSupported": False}
        if self.error:
            body["errorMessage"] = self.error
        times = {"apiActiveProcessingTime": done, "apexProcessingTime": 0}
        return {**body, **times, "jobType": "V2Ingest", "numberRecordsFailed": len(self.failed)}


class Jobs:
    """The jobs of an org."""

    def __init__(self, records: Records, queries: Queries, ids: IdSource, rng: random.Random) -> None:
        self._records = records
        self._queries = queries
        self._ids = ids
        self._rng = rng
        self._held: dict[str, Job] = {}

    def answer(self, call: Call, segments: list[str]) -> Response:
        """Answer `/jobs/ingest/...` and `/jobs/query/...`; `segments` are the parts behind `jobs`."""
        if not segments or segments[0] not in {"ingest", "query"}:
            raise not_found()
        kind, rest, method = segments[0], segments[1:], call.request.method
        if not rest:
            return self._all(call, kind)
        job = self._held.get(rest[0])
        if job is None or job.kind != kind:
            raise not_found("The requested job does not exist")
        match rest[1:], method:
            case [], "GET":
                return Response.of_json(200, job.status())
            case [], "PATCH":
                return self._set_state(call, job)
            case [], "DELETE":
                if job.state in _WAITING:
                    raise _bad_state(f"a job in state {job.state} cannot be deleted")
                del self._held[job.id]
                return no_content()
            case ["batches"], "PUT":
                return self._upload(call, job)
            case ["results"], "GET":
                return self._results(call, job)
            case [name], "GET":
                return self._ingest_results(job, name)
        raise method_not_allowed(method, ["GET", "PATCH", "DELETE", "PUT"])

    def run_due(self, now: datetime) -> None:
        """Run the jobs whose time has come, and forget those that are a week old."""
        text = datetime_text(now)
        for job in list(self._held.values()):
            if job.state in _WAITING and job.due <= text:
                self._run(job)
                job.stamp = text
            elif read_datetime(job.created) + KEPT < now:
                del self._held[job.id]

    def dump(self) -> list[dict[str, Any]]:
        """The jobs as JSON values; a query job is kept with its rows."""
        return [asdict(job) for job in self._held.values()]

    def load(self, state: list[Mapping[str, Any]]) -> None:
        """Replace the jobs by what `dump` gave."""
        jobs = (Job(**value) for value in state)
        self._held = {job.id: job for job in jobs}

    def _all(self, call: Call, kind: str) -> Response:
        if call.request.method == "GET":
            listed = [job.info() for job in self._held.values() if job.kind == kind]
            return Response.of_json(200, {"done": True, "nextRecordsUrl": None, "records": listed})
        if call.request.method != "POST":
            raise method_not_allowed(call.request.method, ["GET", "POST"])
        body = call.object_body()
        job = self._new(call, kind, body)
        if kind == "ingest":
            self._check_ingest(call, job)
        else:
            self._prepare_query(call, job)
        self._held[job.id] = job
        return Response.of_json(200, job.info())

    def _new(self, call: Call, kind: str, body: Mapping[str, Any]) -> Job:
        delimiter, ending = body.get("columnDelimiter") or "COMMA", body.get("lineEnding") or "LF"
        if delimiter not in DELIMITERS or ending not in LINE_ENDINGS:
            raise SalesforceError(400, "INVALIDJOB", "columnDelimiter or lineEnding is not supported")
        if (body.get("contentType") or "CSV") != "CSV":
            raise SalesforceError(400, "INVALIDJOB", "contentType must be CSV")
        now = datetime_text(self._records.clock.now())
        origin = call.actor.origin if call.request.header("x-sim-origin") else "bulk"
        client = call.options.get("client", "")
        return Job(
            id=self._ids.next("750"),
            kind=kind,
            operation=str(body.get("operation", "")),
            sobject=str(body.get("object", "")),
            user_id=call.actor.user_id,
            origin=origin,
            change_origin=change_origin(origin, call.version, self._records.org.release, client),
            created=now,
            stamp=now,
            api_version=call.version,
            delimiter=delimiter,
            line_ending=ending,
            external_id=str(body.get("externalIdFieldName") or ""),
            query=str(body.get("query") or ""),
        )

    @staticmethod
    def _check_ingest(call: Call, job: Job) -> None:
        if job.operation not in _INGEST:
            raise SalesforceError(400, "INVALIDJOB", f"operation {job.operation} is not supported")
        sobject = call.schema.find(job.sobject)
        if sobject is None:
            raise SalesforceError(400, "INVALIDENTITY", f"Unsupported object: {job.sobject}")
        job.sobject = sobject.name
        if job.operation == "upsert" and external_id_field(sobject, job.external_id) is None:
            raise SalesforceError(400, "INVALIDJOB", "an upsert needs an externalIdFieldName that is an external id")

    def _prepare_query(self, call: Call, job: Job) -> None:
        if job.operation not in {"query", "queryAll"}:
            raise SalesforceError(400, "INVALIDJOB", f"operation {job.operation} is not supported")
        plan = self._queries.plan(call, job.query, all_rows=job.operation == "queryAll")
        if plan.counts_only or plan.grouped or plan.children:
            raise SalesforceError(400, "API_ERROR", "aggregates and child queries are not supported in a query job")
        job.sobject = plan.sobject.name
        # The rows are those of the moment the job was made.
        rows = [flattened(plan.record(row, call.version)) for row in plan.rows()]
        job.header = plan.paths
        job.succeeded = [[row.get(name, "") for name in job.header] for row in rows]
        job.state = "UploadComplete"
        job.due = self._due()

    def _set_state(self, call: Call, job: Job) -> Response:
        wanted = call.object_body().get("state")
        if wanted == "Aborted" and job.state in {"Open", *_WAITING}:
            job.state = "Aborted"
        elif wanted == "UploadComplete" and job.kind == "ingest" and job.state == "Open":
            job.state = "UploadComplete"
            job.due = self._due()
        else:
            raise _bad_state(f"a job in state {job.state} cannot become {wanted}")
        job.stamp = datetime_text(self._records.clock.now())
        return Response.of_json(200, job.info())

    def _upload(self, call: Call, job: Job) -> Response:
        if job.kind != "ingest" or job.state != "Open" or job.data:
            raise _bad_state("data can be uploaded once, while the job is open")
        if call.request.header("content-type").split(";")[0].strip().lower() != "text/csv":
            raise SalesforceError(415, "UNSUPPORTED_MEDIA_TYPE", "the data must be text/csv")
        job.data = read_text(call.request.body)
        return Response(201)

    def _results(self, call: Call, job: Job) -> Response:
        if job.kind != "query" or job.state != "JobComplete":
            raise _bad_state("the job has no results yet")
        query = call.request.query
        try:
            size = min(int(query.get("maxRecords") or RESULTS_MAX), RESULTS_MAX)
            start = int(query.get("locator") or 0)
        except ValueError:
            raise SalesforceError(400, "INVALID_QUERY_LOCATOR", "invalid query locator") from None
        page = job.succeeded[start : start + max(1, size)]
        end = start + len(page)
        headers = {
            "content-type": "text/csv",
            "sforce-locator": "null" if end >= len(job.succeeded) else str(end),
            "sforce-numberofrecords": str(len(page)),
        }
        return Response(200, headers, write_table(job.header, page, job.delimiter, job.line_ending))

    @staticmethod
    def _ingest_results(job: Job, name: str) -> Response:
        tables = {
            "successfulresults": (["sf__Id", "sf__Created", *job.header], job.succeeded),
            "failedresults": (["sf__Id", "sf__Error", *job.header], job.failed),
            "unprocessedrecords": (job.header, job.unprocessed),
        }
        if job.kind != "ingest" or name.lower() not in tables:
            raise not_found()
        if job.state in {"Open", *_WAITING}:
            raise _bad_state("the job has no results yet")
        header, rows = tables[name.lower()]
        return Response(200, {"content-type": "text/csv"}, write_table(header, rows, job.delimiter, job.line_ending))

    def _due(self) -> str:
        wait = self._records.behaviour.bulk_wait_s
        return datetime_text(self._records.clock.now() + timedelta(seconds=self._rng.uniform(0, wait) if wait else 0))

    def _run(self, job: Job) -> None:
        if job.kind == "query":
            job.state = "JobComplete"
            return
        try:
            job.header, rows = read_table(job.data, job.delimiter)
            sobject = self._records.schema.object(job.sobject)
            self._check_header(job, sobject)
        except SalesforceError as error:
            job.state, job.error = "Failed", f"InvalidBatch : {error.message}"
            return
        actor = Actor(job.user_id, job.origin, job.change_origin)
        for start in range(0, len(rows), CHUNK):
            with self._records.begin(actor, self._records.clock.now().astimezone(UTC)) as tx:
                for row in rows[start : start + CHUNK]:
                    self._run_row(tx, job, sobject, row)
        job.state = "JobComplete"

    @staticmethod
    def _check_header(job: Job, sobject: SObject) -> None:
        for name in job.header:
            known = sobject.way_up(name.split(".")[0]) if "." in name else sobject.field(name)
            if known is None:
                raise SalesforceError(400, "INVALIDBATCH", f"Field name not found : {name}")

    def _run_row(self, tx: Transaction, job: Job, sobject: SObject, row: list[str]) -> None:
        place = tx.savepoint()
        body = body_of(job.header, row)
        given = str(next((value for name, value in body.items() if name.lower() == "id"), "") or "")
        try:
            record_id, created = self._write(tx, job, sobject, body, given)
        except SalesforceError as error:
            tx.rollback_to(place)
            fields = ", ".join(error.fields or [])
            job.failed.append([given, f"{error.code}:{error.message}:{fields} --", *row])
        except MultipleChoices as choices:
            tx.rollback_to(place)
            job.failed.append([given, f"DUPLICATE_EXTERNAL_ID:{choices}: --", *row])
        else:
            job.succeeded.append([record_id, "true" if created else "false", *row])

    def _write(self, tx: Transaction, job: Job, sobject: SObject, body: dict[str, Any], given: str) -> tuple[str, bool]:
        rest = {name: value for name, value in body.items() if name.lower() != "id"}
        if job.operation == "insert":
            return self._records.create(tx, sobject, body), True
        if job.operation == "upsert":
            key = external_id_field(sobject, job.external_id)
            assert key is not None, "checked when the job was made"
            value = next((body[name] for name in body if sobject.field(name) is key), None)
            if not value:
                raise SalesforceError(400, "MISSING_ARGUMENT", f"{key.name} not specified", [])
            others = {name: item for name, item in body.items() if sobject.field(name) is not key}
            return self._records.upsert(tx, sobject, (key, str(value)), others, update_only=False)
        if not given:
            raise SalesforceError(400, "MISSING_ARGUMENT", f"Id not specified in an {job.operation} call", [])
        if job.operation == "update":
            self._records.update(tx, sobject, given, rest)
        else:
            self._records.delete(tx, sobject, given)
        return given, False


def _bad_state(message: str) -> SalesforceError:
    return SalesforceError(400, "INVALIDJOBSTATE", message)
