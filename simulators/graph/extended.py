"""Extended properties and open extensions in request bodies: read into stored form. Invisible unless expanded."""

from __future__ import annotations

from typing import Any, Final

from simulators.graph.errors import GraphError, unreadable_body
from simulators.graph.prefer import property_id

_TYPE: Final = "#microsoft.graph.openTypeExtension"
_PREFIX: Final = "microsoft.graph.openTypeExtension."


def read_single(body: dict[str, Any]) -> dict[str, str | None] | None:
    """The singleValueExtendedProperties by normalised id; a null value removes one. None when the body names none."""
    given = _pairs(body, "singleValueExtendedProperties")
    if given is None:
        return None
    for value in given.values():
        if value is not None and not isinstance(value, str):
            raise unreadable_body("The value of a single-value extended property must be a string.")
    return given


def read_multi(body: dict[str, Any]) -> dict[str, list[str] | None] | None:
    """The multiValueExtendedProperties by normalised id. None when the body names none."""
    given = _pairs(body, "multiValueExtendedProperties")
    if given is None:
        return None
    for value in given.values():
        if value is not None and not (isinstance(value, list) and all(isinstance(one, str) for one in value)):
            raise unreadable_body("The value of a multi-value extended property must be a collection of strings.")
    return given


def _pairs(body: dict[str, Any], name: str) -> dict[str, Any] | None:
    items = body.get(name)
    if items is None:
        return None
    if not isinstance(items, list):
        raise unreadable_body(f"Cannot read '{name}' as a collection.")
    result: dict[str, Any] = {}
    for item in items:
        if not isinstance(item, dict) or not isinstance(item.get("id"), str):
            raise unreadable_body(f"Every element of '{name}' needs an id and a value.")
        result[property_id(item["id"])] = item.get("value")
    return result


def merged(old: dict[str, Any], changes: dict[str, Any] | None) -> dict[str, Any]:
    """Stored properties after a write that names only some of them."""
    result = {**old, **(changes or {})}
    return {name: value for name, value in result.items() if value is not None}


def read_extensions(body: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The open extensions of a posted event by name."""
    items = body.get("extensions") or []
    if not isinstance(items, list):
        raise unreadable_body("Cannot read 'extensions' as a collection.")
    found = [read_extension(item) for item in items]
    return {extension["extensionName"]: extension for extension in found}


def read_extension(item: Any) -> dict[str, Any]:
    """One open extension as it is stored and returned. Raises GraphError RequestBodyRead without a name."""
    name = item.get("extensionName") if isinstance(item, dict) else None
    if not isinstance(name, str) or not name:
        raise unreadable_body("An open extension needs an extensionName.")
    values = {key: value for key, value in item.items() if "@" not in key and key not in ("id", "extensionName")}
    return {"@odata.type": _TYPE, "id": _PREFIX + name, "extensionName": name, **values}


def extension_name(text: str, stored: dict[str, dict[str, Any]]) -> str:
    """The stored name an id in a path means. Raises GraphError ErrorItemNotFound."""
    wanted = text.removeprefix(_PREFIX).lower()
    for name in stored:
        if name.lower() == wanted:
            return name
    raise GraphError(404, "ErrorItemNotFound", f"Extension with given id not found: {text}.")
