"""Commands for the administrator: settings, users, retry."""

from __future__ import annotations

import getpass
from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Final

import typer

from concord.cli_output import plural, print_json, print_table, say
from concord.config import load_config
from schemas.errors import ConfigError
from schemas.settings import READERS, Settings, UserSetting, change_settings

if TYPE_CHECKING:
    from schemas.state import PairState

PANEL: Final = "Administer"
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
By = Annotated[
    str, typer.Option(metavar="NAME", help="Who makes the change, for the record. Default: your login name.")
]
Users = Annotated[
    list[str] | None,
    typer.Argument(metavar="USER", help="Address, mailbox id or Salesforce user id.", show_default=False),
]
# Pair keys printed before the rest is only counted.
LISTED: Final = 20

# What each setting does, in one line. The order is that of `concord settings show`.
MEANINGS: Final[dict[str, str]] = {
    "direction": "microsoft_to_practifi, practifi_to_microsoft or two_way (Microsoft 365 wins a conflict)",
    "sync_internal_events": "events that only Practifi users attend",
    "sync_private_events": "private events, always without attendees",
    "sync_unmatched_events": "events whose attendees match no record",
    "send_invitations": "default of Send Invitations to Attendees on new Practifi events",
    "delete_from_microsoft": "a deletion in Microsoft 365 deletes the Practifi event",
    "delete_from_practifi": "a deletion in Practifi deletes the event in Microsoft 365, which mails cancellations",
    "commencement_date": "start of the past that is synced into Practifi; set when the first user is enabled",
    "inbound_years": "how far ahead changes come into Practifi, in years",
    "outbound_months": "how far ahead changes go out to Microsoft 365, in months",
    "series_months": "how far ahead the occurrences of a series are synced, in months",
    "conflict_scope": "what Microsoft 365 wins: the field that both changed, or the whole record",
    "show_as_list": "Show Time As values of the org: extended (five) or standard (three)",
    "licences": "how many users may be enabled; 0: no limit",
    "invitation_limit_per_write": "a write that mails more people outside the firm is held; 0: no limit",
    "invitation_limit_per_hour": "as above, for all writes of an hour together; 0: no limit",
    "deletion_limit_events": "more deletions of a user's events found at once are held; 0: no limit",
    "deletion_limit_percent": "as above, in percent of the user's events; the larger of the two counts",
    "outbound_origins": "whose saves in Practifi go out: ui, unknown, or what Salesforce calls them; commas between",
    "shadow": "decide and record everything, write nothing to either side",
}

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
    except (OSError, KeyError):
        return "operator"


def _values(document: Settings) -> dict[str, object]:
    return {name: getattr(document, name) for name in READERS}


def _word(value: object) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return "-" if value is None else str(value)


@settings.command("show")
def settings_show(as_json: AsJson = False) -> None:
    """The settings in force, and what each does."""
    from concord.changing import current_settings

    document = current_settings(load_config().broker)
    if as_json:
        print_json(asdict(document))
        return
    print_table(
        ("setting", "value", "what it does"),
        [(name, _word(value), MEANINGS.get(name)) for name, value in _values(document).items()],
    )
    if document.number:
        say(f"Number {document.number}, saved {document.changed_at:%Y-%m-%d %H:%M:%S} UTC by {document.changed_by}.")
    else:
        say("Never saved: these are the defaults.")


@settings.command("set")
def settings_set(
    values: Annotated[list[str], typer.Argument(metavar="NAME=VALUE", help="One or several, e.g. direction=two_way")],
    by: By = "",
    as_json: AsJson = False,
) -> None:
    """Change settings, all of them or none.

    A change counts for every decision after its place in the journal. Several people may change settings at once:
    each change is made on top of the others.

    Example: concord settings set direction=two_way sync_private_events=on
    """
    from concord.changing import current_settings, set_settings

    broker = load_config().broker
    before = current_settings(broker)
    updates = _read_updates(values, before)
    document = set_settings(broker, updates, by=by or login_name())
    if as_json:
        print_json(asdict(document))
        return
    _say_saved(before, document)


