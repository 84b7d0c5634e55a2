"""kafka-python's connections are closed, however they end."""

from __future__ import annotations

import errno
import socket
from typing import Any

import pytest

from concord.connecting import _client
from concord.kafka_sockets import DirectSocket, closing_sockets
from schemas.errors import ConcordError


class Loop:
    """An event loop of which a connection asks nothing but to be woken."""

    async def wait_write(self, waiting: socket.socket, timeout_at: float | None = None) -> None:
        """The address is asked for and nothing comes back."""
        await Never()


class Never:
    """Awaits for ever."""

    def __await__(self) -> Any:
        yield


ADDRESS = (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", ("127.0.0.1", 1))


def test_a_client_that_closes_while_it_connects_leaves_no_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine takes a moment to connect: kafka-python ends the coroutine then, and forgets the socket."""
    monkeypatch.setattr(DirectSocket, "connect_ex", lambda *_: errno.EINPROGRESS)
    connection = DirectSocket("direct://")
    connecting = connection.connect(Loop(), ADDRESS)
    connecting.send(None)
    assert connection._opened is not None
    assert connection._opened.fileno() >= 0
    connecting.close()
    assert connection._opened.fileno() == -1


def test_a_refused_connection_leaves_no_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each attempt at a broker that is away would cost one."""
    monkeypatch.setattr(DirectSocket, "connect_ex", lambda *_: errno.ECONNREFUSED)
    connection = DirectSocket("direct://")
    with pytest.raises(Exception, match="ECONNREFUSED"):
        connection.connect(Loop(), ADDRESS).send(None)
    assert connection._opened is not None
    assert connection._opened.fileno() == -1


def test_what_a_client_leaves_open_is_closed_behind_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """kafka-python waits for the rest to be sent, which nobody does any more when its loop has ended."""
    monkeypatch.setattr(DirectSocket, "connect_ex", lambda *_: 0)
    with closing_sockets() as directly:
        opened = []
        for _ in range(2):
            with pytest.raises(StopIteration) as ended:
                DirectSocket(directly).connect(Loop(), ADDRESS).send(None)
            opened.append(ended.value.value)
        assert all(one.fileno() >= 0 for one in opened)
    assert [one.fileno() for one in opened] == [-1, -1]


def test_a_client_that_cannot_be_made_leaves_nothing_running() -> None:
    """Something listens and says nothing: the constructor gives up, and its thread ends with its connections."""
    made: list[Any] = []

    def make(**settings: Any) -> Any:
        made.append(settings["kafka_client"](**{**settings, "bootstrap_servers": ["127.0.0.1:1"]}))
        assert settings["proxy_url"].startswith("direct://")
        raise ConcordError("as if the bootstrap took too long")

    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        pytest.raises(ConcordError, match="too long"),
        _client(f"127.0.0.1:{server.getsockname()[1]}", make),
    ):
        raise AssertionError
    assert made[0]._net._closed
