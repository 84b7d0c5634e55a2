"""OData `$filter` and `$orderby`: parsed into predicates and sort keys over the members a collection allows.

What is not understood is refused with 400; nothing is ignored silently.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from simulators.graph.errors import bad_query
from simulators.graph.zones import parse_instant

Predicate = Callable[[Any], bool]

_TOKEN: Final = re.compile(
    r"\s*(?:(?P<text>'(?:[^']|'')*')|(?P<punct>[(),:])|(?P<word>[^\s'(),:]+(?::\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:\d{2})?)?))"
)
_COMPARE: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "eq": lambda a, b: a == b,
    "ne": lambda a, b: a != b,
    "gt": lambda a, b: a is not None and b is not None and a > b,
    "ge": lambda a, b: a is not None and b is not None and a >= b,
    "lt": lambda a, b: a is not None and b is not None and a < b,
    "le": lambda a, b: a is not None and b is not None and a <= b,
}
_TESTS: Final[Mapping[str, Callable[[str, str], bool]]] = {
    "startswith": str.startswith,
    "endswith": str.endswith,
    "contains": lambda value, part: part in value,
}


@dataclass(frozen=True)
class Member:
    """One member that `$filter` and `$orderby` may name. `kind`: text, exact, bool, int or instant."""

    get: Callable[[Any], Any]
    kind: str = "text"
    normalise: Callable[[str], str] | None = None
    sortable: bool = True


@dataclass(frozen=True)
class Schema:
    """What a query may name: members by lower-case path, and collections for `any` with their elements."""

    type_name: str
    members: Mapping[str, Member]
    collections: Mapping[str, tuple[Callable[[Any], Sequence[Any]], Mapping[str, Member]]] = field(default_factory=dict)

    def member(self, path: str) -> Member:
        """The member of this path. Raises GraphError RequestBroker--ParseUri when there is none."""
        found = self.members.get(path.lower())
        if found is None:
            raise bad_query(f"Could not find a property named '{path}' on type '{self.type_name}' that can be queried.")
        return found


@dataclass
class FilterFeatures:
    """What a filter used that some services allow only with advanced queries."""

    functions: set[str] = field(default_factory=set)
    has_not: bool = False


class _Parser:
    def __init__(self, text: str, schema: Schema) -> None:
        self._tokens = _tokens(text)
        self._at = 0
        self._schema = schema
        self._scope: tuple[str, Mapping[str, Member]] | None = None
        self.features = FilterFeatures()

    # tokens

    def _peek(self) -> tuple[str, str]:
        return self._tokens[self._at] if self._at < len(self._tokens) else ("end", "")

    def _next(self) -> tuple[str, str]:
        token = self._peek()
        self._at += 1
        return token

    def _expect(self, punct: str) -> None:
        if self._next() != ("punct", punct):
            raise bad_query(f"Syntax error in $filter: '{punct}' expected.")

    def _word_is(self, word: str) -> bool:
        kind, text = self._peek()
        return kind == "word" and text.lower() == word

    # grammar

    def whole(self) -> Predicate:
        result = self._any_of()
        if self._peek()[0] != "end":
            raise bad_query(f"Syntax error in $filter at '{self._peek()[1]}'.")
        return result

    def _any_of(self) -> Predicate:
        parts = [self._all_of()]
        while self._word_is("or"):
            self._next()
            parts.append(self._all_of())
        return parts[0] if len(parts) == 1 else lambda item: any(part(item) for part in parts)

    def _all_of(self) -> Predicate:
        parts = [self._single()]
        while self._word_is("and"):
            self._next()
            parts.append(self._single())
        return parts[0] if len(parts) == 1 else lambda item: all(part(item) for part in parts)

    def _single(self) -> Predicate:
        kind, text = self._next()
        if (kind, text) == ("punct", "("):
            inner = self._any_of()
            self._expect(")")
            return inner
        if kind != "word":
            raise bad_query(f"Syntax error in $filter at '{text}'.")
        if text.lower() == "not":
            self.features.has_not = True
            negated = self._single()
            return lambda item: not negated(item)
        if self._peek() == ("punct", "("):
            return self._call(text)
        return self._comparison(text)

    def _call(self, name: str) -> Predicate:
        if name.lower().endswith("/any"):
            return self._any(name[: -len("/any")])
        test = _TESTS.get(name.lower())
        if test is None:
            raise bad_query(f"An unknown function with name '{name}' was found in $filter.")
        self.features.functions.add(name.lower())
        self._expect("(")
        member = self._member(self._next()[1])
        self._expect(",")
        part = self._text_literal(member)
        self._expect(")")
        predicate: Predicate = lambda item: (value := _value(member, item)) is not None and test(str(value), part)  # noqa: E731
        if self._word_is("eq"):
            self._next()
            wanted = self._next()[1].lower()
            if wanted not in ("true", "false"):
                raise bad_query(f"'{name}' can only be compared with true or false.")
            return predicate if wanted == "true" else lambda item: not predicate(item)
        return predicate

    def _any(self, path: str) -> Predicate:
        found = self._schema.collections.get(path.lower())
        if found is None or self._scope is not None:
            raise bad_query(f"Could not find a collection named '{path}' that can be queried with any.")
        elements_of, members = found
        self._expect("(")
        variable = self._next()[1]
        self._expect(":")
        self._scope = (variable, members)
        inner = self._any_of()
        self._scope = None
        self._expect(")")
        return lambda item: any(inner(element) for element in elements_of(item))

    def _comparison(self, path: str) -> Predicate:
        member = self._member(path)
        kind, operator = self._next()
        operator = operator.lower() if kind == "word" else ""
        if operator == "in":
            self._expect("(")
            wanted = [self._literal(member)]
            while self._peek() == ("punct", ","):
                self._next()
                wanted.append(self._literal(member))
            self._expect(")")
            return lambda item: _value(member, item) in wanted
        compare = _COMPARE.get(operator)
        if compare is None:
            raise bad_query(f"Syntax error in $filter: an operator is expected after '{path}'.")
        literal = self._literal(member)
        return lambda item: compare(_value(member, item), literal)

    def _member(self, path: str) -> Member:
        if self._scope is None:
            return self._schema.member(path)
        variable, members = self._scope
        if path == variable and "" in members:
            return members[""]
        head, _, rest = path.partition("/")
        if head != variable or rest.lower() not in members:
            raise bad_query(f"Could not find a property named '{path}' in the any expression.")
        return members[rest.lower()]

    def _text_literal(self, member: Member) -> str:
        value = self._literal(member)
        if not isinstance(value, str):
            raise bad_query("A string function needs a string member and a string value.")
        return value

    def _literal(self, member: Member) -> Any:
        kind, text = self._next()
        if kind not in ("text", "word"):
            raise bad_query(f"Syntax error in $filter: a value is expected, found '{text}'.")
        if kind == "word" and text.lower() == "null":
            return None
        raw = text[1:-1].replace("''", "'") if kind == "text" else text
        return _typed(member, raw, is_quoted=kind == "text")


def _tokens(text: str) -> list[tuple[str, str]]:
    result: list[tuple[str, str]] = []
    at = 0
    while at < len(text.rstrip()):
        match = _TOKEN.match(text, at)
        if match is None:
            raise bad_query(f"Syntax error at position {at} in '{text}'.")
        kind = match.lastgroup or ""
        result.append((kind, match.group(kind)))
        at = match.end()
    return result


def _typed(member: Member, raw: str, is_quoted: bool) -> Any:
    """A literal as a value comparable with the member's."""
    if member.kind == "instant":
        moment = parse_instant(raw)
        if moment is None:
            raise bad_query(f"The value '{raw}' is not a valid date and time.")
        return moment
    if member.kind == "bool":
        if is_quoted or raw.lower() not in ("true", "false"):
            raise bad_query(f"The value '{raw}' is not a Boolean.")
        return raw.lower() == "true"
    if member.kind == "int":
        if is_quoted or not re.fullmatch(r"-?\d+", raw):
            raise bad_query(f"The value '{raw}' is not an integer.")
        return int(raw)
    if not is_quoted:
        raise bad_query(f"The value '{raw}' must be a quoted string.")
    return _normalised(member, raw)


