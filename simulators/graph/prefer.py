"""What a request asks for beside the path: Prefer headers, `$select`, `$expand`, paging."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from simulators.graph.errors import GraphError, bad_query
from simulators.graph.zones import zone
from simulators.http import Request

_PREFERENCE: Final = re.compile(r"""\s*([A-Za-z0-9._-]+)\s*(?:=\s*(?:"([^"]*)"|([^,;"]*)))?\s*(?:[,;]|$)""")
_EXPAND_IDS: Final = re.compile(r"\bid\s+eq\s+'((?:[^']|'')*)'", re.IGNORECASE)
_EXPAND_REST: Final = re.compile(r"^[\s()]*(?:or[\s()]*)*$", re.IGNORECASE)
_PROPERTY_ID: Final = re.compile(
    r"^(?P<type>[A-Za-z0-9]+)\s+(?:(?P<guid>\{?[0-9a-fA-F-]{36}\}?)\s+(?P<how>Name|Id)\s+(?P<name>.+)|(?P<tag>0x[0-9a-fA-F]{1,8}))$"
)


@dataclass(frozen=True)
class Preferences:
    """The Prefer header. `zone_name` is "UTC" when the request names none."""

    zone_name: str = "UTC"
    has_zone: bool = False
    text_body: bool = False
    has_body_type: bool = False
    immutable_ids: bool = False
    page_size: int | None = None

    def applied(self) -> str:
        """The Preference-Applied header, empty when nothing was asked."""
        parts = [f'outlook.timezone="{self.zone_name}"'] if self.has_zone else []
        if self.has_body_type:
            parts.append(f'outlook.body-content-type="{"text" if self.text_body else "html"}"')
        if self.immutable_ids:
            parts.append('IdType="ImmutableId"')
        return ", ".join(parts)


_NONE: Final = Preferences()


def read_preferences(request: Request) -> Preferences:
    """Read the Prefer header. Raises GraphError TimeZoneNotSupportedException for an unknown zone."""
    header = request.header("prefer")
    return _preferences_in(header) if header else _NONE


@lru_cache(maxsize=256)
def _preferences_in(header: str) -> Preferences:
    found = {
        match.group(1).lower(): match.group(2) or (match.group(3) or "").strip()
        for match in _PREFERENCE.finditer(header)
    }
    zone_name = found.get("outlook.timezone", "")
    if zone_name:
        zone(zone_name)
    size = found.get("odata.maxpagesize", "")
    return Preferences(
        zone_name=zone_name or "UTC",
        has_zone=bool(zone_name),
        text_body=found.get("outlook.body-content-type", "").lower() == "text",
        has_body_type=found.get("outlook.body-content-type", "").lower() in ("text", "html"),
        immutable_ids=found.get("idtype", "").lower() == "immutableid",
        page_size=int(size) if size.isdigit() and int(size) > 0 else None,
    )


def property_id(text: str) -> str:
    """An extended property's id in one spelling: type and GUID do not depend on case, a name does."""
    match = _PROPERTY_ID.match(text.strip())
    if match is None:
        raise GraphError(400, "ErrorInvalidProperty", f"The extended property id '{text}' is not valid.")
    kind = match.group("type").capitalize()
    if match.group("tag"):
        return f"{kind} 0x{int(match.group('tag'), 16):x}"
    guid = match.group("guid").strip("{}").lower()
    name = match.group("name")
    if match.group("how").lower() == "id":
        return (
            f"{kind} {{{guid}}} Id 0x{int(name, 16):x}"
            if name.lower().startswith("0x")
            else f"{kind} {{{guid}}} Id {name}"
        )
    return f"{kind} {{{guid}}} Name {name}"


@dataclass(frozen=True)
class Expansion:
    """`$expand`: which extended properties, extensions and relations to include."""

    single: frozenset[str] = frozenset()
    multi: frozenset[str] = frozenset()
    extensions: frozenset[str] | None = None
    """Names of open extensions; an empty set means all, None means not asked."""
    exceptions: bool = False
    attachments: bool = False
    relations: frozenset[str] = frozenset()
    """Of `calendar` and `instances`, which are given where one event is asked for."""


