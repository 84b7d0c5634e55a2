"""Field bitmaps of a change event header. Pure.

Bit n, counted from the lowest, stands for the n-th field of the schema, the header being field 0. Fields inside a
compound field have a bitmap of their own, with the compound's position before it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

Layout = Sequence[tuple[str, tuple[str, ...]]]
"""The fields of a schema in order, the header first: (name, names inside it when it is compound)."""


def bitmap(positions: Iterable[int]) -> str:
    """`0x` and upper-case hexadecimal in whole bytes, highest first: {4} is 0x10, {8} is 0x0100."""
    number = sum(1 << position for position in set(positions))
    digits = f"{number:X}"
    return f"0x{digits.rjust(len(digits) + len(digits) % 2, '0')}"


def bitmaps(layout: Layout, names: Collection[str]) -> list[str]:
    """The bitmaps for field names; a field inside a compound one is named `Name.FirstName`.

    The first element covers the plain fields and is absent when only parts of compound fields are named. Names that the
    layout does not have are left out, as changes that the schema cannot show.
    """
    top = [place for place, (name, parts) in enumerate(layout) if name in names and not parts]
    found = [bitmap(top)] if top else []
    for place, (name, parts) in enumerate(layout):
        inner = [at for at, part in enumerate(parts) if f"{name}.{part}" in names]
        if inner:
            found.append(f"{place}-{bitmap(inner)}")
    return found
