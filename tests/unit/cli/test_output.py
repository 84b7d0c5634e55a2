"""What goes to a terminal, a pipe and a program."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime

import pytest
from rich.console import Console

from concord.cli_output import ago, complain_of_all, plural, print_json, print_table, safe, say
from schemas.calendar import TimeSpan


@pytest.mark.parametrize(
    "text", ["\x1b[2J\x1b[31mRed", "Bell\x07", "Two\nlines", "\u202egnirts", "\u2066isolated\u2069", "\x9b31m", "\x00"]
)
def test_text_of_others_cannot_steer_the_terminal(text: str) -> None:
    """A subject is anybody's text: escape sequences, line breaks and direction marks come out as a plain sign."""
    shown = safe(text)
    assert "\N{REPLACEMENT CHARACTER}" in shown
    assert not set(shown) & set("\x1b\x07\n\u202e\u2066\u2069\x9b\x00")


@pytest.mark.parametrize("text", ["Café 👩‍💻", "פגישה", "審查", "[bold]not markup[/bold] :warning:"])
def test_text_of_every_language_stays_as_it_is(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Emoji, right-to-left text and what looks like markup are printed as they are."""
    say(text)
    print_table(("what",), [(text,)])
    assert capsys.readouterr().out.count(text) == 2


def test_a_long_line_is_not_folded_in_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    """What a program reads line by line stays one line."""
    say("word " * 300, indent=4)
    print_table(("key", "n"), [("k" * 150, 1)])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3


def test_a_terminal_gets_folded_lines_and_a_shortened_column(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a narrow screen sentences hang, what is to be copied stays whole, and one column of a table gives way."""
    screen = Console(file=io.StringIO(), force_terminal=True, width=40, color_system=None, markup=False, emoji=False)
    monkeypatch.setattr("concord.cli_output.out", screen)
    say("one two three four five six seven eight nine ten", indent=2, hang=4)
    say("k" * 60, indent=2, whole=True)
    print_table(("user", "first number", "second number"), [("somebody@firm.example", 1, 22)], cut="user")
    folded, hanging, key, _, row = screen.file.getvalue().splitlines()
    assert folded == "  one two three four five six seven"
    assert hanging == "      eight nine ten"
    assert key == "  " + "k" * 60
    assert row.split()[1:] == ["1", "22"]
    assert row.split()[0].endswith("…")


def test_numbers_stand_right_and_nothing_is_a_dash(capsys: pytest.CaptureFixture[str]) -> None:
    """A column with numbers is aligned although one is missing."""
    print_table(("n", "text"), [(5, None), (123, "x"), (None, "y")])
    assert [line.rstrip() for line in capsys.readouterr().out.splitlines()] == [
        "  n  text",
        "  5  -",
        "123  x",
        "  -  y",
    ]


def test_json_holds_times_enums_and_dataclasses(capsys: pytest.CaptureFixture[str]) -> None:
    """One document; times are ISO 8601."""
    moment = datetime(2026, 3, 7, 9, tzinfo=UTC)
    print_json({"span": TimeSpan(moment, moment), "text": "Café"})
    assert json.loads(capsys.readouterr().out) == {
        "span": {"start_utc": moment.isoformat(), "end_utc": moment.isoformat(), "is_all_day": False},
        "text": "Café",
    }


def test_problems_are_listed_one_a_line_on_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    """Every problem, then what can be done; nothing on standard output."""
    complain_of_all(["one is wrong", "two is wrong"], "Nothing was changed.")
    captured = capsys.readouterr()
    assert captured.err.splitlines() == [
        "Not possible:",
        "  - one is wrong",
        "  - two is wrong",
        "Nothing was changed.",
    ]
    assert captured.out == ""


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.0 s"), (9.9, "9.9 s"), (61, "61 s"), (600, "10 min"), (7200, "2 h"), (400_000, "5 days")],
)
def test_lengths_of_time_come_in_the_unit_that_fits(seconds: float, text: str) -> None:
    """Seconds for what just happened, days for what is long ago."""
    assert ago(seconds) == text


def test_one_is_not_many() -> None:
    """Counts read as sentences do."""
    assert (plural(1, "pair"), plural(2, "pair"), plural(0, "entry", "entries")) == ("1 pair", "2 pairs", "0 entries")
