"""Writes the reference pages from what the program itself says: `python -m concord.cli_reference`.

A test compares the pages in docs/reference with what this module writes.
"""

from __future__ import annotations

import re
import sys
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import typer
from pydantic import SecretStr
from pydantic.fields import FieldInfo

from concord.config import NEEDS, PREFIX, Config
from concord.credentials import ONE_OF
from concord.telemetry.names import CATALOGUE

MADE: Final = "This page is written by `python -m concord.cli_reference`; change the texts in the code."
FOLDER: Final = Path("docs") / "reference"

# What each group of NEEDS is called on the configuration page.
_NEEDED_BY: Final = {
    "broker": "everything",
    "graph": "`source graph`, `sink graph`",
    "salesforce": "`source salesforce`, `sink salesforce`",
    "exporter": "`exporter`",
}


def command_page() -> str:
    """The command line as Markdown: every command with its arguments and options, as `--help` says them."""
    from concord.cli import app

    root: Any = typer.main.get_command(app)
    parts = ["# The command line", MADE, _plain(root.help or "")]
    by_panel: dict[str, list[tuple[str, Any]]] = {}
    for name, command in root.commands.items():
        by_panel.setdefault(str(command.rich_help_panel), []).extend(_commands(command, f"concord {name}"))
    for panel, commands in by_panel.items():
        parts.append(f"## {panel}")
        for path, command in commands:
            parts.append(f"### `{path}`")
            parts.append(f"```\n{path} {' '.join(command.collect_usage_pieces(_context(command, path)))}\n```")
            parts.append(_plain(command.help or ""))
            parts += _parameters(command)
    return "\n\n".join(part for part in parts if part) + "\n"


def _commands(command: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Every command that does something at or below this one, with its full name, in the order of the code."""
    for name, inner in getattr(command, "commands", {}).items():
        yield from _commands(inner, f"{path} {name}")
    if not hasattr(command, "commands"):
        yield path, command


def _context(command: Any, path: str) -> Any:
    return command.context_class(command, info_name=path)


def _plain(text: str) -> str:
    return re.sub(r"\[/?bold\]", "**", text).strip()


def _parameters(command: Any) -> list[str]:
    rows = []
    for parameter in command.params:
        is_argument = parameter.param_type_name == "argument"
        words = [] if is_argument else list(parameter.opts)
        names = "`" + " ".join(filter(None, (*words, parameter.metavar))) + "`"
        default = parameter.default
        shown = "" if default in (None, False, "", ()) or callable(default) else f" Default: `{default}`."
        rows.append(f"- {names}: {(getattr(parameter, 'help', '') or '').rstrip('.')}.{shown}")
    return ["\n".join(rows)] if rows else []


_CONFIGURATION: Final = """# Configuration

{made}

A deployment is wired by environment variables. Each command checks all of them before it starts, and lists every
problem at once. Names that end in `_S` are seconds. A secret may stand in a file that `..._FILE` names: what signs in
is read from it at each sign-in, so a file that is replaced counts without a restart, see
[credentials](../how-to/credentials.md). What the firm decides (direction, users, ranges) is not here:
`concord settings` and `concord users` change that.

| variable | meaning | default | needed by |
|---|---|---|---|
{rows}
"""


def configuration_page() -> str:
    """Every CONCORD_* variable as Markdown, from the fields of `concord.config.Config`."""
    rows = []
    for name, field in Config.model_fields.items():
        meaning = field.description or _choices(field)
        rows.append(f"| `{PREFIX}{name.upper()}` | {meaning} | {_default(field)} | {_needed_by(name)} |")
    return _CONFIGURATION.format(made=MADE, rows="\n".join(rows))


def _choices(field: FieldInfo) -> str:
    return "one of " + ", ".join(typing.get_args(field.annotation))


def _default(field: FieldInfo) -> str:
    value = field.default
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    if isinstance(value, float):
        value = f"{value:g}"
    return f"`{value}`" if value not in (None, "") else ""


def _needed_by(name: str) -> str:
    for group, choice in ONE_OF.items():
        if name.removesuffix("_file") in choice:
            return f"{_NEEDED_BY[group]}: one of these"
    groups = [group for group, needed in NEEDS.items() if name in needed]
    return _NEEDED_BY[groups[0]] if groups else ""


_METRICS: Final = """# Metrics

{made}

Each role and `concord exporter` serve `/metrics`, `/healthz` and `/readyz` on `CONCORD_METRICS_PORT`; without one
nothing is served. `/healthz` answers 503 only where a restart helps: when nothing in the process moves any more.
`/readyz` answers 503 and says why while the group is being joined, tables are recovered, or the broker or the role's
service does not answer; the exporter while its last look is old or failed. Both give JSON:
`{{"ok": false, "why_not": ["..."]}}`.

No label holds a pair key, an address or a text. Names that begin with `kafka_` are those of kafka-lag-exporter. Beside
these, every process serves `process_*` and `python_*` of the Prometheus client.

| metric | type | labels | meaning | served by |
|---|---|---|---|---|
{rows}
"""


def metrics_page() -> str:
    """Every metric as Markdown, from `concord.telemetry.names`."""
    rows = []
    for one in CATALOGUE:
        labels = ", ".join(f"`{label}`" for label in one.labels)
        rows.append(f"| `{one.name}` | {one.kind} | {labels} | {one.meaning} | {one.server} |")
    return _METRICS.format(made=MADE, rows="\n".join(rows))


_API: Final = """\
# The API

{made}

Everything that the console's pages do, for programs. `GET {root}/openapi.json` describes each operation in full
(OpenAPI 3.1): parameters, bodies, answers.

    TOKEN=$(concord console token add reporting --role viewer --days 90 | grep -o 'concord_[^ ]*')
    curl -H "Authorization: Bearer $TOKEN" http://127.0.0.1:8940{root}/overview

- A program sends a token, `concord console token remove` takes it away. It acts under the name `token:NAME`, with
  the role that it was made with.
- A script of a browser that is signed in uses its cookie; for writes it also sends the header `X-Concord-Token`
  with the `token` that `GET {root}/session` gives.
- Lists take `start` and `limit` (at most {most}); `next` is the address of the rows that follow, or null.
- Every write may be sent again: it takes effect once. What was looked at is named (`mark`, `seen`, `number`); if it
  has changed meanwhile, nothing is done.
- Errors are `application/problem+json` (RFC 9457): `detail` says what to do, `problems` names each value that is
  wrong. Private events carry no text.

| operation | role | what |
| --- | --- | --- |
{rows}
"""


def api_page() -> str:
    """The API as Markdown: how to call it, and every operation."""
    from concord.console.api.table import operations
    from concord.console.operations import ROOT, ROWS_MAX

    rows = [
        f"| `{page.method} {page.path}` | {page.needs.word if page.needs is not None else ''} | {page.api.summary} |"
        for page in operations()
        if page.api is not None
    ]
    return _API.format(made=MADE, root=ROOT, most=ROWS_MAX, rows="\n".join(rows))


PAGES: Final = {
    "cli.md": command_page, "configuration.md": configuration_page, "metrics.md": metrics_page, "api.md": api_page
}  # fmt: skip


def main(folder: Path = FOLDER) -> int:
    """Write the pages into a folder and name them."""
    for name, page in PAGES.items():
        (folder / name).write_text(page(), encoding="utf-8")
        sys.stdout.write(f"{folder / name}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
