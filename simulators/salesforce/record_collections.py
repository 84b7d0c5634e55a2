"""sObject collections: up to 200 records in one call, each with its own result inside a 200."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from simulators.http import Response
from simulators.salesforce.calls import Call, writing
from simulators.salesforce.changes import Transaction
from simulators.salesforce.errors import (
    MultipleChoices,
    SalesforceError,
    method_not_allowed,
    no_such_record,
    not_found,
)
from simulators.salesforce.ids import canonical
from simulators.salesforce.records import Records, fits_view
from simulators.salesforce.rows import RowResources, external_id_field
from simulators.salesforce.schema import Field, SObject

RECORDS_MAX: Final = 200
CHUNKS_MAX: Final = 10
READ_MAX: Final = 2000
_ROLLED_BACK: Final = {
    "statusCode": "ALL_OR_NONE_OPERATION_ROLLED_BACK",
    "message": "Record rolled back because not all records were valid and the request was using AllOrNone header",
    "fields": [],
}
Step = Callable[[Transaction], dict[str, Any]]
"""Writes one item and answers its successful result."""


class Collections:
    """Everything under /composite/sobjects."""

    def __init__(self, records: Records, rows: RowResources) -> None:
        self._records = records
        self._rows = rows

    def answer(self, call: Call, segments: list[str]) -> Response:
        """Answer `/composite/sobjects/...`; `segments` are the parts behind it, decoded."""
        method = call.request.method
        match segments, method:
            case [], "POST":
                return self._create(call)
            case [], "PATCH":
                return self._update(call)
            case [], "DELETE":
                return self._delete(call)
            case [name], "POST" | "GET":
                return self._read(call, call.schema.object(name))
            case [name, field], "PATCH":
                return self._upsert(call, call.schema.object(name), field)
        if len(segments) > 2:
            raise not_found()
        allowed = (["POST", "PATCH", "DELETE"], ["GET", "POST"], ["PATCH"])[len(segments)]
        raise method_not_allowed(method, allowed)

    def _create(self, call: Call) -> Response:
        body = call.object_body()
        items = _items(body)

        def step(item: Mapping[str, Any]) -> Step:
            def write(tx: Transaction) -> dict[str, Any]:
                return _saved(self._records.create(tx, _type_of(call, item), _fields(item)))

            return write

        return self._run(call, [step(item) for item in items], all_or_none=_flag(body), ids=[None] * len(items))

    def _update(self, call: Call) -> Response:
        body = call.object_body()
        items = _items(body)

        def step(item: Mapping[str, Any]) -> Step:
            def write(tx: Transaction) -> dict[str, Any]:
                sobject, record_id = _type_of(call, item), _id_of(item)
                self._records.update(tx, sobject, record_id, _fields(item, without_id=True))
                return _saved(canonical(record_id))

            return write

        ids = [str(_raw_id(item) or "") for item in items]
        return self._run(call, [step(item) for item in items], all_or_none=_flag(body), ids=ids)

    def _upsert(self, call: Call, sobject: SObject, name: str) -> Response:
        body = call.object_body()
        items = _items(body)
        field = external_id_field(sobject, name)
        if field is None:
            raise no_such_record(name)
        keys = [_key_of(item, sobject, field) for item in items]
        repeated = {key for key, count in Counter(key for key in keys if key).items() if count > 1}

        def step(item: Mapping[str, Any], key: str) -> Step:
            def write(tx: Transaction) -> dict[str, Any]:
                if not key and field.type != "id":
                    raise SalesforceError(400, "MISSING_ARGUMENT", f"{field.name} not specified", [])
                if key in repeated:
                    text = f"Duplicate external id specified: {key}"
                    raise SalesforceError(400, "DUPLICATE_VALUE", text, [field.name])
                if _type_of(call, item) is not sobject:
                    raise SalesforceError(400, "INVALID_TYPE", f"the records must be of type {sobject.name}", [])
                rest = {name: value for name, value in _fields(item).items() if sobject.field(name) is not field}
                if not key:
                    return {**_saved(self._records.create(tx, sobject, rest)), "created": True}
                found, created = self._records.upsert(tx, sobject, (field, key), rest, update_only=False)
                return {**_saved(found), "created": created}

            return write

        steps = [step(item, key) for item, key in zip(items, keys, strict=True)]
        return self._run(call, steps, all_or_none=_flag(body), ids=[None] * len(items))

    def _delete(self, call: Call) -> Response:
        query = call.request.query
        ids = [item.strip() for item in query.get("ids", "").split(",") if item.strip()]
        if not ids:
            raise SalesforceError(400, "MISSING_ARGUMENT", "The parameter ids is required")
        _check_count(len(ids), RECORDS_MAX)

        def step(given: str) -> Step:
            def write(tx: Transaction) -> dict[str, Any]:
                try:
                    key = canonical(given)
                except ValueError:
                    raise SalesforceError(400, "MALFORMED_ID", f"malformed id {given}", []) from None
                sobject = call.schema.of_id(key)
                if sobject is None:
                    raise SalesforceError(400, "MALFORMED_ID", f"malformed id {given}", [])
                self._records.delete(tx, sobject, key)
                return _saved(key)

            return write

        flag = query.get("allOrNone", "").lower() == "true"
        return self._run(call, [step(given) for given in ids], all_or_none=flag, ids=ids)

    def _read(self, call: Call, sobject: SObject) -> Response:
        if call.request.method == "GET":
            ids: Any = call.request.query.get("ids", "").split(",")
            fields: Any = call.request.query.get("fields", "").split(",")
        else:
            body = call.object_body()
            ids, fields = body.get("ids"), body.get("fields")
        if not _is_texts(ids) or not _is_texts(fields) or not fields[0]:
            raise SalesforceError(400, "MISSING_ARGUMENT", "ids and fields are required")
        _check_count(len(ids), READ_MAX)
        # An unknown field is refused even when no record is found.
        self._rows.selected(call, sobject, fields, [])
        found: list[Any] = []
        for given in ids:
            try:
                key = canonical(given.strip())
            except ValueError:
                found.append(None)
                continue
            row = self._records.store.live(sobject.table, key)
            visible = row is not None and not row.get("IsArchived") and fits_view(sobject, row)
            found.append(self._rows.selected(call, sobject, fields, [row])[0] if row is not None and visible else None)
        return Response.of_json(200, found)

    def _run(self, call: Call, steps: Sequence[Step], *, all_or_none: bool, ids: Sequence[str | None]) -> Response:
        """Run the steps in one transaction; a failed one takes back its own writes, or everybody's."""
        results: list[dict[str, Any]] = []
        with writing(self._records, call) as tx:
            start = tx.savepoint()
            for step in steps:
                place = tx.savepoint()
                try:
                    results.append(step(tx))
                except SalesforceError as error:
                    tx.rollback_to(place)
                    results.append({"success": False, "errors": [error.as_item_error()]})
                except MultipleChoices as choices:
                    tx.rollback_to(place)
                    several = SalesforceError(300, "DUPLICATE_EXTERNAL_ID", str(choices), [])
                    results.append({"success": False, "errors": [several.as_item_error()]})
            if all_or_none and not all(result["success"] for result in results):
                tx.rollback_to(start)
                results = [
                    _rolled_back(given) if result["success"] else result
                    for given, result in zip(ids, results, strict=True)
                ]
        return Response.of_json(200, results)


