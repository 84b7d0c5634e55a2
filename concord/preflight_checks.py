"""What preflight makes of what it found: each finding says what it means and what to do. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any, Final

from connectors.salesforce.fields import FieldNames
from projections.directory import Directory, is_graph_room, normal
from schemas.directory import AddressClass, EntryKind
from schemas.settings import Settings, ShowAsList


class Level(StrEnum):
    """How a finding bears on turning sync on. `look`: only a person can tell."""

    OK = "ok"
    LOOK = "look"
    WARNING = "warning"
    FIX = "must be fixed"


@dataclass(frozen=True)
class Finding:
    """One line: what was looked at, how it stands, and what to do about it ("" when nothing)."""

    what: str
    level: Level
    text: str
    advice: str = ""


# How far a service's clock may be from ours.
SKEW_MAX: Final = timedelta(seconds=5)
# Names, addresses and users told one by one; the rest is counted.
LISTED: Final = 5
# Somebody who made recent events for so many others is probably a program.
OWNERS_MANY: Final = 3

# What does not work without a field, by its name in `FieldNames`.
WITHOUT: Final[dict[str, str]] = {
    "sync_key": "an event that was made could not be found again after a fault",
    "external_id": "the Microsoft 365 id of an event is not shown",
    "sync_status": "nobody sees in Practifi whether an event is synced",
    "show_as": "Show Time As has only the three values of Salesforce",
    "send_invitations": "nobody can ask for invitations, so Microsoft 365 events are made without attendees",
    "recurring": "nobody sees in Practifi that an event is part of a series",
    "teams": "nobody can ask for a Teams meeting in Practifi",
    "join_url": "where to join a Teams meeting is not shown",
    "origin": "without change data capture nobody knows how a record was saved, so it counts as an import",
}


def fields(event: Mapping[str, Any], names: FieldNames) -> list[Finding]:
    """The fields of Event that Concord reads and writes."""
    described = {field["name"]: field for field in event["fields"]}
    findings = []
    for name, lack in WITHOUT.items():
        api_name = getattr(names, name)
        if not api_name:
            findings.append(Finding(f"field {name}", Level.WARNING, f"not used in this org: {lack}"))
        elif api_name not in described:
            findings.append(
                Finding(
                    f"field {api_name}", Level.FIX, "does not exist, or Concord's user may not see it",
                    f'Create it, grant it to the user, or name it "" in CONCORD_SALESFORCE_FIELDS; then {lack}.',
                )
            )  # fmt: skip
        elif name != "origin" and not described[api_name]["updateable"]:
            findings.append(
                Finding(f"field {api_name}", Level.FIX, "Concord's user may not write it", "Grant edit access to it.")
            )
    if not findings:
        findings.append(Finding("fields of Event", Level.OK, f"all {len(WITHOUT)} are there and may be written"))
    findings += _access(event, "Event", ("createable", "updateable", "deletable"))
    return findings


_RIGHTS: Final = {"createable": "make", "updateable": "change", "deletable": "delete"}


def _access(shape: Mapping[str, Any], name: str, needs: Iterable[str]) -> list[Finding]:
    lacking = [word for need, word in _RIGHTS.items() if need in needs and not shape[need]]
    if not lacking:
        return []
    return [
        Finding(
            f"object {name}", Level.FIX, f"Concord's user may not {', '.join(lacking)} records", "Grant it to the user."
        )
    ]


def relations(relation: Mapping[str, Any], names: FieldNames) -> list[Finding]:
    """How the org relates people to events."""
    has_flag = any(field["name"] == (names.invitee or "IsInvitee") for field in relation["fields"])
    text = "on: one event may be about several contacts" if has_flag else "off: one event is about one contact"
    return [
        Finding("Shared Activities", Level.OK, text),
        Finding(
            "events of several days", Level.LOOK, "cannot be read from outside",
            "In Setup, Activity Settings, turn on multiday events; without them Salesforce refuses longer events.",
        ),
        *_access(relation, "EventRelation", ("createable", "updateable", "deletable")),
    ]  # fmt: skip


def match_fields(contact: Mapping[str, Any], user: Mapping[str, Any]) -> list[Finding]:
    """Encrypted addresses cannot match anybody (rule 7.9)."""
    emails = [("Contact", field) for field in contact["fields"] if field["type"] == "email"]
    emails += [("User", field) for field in user["fields"] if field["name"] == "Email"]
    closed = [f"{name}.{field['name']}" for name, field in emails if field["encrypted"] or not field["filterable"]]
    if not closed:
        return [Finding("addresses to match by", Level.OK, f"{len(emails)} email fields, none encrypted")]
    everything = "; nobody can be matched" if len(closed) == len(emails) else ""
    return [
        Finding(
            "addresses to match by", Level.WARNING, f"encrypted: {_listed(closed)}{everything}",
            "Take these fields out of Practifi Protect if people shall be found by them.",
        )
    ]  # fmt: skip


def rooms(directory: Directory) -> list[Finding]:
    """Rooms and Resource Calendars need identical, unique names."""
    entries = directory.of_kind(EntryKind.ROOM)
    graph = Counter(entry.name.strip() for entry in entries if is_graph_room(entry))
    salesforce = Counter(entry.name.strip() for entry in entries if not is_graph_room(entry))
    findings = [
        Finding(
            "rooms", Level.WARNING, f"{where} has several of the name {_listed(twice)}",
            "Rename them: events in these rooms keep the location text only.",
        )
        for where, names in (("Microsoft 365", graph), ("Practifi", salesforce))
        if (twice := sorted(name for name, count in names.items() if count > 1))
    ]  # fmt: skip
    missing = sorted(graph.keys() - salesforce.keys())
    if missing:
        findings.append(
            Finding(
                "rooms", Level.WARNING, f"without a Resource Calendar in Practifi: {_listed(missing)}",
                "Create Resource Calendars of exactly these names in Setup, or leave it at the location text.",
            )
        )  # fmt: skip
    unknown = sorted(salesforce.keys() - graph.keys())
    if unknown:
        findings.append(
            Finding("rooms", Level.WARNING, f"Resource Calendars that are no room in Microsoft 365: {_listed(unknown)}")
        )
    if findings:
        return findings
    return [Finding("rooms", Level.OK, f"{len(graph)} rooms, each with its Resource Calendar")]


def addresses(directory: Directory) -> list[Finding]:
    """Addresses that several records share (rule 7.10)."""
    if len(directory.complete_sides) < 2:
        return [
            Finding(
                "shared addresses", Level.LOOK, "people have not been read yet",
                "Start `concord source graph` and `concord source salesforce`, then run preflight again.",
            )
        ]  # fmt: skip
    records: defaultdict[str, set[str]] = defaultdict(set)
    users: defaultdict[str, set[str]] = defaultdict(set)
    for entry in directory.of_kind(EntryKind.ADDRESS):
        if entry.is_active:
            records[normal(entry.address)].add(entry.id)
            if entry.address_class is AddressClass.USER:
                users[normal(entry.address)].add(entry.id)
    findings = []
    twins = sorted(address for address, ids in users.items() if len(ids) > 1)
    if twins:
        findings.append(
            Finding(
                "shared addresses", Level.FIX, f"several active Salesforce users have {_listed(twins)}",
                "Deactivate all but one of each: whose calendar it is cannot be told.",
            )
        )  # fmt: skip
    shared = sorted(address for address, ids in records.items() if len(ids) > 1 and address not in twins)
    if shared:
        findings.append(
            Finding(
                "shared addresses", Level.WARNING, f"{len(shared)} are on several records: {_listed(shared)}",
                "A user is preferred, then Email, then Alternative Email, then the oldest record.",
            )
        )  # fmt: skip
    return findings or [Finding("shared addresses", Level.OK, "none")]


def licences(settings: Settings) -> list[Finding]:
    """Enabled users and licences (rule 1.4)."""
    enabled = settings.enabled_count
    if not settings.licences:
        return [
            Finding(
                "licences", Level.WARNING, f"{enabled} users enabled, no number of licences set",
                "Set it as in the contract: concord settings set licences=N",
            )
        ]  # fmt: skip
    if enabled > settings.licences:
        text = f"{enabled} users enabled, {settings.licences} licensed"
        return [Finding("licences", Level.FIX, text, "Disable users, or correct the number of licences.")]
    return [Finding("licences", Level.OK, f"{enabled} of {settings.licences} used")]


def show_as(settings: Settings, names: FieldNames) -> list[Finding]:
    """The list of Show Time As values must be that of the field that is written."""
    is_extended = settings.show_as_list is ShowAsList.EXTENDED
    if is_extended == bool(names.show_as):
        return []
    if is_extended:
        return [
            Finding(
                "Show Time As", Level.FIX, "the org has only the three values of Salesforce, the setting says five",
                "concord settings set show_as_list=standard, or what reads back as Busy is taken for an edit.",
            )
        ]  # fmt: skip
    text = "Practifi's own field has five values, the setting says three"
    return [Finding("Show Time As", Level.WARNING, text, "concord settings set show_as_list=extended")]


def clock(service: str, skew: timedelta | None) -> Finding:
    """How far a service's clock is from this machine's; None when it did not say."""
    what = f"clock against {service}"
    if skew is None:
        return Finding(what, Level.LOOK, "the service did not say its time")
    seconds = abs(skew.total_seconds())
    if seconds <= SKEW_MAX.total_seconds():
        return Finding(what, Level.OK, "in agreement")
    word = "behind" if skew > timedelta() else "ahead"
    text = f"this machine is {seconds:.0f} s {word}"
    return Finding(what, Level.WARNING, text, "Let it follow a time server: removals are ordered by time.")


def engines(foreign_ids: int, makers: Sequence[tuple[str, str]]) -> list[Finding]:
    """Signs of another calendar sync (rules 1.1, 1.2).

    `foreign_ids`: recent events with a Microsoft 365 id that is not of Concord's writing; `makers`: (creator, owner) of
    recent events that are not Concord's.
    """
    findings = []
    if foreign_ids:
        findings.append(
            Finding(
                "another calendar sync", Level.WARNING,
                f"{foreign_ids} recent events carry a Microsoft 365 id that Concord did not write",
                "Something else has synced these calendars. Turn it off before anything else: clients would get mails.",
            )
        )  # fmt: skip
    owners: defaultdict[str, set[str]] = defaultdict(set)
    for maker, owner in makers:
        if maker != owner:
            owners[maker].add(owner)
    programs = sorted(maker for maker, found in owners.items() if len(found) >= OWNERS_MANY)
    if programs:
        findings.append(
            Finding(
                "another calendar sync", Level.WARNING,
                f"recent events for {OWNERS_MANY} users or more were made by {_listed(programs)}",
                "If that is a program that syncs calendars, turn it off.",
            )
        )  # fmt: skip
    return [
        *findings,
        Finding(
            "another calendar sync", Level.LOOK, "Einstein Activity Capture and the like cannot be seen from outside",
            "Make sure that they are off for all users; --confirm says that you did.",
        ),
    ]  # fmt: skip


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return ", ".join(names[:LISTED]) + more
