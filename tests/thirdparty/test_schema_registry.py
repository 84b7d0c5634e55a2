"""A schema registry and a client that other people wrote: both read and write our records.

`make setup-extras` installs them; where they are missing these tests do not run and say so.
"""

from __future__ import annotations

import copy
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.registry_server import running_registry, why_not

from concord.registry.client import Registry
from concord.registry.ids import KnownIds
from concord.registry.provisioning import framed_topics, register_all, subject_of
from schemas import identified
from schemas.codec import decode, encode, with_id
from schemas.errors import Refused
from schemas.journal import OperatorAction
from schemas.release import RELEASED, expanded, samples
from schemas.topics import GRAPH_CHANGES, OPERATOR_ACTIONS

HERE = Path(__file__).parent
PYTHON = HERE.parents[1] / ".cache" / "thirdparty" / "bin" / "python"

pytestmark = [
    pytest.mark.skipif(bool(why_not()), reason=why_not() or "-"),
    pytest.mark.skipif(not PYTHON.exists(), reason="no other Python clients: make setup-extras installs it"),
]


@pytest.fixture(scope="module")
def registry() -> Iterator[Registry]:
    """One for the module."""
    with running_registry() as url:
        yield Registry(url)


def ids_of(registry: Registry) -> dict[bytes, int]:
    """Everything registered; the ids by fingerprint."""
    return {bytes.fromhex(row.fingerprint): row.id for row in register_all(registry, [])}


def test_registering_again_gives_the_same_ids(registry: Registry) -> None:
    """And one id for a record that stands on two topics: ids belong to schemas, not to subjects."""
    ids = ids_of(registry)
    assert ids == ids_of(registry)
    assert len(ids) == len({kind for _, kind in framed_topics()})


def test_every_release_of_a_record_fits_its_subject(registry: Registry) -> None:
    """What our own compatibility test accepts, the registry accepts: released schemas in any order."""
    ids_of(registry)
    for kind, topic in {kind: topic for topic, kind in framed_topics()}.items():
        for path in sorted(RELEASED.glob(f"{kind.__name__}.*.avsc")):
            registry.register(subject_of(topic), json.loads(path.read_text(encoding="utf-8")))


def test_a_version_that_breaks_readers_is_refused(registry: Registry) -> None:
    """A member without a default could not be read from older records."""
    topic, kind = next(row for row in framed_topics() if row[0] == GRAPH_CHANGES)
    ids_of(registry)
    broken = copy.deepcopy(expanded(kind))
    broken["fields"].append({"name": "added", "type": "string"})
    with pytest.raises(Refused, match=rf"refuses the schema of {topic}-value: it is not compatible"):
        registry.register(subject_of(topic), broken)


def test_unknown_ids_are_told_from_a_registry_that_is_away(registry: Registry) -> None:
    """The first is the record's fault."""
    assert registry.schema(999_999) is None


def test_another_client_reads_ours_and_we_read_its(registry: Registry) -> None:
    """Confluent's own (de)serializers, with nothing but the registry's address."""
    ids = ids_of(registry)
    ours = {topic: with_id(encode(samples(kind)[1]), ids).hex() for topic, kind in framed_topics()}
    program, schema = HERE / "python" / "schema_registry.py", json.dumps(expanded(OperatorAction))
    command = [str(PYTHON), str(program), registry.url, OPERATOR_ACTIONS, schema]
    done = subprocess.run(command, input=json.dumps(ours), capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    told = json.loads(done.stdout)
    for topic, kind in framed_topics():
        assert set(told["read"][topic]) == {field["name"] for field in expanded(kind)["fields"]}
    action = samples(OperatorAction)[1]
    identified.resolve_ids_with(KnownIds(list, registry))
    try:
        assert decode(OperatorAction, bytes.fromhex(told["written"])) == action
    finally:
        identified.resolve_ids_with(identified._unknown)
