"""Filter expressions of channel members: the WHERE syntax of SOQL over an event's fields and its header's scalars."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from simulators.pubsub.event_schema import HEADER
from simulators.salesforce.schema import SObject
from simulators.salesforce.soql.parser import parse
from simulators.salesforce.soql.syntax import Both, Compare, Condition, Either, Literal, Negation, SoqlError
from simulators.salesforce.soql.tokens import like_pattern, unescaped
from simulators.salesforce.values import datetime_text, read_datetime

FIELDS_MAX: Final = 10
_SCALARS: Final = frozenset(
    {"entityName", "changeType", "changeOrigin", "transactionKey", "sequenceNumber", "commitTimestamp", "commitNumber"}
    | {"commitUser"}
)
_ORDER: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}

Values = Mapping[str, Any]
"""The record's stored values by column, and the header's scalars under `ChangeEventHeader.<name>`."""
Test = Callable[[Values], bool]


@dataclass(frozen=True)
class EventFilter:
    """A compiled expression. `columns` are the record's columns it names, which are enriched."""

    text: str
    columns: frozenset[str]
    passes: Test


def compile_filter(text: str, sobject: SObject) -> EventFilter:
    """Read an expression. Raises ValueError for one that the service would not take."""
    try:
        condition = parse(f"SELECT Id FROM {sobject.name} WHERE {text}").where
        if condition is None:
            raise ValueError(f"{text!r} is no condition")
        names = {_key(sobject, compare) for compare in _compares(condition)}
        test = _test(sobject, condition)
    except SoqlError as problem:
        raise ValueError(f"{text!r}: {problem.message}") from None
    if len(names) > FIELDS_MAX:
        raise ValueError(f"{text!r} names {len(names)} fields, more than {FIELDS_MAX}")
    columns = frozenset(name for name in names if not name.startswith(HEADER))
    return EventFilter(text, columns, test)


def _compares(condition: Condition) -> Iterator[Compare]:
    match condition:
        case Compare():
            yield condition
        case Both(parts) | Either(parts):
            for part in parts:
                yield from _compares(part)
        case Negation(part):
            yield from _compares(part)
        case _:
            raise ValueError("IN is not possible in a channel's filter")


def _key(sobject: SObject, compare: Compare) -> str:
    names = compare.path.names
    if len(names) == 2 and names[0] == HEADER and names[1] in _SCALARS:
        return compare.path.text
    field = sobject.field(names[0]) if len(names) == 1 else None
    if field is None or not field.filterable:
        raise ValueError(f"{compare.path.text} cannot be filtered by")
    return field.column


def _test(sobject: SObject, condition: Condition) -> Test:
    match condition:
        case Both(parts):
            tests = [_test(sobject, part) for part in parts]
            return lambda values: all(test(values) for test in tests)
        case Either(parts):
            tests = [_test(sobject, part) for part in parts]
            return lambda values: any(test(values) for test in tests)
        case Negation(part):
            inner = _test(sobject, part)
            return lambda values: not inner(values)
        case Compare():
            return _compare(_key(sobject, condition), condition)
    raise ValueError("IN is not possible in a channel's filter")


def _compare(key: str, compare: Compare) -> Test:
    literal = compare.literal
    if compare.operator == "LIKE":
        pattern = like_pattern(literal.text, literal.at)
        return lambda values: isinstance(values.get(key), str) and pattern.fullmatch(values[key]) is not None
    wanted = _value(literal)
    match compare.operator:
        case "=":
            return lambda values: _plain(values.get(key)) == wanted
        case "!=":
            return lambda values: _plain(values.get(key)) != wanted
    order = _ORDER[compare.operator]

    def ordered(values: Values) -> bool:
        held = _plain(values.get(key))
        return held is not None and isinstance(held, str) == isinstance(wanted, str) and order(held, wanted)

    return ordered


def _plain(value: Any) -> Any:
    """Text is compared without regard to case."""
    return value.lower() if isinstance(value, str) else value


def _value(literal: Literal) -> Any:
    match literal.kind:
        case "string":
            return unescaped(literal.text, literal.at).lower()
        case "number":
            return float(literal.text)
        case "boolean":
            return literal.text == "true"
        case "datetime":
            return datetime_text(read_datetime(literal.text)).lower()
        case "date":
            return literal.text
        case "null":
            return None
    raise ValueError(f"{literal.text} cannot be used in a channel's filter")