@lru_cache(maxsize=256)
def read_expand(text: str) -> Expansion:
    """Read `$expand`. Raises GraphError RequestBroker--ParseUri for what cannot be expanded."""
    single: frozenset[str] = frozenset()
    multi: frozenset[str] = frozenset()
    extensions: frozenset[str] | None = None
    exceptions = attachments = False
    relations: set[str] = set()
    for name, options in _split_expand(text):
        lowered = name.lower()
        if lowered == "singlevalueextendedproperties":
            single = frozenset(property_id(item) for item in _ids_in(options, name))
        elif lowered == "multivalueextendedproperties":
            multi = frozenset(property_id(item) for item in _ids_in(options, name))
        elif lowered == "extensions":
            extensions = frozenset(item.lower() for item in _ids_in(options, name)) if options else frozenset()
        elif lowered == "exceptionoccurrences":
            exceptions = True
        elif lowered == "attachments":
            attachments = True
        elif lowered in ("calendar", "instances") and not options:
            relations.add(lowered)
        else:
            raise bad_query(f"The property '{name}' of type 'microsoft.graph.event' cannot be expanded here.")
    return Expansion(single, multi, extensions, exceptions, attachments, frozenset(relations))


def _split_expand(text: str) -> list[tuple[str, str]]:
    """`a($filter=x),b` as pairs of name and what stands in the parentheses."""
    parts: list[tuple[str, str]] = []
    depth, quoted, start = 0, False, 0
    for i, char in enumerate(f"{text},"):
        if char == "'":
            quoted = not quoted
        elif not quoted and char in "()":
            depth += 1 if char == "(" else -1
        elif not quoted and char == "," and depth == 0:
            name, _, options = text[start:i].strip().partition("(")
            parts.append((name.strip(), options.rstrip().removesuffix(")")))
            start = i + 1
    if depth or quoted:
        raise bad_query(f"Syntax error in $expand '{text}'.")
    return parts


def _ids_in(options: str, name: str) -> list[str]:
    head, _, condition = options.partition("=")
    found = [item.replace("''", "'") for item in _EXPAND_IDS.findall(condition)]
    if (
        head.strip().lower().lstrip("$") != "filter"
        or not found
        or not _EXPAND_REST.match(_EXPAND_IDS.sub("", condition))
    ):
        raise bad_query(f"$expand of '{name}' needs ($filter=id eq '...').")
    return found


def query_options(request: Request) -> dict[str, str]:
    """Query options by lower-case name; `$` is kept."""
    return {name.lower(): value for name, value in request.query.items()}


def read_count(options: Mapping[str, str], name: str, default: int, most: int) -> int:
    """`$top` or `$skip` as a number between 0 and `most`. Raises GraphError RequestBroker--ParseUri."""
    text = options.get(name)
    if text is None:
        return default
    if not text.isdigit():
        raise bad_query(f"Invalid value '{text}' for {name} query option found. A non-negative integer is required.")
    return min(int(text), most)


def selected(value: dict[str, Any], names: frozenset[str] | None) -> dict[str, Any]:
    """Only the selected members; annotations and the id always stay."""
    if names is None:
        return value
    return {name: member for name, member in value.items() if name in names or name == "id" or "@" in name}


@lru_cache(maxsize=256)
def read_select(text: str, known: frozenset[str], type_name: str) -> frozenset[str] | None:
    """The members named by `$select`; None selects all. Raises GraphError RequestBroker--ParseUri for unknown ones."""
    if not text.strip() or text.strip() == "*":
        return None
    by_lower = {name.lower(): name for name in known}
    result = set()
    for part in text.split(","):
        name = part.strip().split("/")[0]
        if name.lower() not in by_lower:
            raise bad_query(f"Could not find a property named '{name}' on type '{type_name}'.")
        result.add(by_lower[name.lower()])
    return frozenset(result)
