"""What a schema registry answers, and what a person reads when it does not."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
from pydantic import SecretStr
from support.registry import TinyRegistry

from concord.registry.client import Registry
from connectors.secret import Secret
from schemas.errors import AuthRejected, ConcordError, Refused, Unavailable

SCHEMA = {"type": "record", "name": "x.A", "fields": [{"name": "a", "type": "string"}]}


@pytest.fixture
def served() -> Iterator[TinyRegistry]:
    """One that begins to count at 7."""
    with TinyRegistry(first_id=7) as registry:
        yield registry


def test_a_schema_is_registered_once_and_read_back(served: TinyRegistry) -> None:
    """The same schema has the same id, whatever the subject."""
    registry = Registry(served.url)
    assert [registry.register(subject, SCHEMA) for subject in ("a-value", "b-value", "a-value")] == [7, 7, 7]
    assert registry.schema(7) == SCHEMA
    assert registry.schema(8) is None


def test_user_and_password_go_along(served: TinyRegistry) -> None:
    """As basic authentication, and nowhere else."""
    registry = Registry(served.url, "ann", Secret("X", SecretStr("pass-word-1")))
    registry.require("a-value", "FULL_TRANSITIVE")
    assert served.seen == [("PUT", "/config/a-value", "Basic YW5uOnBhc3Mtd29yZC0x")]
    assert served.compatibility == {"a-value": "FULL_TRANSITIVE"}
    assert "pass-word-1" not in repr(registry)


REFUSALS = [
    ((401, "{}"), AuthRejected, "refuses us"),
    ((403, "no"), AuthRejected, "refuses us"),
    ((409, '{"error_code": 409}'), Refused, "not compatible with a version it has"),
    ((422, '{"error_code": 42201}'), Refused, "answered 422"),
    ((500, "{}"), Unavailable, "answered 500"),
    ((200, "<html>"), Refused, "does not speak a schema registry's API"),
    ((200, '{"id": "seven"}'), Refused, "does not speak a schema registry's API"),
    ((404, "not here"), Refused, "does not speak a schema registry's API"),
]


@pytest.mark.parametrize(("refusal", "kind", "words"), REFUSALS, ids=[str(row[0]) for row in REFUSALS])
def test_each_refusal_is_one_sentence(
    served: TinyRegistry, refusal: tuple[int, str], kind: type[ConcordError], words: str
) -> None:
    """What passes is told from what a person must put right; no answer's text is repeated."""
    served.refusals = [refusal]
    with pytest.raises(kind, match=words) as caught:
        Registry(served.url).register("a-value", SCHEMA)
    assert type(caught.value) is kind
    assert "\n" not in str(caught.value)


def test_nobody_at_the_address() -> None:
    """The sentence names the address and the variable."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
    with pytest.raises(Unavailable, match=f"{url} cannot be reached .*CONCORD_SCHEMA_REGISTRY"):
        Registry(url).schema(1)


def test_a_schema_in_another_language_is_no_schema_of_ours(served: TinyRegistry) -> None:
    """A registry keeps JSON schemas and Protobuf as well."""
    served.refusals = [(200, '{"schemaType": "JSON", "schema": "{}"}')]
    assert Registry(served.url).schema(1) is None
