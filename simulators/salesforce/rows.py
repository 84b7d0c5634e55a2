"""The sObject resources: describe, create, read, update, delete, upsert by external id."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from typing import Any
from urllib.parse import quote

from simulators.http import Response
from simulators.salesforce.calls import Call, no_content, writing
from simulators.salesforce.describe import basic_information, describe_global, describe_object
from simulators.salesforce.errors import (
    MultipleChoices,
    SalesforceError,
    method_not_allowed,
    no_such_record,
    not_found,
)
from simulators.salesforce.event_rules import rest_of_series
from simulators.salesforce.records import Records
from simulators.salesforce.replication import Replication
from simulators.salesforce.schema import Field, SObject
from simulators.salesforce.soql.engine import Soql, Viewer
from simulators.salesforce.soql.render import full_record, record_json, record_url
from simulators.salesforce.soql.syntax import SoqlError
from simulators.salesforce.store import Row
from simulators.salesforce.values import read_datetime

UPSERT_BODY_VERSION = 46.0
"""First version whose upsert of an existing record answers 200 with a body instead of 204."""


class RowResources:
    """Everything under /sobjects."""

    def __init__(self, records: Records, replication: Replication, built: datetime) -> None:
        self._records = records
        self._replication = replication
        self._built = built.replace(microsecond=0)

    def answer(self, call: Call, segments: list[str]) -> Response:
        """Answer `/sobjects/...`; `segments` are the parts behind `sobjects`, decoded."""
        method = call.request.method
        if not segments:
            _allow(method, "GET")
            return self._unless_unmodified(call, describe_global(self._records.schema, call.version))
        sobject = call.schema.object(segments[0])
        match segments[1:]:
            case []:
                return self._basic(call, sobject)
            case ["describe"]:
                _allow(method, "GET")
                # Describe ignores a default namespace.
                schema = self._records.schema
                full = schema.object(sobject.stored_as or sobject.name)
                return self._unless_unmodified(call, describe_object(schema, full, call.version))
            case ["updated" | "deleted" as which]:
                _allow(method, "GET")
                return self._replication.answer(call, sobject, which)
            case ["Id"] if method == "POST":
                return self.create(call, sobject)
            case [record_id]:
                return self._by_id(call, sobject, record_id)
            case [record_id, "fromThisEventOnwards"] if sobject.name == "Event":
                _allow(method, "DELETE")
                return self._delete_series_rest(call, sobject, record_id)
            case [field, value]:
                return self._by_external_id(call, sobject, field, value)
        raise not_found()

    def create(self, call: Call, sobject: SObject) -> Response:
        """POST of a new record: 201 with its id."""
        body = call.object_body()
        with writing(self._records, call) as tx:
            record_id = self._records.create(tx, sobject, body)
        location = record_url(call.version, sobject.name, record_id)
        return Response.of_json(201, {"id": record_id, "success": True, "errors": []}, {"location": location})

    def _basic(self, call: Call, sobject: SObject) -> Response:
        if call.request.method == "GET":
            return Response.of_json(200, basic_information(sobject, call.version))
        _allow(call.request.method, "GET", "POST")
        return self.create(call, sobject)

    def _by_id(self, call: Call, sobject: SObject, record_id: str) -> Response:
        if len(record_id) not in {15, 18} or not record_id.isalnum():
            # The path of an id is also the path of an external id field, and the service answers for that.
            raise no_such_record(record_id)
        method = call.request.method
        if method == "GET":
            return self._read(call, sobject, self._records.readable_row(sobject, record_id))
        if method == "DELETE":
            with writing(self._records, call) as tx:
                self._records.delete(tx, sobject, record_id)
            return no_content()
        _allow(method, "GET", "PATCH", "DELETE")
        self._update(call, sobject, record_id, call.object_body())
        return no_content()

    def _update(self, call: Call, sobject: SObject, record_id: str, body: Mapping[str, Any]) -> None:
        with writing(self._records, call) as tx:
            check_unmodified(call, self._records.writable_row(sobject, record_id))
            self._records.update(tx, sobject, record_id, body)

    def _read(self, call: Call, sobject: SObject, row: Row) -> Response:
        modified = read_datetime(row["LastModifiedDate"])
        headers = {"last-modified": format_datetime(modified, usegmt=True)}
        since = _date_header(call, "if-modified-since")
        if since is not None and modified <= since:
            return Response(304, headers)
        check_unmodified(call, row)
        wanted = call.request.query.get("fields")
        if not wanted:
            return Response.of_json(200, full_record(sobject, sobject.fields, row, call.version), headers)
        return Response.of_json(200, self.selected(call, sobject, wanted.split(","), [row])[0], headers)

    def selected(self, call: Call, sobject: SObject, names: list[str], rows: list[Row]) -> list[dict[str, Any]]:
        """Records with these field paths. Raises SalesforceError for an unknown one."""
        soql = Soql(call.schema, self._records.store, Viewer(self._records.clock.now(), call.zone))
        try:
            nodes = soql.projection(sobject, names)
        except SoqlError as error:
            raise SalesforceError(400, error.code, error.message) from None
        return [record_json(soql.columns, sobject, nodes, row, call.version) for row in rows]

    def _by_external_id(self, call: Call, sobject: SObject, name: str, value: str) -> Response:
        field = external_id_field(sobject, name)
        if field is None or (field.type == "id" and call.request.method != "GET" and not value):
            raise no_such_record(name)
        if call.request.method == "PATCH":
            return self._upsert(call, sobject, field, value)
        _allow(call.request.method, "GET", "PATCH", "DELETE")
        rows = self._records.matching(sobject, field, value)
        if len(rows) > 1:
            return self._several(call, sobject, [row["Id"] for row in rows])
        if not rows:
            raise no_such_record(value)
        return self._by_id(call, sobject, rows[0]["Id"])

    def _upsert(self, call: Call, sobject: SObject, field: Field, value: str) -> Response:
        body = call.object_body()
        if any(sobject.field(key) is field for key in body):
            text = f"The {field.name} field should not be specified in the sobject data."
            raise SalesforceError(400, "INVALID_FIELD", text, [field.name])
        update_only = call.request.query.get("updateOnly", "").lower() == "true"
        try:
            with writing(self._records, call) as tx:
                for row in self._records.matching(sobject, field, value):
                    check_unmodified(call, row)
                record_id, created = self._records.upsert(tx, sobject, (field, value), body, update_only=update_only)
        except MultipleChoices as choices:
            return self._several(call, sobject, choices.ids)
        result: dict[str, Any] = {"id": record_id, "success": True, "errors": []}
        has_body = float(call.version) >= UPSERT_BODY_VERSION
        if not created and not has_body:
            return no_content()
        if has_body:
            result["created"] = created
        headers = {"location": record_url(call.version, sobject.name, record_id)} if created else {}
        return Response.of_json(201 if created else 200, result, headers)

    @staticmethod
    def _several(call: Call, sobject: SObject, ids: list[str]) -> Response:
        return Response.of_json(300, [record_url(call.version, sobject.name, quote(key)) for key in ids])

    def _delete_series_rest(self, call: Call, sobject: SObject, record_id: str) -> Response:
        row = self._records.writable_row(sobject, record_id)
        if row["IsChild"] or not row["IsRecurrence2"]:
            text = "The event is not part of an event series"
            raise SalesforceError(400, "INVALID_OPERATION", text, ["Id"])
        with writing(self._records, call) as tx:
            for occurrence in rest_of_series(self._records, row):
                self._records.remove(tx, sobject, occurrence)
        return no_content()

    def _unless_unmodified(self, call: Call, body: dict[str, Any]) -> Response:
        headers = {"last-modified": format_datetime(self._built, usegmt=True)}
        since = _date_header(call, "if-modified-since")
        if since is not None and self._built <= since:
            return Response(304, headers)
        return Response.of_json(200, body, headers)


def external_id_field(sobject: SObject, name: str) -> Field | None:
    """The field of this name if records can be addressed by it."""
    field = sobject.field(name)
    return field if field is not None and (field.external_id or field.type == "id") else None


def check_unmodified(call: Call, row: Row) -> None:
    """Refuse with 412 when the record changed after If-Unmodified-Since. Whole seconds are compared."""
    since = _date_header(call, "if-unmodified-since")
    if since is not None and read_datetime(row["LastModifiedDate"]) > since:
        text = "The record was modified after the date given in If-Unmodified-Since"
        raise SalesforceError(412, "PRECONDITION_FAILED", text)


def _date_header(call: Call, name: str) -> datetime | None:
    text = call.request.header(name)
    if not text:
        return None
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        raise SalesforceError(400, "INVALID_HEADER", f"{name}: invalid date: {text}") from None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def _allow(method: str, *allowed: str) -> None:
    if method not in allowed:
        raise method_not_allowed(method, allowed)
