"""The table of parties: it says the same as the flow, the roles and the tool that prints it."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from concord.access import ALL_TOPICS, FLOW_FILE, PARTIES, entries_of, flow_text
from concord.acls import principal_of
from concord.cli import app
from concord.config import NEEDS
from concord.processes import COMMANDS
from concord.read_models.projector import GROUP
from concord.roles import graph_sink, graph_source, reconcile, salesforce_sink, salesforce_source
from schemas.errors import ConfigError
from schemas.topics import TOPICS

BY_NAME = {party.name: party for party in PARTIES}
STAGES = {"intake": "reconcile", "projections": "project"}


def test_every_process_has_a_party() -> None:
    """Each that `concord dev` starts, with the command that it starts."""
    assert {name: party.command for name, party in BY_NAME.items() if party.command} == COMMANDS
    assert {party.need for party in PARTIES} <= set(NEEDS)


def test_groups_are_those_of_the_roles() -> None:
    """By the names under which they join."""
    groups = {
        "source-graph": graph_source.APP_NAME, "source-salesforce": salesforce_source.APP_NAME,
        "reconcile": reconcile.APP_NAME, "sink-graph": graph_sink.APP_NAME,
        "sink-salesforce": salesforce_sink.APP_NAME, "project": GROUP,
    }  # fmt: skip
    assert {party.name: party.group for party in PARTIES if party.group} == groups


@pytest.mark.parametrize("spec", TOPICS, ids=lambda spec: spec.name)
def test_the_flow_says_the_same(spec: object) -> None:
    """Whom `schemas.topics` names as writer or reader may write or read."""
    for text, ours in ((spec.written_by, "writes"), (spec.read_by, "reads")):  # type: ignore[attr-defined]
        for name in (part.strip().replace(" ", "-") for part in text.split(",")):
            party = BY_NAME.get(STAGES.get(name, name))
            if party is not None:
                assert spec.name in getattr(party, ours), f"{name} {ours} {spec.name}"  # type: ignore[attr-defined]


def test_only_people_the_console_and_the_exporter_see_everything() -> None:
    """A role that is taken over reads and writes what it needs, and no other role's tables."""
    for party in PARTIES:
        topics = [entry for entry in entries_of(party) if entry.resource == "topic"]
        if party.name in ("operator", "console", "exporter"):
            assert set(party.reads) == set(ALL_TOPICS)
            continue
        assert {entry.name for entry in topics if not entry.is_prefix} == {*party.reads, *party.writes}
        prefixes = {entry.name: entry.operations for entry in topics if entry.is_prefix}
        assert prefixes.pop("rewrite.") == ("Describe",)
        assert list(prefixes) == [f"{party.group}-"] * party.has_tables
    assert "Write" not in str([entry.operations for entry in entries_of(BY_NAME["exporter"])])


def test_the_chart_carries_this_table() -> None:
    """Whoever changes topics or parties writes it anew: `python -m concord.access`."""
    assert FLOW_FILE.read_text(encoding="utf-8") == flow_text()


def test_command_lines_name_user_resource_and_operations() -> None:
    """As Kafka's own tool takes them; without a broker."""
    lines = CliRunner().invoke(app, ["topics", "acls", "--principal", "User:CN={party}"]).stdout.splitlines()
    assert (
        "kafka-acls.sh --add --allow-principal User:CN=project --operation Read --operation Describe "
        "--topic sync.journal" in lines
    )
    assert len(lines) == sum(len(list(entries_of(party))) for party in PARTIES)
    with pytest.raises(ConfigError, match="does not say which user"):
        principal_of(PARTIES[0], "User:everybody")