def _saved(record_id: str) -> dict[str, Any]:
    return {"id": record_id, "success": True, "errors": []}


def _rolled_back(record_id: str | None) -> dict[str, Any]:
    """The result of an item that was fine but went down with the others; a new record has no id then."""
    named = {"id": canonical(record_id)} if record_id else {}
    return {**named, "success": False, "errors": [_ROLLED_BACK]}


def _items(body: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    items = body.get("records")
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise SalesforceError(400, "INVALID_INPUT", "The parameter records must be an array of objects")
    _check_count(len(items), RECORDS_MAX)
    types = [str((item.get("attributes") or {}).get("type", "")).lower() for item in items]
    if not all(types):
        raise SalesforceError(400, "INVALID_INPUT", "Each record needs attributes with a type")
    chunks = sum(1 for place, name in enumerate(types) if place == 0 or types[place - 1] != name)
    if chunks > CHUNKS_MAX:
        text = (
            f"Cannot have more than {CHUNKS_MAX} chunks in a single operation. Please rearrange the data to reduce "
            "chunking."
        )
        raise SalesforceError(400, "INVALID_INPUT", text)
    return items


def _check_count(count: int, maximum: int) -> None:
    if count > maximum:
        text = f"record limit reached. cannot submit more than {maximum} records into this call"
        raise SalesforceError(400, "EXCEEDED_ID_LIMIT", text)


def _type_of(call: Call, item: Mapping[str, Any]) -> SObject:
    name = str(item["attributes"]["type"])
    found = call.schema.find(name)
    if found is None:
        raise SalesforceError(400, "INVALID_TYPE", f"sObject type '{name}' is not supported.", [])
    return found


def _fields(item: Mapping[str, Any], *, without_id: bool = False) -> dict[str, Any]:
    return {
        name: value
        for name, value in item.items()
        if name != "attributes" and not (without_id and name.lower() == "id")
    }


def _raw_id(item: Mapping[str, Any]) -> Any:
    return next((value for name, value in item.items() if name.lower() == "id"), None)


def _id_of(item: Mapping[str, Any]) -> str:
    value = _raw_id(item)
    if not value:
        raise SalesforceError(400, "MISSING_ARGUMENT", "Id not specified in an update call", [])
    return str(value)


def _key_of(item: Mapping[str, Any], sobject: SObject, field: Field) -> str:
    value = next((value for name, value in item.items() if sobject.field(name) is field), None)
    return "" if value is None else str(value)


def _flag(body: Mapping[str, Any]) -> bool:
    return body.get("allOrNone") is True


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, str) for item in value)
