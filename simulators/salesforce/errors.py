"""What the service answers when it refuses: one exception with status, code, message and fields, and its two bodies."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any


class SalesforceError(Exception):
    """A refusal. `status` is the HTTP status of a single call; collections report the same error inside a 200."""

    def __init__(self, status: int, code: str, message: str, fields: Iterable[str] | None = None) -> None:
        super().__init__(f"{code}: {message}")
        self.status = status
        self.code = code
        self.message = message
        self.fields = None if fields is None else list(fields)

    def as_call_error(self) -> dict[str, Any]:
        """One entry of the array that a single call answers with."""
        body: dict[str, Any] = {"message": self.message, "errorCode": self.code}
        if self.fields is not None:
            body["fields"] = self.fields
        return body

    def as_item_error(self) -> dict[str, Any]:
        """One entry of the `errors` array of a collection's item."""
        return {"statusCode": self.code, "message": self.message, "fields": self.fields or []}


def error_body(error: SalesforceError) -> list[dict[str, Any]]:
    """The body of a refused single call."""
    return [error.as_call_error()]


class MultipleChoices(Exception):
    """Several records carry the external id: HTTP 300. `ids` names them."""

    def __init__(self, ids: Sequence[str]) -> None:
        super().__init__(f"{len(ids)} records match")
        self.ids = list(ids)


def malformed_id(label: str, value: object, fields: Iterable[str] = ("Id",)) -> SalesforceError:
    """An id of bad length, bad suffix or another object's prefix. `label` is the field's label."""
    return SalesforceError(400, "MALFORMED_ID", f"{label}: id value of incorrect type: {value}", fields)


def no_such_column(name: str, sobject: str) -> SalesforceError:
    """A field in a write body that the object does not have."""
    return SalesforceError(400, "INVALID_FIELD", f"No such column '{name}' on sobject of type {sobject}")


def not_writable(names: Sequence[str]) -> SalesforceError:
    """Fields that exist but may not be written in this call."""
    listed = ", ".join(names)
    text = (
        f"Unable to create/update fields: {listed}. "
        "Please check the security settings of this field and verify that it is read/write for your profile or "
        "permission set."
    )
    return SalesforceError(400, "INVALID_FIELD_FOR_INSERT_UPDATE", text, names)


def required_missing(names: Sequence[str]) -> SalesforceError:
    """Required fields without a value."""
    listed = ", ".join(names)
    return SalesforceError(400, "REQUIRED_FIELD_MISSING", f"Required fields are missing: [{listed}]", names)


def not_found(message: str = "The requested resource does not exist") -> SalesforceError:
    """A path that leads nowhere."""
    return SalesforceError(404, "NOT_FOUND", message)


def no_such_record(key: str) -> SalesforceError:
    """A record or external id field that does not exist, as single-record calls word it."""
    return not_found(f"Provided external ID field does not exist or is not accessible: {key}")


def entity_is_deleted() -> SalesforceError:
    """A write to a record in the Recycle Bin."""
    return SalesforceError(404, "ENTITY_IS_DELETED", "entity is deleted", [])


def invalid_cross_reference(field: str, status: int = 400) -> SalesforceError:
    """A reference to a record that does not exist."""
    return SalesforceError(status, "INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id", [field])


def integrity(message: str, fields: Iterable[str] = ()) -> SalesforceError:
    """A value that contradicts another one."""
    return SalesforceError(400, "FIELD_INTEGRITY_EXCEPTION", message, fields)


def json_parser_error(message: str) -> SalesforceError:
    """A body that is not JSON, or a JSON value of a type that the field cannot take."""
    return SalesforceError(400, "JSON_PARSER_ERROR", message)


def method_not_allowed(method: str, allowed: Sequence[str]) -> SalesforceError:
    """A method that the resource does not offer."""
    listed = ",".join(allowed)
    return SalesforceError(405, "METHOD_NOT_ALLOWED", f"HTTP Method '{method}' not allowed. Allowed are {listed}")
