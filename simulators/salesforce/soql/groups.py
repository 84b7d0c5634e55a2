"""Grouped statements: rows put together by GROUP BY, their aggregates, HAVING and ORDER BY over both."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from simulators.salesforce.schema import NUMBER_TYPES, Field, SObject
from simulators.salesforce.soql.columns import Columns, Target
from simulators.salesforce.soql.syntax import (
    Aggregate,
    Both,
    Column,
    Condition,
    Either,
    GroupCompare,
    Literal,
    Negation,
    Path,
    Query,
    SoqlError,
)
from simulators.salesforce.soql.tokens import like_pattern
from simulators.salesforce.store import Row, index_key

GROUPS_MAX: Final = 2_000
"""Rows of a grouped query: it cannot be continued with a locator."""
_COUNTS: Final = frozenset({"COUNT", "COUNT_DISTINCT"})
_OPERATORS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "=": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip
Test = Callable[[list[Row]], bool]


@dataclass(frozen=True)
class Value:
    """What a selected item, a sort key or a condition sees of a group: a grouped field or an aggregate."""

    aggregate: Aggregate | None
    target: Target | None

    def of(self, rows: list[Row]) -> Any:
        """The value for one group."""
        if self.aggregate is None:
            return self.target.read(rows[0]) if self.target is not None else None
        return _aggregated(rows, self.aggregate.function, self.target)

    @property
    def field(self) -> Field | None:
        """The field whose type the value has; None for a number."""
        is_number = self.aggregate is not None and self.aggregate.function not in {"MIN", "MAX"}
        return None if is_number or self.target is None else self.target.field

    def key(self, value: Any) -> Any:
        """The form in which values are compared."""
        return value if self.field is None else index_key(self.field, value)


class Groups:
    """A compiled grouped statement. `literal_of` gives the stored form of a literal for a field."""

    def __init__(
        self, columns: Columns, sobject: SObject, query: Query, literal_of: Callable[[Field, Literal], Any]
    ) -> None:
        self._columns = columns
        self._sobject = sobject
        self._query = query
        self._literal_of = literal_of
        self._keys = [columns.resolve(sobject, path) for path in query.group]
        self._selected = self._select()
        self._having = None if query.having is None else self._test(query.having)
        self._order = [(self._value(order.path), order) for order in query.order]

    def records(self, rows: list[Row]) -> list[dict[str, Any]]:
        """The AggregateResult records of these rows."""
        by_key: dict[tuple[Any, ...], list[Row]] = {} if self._query.group else {(): []}
        for row in rows:
            by_key.setdefault(tuple(target.read(row) for target in self._keys), []).append(row)
        groups = [group for group in by_key.values() if self._having is None or self._having(group)]
        for value, order in reversed(self._order):
            keyed = [(value.key(value.of(group)), group) for group in groups]
            empty = [group for key, group in keyed if key is None]
            held = [pair for pair in keyed if pair[0] is not None]
            held.sort(key=lambda pair: pair[0], reverse=order.descending)
            full = [group for _key, group in held]
            groups = full + empty if order.nulls_last else empty + full
        bodies = [
            {"attributes": {"type": "AggregateResult"}, **{name: value.of(group) for name, value in self._selected}}
            for group in groups
        ]
        return bodies[self._query.offset :][: self._query.limit or GROUPS_MAX]

    def _select(self) -> list[tuple[str, Value]]:
        selected: list[tuple[str, Value]] = []
        unnamed = 0
        for item in self._query.selected:
            if isinstance(item, Column):
                selected.append((item.alias or item.path.names[-1], self._value(item.path)))
            elif isinstance(item, Aggregate):
                selected.append((item.alias or f"expr{unnamed}", self._value(item)))
                unnamed += not item.alias
            else:
                message = "only fields and aggregates are allowed with GROUP BY"
                raise SoqlError("MALFORMED_QUERY", message, self._query.at)
        return selected

    def _value(self, left: Aggregate | Path) -> Value:
        if isinstance(left, Path):
            if left.text.lower() not in {path.text.lower() for path in self._query.group}:
                raise SoqlError("MALFORMED_QUERY", f"Field must be grouped or aggregated: {left.text}", left.at)
            return Value(None, self._columns.resolve(self._sobject, left))
        if left.path is None:
            return Value(left, None)
        target = self._columns.resolve(self._sobject, left.path)
        if left.function in {"SUM", "AVG"} and target.field.type not in NUMBER_TYPES:
            message = f"field {left.path.text} does not support aggregate operator {left.function}"
            raise SoqlError("MALFORMED_QUERY", message, left.at)
        return Value(left, target)

    def _test(self, condition: Condition) -> Test:
        match condition:
            case GroupCompare():
                return self._compare(condition)
            case Both(parts):
                tests = [self._test(part) for part in parts]
                return lambda rows: all(test(rows) for test in tests)
            case Either(parts):
                tests = [self._test(part) for part in parts]
                return lambda rows: any(test(rows) for test in tests)
            case Negation(part):
                inner = self._test(part)
                return lambda rows: not inner(rows)
        raise AssertionError("the parser puts nothing else behind HAVING")

    def _compare(self, condition: GroupCompare) -> Test:
        value, literal = self._value(condition.left), condition.literal
        if condition.operator == "LIKE":
            if value.field is None or not value.field.is_text or literal.kind != "string":
                raise SoqlError("INVALID_QUERY_FILTER_OPERATOR", "invalid operator on number field", literal.at)
            pattern = like_pattern(literal.text, literal.at)
            return lambda rows: pattern.fullmatch(value.of(rows) or "") is not None
        if value.field is None and literal.kind not in {"number", "null"}:
            raise SoqlError("INVALID_FIELD", "value of filter criterion must be of type number", literal.at)
        if value.field is not None:
            wanted = value.key(self._literal_of(value.field, literal))
        else:
            wanted = None if literal.kind == "null" else float(literal.text)
        compare = _OPERATORS[condition.operator]
        if condition.operator in {"=", "!="}:
            return lambda rows: compare(value.key(value.of(rows)), wanted)
        return lambda rows: (
            wanted is not None and (held := value.of(rows)) is not None and compare(value.key(held), wanted)
        )


def _aggregated(rows: list[Row], function: str, target: Target | None) -> Any:
    if target is None:
        return len(rows)
    values = [value for row in rows if (value := target.read(row)) is not None]
    match function:
        case "COUNT":
            return len(values)
        case "COUNT_DISTINCT":
            return len({index_key(target.field, value) for value in values})
        case "MIN":
            return min(values, default=None)
        case "MAX":
            return max(values, default=None)
        case "SUM":
            return float(sum(values)) if values else None
    return sum(values) / len(values) if values else None
