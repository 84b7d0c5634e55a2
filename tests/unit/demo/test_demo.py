"""The demo from its command to its exit code, with services and broker replaced by what they would have said."""

from __future__ import annotations

import os
import re
import signal
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from support.demo_firm import agreeing_firm, good_evidence, graph_event, practifi_record, tampered

from concord import comparison, demo
from concord.comparison import EXTERNAL_ID
from concord.demo_day import Scene
from concord.demo_evidence import Evidence
from schemas.errors import ConcordError, ConfigError
from simulators.ics import ImportReport, Refusal

ENDED_WELL = "Both sides agree."


class Run:
    """One `run_demo` with its environment replaced."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], folder: Path) -> None:
        self._monkeypatch = monkeypatch
        self._capsys = capsys
        self.folder = folder
        self.state_dir = Path()
        self.was_stopped = False

    def __call__(self, evidence: Evidence | Callable[[], Evidence]) -> tuple[int, str]:
        """The exit code and what was printed."""

        @contextmanager
        def environment(options: Any, on_ready: Callable[[str], None]) -> Iterator[Any]:
            self.state_dir = options.state_dir
            (options.state_dir / "logs").mkdir()
            (options.state_dir / "logs" / "reconcile.log").write_text("a line\n")
            (options.state_dir / "data").mkdir()
            on_ready("Kafka")
            try:
                yield SimpleNamespace(broker=SimpleNamespace(address="127.0.0.1:1"))
            finally:
                self.was_stopped = True

        def perform(env: Any, phases: Any) -> Evidence:
            return evidence if isinstance(evidence, Evidence) else evidence()

        self._monkeypatch.setattr(demo, "environment", environment)
        self._monkeypatch.setattr(demo, "perform", perform)
        code = demo.run_demo()
        return code, self._capsys.readouterr().out


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    """The demo, with a temporary folder of its own."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return Run(monkeypatch, capsys, tmp_path)


def row(printed: str, name: str) -> str:
    """The value of a row of the summary."""
    found = re.search(rf"^ +{re.escape(name)} +(\S.*?) *$", printed, re.MULTILINE)
    assert found, f"no row {name!r} in:\n{printed}"
    return found[1]


def test_a_good_day_ends_with_0_and_its_counts(run: Run) -> None:
    """All counts are printed as plain text, nothing is left behind."""
    code, printed = run(good_evidence())
    assert code == 0
    assert printed.rstrip().endswith(ENDED_WELL)
    assert "[" not in printed, "markup is printed raw"
    assert "\x1b" not in printed, "colours go into a file"
    assert row(printed, "changes read from Microsoft 365") == "12"
    assert row(printed, "writes to Practifi (4 create)") == "4"
    assert row(printed, "decisions") == "5"
    assert row(printed, "created_in_microsoft: New in Microsoft 365: created in Practifi.") == "4"
    assert row(printed, "predicted in the decisions") == row(printed, "sent by Exchange for these writes") == "3"
    assert row(printed, "duplicates") == "0"
    assert row(printed, "workers restarted") == "1"
    assert row(printed, "on both sides and equal") == "6"
    assert row(printed, "together") == "5.5 s"
    assert list(run.folder.iterdir()) == []
    assert run.was_stopped


BROKEN_RULES = {
    "show as": ("LABELS", {**comparison.LABELS, "oof": "Busy"}, "show_as is 'Busy' in Microsoft 365"),
    "answers": ("STATUSES", {}, "people is "),
    "line ends": ("plain", lambda text: text or "", "body is "),
    "longest": ("LONGEST", demo.timedelta(days=40), "0 events in Practifi instead of 1"),
}