def _normalised(member: Member, value: str) -> str:
    if member.normalise is not None:
        return member.normalise(value)
    return value if member.kind == "exact" else value.casefold()


def _value(member: Member, item: Any) -> Any:
    value = member.get(item)
    return _normalised(member, value) if isinstance(value, str) else value


def compile_filter(text: str, schema: Schema) -> tuple[Predicate, FilterFeatures]:
    """A predicate for `$filter`, and what it used. Raises GraphError RequestBroker--ParseUri if not understood."""
    parser = _Parser(text, schema)
    return parser.whole(), parser.features


_CLAUSE: Final = re.compile(r'\s*"([^"]+)"\s*(?:(AND|OR)\b)?')
_BETWEEN_WORDS: Final = re.compile(r"[\W_]+")


def compile_search(text: str, members: Mapping[str, Callable[[Any], Any]]) -> Predicate:
    """A predicate for `$search`: clauses `"property:words"` joined by AND and OR; AND binds closer.

    Each word must begin a word of the property. Raises GraphError RequestBroker--ParseUri if not understood.
    """
    either: list[list[Predicate]] = [[]]
    at, joiner = 0, "AND"
    while joiner:
        match = _CLAUSE.match(text, at)
        if match is None:
            raise bad_query(f'Syntax error at position {at} in $search: a clause "property:words" is expected.')
        either[-1].append(_search_clause(match.group(1), members))
        at, joiner = match.end(), match.group(2) or ""
        if joiner == "OR":
            either.append([])
    if at < len(text):
        raise bad_query(f"Syntax error at position {at} in $search.")
    return lambda item: any(all(test(item) for test in clauses) for clauses in either)


def _search_clause(clause: str, members: Mapping[str, Callable[[Any], Any]]) -> Predicate:
    name, _, words = clause.partition(":")
    get = members.get(name.strip().lower())
    wanted = _words(words)
    if get is None or not wanted:
        raise bad_query(f"$search cannot look for '{clause}'.")
    return lambda item: all(any(own.startswith(word) for own in _words(get(item) or "")) for word in wanted)


def _words(text: str) -> list[str]:
    return [word for word in _BETWEEN_WORDS.split(text.casefold()) if word]


def sort_items(items: list[Any], orderby: str, schema: Schema) -> list[Any]:
    """The items in the order of `$orderby`; nulls come first. Raises GraphError RequestBroker--ParseUri."""
    for clause in reversed([part.split() for part in orderby.split(",")]):
        if not 1 <= len(clause) <= 2 or (len(clause) == 2 and clause[1].lower() not in ("asc", "desc")):
            raise bad_query(f"Syntax error in $orderby '{orderby}'.")
        member = schema.member(clause[0])
        if not member.sortable:
            raise bad_query(f"The property '{clause[0]}' cannot be used in $orderby.")
        items = sorted(
            items,
            key=lambda item: ((value := _value(member, item)) is not None, value),
            reverse=len(clause) == 2 and clause[1].lower() == "desc",
        )
    return items
