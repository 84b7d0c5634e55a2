"""A role's table in a test: rows in memory, and a log that has everything at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass
class TableRows:
    """What a role uses of its lane beside sending."""

    rows: dict[bytes, bytes] = field(default_factory=dict, kw_only=True)

    def get(self, row: bytes) -> bytes | None:
        """A row."""
        return self.rows.get(row)

    def set(self, row: bytes, value: bytes) -> None:
        """Write a row."""
        self.rows[row] = value

    def delete(self, row: bytes) -> None:
        """Remove a row."""
        self.rows.pop(row, None)

    def items(self, prefix: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        """Rows that begin with a prefix, sorted."""
        return iter(sorted(pair for pair in self.rows.items() if pair[0].startswith(prefix)))

    async def acknowledged(self) -> None:
        """Everything is on the log at once."""
