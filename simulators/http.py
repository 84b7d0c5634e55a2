"""What a simulated service sees of HTTP: a request in, a response out, no sockets.

The two services are plain synchronous objects (`Service`): the network edge in `simulators.server`, the seeded
simulation and the tests all drive the same object, so what a third-party client meets over TCP is what the
simulation meets in one thread.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any, Final, Protocol
from urllib.parse import parse_qsl, unquote, urlsplit

_COMPACT: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


# A service looks at its targets several times for each request.
@lru_cache(maxsize=256)
def _path_and_query(target: str) -> tuple[str, dict[str, str]]:
    """The path as sent, and the query options; not to be changed."""
    parts = urlsplit(target)
    return parts.path, dict(parse_qsl(parts.query, keep_blank_values=True))


@dataclass(frozen=True)
class Request:
    """One HTTP request. `target` is path plus query as sent (still percent-encoded); header names are lower case."""

    method: str
    target: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    base_url: str = "http://localhost"
    """Scheme, host and port under which the client reached the service, for links in answers."""

    @property
    def path(self) -> str:
        """The path with percent-encoding removed. Ids that hold an encoded slash need `raw_path`."""
        return unquote(self.raw_path)

    @property
    def raw_path(self) -> str:
        """The path as sent."""
        return _path_and_query(self.target)[0]

    @property
    def query(self) -> dict[str, str]:
        """Query options; the last of a repeated name wins, blank values are kept."""
        return dict(_path_and_query(self.target)[1])

    def header(self, name: str, default: str = "") -> str:
        """One header by case-insensitive name."""
        return self.headers.get(name.lower(), default)

    def json(self) -> Any:
        """The body as JSON. Raises ValueError when it is not."""
        return json.loads(self.body or b"null")


@dataclass(frozen=True)
class Response:
    """One HTTP answer."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    @staticmethod
    def of_json(status: int, value: Any, headers: Mapping[str, str] | None = None) -> Response:
        """An answer whose body is `value` as JSON in UTF-8."""
        return JsonResponse(status, {"content-type": "application/json; charset=utf-8", **(headers or {})}, value)

    @classmethod
    def of_text(cls, status: int, text: str) -> Response:
        """A plain-text answer."""
        return cls(status, {"content-type": "text/plain; charset=utf-8"}, text.encode())

    @property
    def is_empty(self) -> bool:
        """Whether it has no body."""
        return not self.body

    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body or b"null")

    def held(self) -> Any:
        """The body as JSON, not to be changed: it may be what the service itself holds, until `sealed`."""
        return self.json()

    def with_headers(self, headers: Mapping[str, str]) -> Response:
        """The same answer with these headers and no others."""
        return Response(self.status, headers, self.body)

    def sealed(self) -> Response:
        """The same answer, which no later request can change."""
        return Response(self.status, self.headers, self.body)


class JsonResponse(Response):
    """An answer made of a JSON value, which becomes bytes when somebody asks for them: what stands in the answer to a
    batch is written once, with the batch."""

    _value: Any

    def __init__(self, status: int, headers: Mapping[str, str], value: Any) -> None:
        self.__dict__.update(status=status, headers=headers, _value=value)

    @cached_property
    def body(self) -> bytes:
        """The value in UTF-8."""
        return _COMPACT.encode(self._value).encode()

    @property
    def is_empty(self) -> bool:
        """Whether it has no body: never."""
        return False

    def held(self) -> Any:
        """The value that it was made of."""
        return self._value

    def with_headers(self, headers: Mapping[str, str]) -> Response:
        """The same answer with these headers and no others."""
        return JsonResponse(self.status, headers, self._value)


def unpacked(headers: Mapping[str, str], body: bytes) -> bytes:
    """A request body without its content encoding; as it came when it has none, another one, or a broken one.

    Both services take gzip, and clients of Graph made with Kiota send it by default.
    """
    encoding = headers.get("content-encoding", "").strip().lower()
    # 16 asks for a gzip header; a negative width for deflate without any header, as some clients send it.
    most = zlib.MAX_WBITS
    for width in {"gzip": (most | 16,), "x-gzip": (most | 16,), "deflate": (most, -most)}.get(encoding, ()):
        try:
            return zlib.decompress(body, wbits=width)
        except zlib.error:
            continue
    return body


@dataclass(frozen=True)
class Delivery:
    """A request that the service itself wants to send (a webhook call), and what it is about.

    The edge sends it and reports the answer with `Service.delivered(delivery_id, response)`;
    `None` stands for no answer within the deadline.
    """

    delivery_id: str
    url: str
    method: str = "POST"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    timeout_s: float = 3.0


class Service(Protocol):
    """A simulated service: synchronous, single-threaded, in memory."""

    def handle(self, request: Request) -> Response:
        """Answer one request. Never raises: an inner fault is answered as the real service would (500)."""

    def due_deliveries(self) -> Sequence[Delivery]:
        """Webhook calls due by the service's clock and not handed out yet."""

    def delivered(self, delivery_id: str, response: Response | None) -> None:
        """Report the answer to a webhook call."""

    def reset(self) -> None:
        """Back to the seed it was built with: data, counters, faults, clock offset."""
