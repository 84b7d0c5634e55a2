"""`concord audit`: reads both services anew and says what is not as the log has it, or not the same, and why."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from concord.cli_output import plural, print_json, print_table, say
from concord.config import load_config

if TYPE_CHECKING:
    from concord.auditing import Audit, Found, UserAudit

PANEL: Final = "Look"
# Rows listed of each user before the rest is only counted.
LISTED: Final = 30


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("audit", rich_help_panel=PANEL)(audit)


def audit(
    user: Annotated[
        list[str] | None, typer.Option(metavar="ADDRESS", help="Only the events of this user; repeatable.")
    ] = None,
    max_requests: Annotated[int, typer.Option(min=1, help="Requests to each service, at most.")] = 10_000,
    per_second: Annotated[float, typer.Option(min=0.1, help="Requests a second to each service, at most.")] = 10.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")] = False,
) -> None:
    """Read both services anew and compare them with the log and with each other: what differs, and why. Reads only.

    Drift is what somebody or something has still to act upon: a change that the log does not hold, a write without an
    answer, held, refused or due. What the rules leave out, and what Practifi holds in less detail, is counted and is no
    drift. What looks like drift is read twice. Says at the end how many requests it took: about one for 20 events in
    Microsoft 365, one for 1,000 in Salesforce.

    Exit codes: 0 no drift; 1 drift, or it could not be found out.

    Example: concord audit --user ann@firm.example
    """
    from concord.auditing import Bounds
    from concord.auditing import audit as examine

    told = asyncio.run(examine(load_config("services"), user or [], Bounds(per_second, max_requests)))
    if as_json:
        print_json(_json(told))
    else:
        _print(told)
    if not told.is_clean:
        raise typer.Exit(1)


def _print(told: Audit) -> None:
    from projections.wording import NAMES
    from streams.audit import WORDS

    for part in told.users:
        say(f"{part.user}: {_summed(part)}")
        if part.problem:
            say(f"The mailbox could not be read: {part.problem}", indent=2)
        rows = [
            (one.event, _where(one), WORDS[one.finding.cause] + _because(one),
             ", ".join(NAMES[group] for group in one.finding.fields if group in NAMES))
            for one in part.drift[:LISTED]
        ]  # fmt: skip
        if rows:
            print_table(("event", "where", "why", "what"), rows, cut="event")
        if len(part.drift) > LISTED:
            say(f"and {len(part.drift) - LISTED} more; --json has all", indent=2)
    drift = sum(len(part.drift) for part in told.users)
    asked = ", ".join(f"{count} to {name}" for name, count in told.requests.items())
    say(f"{'No drift' if told.is_clean else f'Drift: {drift}'}. Requests: {asked}.")


def _summed(part: UserAudit) -> str:
    """How many events, how many of them drifted, and the rest that is not simply the same, by why."""
    usual = Counter(_kind(one) for one in part.found if not one.finding.is_drift)
    words = [plural(part.events, "event"), f"{len(part.drift)} drifted"]
    return ", ".join(words + [f"{count} {kind}" for kind, count in sorted(usual.items())]) + "."


def _kind(one: Found) -> str:
    reason = f" ({one.finding.reason})" if one.finding.reason else ""
    return one.finding.cause.replace("_", " ") + reason


def _where(one: Found) -> str:
    from projections.timeline import service

    return service(one.finding.side) if one.finding.side is not None else "between the two"


def _because(one: Found) -> str:
    reason = f" ({one.finding.reason})" if one.finding.reason else ""
    since = f", {one.finding.since:%Y-%m-%d %H:%M} UTC" if one.finding.since is not None else ""
    return reason + since


def _json(told: Audit) -> dict[str, Any]:
    return {
        "is_clean": told.is_clean,
        "requests": told.requests,
        "users": [
            {
                "user": part.user,
                "events": part.events,
                "problem": part.problem or None,
                "drift": [_row(one) for one in part.drift],
                "expected": [_row(one) for one in part.found if not one.finding.is_drift],
            }
            for part in told.users
        ],
    }


def _row(one: Found) -> dict[str, Any]:
    finding = one.finding
    return {
        "pair_key": finding.pair_key, "event": one.event, "cause": finding.cause, "side": finding.side,
        "fields": finding.fields, "reason": finding.reason or None, "since": finding.since,
        "id": finding.item_id or None,
    }  # fmt: skip
