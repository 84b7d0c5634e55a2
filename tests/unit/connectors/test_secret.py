"""Secrets: values that do not print, files that are read anew at each use."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr

from connectors.secret import SIZE_MAX, Secret
from schemas.errors import AuthRejected


def test_a_value_does_not_print() -> None:
    """Neither in a log line nor in an error."""
    secret = Secret("NAME", SecretStr("hush"))
    assert secret.read() == "hush"
    assert "hush" not in repr(secret) + str(secret)


def test_a_file_is_read_at_each_use(tmp_path: Path) -> None:
    """Without the line end that editors and tools put behind it."""
    path = tmp_path / "secret"
    path.write_text("one\n")
    secret = Secret("NAME_FILE", file=path)
    assert secret.read() == "one"
    path.write_text("two\r\n")
    assert secret.read() == "two"


@pytest.mark.parametrize("content", [None, b"", b" \n", b"\xff\xfe\x00", b"x" * (SIZE_MAX + 1)])
def test_a_file_that_gives_nothing_is_named_without_its_content(tmp_path: Path, content: bytes | None) -> None:
    """The variable, the path and what to do."""
    path = tmp_path / "secret"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(AuthRejected) as caught:
        Secret("NAME_FILE", file=path).read()
    assert caught.value.what.startswith(f"NAME_FILE: the file {path} ")
    assert "xxx" not in str(caught.value)


def test_none_is_told_apart(tmp_path: Path) -> None:
    """A file counts as given before it is there."""
    assert not Secret("NAME")
    assert Secret("NAME", SecretStr("a"))
    assert Secret("NAME", file=tmp_path / "not-yet")
