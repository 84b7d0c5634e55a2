"""Primitive values in request bodies: Graph's OData reader takes a Boolean or a number in quotes as well."""

from __future__ import annotations

import re
from typing import Any, Final

from simulators.graph.errors import unreadable_body

_INTEGER: Final = re.compile(r"\s*[+-]?\d{1,10}\s*")


def read_boolean(value: Any, what: str) -> bool:
    """True or false, quoted or not, in any case. Raises GraphError."""
    if isinstance(value, str) and value.strip().lower() in {"true", "false"}:
        return value.strip().lower() == "true"
    if not isinstance(value, bool):
        raise unreadable_body(f"Cannot convert the value of '{what}' to Edm.Boolean.")
    return value


def read_int32(value: Any, what: str) -> int:
    """A whole number of 32 bits, quoted or not. Raises GraphError."""
    if isinstance(value, str) and _INTEGER.fullmatch(value):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not -(2**31) <= value < 2**31:
        raise unreadable_body(f"Cannot convert the value of '{what}' to Edm.Int32.")
    return value
