"""Commands for the administrator: settings, users, retry."""

from __future__ import annotations

import getpass
from dataclasses import asdict
from typing import Annotated, Final

import typer

from concord.changing import (
    current_settings,
    known_users,
    read_directory,
    retry_pairs,
    set_settings,
    switch_users,
)
from concord.cli_output import out, print_json, print_table
from concord.config import load_config
from concord.reading import fold_journal, read_settings
from schemas.errors import ConfigError
from schemas.settings import READERS, Settings
from schemas.state import Status

PANEL: Final = "Administer"
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
By = Annotated[str, typer.Option(help="Who makes the change, for the record; your login name by default.")]

settings = typer.Typer(help="The firm's settings: one numbered document, every change recorded.", no_args_is_help=True)
users = typer.Typer(help="Who takes part in event sync.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add these commands to the application."""
    app.add_typer(settings, name="settings", rich_help_panel=PANEL)
    app.add_typer(users, name="users", rich_help_panel=PANEL)
    app.command("retry", rich_help_panel=PANEL)(retry)


def login_name() -> str:
    """The name under which changes are recorded when none is given."""
    try:
        return getpass.getuser()
    except OSError:
        return "operator"


def _values(document: Settings) -> dict[str, object]:
    return {name: getattr(document, name) for name in READERS}


@settings.command("show")
def settings_show(as_json: AsJson = False) -> None:
    """The settings in force."""
    document = current_settings(load_config().broker)
    if as_json:
        return print_json(asdict(document))
    who = f"number {document.number}, {document.changed_at:%Y-%m-%d %H:%M} UTC by {document.changed_by}"
    title = "Settings " + (who if document.number else "(never saved: the defaults)")
    print_table(title, ("setting", "value"), [(name, _word(value)) for name, value in _values(document).items()])
    return None


@settings.command("set")
def settings_set(
    values: Annotated[list[str], typer.Argument(metavar="NAME=VALUE...", help="e.g. direction=two_way")],
    by: By = "",
) -> None:
    """Change settings: all of them or none. A change applies from its place in the journal on.

    Example: concord settings set direction=two_way sync_private_events=on
    """
    bad = [text for text in values if "=" not in text]
    if bad:
        raise ConfigError([f"{text!r} is not NAME=VALUE" for text in bad], "Nothing was changed.")
    updates = {name.strip(): value.strip() for name, value in (text.split("=", 1) for text in values)}
    document = set_settings(load_config().broker, updates, by=by or login_name())
    out.print(f"Saved as settings number {document.number}.")


@settings.command("history")
def settings_history(as_json: AsJson = False) -> None:
    """Every settings document: number, when, who, and what it changed."""
    documents = read_settings(load_config().broker)
    rows = []
    before = Settings()
    for document in documents:
        old, new = _values(before), _values(document)
        changes = [f"{name}: {_word(old[name])} -> {_word(new[name])}" for name in new if old[name] != new[name]]
        enabled = sum(user.is_enabled for user in document.users) - sum(user.is_enabled for user in before.users)
        if enabled or document.users != before.users:
            changes.append(f"users enabled: {enabled:+d}")
        rows.append(
            (document.number, f"{document.changed_at:%Y-%m-%d %H:%M:%S}", document.changed_by, "; ".join(changes))
        )
        before = document
    if as_json:
        return print_json(
            [dict(zip(("number", "changed_at", "changed_by", "changes"), row, strict=True)) for row in rows]
        )
    print_table("", ("number", "changed at (UTC)", "by", "what"), rows)
    return None


def _word(value: object) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return "-" if value is None else str(value)


@users.command("list")
def users_list(as_json: AsJson = False) -> None:
    """Every mailbox, its Salesforce user, and whether it is enabled."""
    broker = load_config().broker
    document = current_settings(broker)
    found = known_users(read_directory(broker), document)
    if as_json:
        return print_json([asdict(user) for user in found])
    rows = [(u.address, u.name, u.salesforce_id or None, "yes" if u.is_enabled else "no", u.mailbox) for u in found]
    print_table("", ("address", "name", "Salesforce user", "enabled", "mailbox"), rows)
    enabled = sum(user.is_enabled for user in found)
    out.print(f"{enabled} enabled, {document.licences or 'no limit of'} licences.")
    return None


@users.command("enable")
def users_enable(
    names: Annotated[list[str] | None, typer.Argument(metavar="USER...", help="address or mailbox id")] = None,
    every: Annotated[bool, typer.Option("--all", help="Every user with a mailbox and a Salesforce user.")] = False,
    by: By = "",
) -> None:
    """Let users take part. Writes nothing to Microsoft 365 by itself."""
    document = switch_users(load_config().broker, names or [], enable=True, every=every, by=by or login_name())
    out.print(f"{sum(u.is_enabled for u in document.users)} users are enabled (settings number {document.number}).")


@users.command("disable")
def users_disable(
    names: Annotated[list[str] | None, typer.Argument(metavar="USER...", help="address or mailbox id")] = None,
    every: Annotated[bool, typer.Option("--all", help="Everybody.")] = False,
    by: By = "",
) -> None:
    """Stop both directions for users. Deletes nothing on either side."""
    document = switch_users(load_config().broker, names or [], enable=False, every=every, by=by or login_name())
    out.print(f"{sum(u.is_enabled for u in document.users)} users are enabled (settings number {document.number}).")


def retry(
    pair_key: Annotated[str | None, typer.Argument(help="Pair key, as `concord explain` shows it.")] = None,
    errors: Annotated[bool, typer.Option("--errors", help="Every pair whose last write was refused.")] = False,
    by: By = "",
) -> None:
    """Try refused writes again. Safe to press twice."""
    broker = load_config().broker
    keys = [pair_key] if pair_key else []
    if errors:
        keys += [
            state.pair_key
            for partition in fold_journal(broker).values()
            for state in partition.pairs.values()
            if state.status is Status.ERROR
        ]
    if not keys:
        out.print("Nothing to retry.")
        return
    retry_pairs(broker, keys, by=by or login_name())
    out.print(f"{len(keys)} pairs will be tried again.")
