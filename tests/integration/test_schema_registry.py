"""`concord topics create` with a schema registry, and what the log then says of it to every process."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from support.registry import TinyRegistry
from typer.testing import CliRunner

from concord import registry as registries
from concord.changing import append_settings, confirm, current_settings
from concord.cli import app
from concord.reading import read_topics
from concord.registry import framing
from schemas import identified
from schemas.codec import decode
from schemas.errors import ConcordError
from schemas.settings import Settings
from schemas.topics import SETTINGS_CHANGES

if TYPE_CHECKING:
    from concord.broker import DevelopmentBroker

pytestmark = pytest.mark.broker


@pytest.fixture
def deployment(broker: DevelopmentBroker, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A broker and a registry that the environment names; this process reads both frames, as `concord` does."""
    with TinyRegistry(first_id=40) as registry:
        monkeypatch.setenv("CONCORD_BROKER", broker.address)
        monkeypatch.setenv("CONCORD_SCHEMA_REGISTRY", registry.url)
        registries.install()
        yield registry
        identified.resolve_ids_with(identified._unknown)
        framing._framing_by_log.cache_clear()


def test_a_registry_switched_on_and_off_again(
    deployment: TinyRegistry, broker: DevelopmentBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Old records stay as they are, new ones have the registry's frame, and both are read with and without it."""
    monkeypatch.delenv("CONCORD_SCHEMA_REGISTRY")
    create = CliRunner().invoke(app, ["topics", "create"])
    assert create.exit_code == 0, create.output
    before = append_settings(broker.address, lambda old: replace(old, number=old.number + 1, licences=11)).number
    monkeypatch.setenv("CONCORD_SCHEMA_REGISTRY", deployment.url)
    with pytest.raises(ConcordError, match="Run `concord topics create`"):
        confirm(broker.address, by="too early")

    for words in ("are new to this log", "0 schemas are new to this log"):
        create = CliRunner().invoke(app, ["topics", "create"])
        assert create.exit_code == 0, create.output
        assert words in " ".join(create.output.split())
    append_settings(broker.address, lambda old: replace(old, number=old.number + 1, licences=12))
    monkeypatch.delenv("CONCORD_SCHEMA_REGISTRY")
    append_settings(broker.address, lambda old: replace(old, number=old.number + 1, licences=13))

    values = [record.value for record in read_topics(broker.address, SETTINGS_CHANGES)][-3:]
    assert [value[:1] for value in values if value] == [b"\xc3", b"\x00", b"\xc3"]
    asked = len(deployment.seen)
    assert [decode(Settings, value).licences for value in values] == [11, 12, 13]
    assert current_settings(broker.address).number == before + 2
    assert len(deployment.seen) == asked, "the log alone says what the ids mean"


def test_a_registry_that_is_away_is_one_sentence(
    deployment: TinyRegistry, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """The command ends with code 1 and says which address was tried."""
    from concord import cli

    monkeypatch.setenv("CONCORD_SCHEMA_REGISTRY", "http://127.0.0.1:9")
    monkeypatch.setattr("sys.argv", ["concord", "topics", "create"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 1
    said = " ".join(capfd.readouterr().err.split())
    assert "The schema registry at http://127.0.0.1:9 cannot be reached" in said
    assert "Traceback" not in said
