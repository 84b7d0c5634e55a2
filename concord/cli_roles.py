"""`concord roles`: stop and start single roles of a `concord dev` that runs in this folder."""

from __future__ import annotations

from typing import Annotated, Final

import typer

PANEL: Final = "Develop"
ROLE: Final = typer.Argument(metavar="ROLE", help="reconcile, sink-graph, sink-salesforce, source-graph, ...")


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    roles = typer.Typer(help="Stop and start single roles of what `concord dev` runs here.", no_args_is_help=True)
    roles.command("halt")(halt)
    roles.command("resume")(resume)
    app.add_typer(roles, name="roles", rich_help_panel=PANEL)


def halt(role: Annotated[str, ROLE]) -> None:
    """Stop one role of this folder's `concord dev`, and wait until it has ended. It stays away until it is resumed.

    Example: concord roles halt reconcile
    """
    from concord.dev import halt_role

    halt_role(role, away=True)


def resume(role: Annotated[str, ROLE]) -> None:
    """Start a halted role again.

    Example: concord roles resume reconcile
    """
    from concord.dev import halt_role

    halt_role(role, away=False)
