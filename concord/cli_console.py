"""`concord console`: the administrator's console, and who may sign in to it with a password."""

from __future__ import annotations

import logging
from typing import Annotated, Final

import typer

from concord.cli_output import plural, print_json, print_table, say
from concord.config import load_config

PANEL: Final = "Run"

console = typer.Typer(
    help="The administrator's console: pages for a browser, over the same functions as these commands.",
    invoke_without_command=True,
)

Name = Annotated[str, typer.Argument(metavar="NAME", help="Small letters, digits and . _ @ -", show_default=False)]
AsRole = Annotated[str, typer.Option("--role", help="viewer, operator or administrator.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]

Days = Annotated[int, typer.Option(min=1, max=3650, help="How long it counts.")]

tokens = typer.Typer(help="Access tokens of programs that use the API under /api/v1.", no_args_is_help=True)
console.add_typer(tokens, name="token")


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    app.add_typer(console, name="console", rich_help_panel=PANEL)


@console.callback()
def serve(context: typer.Context) -> None:
    """Serve the console at CONCORD_CONSOLE_LISTEN until Ctrl-C.

    When there is no account yet, one is made for the name administrator, and its password printed once. Accounts are
    kept, hashed, in CONCORD_DATA_DIR. A viewer looks, an operator acts on events, an administrator changes settings
    and users too.
    """
    if context.invoked_subcommand is not None:
        return
    from concord.console.accounts import FIRST
    from concord.console.serving import accounts_of, address_of, listens_at, run_console
    from concord.observing import configure_logs

    config = load_config()
    configure_logs(config.log_level, config.log_format)
    logging.getLogger("kafka.admin").setLevel(logging.ERROR)  # it warns of every worker's own words, at each look
    listens_at(config)
    password = accounts_of(config).first_password()
    say(f"The console is at {address_of(config)}. Ctrl-C ends it.")
    if password is not None:
        say(f"Sign in as {FIRST} with the password {password} (shown only now).")
    run_console(config)


@console.command("list")
def accounts_list(as_json: AsJson = False) -> None:
    """Who may sign in with a password, and what they may do."""
    from concord.console.serving import accounts_of

    found = sorted(accounts_of(load_config("nothing")).all().values(), key=lambda account: account.name)
    if as_json:
        print_json([{"name": account.name, "role": account.role.word} for account in found])
    elif found:
        print_table(("name", "role"), [(account.name, account.role.word) for account in found])
    else:
        say("Nobody yet: `concord console` makes the first account.")


@console.command("add")
def accounts_add(name: Name, role: AsRole = "viewer") -> None:
    """Let somebody sign in; prints their password once.

    Example: concord console add ann --role operator
    """
    from concord.console.accounts import read_role
    from concord.console.serving import accounts_of
    from schemas.errors import ConfigError

    accounts = accounts_of(load_config("nothing"))
    if name in accounts.all():
        raise ConfigError([f"There is an account {name!r} already"], "`concord console reset` gives it a new password.")
    _say_password(name, accounts.set(name, read_role(role)))


@console.command("reset")
def accounts_reset(name: Name) -> None:
    """Give an account a new password; prints it once. Who is signed in with the old one is signed out.

    Example: concord console reset administrator
    """
    from concord.console.serving import accounts_of
    from schemas.errors import ConfigError

    accounts = accounts_of(load_config("nothing"))
    account = accounts.all().get(name)
    if account is None:
        raise ConfigError([f"There is no account {name!r}"], "`concord console list` shows all.")
    _say_password(name, accounts.set(name, account.role))


@console.command("remove")
def accounts_remove(name: Name) -> None:
    """Take an account away. Who is signed in with it is signed out.

    Example: concord console remove ann
    """
    from concord.console.serving import accounts_of

    accounts_of(load_config("nothing")).remove(name)
    say(f"{name} cannot sign in any more.")


@tokens.command("add")
def tokens_add(name: Name, role: AsRole = "viewer", days: Days = 90) -> None:
    """Let a program use the API under /api/v1; prints its token once.

    The program sends it as `Authorization: Bearer TOKEN`.

    Example: concord console token add reporting --role viewer --days 365
    """
    from datetime import timedelta

    from concord.console.accounts import read_role
    from concord.console.serving import programs_of

    token = programs_of(load_config("nothing")).add(name, read_role(role), timedelta(days=days))
    say(f"{name} uses the token {token} (shown only now) for {plural(days, 'day')}.")


@tokens.command("list")
def tokens_list(as_json: AsJson = False) -> None:
    """Which programs have a token, what they may do, and until when."""
    from concord.console.serving import programs_of

    found = sorted(programs_of(load_config("nothing")).all().values(), key=lambda one: one.name)
    if as_json:
        print_json([{"name": one.name, "role": one.role.word, "ends": one.ends} for one in found])
    elif found:
        print_table(
            ("name", "role", "ends"), [(one.name, one.role.word, f"{one.ends:%Y-%m-%d %H:%M} UTC") for one in found]
        )
    else:
        say("None yet: `concord console token add NAME` makes one.")


@tokens.command("remove")
def tokens_remove(name: Name) -> None:
    """Take a program's token away; it counts no more at once.

    Example: concord console token remove reporting
    """
    from concord.console.serving import programs_of

    programs_of(load_config("nothing")).remove(name)
    say(f"The token of {name} does not count any more.")


def _say_password(name: str, password: str) -> None:
    say(f"{name} signs in with the password {password} (shown only now).")
