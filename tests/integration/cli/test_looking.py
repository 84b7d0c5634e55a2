"""Every command that looks, on a real broker with a hand-made day."""

from __future__ import annotations

import json
import re

import pytest
from integration.cli.firm import RECONCILE, SINK_GRAPH, Firm
from support.history import IGNORED, PENDING, PRIVATE, REFUSED, REVIEW, SALESFORCE_ID

from schemas.topics import GRAPH_COMMANDS, TOPICS

pytestmark = pytest.mark.broker


def test_topics_are_listed_as_created(firm: Firm) -> None:
    """Each with its partitions; creating again changes nothing."""
    listed = json.loads(firm.run("topics", "list", "--json").stdout)
    assert {row["name"]: row["partitions"] for row in listed} == {s.name: s.partitions or 4 for s in TOPICS}
    assert firm.run("topics", "create").stdout == "Every topic exists already.\n"


def test_status_counts_per_user_and_says_why(firm: Firm) -> None:
    """Scope, synced, pending, errors, left out with reasons, how long ago, and lag in one line."""
    done = firm.run("status")
    assert done.exit_code == 0
    row = next(line for line in done.stdout.splitlines() if line.startswith("ann@"))
    assert row.split()[:6] == ["ann@firm.example", "3", "1", "1", "1", "2"]
    assert "Private events are not synced under the present settings." in done.stdout
    assert "FIELD_CUSTOM_VALIDATION_EXCEPTION" in done.stdout
    assert re.search(rf"Lag: 2 records behind, for up to .* \({SINK_GRAPH}, {re.escape(GRAPH_COMMANDS)}\)", done.stdout)


def test_status_as_json(firm: Firm) -> None:
    """The same for a program."""
    told = json.loads(firm.run("status", "--json").stdout)
    [ann] = told["users"]
    assert (ann["in_scope"], ann["synced"], ann["pending"], ann["error"], ann["not_synced"]) == (3, 1, 1, 1, 2)
    assert {reason["reason"] for reason in ann["not_synced_reasons"]} == {"private_off", "draft"}
    assert ann["freshness_s"] > 0
    assert ann["oldest_pending_s"] > ann["freshness_s"]
    assert told["lag"]["records_behind"] == 2
    assert told["total"]["in_scope"] == 3


def test_waiting_says_what_is_open(firm: Firm) -> None:
    """Commands nobody took and a pair without an answer: exit code 1, both named."""
    done = firm.run("status", "--wait", "0")
    assert done.exit_code == 1
    assert f"{GRAPH_COMMANDS}, partition 0: 2 records behind ({SINK_GRAPH})" in done.stdout
    assert f"pending: {PENDING} (created_in_microsoft)" in done.stdout
    told = json.loads(firm.run("status", "--wait", "0", "--json").stdout)
    assert told["settled"] is False
    assert [pair["pair_key"] for pair in told["pending"]] == [PENDING]
    assert [row["records_behind"] for row in told["behind"]] == [2]


def test_lag_names_every_partition_of_every_group(firm: Firm) -> None:
    """What is committed, where the topic ends, how many records wait and how old the oldest is."""
    rows = json.loads(firm.run("lag", "--json").stdout)
    behind = [row for row in rows if row["records_behind"]]
    [row] = behind
    assert (row["group"], row["topic"], row["partition"], row["committed"], row["end"]) == (
        SINK_GRAPH, GRAPH_COMMANDS, 0, 0, 2,
    )  # fmt: skip
    assert 0 < row["seconds_behind"] < 120
    assert {row["group"] for row in rows} >= {RECONCILE, SINK_GRAPH, "concord-source-salesforce"}
    assert SINK_GRAPH in firm.run("lag").stdout


def test_sources_say_what_was_read_and_when(firm: Firm) -> None:
    """Every mailbox of the directory, enabled or not, and the Salesforce object."""
    rows = {row["name"]: row for row in json.loads(firm.run("sources", "--json").stdout)}
    assert set(rows) == {"ann@firm.example", "bob@firm.example", "cleo@firm.example", "Event"}
    assert rows["ann@firm.example"]["is_enabled"] is True
    assert rows["ann@firm.example"]["woken_by"] == "notification"
    assert rows["ann@firm.example"]["changed_ms"] is not None
    assert rows["bob@firm.example"]["changed_ms"] is None
    assert rows["Event"]["changed_ms"] is not None
    assert "notification" in firm.run("sources").stdout


@pytest.mark.parametrize("query", [REVIEW, SALESFORCE_ID[:15], "annual review"])
def test_explain_finds_a_pair_by_any_name_and_tells_the_conflict(query: str, firm: Firm) -> None:
    """Both edits, the rule, the losing value, the writes and the confirmation, read back from the topics."""
    done = firm.run("explain", query)
    assert done.exit_code == 0
    for text in (
        "“Room 1” → “Room 2”", "“Room 1” → “Room 3”", "conflict, rule 7.15, settings 1",
        "“Room 2” in Practifi gave way to “Room 3”", "sent: update in Microsoft 365",
        "Microsoft 365 confirmed the update",
    ):  # fmt: skip
        assert text in done.stdout


