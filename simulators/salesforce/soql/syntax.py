"""The parts of a SOQL statement as frozen values. `at` is the character position in the text, for error messages."""

from __future__ import annotations

from dataclasses import dataclass, field

from simulators.salesforce.errors import SalesforceError


@dataclass(frozen=True)
class Path:
    """A field path such as `Owner.Email`, without the alias of the object."""

    names: tuple[str, ...]
    at: int

    @property
    def text(self) -> str:
        """The path as written, with dots."""
        return ".".join(self.names)


@dataclass(frozen=True)
class Literal:
    """A value. `kind` is string, number, datetime, date, boolean, null or period; `count` is the n of a period.

    `text` is the value without quotes and still escaped for a string.
    """

    kind: str
    text: str
    at: int
    count: int = 0


@dataclass(frozen=True)
class Compare:
    """`path operator literal`, the operator being =, !=, <, <=, >, >= or LIKE."""

    path: Path
    operator: str
    literal: Literal


@dataclass(frozen=True)
class Among:
    """`path [NOT] IN (...)` with literals, or with a subquery of ids."""

    path: Path
    negated: bool
    literals: tuple[Literal, ...] = ()
    subquery: Query | None = None


@dataclass(frozen=True)
class Both:
    """Conditions joined by AND."""

    parts: tuple[Condition, ...]


@dataclass(frozen=True)
class Either:
    """Conditions joined by OR."""

    parts: tuple[Condition, ...]


@dataclass(frozen=True)
class Negation:
    """NOT condition."""

    part: Condition


@dataclass(frozen=True)
class GroupCompare:
    """Behind HAVING: a grouped field or an aggregate, compared like in Compare."""

    left: Aggregate | Path
    operator: str
    literal: Literal


Condition = Compare | Among | Both | Either | Negation | GroupCompare


@dataclass(frozen=True)
class Column:
    """A selected field. `label` is set for toLabel(...), `alias` in grouped queries."""

    path: Path
    label: bool = False
    alias: str = ""


@dataclass(frozen=True)
class Aggregate:
    """COUNT(), COUNT(path), COUNT_DISTINCT, MIN, MAX, SUM or AVG. `path` is None for COUNT()."""

    function: str
    path: Path | None
    alias: str
    at: int


@dataclass(frozen=True)
class FieldsOf:
    """FIELDS(ALL), FIELDS(STANDARD) or FIELDS(CUSTOM)."""

    kind: str
    at: int


@dataclass(frozen=True)
class Subquery:
    """A child query in the select list; its `sobject` is a relationship name."""

    query: Query


Selected = Column | Aggregate | FieldsOf | Subquery


@dataclass(frozen=True)
class Order:
    """One sort key; an aggregate in a grouped query only."""

    path: Path | Aggregate
    descending: bool = False
    nulls_last: bool = False


@dataclass(frozen=True)
class Query:
    """A parsed statement."""

    selected: tuple[Selected, ...]
    sobject: str
    at: int
    where: Condition | None = None
    group: tuple[Path, ...] = ()
    having: Condition | None = None
    order: tuple[Order, ...] = field(default=())
    limit: int | None = None
    offset: int = 0


class SoqlError(Exception):
    """A fault in a statement at a position of its text."""

    def __init__(self, code: str, message: str, at: int) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.at = at

    def located_in(self, text: str) -> SalesforceError:
        """The refusal with an extract of the statement and a caret under the fault, as the service words it."""
        at = min(self.at, max(0, len(text) - 1))
        before = text[:at]
        row = before.count("\n") + 1
        begin = before.rfind("\n") + 1
        column = at - begin + 1
        line = text[begin:].split("\n", 1)[0]
        start = max(0, at - begin - 40)
        extract = line[start : start + 80]
        caret = " " * (at - begin - start) + "^"
        message = f"\n{extract}\n{caret}\nERROR at Row:{row}:Column:{column}\n{self.message}"
        return SalesforceError(400, self.code, message)


def unexpected(token: str, at: int) -> SoqlError:
    """A token where the grammar allows none such."""
    return SoqlError("MALFORMED_QUERY", f"unexpected token: '{token}'" if token else "unexpected token: <EOF>", at)
