"""Values between JSON and the store: coercion by field type, with the refusals of each type.

The store keeps the wire form: a dateTime is text such as `2026-05-20T14:00:00.000+0000`, a date `2026-05-20`, an id its
18 characters. In this form equal instants are equal texts and order of text is order of time.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, timezone
from functools import lru_cache
from typing import Any, Final

from simulators.salesforce.errors import SalesforceError, json_parser_error, malformed_id
from simulators.salesforce.ids import canonical
from simulators.salesforce.schema import Field

_DATETIME: Final = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.\d{1,9})?(Z|[+-]\d\d:?\d\d)",
)
_DATE: Final = re.compile(r"(\d{4})-(\d\d)-(\d\d)")
_EMAIL: Final = re.compile(r"[^@\s,;<>()\[\]]+@[^@\s,;<>()\[\]]+\.[^@\s,;<>()\[\].]+")
_INT_MAX: Final = 2**31 - 1
_JSON_TOKENS: Final = ((bool, "VALUE_TRUE"), (int, "VALUE_NUMBER_INT"), (float, "VALUE_NUMBER_FLOAT"))


@lru_cache(maxsize=1024)
def datetime_text(moment: datetime) -> str:
    """A dateTime in wire form, whole seconds: the service drops what lies below."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000+0000")


@lru_cache(maxsize=1024)
def read_datetime(text: str) -> datetime:
    """A dateTime given with `Z` or an offset, as an aware UTC value in whole seconds. Raises ValueError otherwise."""
    match = _DATETIME.fullmatch(text)
    if match is None:
        raise ValueError(text)
    *numbers, zone = match.groups()
    moment = datetime(*(int(number) for number in numbers), tzinfo=UTC)  # type: ignore[misc,arg-type]
    if zone == "Z":
        return moment
    hours, minutes = int(zone[1:3]), int(zone[-2:])
    offset = timedelta(hours=hours, minutes=minutes)
    if minutes > 59 or offset >= timedelta(hours=24):
        raise ValueError(text)
    return moment.replace(tzinfo=timezone(-offset if zone[0] == "-" else offset)).astimezone(UTC)


def read_date(text: str) -> date:
    """A date `yyyy-MM-dd`; an offset after it is refused. Raises ValueError."""
    match = _DATE.fullmatch(text)
    if match is None:
        raise ValueError(text)
    return date(*(int(number) for number in match.groups()))


def coerce(field: Field, value: Any, *, trims_text: bool = True) -> Any:
    """The stored form of a JSON value for this field; None clears. Raises SalesforceError when the value does not fit.

    Pure. Whether the field may be written or may be null is not judged here.
    """
    if value is None:
        return None
    if isinstance(value, (dict, list)):
        token = "START_OBJECT" if isinstance(value, dict) else "START_ARRAY"
        raise json_parser_error(f"Cannot deserialize instance of {_json_type(field)} from {token}")
    if field.is_id:
        return _coerce_id(field, value)
    if field.type == "boolean":
        return _coerce_boolean(field, value)
    if field.type == "datetime":
        return _coerce_time(field, value)
    if field.type == "date":
        return _coerce_time(field, value)
    if field.type == "int":
        return _coerce_int(field, value)
    if field.is_text:
        return _coerce_text(field, value, trims_text=trims_text)
    return _coerce_number(field, value)


def _json_type(field: Field) -> str:
    return {"boolean": "boolean", "datetime": "datetime", "date": "date", "int": "int"}.get(
        field.type, "string" if field.is_text or field.is_id else "double"
    )


def _mismatch(field: Field, value: Any) -> SalesforceError:
    token = "VALUE_STRING"
    for kind, name in _JSON_TOKENS:
        if isinstance(value, kind):
            token = "VALUE_FALSE" if value is False else name
            break
    return json_parser_error(
        f"Cannot deserialize instance of {_json_type(field)} from {token} value {value} "
        "or request may be missing a required field"
    )


def _coerce_id(field: Field, value: Any) -> str | None:
    if not isinstance(value, str):
        raise _mismatch(field, value)
    if not value:
        return None
    try:
        return canonical(value)
    except ValueError:
        raise malformed_id(field.label, value, [field.name]) from None


def _coerce_boolean(field: Field, value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in {"true", "false"}:
        return value.lower() == "true"
    raise _mismatch(field, value)


def _coerce_time(field: Field, value: Any) -> str | None:
    if value == "":
        return None
    if not isinstance(value, str):
        raise _mismatch(field, value)
    try:
        if field.type == "date":
            return read_date(value).isoformat()
        return datetime_text(read_datetime(value))
    except ValueError:
        raise _mismatch(field, value) from None


def _coerce_int(field: Field, value: Any) -> int | None:
    number = _coerce_number(field, value)
    if number is None:
        return None
    if number != int(number):
        raise _mismatch(field, value)
    if abs(number) > _INT_MAX:
        text = f"{field.label}: value outside of valid range on numeric field: {value}"
        raise SalesforceError(400, "NUMBER_OUTSIDE_VALID_RANGE", text, [field.name])
    return int(number)


def _coerce_number(field: Field, value: Any) -> float | None:
    if value == "":
        return None
    if isinstance(value, bool):
        raise _mismatch(field, value)
    try:
        return float(value)
    except ValueError:
        raise _mismatch(field, value) from None


def _coerce_text(field: Field, value: Any, *, trims_text: bool) -> str | None:
    if not isinstance(value, str):
        raise _mismatch(field, value)
    text = value.strip() if trims_text else value
    if not text:
        return None
    if field.length and len(text) > field.length:
        message = f"{field.label}: data value too large: {text} (max length={field.length})"
        raise SalesforceError(400, "STRING_TOO_LONG", message, [field.name])
    if field.type == "email" and not _EMAIL.fullmatch(text):
        message = f"{field.label}: invalid email address: {text}"
        raise SalesforceError(400, "INVALID_EMAIL_ADDRESS", message, [field.name])
    if field.restricted:
        return _coerce_choice(field, text)
    return text


def _coerce_choice(field: Field, text: str) -> str:
    for value, _label in field.picklist:
        # The API takes the value in any case and stores it as it is defined.
        if value.lower() == text.lower():
            return value
    message = f"{field.label}: bad value for restricted picklist field: {text}"
    raise SalesforceError(400, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", message, [field.name])
