"""SOQL tokens to syntax, by recursive descent. Names are not looked up here."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Final

from simulators.salesforce.soql.periods import PERIODS, PERIODS_OF_N
from simulators.salesforce.soql.syntax import (
    Aggregate,
    Among,
    Both,
    Column,
    Compare,
    Condition,
    Either,
    FieldsOf,
    GroupCompare,
    Literal,
    Negation,
    Order,
    Path,
    Query,
    Selected,
    SoqlError,
    Subquery,
    unexpected,
)
from simulators.salesforce.soql.tokens import Token, tokens_of

STATEMENT_MAX: Final = 100_000
"""Longest statement in characters."""
STRING_MAX: Final = 4_000
"""Longest string literal of a WHERE clause in characters."""
OFFSET_MAX: Final = 2_000
_AGGREGATES: Final = frozenset({"COUNT", "COUNT_DISTINCT", "MIN", "MAX", "SUM", "AVG"})
_CLAUSES: Final = frozenset(
    {"WHERE", "WITH", "GROUP", "HAVING", "ORDER", "LIMIT", "OFFSET", "FOR", "ALL", "USING", "FROM"}
)
_OPERATORS: Final = {"=": "=", "!=": "!=", "<>": "!=", "<": "<", "<=": "<=", ">": ">", ">=": ">="}


# Clients ask the same again and again.
@lru_cache(maxsize=1024)
def parse(text: str) -> Query:
    """The syntax of a statement. Raises SoqlError."""
    if len(text) > STATEMENT_MAX:
        raise SoqlError("MALFORMED_QUERY", f"SOQL statements cannot be longer than {STATEMENT_MAX} characters.", 0)
    parser = _Parser(tokens_of(text))
    query = parser.query()
    parser.expect_end()
    return query


class _Parser:
    def __init__(self, tokens: list[Token]) -> None:
        self._tokens = tokens
        self._place = 0
        self._alias = ""

    @property
    def _next(self) -> Token:
        return self._tokens[self._place]

    def _take(self) -> Token:
        token = self._next
        self._place += token.kind != "end"
        return token

    def _word(self, *words: str) -> bool:
        """Take the next token when it is one of these keywords."""
        if self._next.is_word(*words):
            self._place += 1
            return True
        return False

    def _sign(self, sign: str) -> bool:
        if self._next.is_sign(sign):
            self._place += 1
            return True
        return False

    def _need_word(self, *words: str) -> None:
        if not self._word(*words):
            raise unexpected(self._next.text, self._next.at)

    def _need_sign(self, sign: str) -> None:
        if not self._sign(sign):
            raise unexpected(self._next.text, self._next.at)

    def _name(self) -> Token:
        if self._next.kind != "word":
            raise unexpected(self._next.text, self._next.at)
        return self._take()

    def expect_end(self) -> None:
        """Raise SoqlError when anything is left."""
        if self._next.kind != "end":
            raise unexpected(self._next.text, self._next.at)

    def query(self) -> Query:
        self._need_word("SELECT")
        start = self._place
        self._alias = self._alias_ahead()
        outer = self._alias
        self._place = start
        selected = [self._selected()]
        while self._sign(","):
            selected.append(self._selected())
            self._alias = outer
        self._need_word("FROM")
        sobject = self._name()
        self._alias = outer
        self._skip_alias()
        where = self._condition() if self._word("WHERE") else None
        if self._next.is_word("WITH", "USING"):
            raise SoqlError("MALFORMED_QUERY", f"{self._next.text} is not allowed in this context", self._next.at)
        group = self._group()
        having = self._condition(self._group_term) if group and self._word("HAVING") else None
        order = self._order()
        limit = self._number() if self._word("LIMIT") else None
        offset = self._number() if self._word("OFFSET") else 0
        if offset > OFFSET_MAX:
            message = f"Maximum SOQL offset allowed is {OFFSET_MAX}"
            raise SoqlError("NUMBER_OUTSIDE_VALID_RANGE", message, self._next.at)
        self._tail()
        return Query(tuple(selected), sobject.text, sobject.at, where, group, having, order, limit, offset)

    def _alias_ahead(self) -> str:
        """The alias that FROM will give the object, which field paths before it may already use."""
        depth = 0
        while self._next.kind != "end":
            token = self._take()
            depth += token.is_sign("(") - token.is_sign(")")
            if depth < 0:
                break
            if depth == 0 and token.is_word("FROM"):
                if self._next.kind == "word":
                    self._take()
                    self._word("AS")
                    token = self._next
                    if token.kind == "word" and token.text.upper() not in _CLAUSES:
                        return token.text.lower()
                break
        return ""

    def _skip_alias(self) -> None:
        if self._alias:
            self._word("AS")
            self._take()
        if self._next.is_sign(","):
            raise SoqlError("MALFORMED_QUERY", "only one object can be named after FROM", self._next.at)

    def _selected(self) -> Selected:
        if self._sign("("):
            query = self.query()
            self._need_sign(")")
            return Subquery(query)
        token = self._name()
        if token.is_word("TYPEOF"):
            raise SoqlError("MALFORMED_QUERY", "TYPEOF is not supported", token.at)
        if not self._sign("("):
            return Column(self._path_of(token), alias=self._column_alias())
        function = token.text.upper()
        if function == "FIELDS":
            kind = self._name()
            if not kind.is_word("ALL", "STANDARD", "CUSTOM"):
                raise unexpected(kind.text, kind.at)
            self._need_sign(")")
            return FieldsOf(kind.text.upper(), token.at)
        if function == "COUNT" and self._sign(")"):
            return Aggregate("COUNT", None, self._column_alias(), token.at)
        path = self._path_of(self._name())
        self._need_sign(")")
        if function == "TOLABEL":
            return Column(path, label=True, alias=self._column_alias())
        if function not in _AGGREGATES:
            raise SoqlError("MALFORMED_QUERY", f"unexpected token: '{token.text}'", token.at)
        return Aggregate(function, path, self._column_alias(), token.at)

    def _column_alias(self) -> str:
        if self._next.kind == "word" and not self._next.is_word("FROM"):
            return self._take().text
        return ""

    def _path_of(self, token: Token) -> Path:
        names = token.text.split(".")
        if self._alias and len(names) > 1 and names[0].lower() == self._alias:
            names = names[1:]
        return Path(tuple(names), token.at)

    def _condition(self, leaf: Callable[[], Condition] | None = None) -> Condition:
        first = self._term(leaf)
        if not self._next.is_word("AND", "OR"):
            return first
        joiner = self._next.text.upper()
        parts = [first]
        while self._next.is_word("AND", "OR"):
            if self._next.text.upper() != joiner:
                # SOQL has no precedence: a mixture needs parentheses.
                raise unexpected(self._next.text, self._next.at)
            self._take()
            parts.append(self._term(leaf))
        return Both(tuple(parts)) if joiner == "AND" else Either(tuple(parts))

    def _term(self, leaf: Callable[[], Condition] | None) -> Condition:
        if self._word("NOT"):
            return Negation(self._term(leaf))
        if self._sign("("):
            inner = self._condition(leaf)
            self._need_sign(")")
            return inner
        return self._comparison() if leaf is None else leaf()

    def _group_term(self) -> Condition:
        left = self._group_value()
        token = self._take()
        if token.is_word("LIKE"):
            return GroupCompare(left, "LIKE", self._literal())
        if token.kind == "sign" and token.text in _OPERATORS:
            return GroupCompare(left, _OPERATORS[token.text], self._literal())
        raise unexpected(token.text, token.at)

    def _group_value(self) -> Aggregate | Path:
        """A field, or an aggregate of the rows of a group."""
        token = self._name()
        if not self._sign("("):
            return self._path_of(token)
        function = token.text.upper()
        if function not in _AGGREGATES:
            raise unexpected(token.text, token.at)
        is_bare = function == "COUNT" and self._next.is_sign(")")
        path = None if is_bare else self._path_of(self._name())
        self._need_sign(")")
        return Aggregate(function, path, "", token.at)

    def _comparison(self) -> Condition:
        path = self._path_of(self._name())
        negated = self._word("NOT")
        if self._word("IN"):
            return self._among(path, negated=negated)
        if negated:
            raise unexpected(self._next.text, self._next.at)
        token = self._take()
        if token.is_word("LIKE"):
            return Compare(path, "LIKE", self._literal())
        if token.kind == "sign" and token.text in _OPERATORS:
            return Compare(path, _OPERATORS[token.text], self._literal())
        raise unexpected(token.text, token.at)

    def _among(self, path: Path, *, negated: bool) -> Among:
        self._need_sign("(")
        if self._next.is_word("SELECT"):
            outer = self._alias
            query = self.query()
            self._alias = outer
            self._need_sign(")")
            return Among(path, negated, subquery=query)
        literals = [self._literal()]
        while self._sign(","):
            literals.append(self._literal())
        self._need_sign(")")
        return Among(path, negated, tuple(literals))

    def _literal(self) -> Literal:
        token = self._take()
        if token.kind == "string":
            if len(token.text) > STRING_MAX:
                message = f"string literals in a WHERE clause cannot be longer than {STRING_MAX} characters"
                raise SoqlError("MALFORMED_QUERY", message, token.at)
            return Literal("string", token.text, token.at)
        if token.kind in {"number", "date", "datetime"}:
            return Literal(token.kind, token.text, token.at)
        if token.is_word("TRUE", "FALSE"):
            return Literal("boolean", token.text.lower(), token.at)
        if token.is_word("NULL"):
            return Literal("null", "", token.at)
        if token.kind == "period":
            name, count = token.text.upper().split(":")
            if name in PERIODS_OF_N:
                return Literal("period", name, token.at, int(count))
        if token.kind == "word" and token.text.upper() in PERIODS:
            return Literal("period", token.text.upper(), token.at)
        raise unexpected(token.text, token.at)

    def _group(self) -> tuple[Path, ...]:
        if not self._word("GROUP"):
            return ()
        self._need_word("BY")
        paths = [self._group_path()]
        while self._sign(","):
            paths.append(self._group_path())
        return tuple(paths)

    def _group_path(self) -> Path:
        path = self._path_of(self._name())
        if self._next.is_sign("("):
            raise SoqlError("MALFORMED_QUERY", f"{path.text} is not supported after GROUP BY", path.at)
        return path

    def _order(self) -> tuple[Order, ...]:
        if not self._word("ORDER"):
            return ()
        self._need_word("BY")
        orders = [self._order_item()]
        while self._sign(","):
            orders.append(self._order_item())
        return tuple(orders)

    def _order_item(self) -> Order:
        path = self._group_value()
        descending = False
        if self._word("DESC"):
            descending = True
        else:
            self._word("ASC")
        nulls_last = False
        if self._word("NULLS"):
            nulls_last = self._next.is_word("LAST")
            self._need_word("FIRST", "LAST")
        return Order(path, descending, nulls_last)

    def _number(self) -> int:
        token = self._take()
        if token.kind != "number" or not token.text.isdigit():
            raise unexpected(token.text, token.at)
        return int(token.text)

    def _tail(self) -> None:
        """FOR VIEW and FOR REFERENCE change nothing here; FOR UPDATE and ALL ROWS belong to Apex."""
        while self._next.is_word("FOR", "ALL"):
            token = self._take()
            if token.is_word("FOR") and self._word("VIEW", "REFERENCE"):
                continue
            words = f"{token.text} {self._next.text}".upper()
            raise SoqlError("MALFORMED_QUERY", f"{words} is not allowed in this context", token.at)
