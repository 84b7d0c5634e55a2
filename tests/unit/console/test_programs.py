"""Access tokens: made and taken away by the command, kept as digests."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from concord.console.accounts import Role
from concord.console.programs import Programs
from schemas.errors import ConfigError

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def test_a_token_is_made_listed_and_taken_away_by_the_command(tmp_path: Path) -> None:
    """It is printed once; the file holds it nowhere and belongs to its owner alone."""
    from concord.cli import app

    def run(*words: str) -> str:
        done = CliRunner().invoke(app, ["console", "token", *words], env={"CONCORD_DATA_DIR": str(tmp_path)})
        assert done.exit_code == 0, done.output
        return done.output

    assert "None yet" in run("list")
    said = run("add", "reporting", "--role", "operator", "--days", "7")
    token = re.search(r"concord_\S+", said)
    assert token is not None
    (file,) = tmp_path.iterdir()
    assert token[0] not in file.read_text(encoding="utf-8")
    assert file.stat().st_mode & 0o777 == 0o600
    session = Programs(file).session_of(token[0])
    assert session is not None
    assert (session.name, session.role) == ("token:reporting", Role.OPERATOR)
    (row,) = json.loads(run("list", "--json"))
    assert (row["name"], row["role"]) == ("reporting", "operator")
    run("remove", "reporting")
    assert Programs(file).session_of(token[0]) is None


def test_a_token_counts_until_its_end(tmp_path: Path) -> None:
    """A token counts until its end."""
    at = [NOW]
    programs = Programs(tmp_path / "tokens.json", lambda: at[0])
    token = programs.add("nightly", Role.VIEWER, timedelta(days=1))
    at[0] += timedelta(days=1) - timedelta(seconds=1)
    assert programs.session_of(token) is not None
    at[0] += timedelta(seconds=1)
    assert programs.session_of(token) is None


def test_what_cannot_be_done_is_said(tmp_path: Path) -> None:
    """A name twice, a name that is none, nobody to remove, a broken file."""
    programs = Programs(tmp_path / "tokens.json", lambda: NOW)
    programs.add("nightly", Role.VIEWER, timedelta(days=1))
    with pytest.raises(ConfigError, match="already"):
        programs.add("nightly", Role.VIEWER, timedelta(days=1))
    with pytest.raises(ConfigError, match="no name"):
        programs.add("Nightly run", Role.VIEWER, timedelta(days=1))
    with pytest.raises(ConfigError, match="no token"):
        programs.remove("other")
    (tmp_path / "tokens.json").write_text("[]", encoding="utf-8")
    with pytest.raises(ConfigError, match="cannot be read"):
        programs.session_of("concord_x")
