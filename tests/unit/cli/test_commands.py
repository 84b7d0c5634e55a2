"""The command line without a broker: help, wrong usage, missing configuration, nobody who answers."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from concord import cli
from concord.cli import app
from concord.config import Config
from concord.rewriting import require_whole_to_start
from schemas.errors import ConfigError
from schemas.settings import READERS

LOOKING = [
    ["status"], ["lag"], ["sources"], ["explain", "x"], ["topics", "list"], ["topics", "create"], ["settings", "show"],
    ["settings", "history"], ["settings", "set", "direction=two_way"], ["users", "list"], ["users", "enable", "a@b"],
    ["users", "disable", "a@b"], ["retry", "--errors"],
]  # fmt: skip


@pytest.fixture
def nobody() -> Iterator[str]:
    """An address of this machine that nobody listens on."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{held.getsockname()[1]}"


def run_main(monkeypatch: pytest.MonkeyPatch, *words: str, environ: Mapping[str, str] | None = None) -> int:
    """The exit code of `concord WORDS`, through the entry point."""
    monkeypatch.setattr(sys, "argv", ["concord", *words])
    monkeypatch.setattr(cli, "quieten_kafka", lambda: None)
    monkeypatch.delenv("CONCORD_BROKER", raising=False)
    for name, value in (environ or {}).items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return ended.value.code if isinstance(ended.value.code, int) else 1


