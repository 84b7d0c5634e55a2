"""kafka-python clients for short conversations with the broker: opened, used, closed, and plain about what fails."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from typing import Any, Final

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer
from kafka.coordinator.assignors.range import RangePartitionAssignor
from kafka.errors import KafkaError, KafkaTimeoutError, UnknownTopicOrPartitionError
from kafka.net.compat import KafkaNetClient

from concord.broker_access import current_access
from concord.kafka_sockets import closing_sockets
from schemas.errors import ConcordError
from schemas.topics import MAX_RECORD_BYTES

# Longest wait for a broker's first answer, in milliseconds.
BOOTSTRAP_MS: Final = 10_000
# Longest wait for its port to take a connection, in seconds.
CONNECT_S: Final = 3.0


class BrokerUnreachable(ConcordError):
    """Nobody answers at the broker's address. One sentence that names it; `fix` says what to do."""

    def __init__(
        self,
        broker: str,
        what: str = "cannot be reached",
        fix: str = "Check CONCORD_BROKER, or start one with `make up`.",
    ) -> None:
        super().__init__(f"The Kafka broker at {broker} {what}.", fix)


def _silent(broker: str) -> BrokerUnreachable:
    """Somebody listens and says nothing: what a refused password and the wrong protocol look like, too."""
    access = current_access()
    fix = f"Check CONCORD_BROKER and CONCORD_BROKER_PROTOCOL, which is {access.protocol}"
    fix += ", and CONCORD_BROKER_USERNAME and its password." if access.username else "."
    return BrokerUnreachable(broker, "takes connections but does not answer", fix)


@contextlib.contextmanager
def plainly(broker: str) -> Iterator[None]:
    """Whatever kafka-python raises in this block becomes a ConcordError of one sentence."""
    try:
        yield
    except UnknownTopicOrPartitionError as error:
        raise ConcordError("A topic of Concord does not exist.", "Create it with `concord topics create`.") from error
    except KafkaError as error:
        if not _accepts_any(broker):
            raise BrokerUnreachable(broker) from error
        if isinstance(error, KafkaTimeoutError):
            raise _silent(broker) from error
        raise ConcordError(f"The Kafka broker at {broker} did not do what was asked: {_words(error)}.") from error


def _words(error: KafkaError) -> str:
    return str(error).strip().rstrip(".") or type(error).__name__


def _accepts_any(broker: str) -> bool:
    """Whether one of the addresses takes connections. Asked before a client is made: kafka-python keeps trying, keeps
    its sockets and complains at length when nobody listens."""
    return any(_accepts(address.strip()) for address in broker.split(","))


def _accepts(address: str) -> bool:
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=CONNECT_S):
            return True
    except (OSError, ValueError, OverflowError):
        return False


def require_broker(broker: str) -> None:
    """Raises BrokerUnreachable when none of the addresses takes connections."""
    if not _accepts_any(broker):
        raise BrokerUnreachable(broker)


@contextlib.contextmanager
def _client(broker: str, make: Any, **settings: Any) -> Iterator[Any]:
    require_broker(broker)
    inner: list[Any] = []

    def remembered(**chosen: Any) -> Any:
        inner.append(KafkaNetClient(**chosen))
        return inner[-1]

    with closing_sockets() as directly, plainly(broker):
        try:
            client = make(
                bootstrap_servers=[address.strip() for address in broker.split(",")],
                bootstrap_timeout_ms=BOOTSTRAP_MS,
                kafka_client=remembered,
                proxy_url=directly,
                **current_access().settings(),
                **settings,
            )
        except BaseException:  # also when interrupted: a constructor that raises leaves its thread and connections
            for one in inner:
                one.close()
            raise
        try:
            yield client
        finally:
            client.close()


@contextlib.contextmanager
def admin_of(broker: str) -> Iterator[Any]:
    """A kafka-python admin client. Raises ConcordError when the broker cannot be reached or refuses."""
    with _client(broker, KafkaAdminClient, client_id="concord-admin") as client:
        yield client


@contextlib.contextmanager
def consumer_of(broker: str) -> Iterator[Any]:
    """A kafka-python consumer without a group, which commits nothing. Raises ConcordError like `admin_of`."""
    with _client(
        broker, KafkaConsumer, client_id="concord-reader", group_id=None, enable_auto_commit=False,
        auto_offset_reset="earliest", max_partition_fetch_bytes=16 << 20, fetch_max_bytes=64 << 20,
        fetch_max_wait_ms=100,
    ) as client:  # fmt: skip
        yield client


@contextlib.contextmanager
def group_consumer_of(broker: str, group: str, **settings: Any) -> Iterator[Any]:
    """A kafka-python consumer of a group, which commits only what it is told to. Raises ConcordError like `admin_of`.

    Partitions of one number go to one member, whatever their topic. A member that is gone is missed after 10 s.
    """
    with _client(
        broker, KafkaConsumer, client_id=group, group_id=group, enable_auto_commit=False,
        auto_offset_reset="earliest", max_partition_fetch_bytes=16 << 20, fetch_max_bytes=64 << 20,
        partition_assignment_strategy=[RangePartitionAssignor], session_timeout_ms=10_000, heartbeat_interval_ms=2_000,
        **settings,
    ) as client:  # fmt: skip
        yield client


@contextlib.contextmanager
def producer_of(broker: str) -> Iterator[Any]:
    """A kafka-python producer that waits for every copy. Raises ConcordError like `admin_of`."""
    with _client(
        broker, KafkaProducer, client_id="concord-writer", acks="all", max_request_size=MAX_RECORD_BYTES
    ) as client:
        yield client
