"""Which frame a process writes."""

from __future__ import annotations

import pytest
from support.builders import NOW

from concord.config import Config, load_config
from concord.framing import unchanged
from concord.registry.framing import framing_by, framing_of
from concord.registry.provisioning import fingerprint_of
from schemas.changes import Wakeup
from schemas.codec import encode
from schemas.errors import ConfigError
from schemas.topics import GRAPH_WAKEUPS, SCHEMA_IDS, SYNC_QUARANTINE

RAW = encode(Wakeup("mailbox-ann", "timer", NOW))
IDS = {bytes.fromhex(fingerprint_of(Wakeup)): 258}
CHANGELOG = "concord-reconcile-sync-state-changelog"


def test_without_a_registry_nothing_changes() -> None:
    """The default is single-object encoding, and no broker is asked."""
    assert framing_of(Config.model_validate({})) is unchanged
    assert unchanged(GRAPH_WAKEUPS, RAW) == RAW


def test_with_one_records_on_topics_get_its_frame() -> None:
    """Tables keep their own, or the fold would not be theirs byte for byte; quarantine keeps what came."""
    frame = framing_by(IDS)
    assert frame(GRAPH_WAKEUPS, RAW) == b"\x00\x00\x00\x01\x02" + RAW[10:]
    for topic in (CHANGELOG, SYNC_QUARANTINE, SCHEMA_IDS):
        assert frame(topic, RAW) == RAW
    assert frame(GRAPH_WAKEUPS, None) is None


URL = "CONCORD_SCHEMA_REGISTRY"
WRONG = [
    ({URL: "registry:8081"}, "must begin with https://"),
    ({URL: "https://ann:secret@registry:8081"}, "give user and password in CONCORD_SCHEMA_REGISTRY_USERNAME"),
    ({URL: "https://registry", f"{URL}_USERNAME": "ann"}, "give both or neither"),
    ({URL: "https://registry", f"{URL}_PASSWORD": "secret"}, "give both or neither"),
    ({f"{URL}_USERNAME": "ann"}, "not used without CONCORD_SCHEMA_REGISTRY"),
    ({URL: "https://registry", f"{URL}_USERNAME": "a", f"{URL}_PASSWORD_FILE": "/no/such"}, "cannot be read"),
    (
        {URL: "https://r", f"{URL}_USERNAME": "a", f"{URL}_PASSWORD": "secret", f"{URL}_PASSWORD_FILE": "/no"},
        "given twice",
    ),
]


@pytest.mark.parametrize(("given", "words"), WRONG, ids=[row[1][:24] for row in WRONG])
def test_a_wrong_configuration_is_told_before_anything_starts(given: dict[str, str], words: str) -> None:
    """With the variable's name, and without the secret."""
    with pytest.raises(ConfigError, match=words) as caught:
        load_config("broker", {"CONCORD_BROKER": "b:9092", **given})
    assert "secret" not in str(caught.value)
