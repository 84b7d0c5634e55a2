"""WHERE clauses: a test for each row, and the rows worth testing.

An index answers equality on ids, references and key fields, and ranges on the audit dates and the event's times;
everything else is tested row by row.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from simulators.salesforce.ids import canonical
from simulators.salesforce.schema import NUMBER_TYPES, Field, SObject
from simulators.salesforce.soql.columns import Columns, Target
from simulators.salesforce.soql.periods import days_of, instants_of
from simulators.salesforce.soql.syntax import (
    Among,
    Both,
    Compare,
    Condition,
    Either,
    Literal,
    Negation,
    Path,
    Query,
    SoqlError,
)
from simulators.salesforce.soql.tokens import like_pattern, unescaped
from simulators.salesforce.store import Row, index_key
from simulators.salesforce.values import datetime_text, read_date, read_datetime

Test = Callable[[Row], bool]
_ORDERINGS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_KIND_NAMES: Final = {"datetime": "dateTime", "date": "date", "boolean": "boolean", "int": "int"}


@dataclass(frozen=True)
class Span:
    """A range of a sorted column; None leaves an end open. The ends may be wider than the condition, never narrower."""

    low: Any = None
    high: Any = None

    def within(self, other: Span) -> Span:
        """The overlap of two ranges."""
        lows = [low for low in (self.low, other.low) if low is not None]
        highs = [high for high in (self.high, other.high) if high is not None]
        return Span(max(lows, default=None), min(highs, default=None))


@dataclass(frozen=True)
class Filter:
    """A compiled condition.

    `ids` lists the only rows that can pass; `spans` bounds sorted columns. Both are None/empty when nothing is known.
    """

    test: Test
    ids: Callable[[], Iterable[str]] | None = None
    spans: tuple[tuple[str, Span], ...] = ()


class FilterCompiler:
    """Compiles conditions for one running user and one moment, which date literals need."""

    def __init__(
        self, columns: Columns, now: datetime, zone: ZoneInfo, run_ids: Callable[[Query, str], set[str]]
    ) -> None:
        self._columns = columns
        self._now = now
        self._zone = zone
        self._run_ids = run_ids

    def compile(self, sobject: SObject, condition: Condition) -> Filter:
        """The filter of a condition. Raises SoqlError."""
        match condition:
            case Compare():
                return self._compare(sobject, condition)
            case Among():
                return self._among(sobject, condition)
            case Both(parts):
                return _both([self.compile(sobject, part) for part in parts])
            case Either(parts):
                return _either([self.compile(sobject, part) for part in parts])
            case Negation(part):
                inner = self.compile(sobject, part).test
                return Filter(lambda row: not inner(row))
        raise AssertionError("the parser puts nothing else into WHERE")

    def _filterable(self, sobject: SObject, path: Path) -> Target:
        target = self._columns.resolve(sobject, path)
        if not target.field.filterable:
            message = f"field '{target.field.name}' can not be filtered in a query call"
            raise SoqlError("INVALID_FIELD", message, path.at)
        return target

    def _compare(self, sobject: SObject, condition: Compare) -> Filter:
        target = self._filterable(sobject, condition.path)
        literal = condition.literal
        if literal.kind == "period":
            return self._in_period(sobject, target, condition)
        if condition.operator == "LIKE":
            return _like(target, literal)
        value = self.value(target.field, literal)
        if condition.operator in _ORDERINGS:
            return self._ordering(sobject, target, condition, value)
        read, field = target.read, target.field
        key = index_key(field, value)
        if condition.operator == "!=":
            return Filter(lambda row: index_key(field, read(row)) != key)
        return Filter(
            lambda row: index_key(field, read(row)) == key,
            self._lookup(sobject, target, [value]),
            ((field.column, Span(value, value)),) if _is_sorted(target) and value is not None else (),
        )

    def _ordering(self, sobject: SObject, target: Target, condition: Compare, value: Any) -> Filter:
        field, read = target.field, target.read
        if field.type == "boolean" or field.is_id:
            message = f"invalid operator on {field.type} field"
            raise SoqlError("INVALID_QUERY_FILTER_OPERATOR", message, condition.path.at)
        if value is None:
            return Filter(lambda _row: False)
        key = index_key(field, value)
        compare = _ORDERINGS[condition.operator]

        def test(row: Row) -> bool:
            held = read(row)
            return held is not None and compare(index_key(field, held), key)

        if not _is_sorted(target):
            return Filter(test)
        span = Span(high=value) if condition.operator in {"<", "<="} else Span(low=value)
        return Filter(test, spans=((field.column, span),))

    def _in_period(self, sobject: SObject, target: Target, condition: Compare) -> Filter:
        field, literal = target.field, condition.literal
        if field.type not in {"date", "datetime"}:
            raise _wrong_type(field, literal)
        try:
            days = days_of(literal.text, literal.count, self._now, self._zone)
        except (OverflowError, ValueError):
            message = f"{literal.text}: the number is out of range"
            raise SoqlError("MALFORMED_QUERY", message, literal.at) from None
        low, high = (
            instants_of(days, self._zone) if field.type == "datetime" else (days[0].isoformat(), days[1].isoformat())
        )
        read = target.read
        tests: dict[str, tuple[Callable[[str], bool], Span]] = {
            "=": (lambda held: low <= held < high, Span(low, high)),
            "!=": (lambda held: not low <= held < high, Span()),
            "<": (lambda held: held < low, Span(high=low)),
            "<=": (lambda held: held < high, Span(high=high)),
            ">": (lambda held: held >= high, Span(low=high)),
            ">=": (lambda held: held >= low, Span(low=low)),
        }
        if condition.operator not in tests:
            raise SoqlError("INVALID_QUERY_FILTER_OPERATOR", "invalid operator", condition.path.at)
        test, span = tests[condition.operator]
        null_passes = condition.operator == "!="

        def passes(row: Row) -> bool:
            held = read(row)
            return null_passes if held is None else test(held)

        spans = ((field.column, span),) if _is_sorted(target) and not null_passes else ()
        return Filter(passes, spans=spans)

    def _among(self, sobject: SObject, condition: Among) -> Filter:
        target = self._filterable(sobject, condition.path)
        field, read = target.field, target.read
        if condition.subquery is not None:
            if not field.is_id:
                message = "the left operand of an IN with a subquery must be an id"
                raise SoqlError("MALFORMED_QUERY", message, condition.path.at)
            values: set[Any] = set(self._run_ids(condition.subquery, condition.path.text))
        else:
            values = {index_key(field, self.value(field, literal)) for literal in condition.literals}
        if condition.negated:
            return Filter(lambda row: index_key(field, read(row)) not in values)
        return Filter(
            lambda row: index_key(field, read(row)) in values, self._lookup(sobject, target, sorted(values, key=str))
        )

    def _lookup(self, sobject: SObject, target: Target, values: Iterable[Any]) -> Callable[[], Iterable[str]] | None:
        """How an index lists the rows with one of these values, or None when no index can."""
        wanted = list(values)
        if target.steps or None in wanted:
            return None
        table = self._columns.store.tables[sobject.table]
        column = target.field.column
        if target.field.type == "id":
            return lambda: [value for value in wanted if value in table.rows]
        if column not in table.hashed:
            return None
        return lambda: [record_id for value in wanted for record_id in table.with_value(column, value)]

    def value(self, field: Field, literal: Literal) -> Any:
        """The stored form of a literal. Raises SoqlError when its type is not the field's."""
        if literal.kind == "null":
            return None
        if field.is_id:
            return self._id_value(field, literal)
        if field.is_text:
            if literal.kind != "string":
                raise _wrong_type(field, literal)
            return unescaped(literal.text, literal.at) or None
        expected = "number" if field.type in NUMBER_TYPES else field.type
        if literal.kind != expected:
            raise _wrong_type(field, literal)
        try:
            return _plain_value(literal)
        except ValueError:
            raise _wrong_type(field, literal) from None

    @staticmethod
    def _id_value(field: Field, literal: Literal) -> str | None:
        if literal.kind != "string":
            raise _wrong_type(field, literal)
        text = unescaped(literal.text, literal.at)
        if not text:
            return None
        try:
            return canonical(text)
        except ValueError:
            raise SoqlError("INVALID_QUERY_FILTER_OPERATOR", f"invalid ID field: {text}", literal.at) from None


