"""The reference pages say what the program says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from concord.cli_reference import PAGES, command_page, main
from concord.config import Config

DOCS = Path(__file__).parents[3] / "docs" / "reference"


@pytest.mark.parametrize(("name", "page"), PAGES.items(), ids=list(PAGES))
def test_page_is_up_to_date(name: str, page: Callable[[], str]) -> None:
    """Whoever changes a command or a variable writes the pages anew: `python -m concord.cli_reference`."""
    assert (DOCS / name).read_text(encoding="utf-8") == page()


def test_every_variable_stands_on_the_configuration_page() -> None:
    """Each field of the configuration, by the name it has in the environment."""
    page = PAGES["configuration.md"]()
    assert [name for name in Config.model_fields if f"`CONCORD_{name.upper()}`" not in page] == []


@pytest.mark.parametrize(
    "text",
    ["### `concord explain`", "`--show-private`", "`--wait SECONDS`", "### `concord sink salesforce`", "## Look"],
)
def test_command_page_has_commands_arguments_and_options(text: str) -> None:
    """Commands of groups too, each option with what it takes."""
    assert text in command_page()


def test_pages_are_written_where_asked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The writer names what it wrote."""
    assert main(tmp_path) == 0
    assert {path.name for path in tmp_path.iterdir()} == set(PAGES)
    assert len(capsys.readouterr().out.splitlines()) == len(PAGES)