def test_explain_keeps_private_text_to_itself(firm: Firm) -> None:
    """By its key the private event is explained without its text."""
    done = firm.run("explain", PRIVATE)
    assert "private_off" in done.stdout
    assert "Surgery" not in done.stdout
    assert "Surgery" in firm.run("explain", PRIVATE, "--show-private").stdout
    assert firm.run("explain", "surgery").exit_code == 1


def test_explain_as_json_and_lists_when_several_match(firm: Firm) -> None:
    """A program gets the pairs to choose from."""
    told = json.loads(firm.run("explain", IGNORED, "--json").stdout)
    assert (told["status"], told["reason"]) == ("not_synced", "draft")
    several = firm.run("explain", "d", "--json")
    assert several.exit_code == 1
    assert {pair["pair_key"] for pair in json.loads(several.stdout)["pairs"]} >= {REFUSED, IGNORED}


def test_users_are_matched_by_address(firm: Firm) -> None:
    """Bob's Salesforce user has an alias of his mailbox; Cleo has none."""
    listed = json.loads(firm.run("users", "list", "--json").stdout)
    assert {user["address"]: user["salesforce_id"] for user in listed["users"]} == {
        "ann@firm.example": "005ANN", "bob@firm.example": "005BOB", "cleo@firm.example": "",
    }  # fmt: skip


def test_a_replay_is_shown_before_it_is_done(firm: Firm) -> None:
    """Nothing is set back without --execute; topics, partitions, keys and times narrow it down."""
    whole = json.loads(firm.run("replay", "--stage", "reconcile", "--to-earliest", "--json").stdout)
    assert (whole["is_executed"], whole["records"]) == (False, len(firm.history.entries))
    again = json.loads(firm.run("replay", "--stage", "reconcile", "--to-earliest", "--json").stdout)
    assert again == whole
    of_pair = json.loads(
        firm.run("replay", "--stage", "reconcile", "--to-earliest", "--key", REFUSED, "--json").stdout
    )["ranges"]
    first = next(offset for _, offset, entry in firm.history.entries if entry.pair_key == REFUSED)
    assert [(one["partition"], one["first"]) for one in of_pair] == [(0, first)]
    assert "Nothing to replay." in firm.run("replay", "--stage", "reconcile", "--to-datetime", "2099-01-01").stdout
    told = firm.run("replay", "--stage", "intake", "--to-earliest", "--topic", "graph.changes").stdout
    assert "1 record would be gone over again. --execute does it." in told
    refused = firm.run("replay", "--stage", "intake", "--to-earliest", "--topic", "sync.journal")
    assert str(refused.exception).startswith("The stage intake does not read sync.journal.")


def test_what_if_shows_what_other_settings_would_have_led_to(firm: Firm) -> None:
    """The private event would appear in Practifi, under no name; without a change nothing would be otherwise."""
    told = firm.run("what-if", "--set", "sync_private_events=on", "--since", "2026-03-01", "--json")
    assert told.exit_code == 3, told.output
    events = json.loads(told.stdout)["events"]
    assert [(one["pair_key"], one["side"], one["change"]) for one in events] == [(PRIVATE, "salesforce", "appears")]
    assert "Surgery" not in told.output
    table = firm.run("what-if", "--set", "sync_private_events=on", "--since", "2026-03-01").stdout
    assert "1 would appear in Practifi." in table
    same = firm.run("what-if", "--set", "direction=two_way", "--since", "2026-03-01")
    assert (same.exit_code, same.stdout.split(":")[0]) == (0, "Nothing would be otherwise")
    refused = firm.run("what-if", "--set", "direction=sideways")
    assert "direction='sideways': use one of" in str(refused.exception)


def test_an_event_is_told_as_it_stood_at_a_moment(firm: Firm) -> None:
    """Before it was edited on both sides; before it was seen there is nothing to tell."""
    now = json.loads(firm.run("explain", REVIEW, "--json").stdout)
    first = now["moments"][0]["at"]
    then = json.loads(firm.run("explain", REVIEW, "--at", first, "--json").stdout)
    assert [moment["at"] for moment in then["moments"]] == [first]
    assert (then["status"], now["status"]) == ("pending", "synced")
    before = firm.run("explain", REVIEW, "--at", "2020-01-01")
    assert str(before.exception).startswith("Nothing was known of this event then; it was first seen at 2026-03-02")


def test_export_writes_the_history_line_by_line(firm: Firm) -> None:
    """One line an entry and one for the standing; a user's export holds all events, private ones without text."""
    lines = [json.loads(line) for line in firm.run("export", REVIEW).stdout.splitlines()]
    assert len(lines) == len(firm.history.of(REVIEW)) + 1
    assert lines[-1]["standing"]["status"] == "synced"
    told = firm.run("export", "--user", "ann@firm.example").stdout
    keys = {json.loads(line)["pair_key"] for line in told.splitlines()}
    assert {REVIEW, PRIVATE, REFUSED, PENDING} <= keys
    assert "Surgery" not in told
    assert "Surgery" in firm.run("export", "--user", "ANN@firm.example", "--show-private").stdout
    assert str(firm.run("export", "--user", "nobody@firm.example").exception).startswith("There is no user")
    assert str(firm.run("export").exception).startswith("Say what to export")
