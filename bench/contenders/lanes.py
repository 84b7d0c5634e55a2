"""The hands of the reconcile step where there is no guard: a store to read and write, a list for what is to be sent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from concord.guard.outbox import Headers
from concord.roles.reconcile import SETTINGS_ROW, TALLY_ROW


class Pairs(Protocol):
    """Where rows of pairs are kept."""

    def get(self, key: bytes) -> bytes | None:
        """A row."""

    def put(self, key: bytes, value: bytes | None) -> None:
        """Write a row; None deletes."""


class Rows:
    """Rows in a dict."""

    def __init__(self) -> None:
        self._rows: dict[bytes, bytes] = {}

    def get(self, key: bytes) -> bytes | None:
        """A row."""
        return self._rows.get(key)

    def put(self, key: bytes, value: bytes | None) -> None:
        """Write a row; None deletes."""
        if value is None:
            self._rows.pop(key, None)
        else:
            self._rows[key] = value


class SmallLane:
    """What `reconcile_step` calls of a lane. Settings and tally of the partition stand in `common`."""

    def __init__(self, partition: int, common: Rows, pairs: Pairs, send: Callable[[str, bytes, bytes], None]) -> None:
        self.partition = partition
        self._common = common
        self._pairs = pairs
        self._send = send

    def _of(self, key: bytes) -> Pairs:
        return self._common if key in (SETTINGS_ROW, TALLY_ROW) else self._pairs

    def get(self, key: bytes) -> bytes | None:
        """A row."""
        return self._of(key).get(key)

    def set(self, key: bytes, value: bytes) -> None:
        """Write a row."""
        self._of(key).put(key, value)

    def delete(self, key: bytes) -> None:
        """Remove a row."""
        self._of(key).put(key, None)

    def send(self, topic: str, key: Any, value: Any, *, headers: Headers = ()) -> None:
        """Pass a record on."""
        self._send(topic, key, value)
