"""From frozen values straight to Avro bodies: one function for each schema, put together once from its parts.

fastavro reads. It writes too, but dictionaries, with a call and a look at the schema for each member, which was a fifth
of all work in the seeded simulation. The bytes are the same (ADR 12).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from operator import attrgetter, call
from typing import Any, Final

Writer = Callable[[Any], bytes]

# Parts that stand in many records, as the same event does in a change, its journal entry and its pair's state: what
# they come to is remembered while they are the same object, for events also while they are equal.
REMEMBERED: Final = frozenset({"concord.Item", "concord.Command", "concord.SideState"})
REMEMBERED_BY_VALUE: Final = "concord.CalendarEvent"
REMEMBERED_MAX: Final = 512
SHORT_MAX: Final = 120  # characters; texts up to there are remembered as well

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_FIRST_DAY: Final = date(1970, 1, 1).toordinal()
_END: Final = b"\x00"


def write_long(value: int) -> bytes:
    """A whole number: zigzag, seven bits a byte, the lowest first. Raises OverflowError beyond 64 bits."""
    if not -(1 << 63) <= value < 1 << 63:
        raise OverflowError(f"{value} does not fit into 64 bits")
    left = (value << 1) ^ (value >> 63)
    out = bytearray()
    while left > 0x7F:
        out.append(left & 0x7F | 0x80)
        left >>= 7
    out.append(left)
    return bytes(out)


_SMALL: Final = tuple(write_long(number) for number in range(4096))


def _long(value: int) -> bytes:
    return _SMALL[value] if 0 <= value < len(_SMALL) else write_long(value)


def _text(value: str) -> bytes:
    return _short_text(value) if len(value) <= SHORT_MAX else _any_text(value)


def _any_text(value: str) -> bytes:
    raw = value.encode()
    return _long(len(raw)) + raw


# Ids, addresses, names, reasons: the same few stand in record after record.
_short_text: Final = lru_cache(maxsize=8192)(_any_text)


@lru_cache(maxsize=4096)
def _micros(value: datetime) -> bytes:
    return write_long((value - _EPOCH) // _MICROSECOND)


def _days(value: date) -> bytes:
    return write_long(value.toordinal() - _FIRST_DAY)


_PLAIN: Final[dict[str, Writer]] = {
    "string": _text,
    "long": _long,
    "boolean": {False: b"\x00", True: b"\x01"}.__getitem__,
    "long/timestamp-micros": _micros,
    "int/date": _days,
}


def writer_of(schema: Any, named: dict[str, Writer] | None = None) -> Writer:
    """The function that writes the values of a parsed schema. `named` holds those of the schemas met before, by name.

    Raises KeyError for a type that no schema of ours uses.
    """
    named = {} if named is None else named
    if isinstance(schema, str):
        return _PLAIN[schema] if schema in _PLAIN else named[schema]
    if isinstance(schema, list):
        return _optional(schema, named) if schema[0] == "null" else _one_of(schema, named)
    kind, name = schema["type"], schema.get("name", "")
    match kind:
        case "record":
            write = _record([(one["name"], writer_of(one["type"], named)) for one in schema["fields"]])
            if name == REMEMBERED_BY_VALUE:
                write = lru_cache(REMEMBERED_MAX)(write)
            named[name] = _remembering(write) if name in REMEMBERED or name == REMEMBERED_BY_VALUE else write
            return named[name]
        case "enum":
            named[name] = {symbol: _SMALL[index] for index, symbol in enumerate(schema["symbols"])}.__getitem__
            return named[name]
        case "array":
            return _array(writer_of(schema["items"], named))
        case "map":
            return _map(writer_of(schema["values"], named))
        case _:
            return _PLAIN[f"{kind}/{schema['logicalType']}"]


def _record(members: list[tuple[str, Writer]]) -> Writer:
    names, writers = zip(*members, strict=True)
    if len(names) == 1:  # attrgetter gives a tuple for several names only
        return lambda value: writers[0](getattr(value, names[0]))
    get = attrgetter(*names)
    return lambda value: b"".join(map(call, writers, get(value)))


def _remembering(write: Writer) -> Writer:
    """The same, remembering what the last objects came to. They are kept, so that no other object takes their id."""
    known: dict[int, tuple[Any, bytes]] = {}

    def remember(value: Any) -> bytes:
        found = known.get(id(value))
        if found is None:
            if len(known) >= REMEMBERED_MAX:
                known.clear()
            found = known[id(value)] = (value, write(value))
        return found[1]

    return remember


def _optional(branches: list[Any], named: dict[str, Writer]) -> Writer:
    """Null or one other type."""
    _, something = branches
    write = writer_of(something, named)
    return lambda value: _SMALL[0] if value is None else _SMALL[1] + write(value)


def _one_of(branches: list[Any], named: dict[str, Writer]) -> Writer:
    """One of several records, told apart by the class of the value."""
    names = [one if isinstance(one, str) else one["name"] for one in branches]
    writers = [writer_of(one, named) for one in branches]
    of_class = {name.split(".")[-1]: (_SMALL[at], writers[at]) for at, name in enumerate(names)}

    def write_one(value: Any) -> bytes:
        index, write = of_class[type(value).__name__]
        return index + write(value)

    return write_one


def _array(write: Writer) -> Writer:
    def write_all(values: tuple[Any, ...]) -> bytes:
        count = len(values)
        return b"".join([_long(count), *map(write, values), _END]) if count else _END

    return write_all


def _map(write: Writer) -> Writer:
    def write_all(values: dict[str, Any]) -> bytes:
        rows = [part for key, value in values.items() for part in (_text(key), write(value))]
        return b"".join([_long(len(values)), *rows, _END]) if rows else _END

    return write_all
