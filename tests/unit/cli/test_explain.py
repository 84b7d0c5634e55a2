"""`concord explain` on a hand-made history: how a pair is found, how its story reads, what stays private."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest
from support.history import PRIVATE, REFUSED, REVIEW, SALESFORCE_ID, History, whole_day
from support.simulation_pairs import content
from typer.testing import CliRunner, Result

from concord.cli import app
from concord.finding import find_pairs
from concord.reading import Read
from schemas.codec import encode
from schemas.errors import ConcordError
from schemas.journal import SettingsChanged
from schemas.topics import GRAPH_COMMANDS, SALESFORCE_COMMANDS, SYNC_DECISIONS, SYNC_JOURNAL

SECRETS = ("Surgery", "Dr Grey", "Clinic", "client@out.example", "Carla Client")


def topics_of(history: History) -> dict[str, list[Read]]:
    """The history as records, an unreadable one among them on each topic."""

    def read(topic: str, offset: int, key: str, value: bytes) -> Read:
        return Read(topic, 0, offset, 0, key.encode(), value)

    topics: dict[str, list[Read]] = {
        SYNC_JOURNAL: [
            read(SYNC_JOURNAL, offset, entry.pair_key, encode(entry)) for _, offset, entry in history.entries
        ],
        SYNC_DECISIONS: [read(SYNC_DECISIONS, n, d.pair_key, encode(d)) for n, d in enumerate(history.decisions)],
        GRAPH_COMMANDS: [],
        SALESFORCE_COMMANDS: [],
    }
    for command in history.sent:
        topic = GRAPH_COMMANDS if command.side == "graph" else SALESFORCE_COMMANDS
        topics[topic].append(read(topic, len(topics[topic]), command.pair_key, encode(command)))
    for topic, records in topics.items():
        records.append(read(topic, 10_000, REVIEW, b"not a record Annual review"))
    return topics


@pytest.fixture
def history(monkeypatch: pytest.MonkeyPatch) -> History:
    """A whole day, readable in place of the broker's topics. Add to it before reading."""
    told = whole_day()

    def read_topics(_: str, *names: str) -> Iterator[Read]:
        for name in names:
            yield from topics_of(told)[name]

    monkeypatch.setattr("concord.finding.read_topics", read_topics)
    return told


def explain(*words: str) -> Result:
    """Run the command."""
    return CliRunner().invoke(app, ["explain", *words], env={"CONCORD_BROKER": "127.0.0.1:1"})


def keys(query: str, **options: bool) -> list[str]:
    """The pairs that a query finds."""
    return [pair.pair_key for pair in find_pairs("", query, **options)]


@pytest.mark.parametrize(
    "query",
    [REVIEW, "G", "uid-G", SALESFORCE_ID, SALESFORCE_ID[:15], "annual REVIEW", "with carla", f"  {REVIEW} "],
)
@pytest.mark.usefixtures("history")
def test_a_pair_is_found_by_any_of_its_names(query: str) -> None:
    """Pair key, id of either service (Salesforce's in both lengths), iCalUId, or text of any subject it ever had."""
    assert keys(query) == [REVIEW]


@pytest.mark.parametrize("query", ["", "   ", "nothing of the kind", "00U000000000002", SALESFORCE_ID.swapcase()])
@pytest.mark.usefixtures("history")
def test_what_is_not_known_is_not_found(query: str) -> None:
    """Salesforce ids are case-sensitive; nothing matches by accident."""
    assert keys(query) == []


def test_an_id_wins_over_text(history: History) -> None:
    """Somebody's subject that quotes a pair key does not hide the pair."""
    history.graph("m:uid-Q", "Q", content(f"About {REVIEW}"), at=70)
    assert keys(REVIEW) == [REVIEW]
    assert keys("about m:uid") == ["m:uid-Q"]


def test_subjects_in_other_scripts_are_found(history: History) -> None:
    """Text is compared without case in every language."""
    history.graph("m:uid-Q", "Q", content("ÜBERPRÜFUNG פגישה"), at=70)
    assert keys("überprüfung") == ["m:uid-Q"]
    assert keys("פגישה") == ["m:uid-Q"]


@pytest.mark.usefixtures("history")
def test_private_subjects_are_found_only_when_asked() -> None:
    """Searching must not tell what a private event is called; by its key or id it is found all the same."""
    assert keys("surgery") == []
    assert keys("surgery", show_private=True) == [PRIVATE]
    assert keys(PRIVATE) == keys("P") == [PRIVATE]