@pytest.mark.parametrize("rule", BROKEN_RULES)
def test_with_one_comparison_rule_broken_the_demo_fails(rule: str, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The exit code hangs on the comparison: the same good day ends with 1 when a single rule is wrong."""
    name, broken, words = BROKEN_RULES[rule]
    monkeypatch.setattr(comparison, name, broken)
    code, printed = run(good_evidence())
    assert code == 1
    assert words in printed
    assert ENDED_WELL not in printed


DAYS_GONE_WRONG = {
    "a wrong subject": (good_evidence(now=tampered("practifi", 1, {"Subject": "?"})), "subject is 'Review 1'"),
    "a doubled record": (
        good_evidence(
            now=replace(
                agreeing_firm(), events=[*agreeing_firm().events, practifi_record(31, **{EXTERNAL_ID: "event-1"})]
            )
        ),
        "2 events in Practifi",
    ),
    "a look-alike": (
        good_evidence(
            now=replace(
                agreeing_firm(),
                mailboxes={
                    name: [*events, graph_event(5, id="event-50", isDraft=True), graph_event(5, isDraft=True)]
                    for name, events in agreeing_firm().mailboxes.items()
                },
            )
        ),
        "stands 5 times in Microsoft 365",
    ),
    "a mark used twice": (good_evidence(shared_marks=1), "1 events carry a mark that another event carries"),
    "a mail too many": (
        good_evidence(sent=Counter({("invite", "a@b.example"): 1}) + good_evidence().sent),
        "mail sent and not predicted: invite to a@b.example, 1 times",
    ),
    "a mail too few": (good_evidence(sent=Counter()), "mail predicted and not sent: update to client01@home.example"),
    "an act that never shows": (good_evidence(shortfalls=("moved: not seen in Practifi",)), "moved: not seen in"),
    "an import that vanished": (
        good_evidence(reports=(ImportReport("a.ics", 1, 1, (), (), events=("event-404",)),)),
        "a.ics: 1 imported events are in no calendar",
    ),
    "an import that was not counted": (
        good_evidence(reports=(ImportReport("a.ics", 3, 1, (), (), events=("event-1",)),)),
        "a.ics: 3 events read, but 1 imported and 0 refused",
    ),
}


@pytest.mark.parametrize("day", DAYS_GONE_WRONG)
def test_a_day_gone_wrong_ends_with_1_and_says_why(day: str, run: Run) -> None:
    """Each kind of failure has its sentence, decides the exit code, and leaves the logs where the demo says."""
    evidence, words = DAYS_GONE_WRONG[day]
    code, printed = run(evidence)
    assert code == 1
    assert words in printed
    assert "Not as it should be" in printed
    assert f"kept in {run.state_dir / 'logs'}" in printed
    assert [path.name for path in run.state_dir.iterdir()] == ["logs"]


def test_many_problems_are_counted_and_not_all_printed(run: Run) -> None:
    """The first twenty, and how many there are."""
    code, printed = run(good_evidence(shortfalls=tuple(f"act {number}" for number in range(30))))
    assert code == 1
    assert printed.count("- act") == 20
    assert "and 10 more" in printed
    assert "30 problems" in printed


def test_an_error_keeps_the_logs_and_goes_on(run: Run) -> None:
    """What the demo cannot go on with is raised for the command line to say; the logs stay."""

    def fail() -> Evidence:
        raise ConcordError("The first exchange has not ended.")

    with pytest.raises(ConcordError, match="first exchange"):
        run(fail)
    assert (run.state_dir / "logs" / "reconcile.log").exists()
    assert run.was_stopped


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_everything_and_leaves_nothing(number: signal.Signals, run: Run) -> None:
    """Ctrl-C in the middle of the day: everything is stopped, no folder stays, and it is no success."""

    def interrupted() -> Evidence:
        os.kill(os.getpid(), number)
        raise AssertionError("the signal was not heard")

    before = signal.getsignal(number)
    code, printed = run(interrupted)
    assert code == 130
    assert "everything was stopped" in printed
    assert run.was_stopped
    assert list(run.folder.iterdir()) == []
    assert signal.getsignal(number) is before


def test_a_second_signal_does_not_cut_stopping_short(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """An impatient second Ctrl-C, while everything is being stopped, is not heard."""
    tidy = demo._tidy

    def tidy_under_fire(state_dir: Path, *, keeps_logs: bool) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        tidy(state_dir, keeps_logs=keeps_logs)

    monkeypatch.setattr(demo, "_tidy", tidy_under_fire)
    assert run(good_evidence())[0] == 0
    assert list(run.folder.iterdir()) == []


def test_missing_calendar_files_are_named_before_anything_starts(tmp_path: Path) -> None:
    """Every file that is not there is named at once."""
    there = tmp_path / "a.ics"
    there.write_text("")
    with pytest.raises(ConfigError) as caught:
        demo.run_demo(ics=(tmp_path / "b.ics", there, tmp_path / "c.ics"))
    assert len(caught.value.problems) == 2


def test_each_calendar_file_is_accounted_for(run: Run) -> None:
    """The summary counts what reached the other side, what Concord's rules keep out and what the calendar refused."""
    refused = (Refusal("u", "s", "it ends before it starts"), Refusal("v", "s", "it recurs"))
    report = ImportReport("real.ics", 6, 4, refused, ("a note",), events=("event-1", "event-2", "event-7", "event-10"))
    code, printed = run(good_evidence(reports=(report, ImportReport("b.ics", 0, 0, (), (), problem="it is a picture"))))
    assert code == 0
    part = printed[printed.index("real.ics") :]
    assert row(part, "events in the file") == "6"
    assert row(part, "on both sides and equal") == "2"
    assert row(part, "not in Practifi: begins before 01 Jan 2026, where the range of sync begins") == "1"
    assert row(part, "not in Practifi: cancelled by its organizer") == "1"
    assert row(part, "not imported: it ends before it starts") == "1"
    assert row(part, "not imported: it recurs") == "1"
    assert row(part, "not imported: it is a picture") == "0"


def scene(title: str, act: Callable[[], None], *, is_seen: bool = True) -> Scene:
    """An act that is seen at once or never."""
    return Scene(title, "Practifi", act, lambda: is_seen)


def test_the_day_ends_with_the_first_act_that_never_shows(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is named, and so are the acts that were not played after it; a line an act is printed."""
    monkeypatch.setattr(demo, "ACT_S", 0.1)
    played: list[str] = []

    def noted(title: str, *, is_seen: bool = True) -> Scene:
        return scene(title, lambda: played.append(title), is_seen=is_seen)

    acts = iter([noted("made"), noted("moved", is_seen=False), noted("deleted")])
    problems = demo._day(acts, demo.Progress())
    assert problems == ["moved: not seen in Practifi within 0 s", "not played after that: deleted"]
    assert played == ["made", "moved"]
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["made", "moved"]
    assert lines[1].endswith("never")


def test_an_act_that_fails_is_a_problem() -> None:
    """A service that refuses a player ends the day with its words, not with a traceback."""

    def act() -> None:
        raise ConcordError("POST /events: 500 out of order")

    assert demo._day(iter([scene("made", act)]), demo.Progress()) == ["made: POST /events: 500 out of order"]