@pytest.mark.parametrize("words", LOOKING, ids=" ".join)
def test_a_broker_that_does_not_answer_is_named_in_one_sentence(
    words: list[str], nobody: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 1, one line on standard error that names the address, nothing on standard output, no traceback."""
    assert run_main(monkeypatch, *words, environ={"CONCORD_BROKER": nobody}) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines() == [
        f"The Kafka broker at {nobody} cannot be reached. Check CONCORD_BROKER, or start one with `make up`."
    ]


def test_something_that_takes_connections_and_says_nothing_is_no_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A stopped broker, or another service on its port: one sentence, after the time allowed."""
    monkeypatch.setattr("concord.connecting.BOOTSTRAP_MS", 300)
    with socket.create_server(("127.0.0.1", 0)) as mute:
        address = f"127.0.0.1:{mute.getsockname()[1]}"
        assert run_main(monkeypatch, "lag", environ={"CONCORD_BROKER": address}) == 1
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith(f"The Kafka broker at {address} takes connections but does not answer.")


@pytest.mark.parametrize("address", ["no-port", "host:port", "127.0.0.1:99999", ":"])
def test_an_address_that_is_none_is_said_the_same_way(
    address: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nonsense in CONCORD_BROKER is no traceback either."""
    assert run_main(monkeypatch, "lag", environ={"CONCORD_BROKER": address}) == 1
    assert "cannot be reached" in capsys.readouterr().err


def test_waiting_for_a_broker_that_stays_away_ends_with_one(
    nobody: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`status --wait` waits for a broker, says at the end that it did not come, and tells a program the same."""
    assert run_main(monkeypatch, "status", "--wait", "0.2", environ={"CONCORD_BROKER": nobody}) == 1
    assert f"The Kafka broker at {nobody} cannot be reached." in capsys.readouterr().out
    assert run_main(monkeypatch, "status", "--wait", "0", "--json", environ={"CONCORD_BROKER": nobody}) == 1
    assert '"settled": false' in capsys.readouterr().out


@pytest.mark.parametrize("words", LOOKING, ids=" ".join)
def test_missing_configuration_is_said_before_anything_is_tried(
    words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a broker's address: exit code 1 and the name of the variable."""
    assert run_main(monkeypatch, *words) == 1
    assert "CONCORD_BROKER: missing" in capsys.readouterr().err


def test_every_problem_of_the_configuration_is_listed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A misspelt variable, a bad value and a missing one: one line each."""
    environ = {"CONCORD_BROKR": "x", "CONCORD_PARTITIONS": "0"}
    assert run_main(monkeypatch, "lag", environ=environ) == 1
    err = capsys.readouterr().err
    assert len(err.splitlines()) == 5
    assert "did you mean CONCORD_BROKER?" in err


@pytest.mark.parametrize(
    "words",
    [
        ["nonsense"], ["explain"], ["status", "--wait", "soon"], ["status", "--wait", "-1"], ["users", "enable"],
        ["users", "enable", "a@b", "--all"], ["retry"], ["retry", "x", "--errors"], ["lag", "--jsn"],
        ["settings", "set"],
    ],
    ids=" ".join,
)  # fmt: skip
def test_wrong_usage_ends_with_two(
    words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command was not understood: exit code 2, said on standard error."""
    assert run_main(monkeypatch, *words, environ={"CONCORD_BROKER": "127.0.0.1:1"}) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "Usage: concord" in captured.err


def test_a_fault_of_our_own_is_one_sentence_without_its_text(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An unexpected exception may quote a record: its class and place are said, nothing else."""

    def fails(*_: Any, **__: Any) -> None:
        raise ValueError("Surgery with Dr Grey")

    monkeypatch.setattr("concord.lag.read_lag", fails)
    assert run_main(monkeypatch, "lag", environ={"CONCORD_BROKER": "127.0.0.1:1"}) == 1
    err = capsys.readouterr().err
    assert "Surgery" not in err
    assert len(err.splitlines()) == 1
    assert "ValueError" in err


def test_every_problem_of_an_error_comes_out(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A ConfigError with several problems lists them, and says what it means."""

    def fails(*_: Any, **__: Any) -> None:
        raise ConfigError(["one", "two"], "Nothing was changed.")

    monkeypatch.setattr("concord.lag.read_lag", fails)
    assert run_main(monkeypatch, "lag", environ={"CONCORD_BROKER": "127.0.0.1:1"}) == 1
    assert capsys.readouterr().err.splitlines() == ["Not possible:", "  - one", "  - two", "Nothing was changed."]


def test_help_loads_little_and_reads_like_a_page() -> None:
    """`concord --help` loads neither Faust nor a Kafka client, and names every group."""
    code = (
        "import sys\n"
        "from concord.cli import app\n"
        "try:\n    app(['--help'], prog_name='concord')\nexcept SystemExit:\n    pass\n"
        "slow = {'faust', 'kafka', 'aiokafka', 'httpx', 'msal', 'rocksdict', 'simulators'} & set(sys.modules)\n"
        "sys.stderr.write(str(sorted(slow)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, timeout=60, check=True,
        cwd=Path(cli.__file__).parent.parent,
    )  # fmt: skip
    assert done.stderr == "[]"
    for word in ("Look", "Administer", "Run", "Develop", "Exit codes", "explain", "demo"):
        assert word in done.stdout


@pytest.mark.parametrize(
    ("words", "environ", "worker"),
    [([], {}, "0"), ([], {"CONCORD_WORKER": "b"}, "b"), (["--worker", "a"], {"CONCORD_WORKER": "b"}, "a")],
)
def test_the_worker_name_comes_from_the_option_else_the_variable(
    words: list[str], environ: dict[str, str], worker: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The option wins over CONCORD_WORKER, which wins over 0."""
    built: list[Config] = []
    monkeypatch.setattr("concord.roles.reconcile.build", built.append)
    monkeypatch.setattr("concord.guard.run_app", lambda _: 0)
    assert run_main(monkeypatch, "reconcile", *words, environ={"CONCORD_BROKER": "127.0.0.1:1", **environ}) == 0
    assert [config.worker for config in built] == [worker]


def test_a_worker_name_that_is_no_folder_name_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It becomes part of a path."""
    assert run_main(monkeypatch, "reconcile", "--worker", "../x", environ={"CONCORD_BROKER": "127.0.0.1:1"}) == 1
    assert "CONCORD_WORKER" in capsys.readouterr().err


def test_flow_needs_no_broker() -> None:
    """The table of topics comes from the code."""
    done = CliRunner().invoke(app, ["topics", "flow"], env={"CONCORD_BROKER": None})
    assert done.exit_code == 0
    assert "sync.journal" in done.stdout


def test_every_setting_is_explained() -> None:
    """`settings show` says of each setting what it does, in the order of the settings themselves."""
    from concord.cli_admin import MEANINGS

    assert list(MEANINGS) == list(READERS)


def test_interrupt_ends_with_130(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Ctrl-C while something is read is no fault."""

    def interrupted(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    started = time.monotonic()
    monkeypatch.setattr("concord.lag.read_lag", interrupted)
    assert run_main(monkeypatch, "lag", environ={"CONCORD_BROKER": "127.0.0.1:1"}) == 130
    assert "Traceback" not in capsys.readouterr().err
    assert time.monotonic() - started < 5


def test_who_starts_without_its_broker_is_not_kept_by_the_look_for_an_erasure(nobody: str) -> None:
    """Roles wait for their broker by themselves."""
    require_whole_to_start(nobody)