def _read_updates(values: list[str], before: Settings) -> dict[str, str]:
    """NAME=VALUE texts as a mapping. Raises ConfigError that lists every problem, those of the values included."""
    problems = [f"{text!r} is not NAME=VALUE" for text in values if "=" not in text]
    pairs = [text.split("=", 1) for text in values if "=" in text]
    updates = {name.strip(): value.strip() for name, value in pairs}
    if problems:
        try:
            change_settings(before, updates, by="", now=datetime.now(UTC))
        except ConfigError as error:
            problems += error.problems
        raise ConfigError(problems, "Nothing was changed.")
    return updates


def _say_saved(before: Settings, document: Settings) -> None:
    if document.number == before.number:
        say(f"Nothing to change: settings number {document.number} stays in force.")
        return
    say(f"Saved as settings number {document.number}:")
    for line in _changes(before, document):
        say(line, indent=2)


def _changes(before: Settings, after: Settings) -> list[str]:
    """What differs between two documents, one line each."""
    old, new = _values(before), _values(after)
    lines = [f"{name}: {_word(old[name])} -> {_word(new[name])}" for name in new if old[name] != new[name]]
    for user in after.users:
        known = before.user_of_mailbox(user.mailbox)
        was_enabled = known is not None and known.is_enabled
        if known is not None and known.salesforce_id and user.salesforce_id != known.salesforce_id:
            lines.append(f"{user.address} belongs to another Salesforce user: {user.salesforce_id}")
        if user.is_enabled != was_enabled:
            lines.append(f"{user.address} {'enabled' if user.is_enabled else 'disabled'}")
        if user.is_primary and not (known is not None and known.is_primary):
            lines.append(f"{user.address} is its user's primary mailbox")
    return lines


@settings.command("history")
def settings_history(as_json: AsJson = False) -> None:
    """Every settings document that took effect: number, when, by whom, and what it changed."""
    from concord.reading import read_settings

    before = Settings()
    rows = []
    for document in read_settings(load_config().broker):
        rows.append((document, _changes(before, document)))
        before = document
    if as_json:
        print_json(
            [
                {"number": d.number, "changed_at": d.changed_at, "changed_by": d.changed_by, "changes": changes}
                for d, changes in rows
            ]
        )
        return
    print_table(
        ("number", "saved (UTC)", "by", "what changed"),
        [(d.number, f"{d.changed_at:%Y-%m-%d %H:%M:%S}", d.changed_by, "; ".join(what) or None) for d, what in rows],
    )


@users.command("list")
def users_list(as_json: AsJson = False) -> None:
    """Every mailbox with its Salesforce user, found by address, and whether the user takes part."""
    from concord.changing import current_settings, known_users, read_directory

    broker = load_config().broker
    document = current_settings(broker)
    found = known_users(read_directory(broker), document)
    enabled = replace(document, users=tuple(found)).enabled_count
    if as_json:
        print_json(
            {"users": [asdict(user) for user in found], "enabled": enabled, "licences": document.licences or None}
        )
        return
    if not found:
        say("Nobody is known yet: `concord source graph` reads the mailboxes, `concord source salesforce` the users.")
        return
    rows = [
        (u.address, u.name, _yes(u.is_enabled), _primary(u, found), u.salesforce_id or None, u.mailbox) for u in found
    ]
    print_table(("address", "name", "enabled", "primary", "Salesforce user", "mailbox"), rows)
    limit = f"of {plural(document.licences, 'licence')}" if document.licences else "(no limit of licences is set)"
    say(f"{plural(enabled, 'user')} enabled {limit}.")
    unmatched = sum(not user.salesforce_id for user in found)
    if unmatched:
        say(f"{plural(unmatched, 'mailbox has', 'mailboxes have')} no Salesforce user with the same address.")


def _yes(is_so: bool) -> str:
    return "yes" if is_so else "no"


def _primary(user: UserSetting, everybody: Sequence[UserSetting]) -> str | None:
    """Only of a user with several mailboxes one is primary."""
    siblings = [one for one in everybody if user.salesforce_id and one.salesforce_id == user.salesforce_id]
    return _yes(user.is_primary) if len(siblings) > 1 or user.is_primary else None


