"""Sockets of kafka-python's clients that are surely closed: 3.0 forgets one that does not connect in time, whose
handshake fails, or that has something left to send when its client closes."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from itertools import count
from socket import socket as Socket  # noqa: N812  # the class has a method of its name
from typing import Any, Final

from kafka.net.inet import KafkaNetSocket

_NUMBERS: Final = count(1)
_OPENED: Final[dict[str, list[Socket]]] = {}


@contextlib.contextmanager
def closing_sockets() -> Iterator[str]:
    """Gives a `proxy_url` for one client: connections as without one. At the end of the block, when the client has been
    closed, whatever it left open is closed as well."""
    name = f"direct://{next(_NUMBERS)}"
    _OPENED[name] = []
    try:
        yield name
    finally:
        for opened in _OPENED.pop(name):
            opened.close()


class DirectSocket(KafkaNetSocket):  # type: ignore[misc]  # kafka-python is not typed
    """kafka-python's plain connection, remembered until it is closed.

    kafka-python chooses the class by the scheme of `proxy_url`, which is the place it has for this.
    """

    SCHEMES = ("direct",)

    def __init__(self, proxy_url: str) -> None:
        self._name = proxy_url
        self._opened: Socket | None = None

    def socket(self, *arguments: Any) -> Socket:
        """A new socket."""
        made: Socket = super().socket(*arguments)
        self._opened = made
        opened = _OPENED.get(self._name, [])
        opened[:] = [*(one for one in opened if one.fileno() >= 0), made]
        return made

    async def connect(self, *arguments: Any, **settings: Any) -> Socket:
        """A connected socket. Raises KafkaError."""
        try:
            connected: Socket = await super().connect(*arguments, **settings)
        except BaseException:  # also when the client closes meanwhile: Python ends the waiting then
            if self._opened is not None:
                self._opened.close()
            raise
        return connected
