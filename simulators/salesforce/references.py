"""References between composite subrequests: `@{ref.path[0].field}` in URLs and bodies, filled from earlier answers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from simulators.salesforce.errors import SalesforceError

_REFERENCE: Final = re.compile(r"@\{([A-Za-z0-9_]+)((?:\.[A-Za-z0-9_]+|\[\d+\])+)\}")
_STEP: Final = re.compile(r"\.([A-Za-z0-9_]+)|\[(\d+)\]")


def fill(value: Any, answers: Mapping[str, Any]) -> Any:
    """The value with every reference replaced; a text that is one reference takes the type of what it names.

    `answers` maps reference ids to answered bodies. Raises SalesforceError for a reference that leads nowhere.
    """
    if isinstance(value, dict):
        return {name: fill(item, answers) for name, item in value.items()}
    if isinstance(value, list):
        return [fill(item, answers) for item in value]
    if not isinstance(value, str):
        return value
    whole = _REFERENCE.fullmatch(value)
    if whole is not None:
        return _look_up(whole, answers)
    return fill_text(value, answers)


def fill_text(text: str, answers: Mapping[str, Any]) -> str:
    """A text, such as a URL, with every reference replaced."""
    return _REFERENCE.sub(lambda match: str(_look_up(match, answers)), text)


def _look_up(match: re.Match[str], answers: Mapping[str, Any]) -> Any:
    name, path = match.groups()
    current: Any = answers.get(name)
    for key, place in _STEP.findall(path):
        if key and isinstance(current, dict) and key in current:
            current = current[key]
        elif place and isinstance(current, list) and int(place) < len(current):
            current = current[int(place)]
        else:
            message = f"Invalid reference specified. No value for {name}{path} found in {name}"
            raise SalesforceError(400, "PROCESSING_HALTED", message)
    return current


def names_in(value: Any) -> set[str]:
    """The reference ids that a URL or a body refers to."""
    if isinstance(value, dict):
        return {name for item in value.values() for name in names_in(item)}
    if isinstance(value, list):
        return {name for item in value for name in names_in(item)}
    return {match.group(1) for match in _REFERENCE.finditer(value)} if isinstance(value, str) else set()