@pytest.mark.usefixtures("history")
def test_conflict_is_told_whole() -> None:
    """Both edits, the rule and the settings, the losing value, the writes and the confirmations, in order."""
    done = explain(REVIEW)
    assert done.exit_code == 0
    expected = [
        "“Annual review with Carla”",
        "status         Synced: Both sides hold the same.",
        "First seen in Microsoft 365",
        "sent: create in Practifi (command #1)",
        "Practifi confirmed the create (command #1, 1.0 s after it was decided)",
        "Changed in Practifi",
        "“Room 1” → “Room 2”",
        "Microsoft 365 was not written: the event changed there meanwhile (command #2",
        "“Room 1” → “Room 3”",
        "(conflict, rule 7.15, settings 1)",
        "“Room 2” in Practifi gave way to “Room 3”",
        "sent: update in Practifi (command #3)",
        "sent: update in Microsoft 365 (command #4)",
        "Practifi confirmed the update",
        "Microsoft 365 confirmed the update",
    ]
    place = 0
    for text in expected:
        assert text in done.stdout[place:], f"{text!r} is missing, or stands too early, in:\n{done.stdout}"
        place = done.stdout.index(text, place)


@pytest.mark.usefixtures("history")
def test_story_as_json_has_the_same_facts() -> None:
    """One object: the pair, its status, and every moment with its decision."""
    story = json.loads(explain(REVIEW, "--json").stdout)
    assert (story["pair_key"], story["status"], story["salesforce_id"]) == (REVIEW, "synced", SALESFORCE_ID)
    decisive = next(m for m in story["moments"] if m["decision"] and m["decision"]["reason"] == "conflict")
    assert decisive["decision"]["lost"][0]["before"] == "Room 2"
    assert {(sent["side"], sent["action"]) for sent in decisive["sent"]} == {
        ("graph", "update"),
        ("salesforce", "update"),
    }
    assert story["moments"][0]["holds"]["location"] == "“Room 1”"


@pytest.mark.parametrize("options", [[], ["--json"]])
@pytest.mark.usefixtures("history")
def test_private_event_is_told_without_its_text(options: list[str]) -> None:
    """Neither text nor people, in either form of output; what was decided is there."""
    done = explain(PRIVATE, *options)
    assert done.exit_code == 0
    assert [secret for secret in SECRETS if secret in done.stdout] == []
    assert "private_off" in done.stdout


@pytest.mark.usefixtures("history")
def test_private_event_is_shown_when_asked() -> None:
    """`--show-private` tells everything."""
    done = explain("surgery", "--show-private")
    assert done.exit_code == 0
    assert [secret for secret in SECRETS if secret not in done.stdout] == ["Dr Grey"]  # the body is not introduced


@pytest.mark.usefixtures("history")
def test_refusal_is_told_with_the_services_word() -> None:
    """The code of the service, and that the pair is in error."""
    done = explain(REFUSED)
    assert "Practifi refused the create" in done.stdout
    assert "the service said: FIELD_CUSTOM_VALIDATION_EXCEPTION" in done.stdout
    assert "status         Error" in done.stdout


def test_several_matches_are_listed(history: History) -> None:
    """Exit code 1, every pair with its key on standard output, how many on standard error."""
    history.graph("m:uid-H", "H", content("Annual dinner"), at=70)
    done = explain("annual")
    assert done.exit_code == 1
    assert isinstance(done.exception, ConcordError)
    assert "2 events are known by 'annual'" in str(done.exception)
    assert REVIEW in done.stdout
    assert "m:uid-H" in done.stdout
    listed = json.loads(explain("annual", "--json").stdout)
    assert {pair["pair_key"] for pair in listed["pairs"]} == {REVIEW, "m:uid-H"}


@pytest.mark.usefixtures("history")
def test_nothing_found_says_what_can_be_asked_for() -> None:
    """One sentence that names what was looked for."""
    done = explain("nothing of the kind")
    assert done.exit_code == 1
    assert "No event is known by 'nothing of the kind'." in str(done.exception)


def test_commands_that_are_no_longer_kept_are_still_told(history: History) -> None:
    """Commands are kept for two weeks, decisions for a year: the changes come from the decision then."""
    history.sent.clear()
    done = explain(REVIEW)
    assert "sent: command #3, #4 (no longer kept on its topic)" in done.stdout
    assert "“Room 2” → “Room 3”" in done.stdout


def test_long_and_strange_text_neither_breaks_nor_steers_the_terminal(history: History) -> None:
    """A body of pages is cut; escape sequences in a subject come out as a plain sign."""
    held = content("\x1b[2J\u202eevil", body="word " * 20_000)
    history.graph("m:uid-Q", "Q", held, at=70)
    history.graph("m:uid-Q", "Q", replace(held, body="word " * 20_000 + "end"), at=71)
    done = explain("m:uid-Q")
    assert done.exit_code == 0
    assert "\x1b" not in done.stdout
    assert "\u202e" not in done.stdout
    assert max(map(len, done.stdout.splitlines())) < 400
    assert "end”" in done.stdout


def test_status_under_a_setting_that_changed_meanwhile(history: History) -> None:
    """The pair's state is folded under the settings that stood at each entry, as the workers did."""
    number = history.settings.number + 1
    changed = replace(history.settings, number=number, sync_private_events=True)
    history.enter("!settings", "settings.changes", SettingsChanged(changed), at=80)
    history.graph(PRIVATE, "P", None, at=81)
    done = explain(PRIVATE)
    assert "Deletion confirmed in Microsoft 365" in done.stdout
    assert "Microsoft 365  deleted" in done.stdout
