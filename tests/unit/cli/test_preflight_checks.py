"""What preflight makes of what it finds: told plainly, with what to do."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from concord import preflight_checks as checks
from concord.preflight_checks import Finding, Level
from connectors.salesforce.fields import FieldNames
from projections.directory import Directory
from schemas.changes import Side
from schemas.directory import AddressClass, DirectoryEntry, EntryKind
from schemas.settings import Settings, ShowAsList, UserSetting

NAMES = FieldNames(origin="Concord_Origin__c")


def shape(*names: str, **members: Any) -> dict[str, Any]:
    """A describe with these fields, all of them writable."""
    fields = [
        {"name": name, "type": "string", "updateable": True, "filterable": True, "encrypted": False} for name in names
    ]
    return {"fields": fields, "createable": True, "updateable": True, "deletable": True} | members


def levels(findings: list[Finding]) -> list[Level]:
    """How the findings stand."""
    return [finding.level for finding in findings]


def known(*entries: DirectoryEntry) -> Directory:
    """A directory of these facts, both sides read."""
    directory = Directory()
    complete = [DirectoryEntry(EntryKind.COMPLETE, side) for side in Side]
    for entry in (*entries, *complete):
        directory.put(entry.key, entry)
    return directory


def test_fields_that_are_all_there_are_one_line() -> None:
    """Nothing to do."""
    assert levels(checks.fields(shape(*NAMES.of_event()), NAMES)) == [Level.OK]


def test_a_missing_field_must_be_fixed_and_says_what_it_is_for() -> None:
    """Every read names it, so without it nothing works."""
    names = [name for name in NAMES.of_event() if name != NAMES.teams]
    (finding,) = checks.fields(shape(*names), NAMES)
    assert (finding.level, NAMES.teams in finding.what) == (Level.FIX, True)
    assert "Teams meeting" in finding.advice


def test_a_field_that_may_not_be_written_must_be_fixed() -> None:
    """All but the origin, which is only read."""
    event = shape(*NAMES.of_event())
    for field in event["fields"]:
        field["updateable"] = field["name"] not in {NAMES.origin, NAMES.sync_status}
    (finding,) = checks.fields(event, NAMES)
    assert (finding.level, finding.what) == (Level.FIX, f"field {NAMES.sync_status}")


def test_a_field_that_the_org_lacks_is_a_warning() -> None:
    """The rule that does not work is named."""
    (finding,) = checks.fields(shape(*FieldNames().of_event()), FieldNames())
    assert (finding.level, "import" in finding.text) == (Level.WARNING, True)


def test_rights_on_objects() -> None:
    """What may not be done is named."""
    (finding, *_) = checks.fields(shape(*NAMES.of_event(), deletable=False, createable=False), NAMES)[1:]
    assert finding.text == "Concord's user may not make, delete records"


@pytest.mark.rule("7.9")
@pytest.mark.parametrize("how", [{"encrypted": True}, {"filterable": False}])
def test_encrypted_addresses_are_a_warning(how: dict[str, bool]) -> None:
    """Named; when all are, nobody can be matched."""
    contact, user = shape("Email", "Alt__c"), shape("Email", "Name")
    for field in contact["fields"]:
        field["type"] = "email"
    assert levels(checks.match_fields(contact, user)) == [Level.OK]
    contact["fields"][0] |= how
    (one,) = checks.match_fields(contact, user)
    assert (one.level, one.text) == (Level.WARNING, "encrypted: Contact.Email")
    contact["fields"][1] |= how
    user["fields"][0] |= how
    (everything,) = checks.match_fields(contact, user)
    assert everything.text.endswith("nobody can be matched")


def test_rooms_need_unique_names_on_both_sides() -> None:
    """Doubles, rooms without a calendar and calendars without a room are told apart."""
    rooms = [("a@x", "A"), ("b@x", "B"), ("b2@x", "B"), ("c@x", "C")]
    graph = [DirectoryEntry(EntryKind.ROOM, address, address, name) for address, name in rooms]
    calendars = [DirectoryEntry(EntryKind.ROOM, f"023{n}", name=n[0]) for n in ("A", "B", "D1", "D2")]
    texts = [finding.text for finding in checks.rooms(known(*graph, *calendars))]
    assert texts == [
        "Microsoft 365 has several of the name B",
        "Practifi has several of the name D",
        "without a Resource Calendar in Practifi: C",
        "Resource Calendars that are no room in Microsoft 365: D",
    ]
    assert levels(checks.rooms(known(graph[0], calendars[0]))) == [Level.OK]


@pytest.mark.rule("7.10")
def test_shared_addresses() -> None:
    """Two users of one address must be fixed; other sharing is told; before people were read it cannot be."""
    user = AddressClass.USER
    entries = [
        DirectoryEntry(EntryKind.ADDRESS, "0051", "ann@x", address_class=user),
        DirectoryEntry(EntryKind.ADDRESS, "0052", "Ann@x ", address_class=user),
        DirectoryEntry(EntryKind.ADDRESS, "0031", "bob@x"),
        DirectoryEntry(EntryKind.ADDRESS, "0032", "bob@x"),
        DirectoryEntry(EntryKind.ADDRESS, "0033", "cleo@x"),
        DirectoryEntry(EntryKind.ADDRESS, "0033", "cleo@x", address_class=AddressClass.ALTERNATIVE),
    ]
    assert levels(checks.addresses(known(*entries))) == [Level.FIX, Level.WARNING]
    assert levels(checks.addresses(known(*entries[4:]))) == [Level.OK]
    assert levels(checks.addresses(Directory())) == [Level.LOOK]


@pytest.mark.rule("3.licences")
@pytest.mark.parametrize(("licences", "level"), [(0, Level.WARNING), (1, Level.FIX), (2, Level.OK)])
def test_licences(licences: int, level: Level) -> None:
    """Two users are enabled."""
    users = tuple(UserSetting(f"m{n}", f"{n}@x", f"005{n}", is_enabled=True) for n in range(2))
    assert levels(checks.licences(Settings(licences=licences, users=users))) == [level]


@pytest.mark.parametrize(
    ("field", "listed", "expected"),
    [
        ("Show__c", ShowAsList.EXTENDED, []),
        ("", ShowAsList.STANDARD, []),
        ("", ShowAsList.EXTENDED, [Level.FIX]),
        ("Show__c", ShowAsList.STANDARD, [Level.WARNING]),
    ],
)
def test_the_list_of_show_time_as_must_fit_the_field(field: str, listed: ShowAsList, expected: list[Level]) -> None:
    """Five values written to a field of three would read back as edits."""
    findings = checks.show_as(Settings(show_as_list=listed), replace(FieldNames(), show_as=field))
    assert levels(findings) == expected


@pytest.mark.parametrize(
    ("skew_s", "level", "word"),
    [(0, Level.OK, "agreement"), (-4, Level.OK, "agreement"), (90, Level.WARNING, "90 s behind"),
     (-90, Level.WARNING, "90 s ahead"), (None, Level.LOOK, "did not say")],
)  # fmt: skip
def test_clocks(skew_s: int | None, level: Level, word: str) -> None:
    """Which way this machine's clock is wrong is said."""
    finding = checks.clock("Salesforce", None if skew_s is None else timedelta(seconds=skew_s))
    assert (finding.level, word in finding.text) == (level, True)


@pytest.mark.rule("1.1")
def test_signs_of_another_sync() -> None:
    """Ids that are not ours, and a maker of events for many others; a person who makes their own is none."""
    assert levels(checks.engines(0, [("Ann", "Ann"), ("Bob", "Ann")])) == [Level.LOOK]
    found = checks.engines(3, [("Robot", owner) for owner in ("Ann", "Bob", "Cleo")])
    assert levels(found) == [Level.WARNING, Level.WARNING, Level.LOOK]
    assert "Robot" in found[1].text


def test_long_lists_are_cut() -> None:
    """Five by name, the rest counted."""
    calendars = [DirectoryEntry(EntryKind.ROOM, f"023{n}", name=f"Room {n}") for n in range(8)]
    (finding,) = checks.rooms(known(*calendars))
    assert finding.text.endswith("Room 4 and 3 more")
