"""Preflight: whether anything stands in the way of syncing, read from both services; and its confirmation."""

from __future__ import annotations

from typing import Final

from starlette.responses import Response

from concord.console.accounts import Role
from concord.console.desk import in_force
from concord.console.pages import Page, Visit
from concord.preflight import Checked, confirmed
from concord.preflight_checks import Level

# What a level says to somebody who reads the page, the most urgent first.
LEVELS: Final = {
    Level.FIX: "Must be fixed", Level.WARNING: "Warning", Level.LOOK: "Look for yourself", Level.OK: "In order"
}  # fmt: skip


def show(visit: Visit) -> Response:
    """What the last preflight found, and whether one was ever confirmed."""
    last = visit.site.last_check
    findings = last.checked.findings if last.checked is not None else ()
    order = list(LEVELS)
    return visit.show(
        "preflight.html", checked=last.checked, by=last.by, levels=LEVELS, Level=Level,
        findings=sorted(findings, key=lambda one: order.index(one.level)),
        confirmed=confirmed(in_force(visit.desk.documents())),
        may_run=visit.who.role >= Role.OPERATOR, may_confirm=visit.who.role >= Role.ADMINISTRATOR,
    )  # fmt: skip


def _examined(visit: Visit, confirm_by: str = "") -> Checked | None:
    """What is found now; None while somebody else's preflight is under way."""
    return visit.site.last_check.run(lambda: visit.desk.preflight(confirm_by=confirm_by), visit.who.name)


def run(visit: Visit) -> Response:
    """Examine both services. Reads only."""
    checked = _examined(visit)
    return visit.go("/preflight", _BUSY if checked is None else "Looked at everything; below is what was found.")


_BUSY: Final = "A preflight is under way: load this page anew in a moment."


def confirm(visit: Visit) -> Response:
    """Record that somebody looked at every line. Everything is examined once more first: what must be fixed by now
    keeps it from being recorded."""
    if visit.form.one("looked") != "yes" or visit.form.one("others_off") != "yes":
        return visit.go("/preflight", "Tick both boxes first: nothing was confirmed.")
    checked = _examined(visit, confirm_by=visit.who.name)
    if checked is None:
        return visit.go("/preflight", _BUSY)
    if not checked.is_clear:
        return visit.go("/preflight", "Something must be fixed by now: nothing was confirmed.")
    return visit.go("/preflight", f"Confirmed {confirmed(checked.settings)}.")


def pages() -> tuple[Page, ...]:
    """The pages of this module."""
    return (
        Page("/preflight", show, Role.VIEWER),
        Page("/preflight/run", run, Role.OPERATOR, "POST"),
        Page("/preflight/confirm", confirm, Role.ADMINISTRATOR, "POST"),
    )