@users.command("primary")
def users_primary(
    mailbox: Annotated[str, typer.Argument(metavar="MAILBOX", help="Address, alias or id of the mailbox.")],
    by: By = "",
    as_json: AsJson = False,
) -> None:
    """Choose which of a user's mailboxes gets the events made in Practifi and sends the invitations.

    Example: concord users primary ann@firm.example
    """
    from concord.changing import choose_primary, current_settings

    broker = load_config().broker
    before = current_settings(broker)
    _show_saved(before, choose_primary(broker, mailbox, by=by or login_name()), as_json=as_json)


@users.command("nominate")
def users_nominate(
    mailbox: Annotated[str, typer.Argument(metavar="MAILBOX", help="A shared mailbox: address, alias or id.")],
    user: Annotated[str, typer.Argument(metavar="USER", help="Who answers for it.")],
    by: By = "",
    as_json: AsJson = False,
) -> None:
    """Give a shared mailbox to a user: its events belong to them in Practifi. Takes no licence of its own.

    Example: concord users nominate office@firm.example ann@firm.example
    """
    from concord.changing import current_settings, nominate_user

    broker = load_config().broker
    before = current_settings(broker)
    _show_saved(before, nominate_user(broker, mailbox, user, by=by or login_name()), as_json=as_json)


def _show_saved(before: Settings, document: Settings, *, as_json: bool) -> None:
    if as_json:
        print_json(asdict(document))
        return
    _say_saved(before, document)


@users.command("enable")
def users_enable(
    names: Users = None,
    every: Annotated[bool, typer.Option("--all", help="Everyone with a mailbox and a Salesforce user.")] = False,
    by: By = "",
    as_json: AsJson = False,
) -> None:
    """Let users take part.

    Their events are read and recorded. Writes nothing to Microsoft 365 by itself: what already stands in Practifi
    goes out when it is next edited.

    Example: concord users enable ann@firm.example bob@firm.example
    """
    _switch(names, enable=True, every=every, by=by, as_json=as_json)


@users.command("disable")
def users_disable(
    names: Users = None,
    every: Annotated[bool, typer.Option("--all", help="Everybody.")] = False,
    by: By = "",
    as_json: AsJson = False,
) -> None:
    """Stop both directions for users. Deletes nothing on either side."""
    _switch(names, enable=False, every=every, by=by, as_json=as_json)


def _switch(names: list[str] | None, *, enable: bool, every: bool, by: str, as_json: bool) -> None:
    from concord.changing import current_settings, switch_users

    if bool(names) == every:
        raise typer.BadParameter("name users, or use --all (one of the two)")
    broker = load_config().broker
    before = current_settings(broker)
    document = switch_users(broker, names or [], enable=enable, every=every, by=by or login_name())
    if as_json:
        print_json(asdict(document))
        return
    _say_saved(before, document)
    say(f"{plural(document.enabled_count, 'user')} enabled.")


def retry(
    event: Annotated[
        str | None,
        typer.Argument(metavar="EVENT", help="Pair key, event id or part of the subject, as for `concord explain`."),
    ] = None,
    errors: Annotated[bool, typer.Option("--errors", help="Every pair in error.")] = False,
    by: By = "",
    as_json: AsJson = False,
) -> None:
    """Try writes that a service refused once more. Safe to press twice.

    Example: concord retry --errors
    """
    from concord.changing import retry_pairs
    from concord.reading import JournalFold

    if (event is not None) == errors:
        raise typer.BadParameter("name an event, or use --errors (one of the two)")
    broker = load_config().broker
    named = None if event is None else _pair_key(broker, event)
    with JournalFold(broker) as fold:
        fold.advance()
        keys = [state.pair_key for state in fold.pairs if _is_refused(state) and named in (None, state.pair_key)]
    if keys:
        retry_pairs(broker, keys, by=by or login_name())
    if as_json:
        print_json({"retried": keys})
        return
    if not keys:
        say("Nothing to retry: " + ("no pair is in error." if named is None else f"{named} is not in error."))
        return
    say(f"{plural(len(keys), 'pair')} will be tried again:")
    for key in keys[:LISTED]:
        say(key, indent=2)
    if len(keys) > LISTED:
        say(f"and {len(keys) - LISTED} more", indent=2)


def _pair_key(broker: str, event: str) -> str:
    from concord.finding import find_pairs, one_pair

    return one_pair(find_pairs(broker, event), event).pair_key


def _is_refused(state: PairState) -> bool:
    from schemas.state import Status

    return state.status is Status.ERROR