def _plain_value(literal: Literal) -> Any:
    if literal.kind == "boolean":
        return literal.text == "true"
    if literal.kind == "number":
        return float(literal.text)
    if literal.kind == "date":
        return read_date(literal.text).isoformat()
    return datetime_text(read_datetime(literal.text))


def _wrong_type(field: Field, literal: Literal) -> SoqlError:
    name = _KIND_NAMES.get(field.type, "string" if field.is_text or field.is_id else "double")
    quotes = "should be enclosed in quotes" if name == "string" else "should not be enclosed in quotes"
    message = f"value of filter criterion for field '{field.name}' must be of type {name} and {quotes}"
    return SoqlError("INVALID_FIELD", message, literal.at)


def _like(target: Target, literal: Literal) -> Filter:
    if not target.field.is_text:
        raise SoqlError("INVALID_QUERY_FILTER_OPERATOR", f"invalid operator on {target.field.type} field", literal.at)
    if literal.kind != "string":
        raise _wrong_type(target.field, literal)
    pattern, read = like_pattern(literal.text, literal.at), target.read

    def test(row: Row) -> bool:
        held = read(row)
        return held is not None and pattern.fullmatch(held) is not None

    return Filter(test)


def _is_sorted(target: Target) -> bool:
    return not target.steps and target.field.indexed_as == "sorted"


def _both(parts: list[Filter]) -> Filter:
    tests = tuple(part.test for part in parts)
    spans: dict[str, Span] = {}
    for part in parts:
        for column, span in part.spans:
            spans[column] = spans.get(column, Span()).within(span)
    listed = [part.ids for part in parts if part.ids is not None]

    def shortest() -> Iterable[str]:
        return min((list(ids()) for ids in listed), key=len)

    return Filter(lambda row: all(test(row) for test in tests), shortest if listed else None, tuple(spans.items()))


def _either(parts: list[Filter]) -> Filter:
    tests = tuple(part.test for part in parts)
    listed = [part.ids for part in parts]

    def union() -> Iterable[str]:
        return dict.fromkeys(record_id for ids in listed if ids is not None for record_id in ids())

    return Filter(lambda row: any(test(row) for test in tests), union if all(listed) else None)
