"""Templates: everything shown is escaped, and text of others cannot steer the line that it stands in."""

from __future__ import annotations

from datetime import datetime
from functools import cache
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from concord.cli_output import ago, plural, safe
from concord.console.accounts import Role
from streams.reasons import reason

# Name and path of each page that the menu leads to, and who sees it there.
MENU: Final = (
    ("Overview", "/", Role.VIEWER),
    ("Users & Mailboxes", "/users", Role.VIEWER),
    ("Sync Settings", "/settings/sync", Role.VIEWER),
    ("Integration Settings", "/settings/integration", Role.VIEWER),
    ("Logs & Errors", "/logs", Role.VIEWER),
    ("Events", "/events", Role.VIEWER),
    ("Held", "/held", Role.VIEWER),
    ("Conflicts", "/conflicts", Role.VIEWER),
    ("Mail ledger", "/mails", Role.VIEWER),
    ("Preflight", "/preflight", Role.VIEWER),
    ("History", "/settings/history", Role.VIEWER),
    ("Platform", "/platform", Role.VIEWER),
)  # fmt: skip


def _shown(value: Any) -> Any:
    """A value as it may be shown: what is not made by a template cannot turn or hide text."""
    return safe(value, one_line=False) if isinstance(value, str) and not isinstance(value, Markup) else value


def moment(value: datetime | None) -> str:
    """A moment as people read it."""
    return "never" if value is None else f"{value:%Y-%m-%d %H:%M:%S} UTC"


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("concord.console"), autoescape=True, undefined=StrictUndefined, finalize=_shown,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters |= {"moment": moment, "ago": ago}
    environment.globals |= {"is_live": False, "plural": plural, "menu": MENU, "reason": reason, "Role": Role}
    return environment


def rendered(template: str, **values: Any) -> str:
    """A template with its values."""
    return _environment().get_template(template).render(**values)
