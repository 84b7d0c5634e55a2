"""The SFDX project: files that say what they are called, fields as Concord reads and writes them, rights for each."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import fields as members
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from support.salesforce_client import START
from support.salesforce_driver import build_lasting, calls_to, carry_out, content, create, own_events

from concord.preflight_checks import Level
from concord.preflight_checks import fields as check_fields
from concord.roles.change_stream import TOPICS
from connectors.exchange import run
from connectors.salesforce.fields import FieldNames, read_field_names
from connectors.salesforce.integration_log import LogRow, write_rows
from connectors.salesforce.org import described
from connectors.salesforce.translate import EXTENDED_SHOW_AS
from schemas.calendar import ShowAs
from schemas.commands import Result
from simulators.salesforce.objects.practifi import contact_fields, event_fields, integration_log, sync_key
from simulators.salesforce.org import Org
from simulators.salesforce.schema import Field, checkbox, column, picklist

PROJECT = Path(__file__).parents[3] / "deploy" / "salesforce"
SOURCE = PROJECT / "force-app" / "main" / "default"
NAMESPACE = "{http://soap.sforce.com/2006/04/metadata}"
LABEL_MAX = 40

# What the suffix of a file says of its root element.
ROOTS = {
    "field": "CustomField",
    "object": "CustomObject",
    "permissionset": "PermissionSet",
    "platformEventChannel": "PlatformEventChannel",
    "platformEventChannelMember": "PlatformEventChannelMember",
    "layout": "Layout",
}
# Metadata types by the types that describe tells.
TYPES = {
    "string": "Text", "url": "Url", "picklist": "Picklist", "boolean": "Checkbox", "textarea": "LongTextArea",
    "datetime": "DateTime", "email": "Email",
}  # fmt: skip
NAMES = read_field_names(PROJECT / "fields.json")


def files(pattern: str = "**/*.xml") -> list[Path]:
    """Metadata files."""
    found = sorted(SOURCE.glob(pattern))
    assert found, pattern
    return found


def stem(path: Path) -> str:
    """The name that a file gives to what it holds."""
    return path.name.split(".")[0]


def plain(path: Path) -> dict[str, Any]:
    """A file as nested values: one child of a name is its value, several are a list. Only for flat levels."""
    return _value(ElementTree.parse(path).getroot())


def _value(element: ElementTree.Element) -> Any:
    if not len(element):
        return element.text or ""
    made: dict[str, Any] = {}
    for child in element:
        name = child.tag.removeprefix(NAMESPACE)
        made.setdefault(name, []).append(_value(child))
    return {name: values[0] if len(values) == 1 else values for name, values in made.items()}


def field_of(sobject: str, name: str) -> dict[str, Any]:
    """One custom field."""
    return plain(SOURCE / "objects" / sobject / "fields" / f"{name}.field-meta.xml")


def many(value: Any) -> list[Any]:
    """A list, of one where there is one."""
    return value if isinstance(value, list) else [value]


@pytest.mark.parametrize("path", files(), ids=lambda path: path.name)
def test_each_file_is_what_its_name_says(path: Path) -> None:
    """Well-formed, in Salesforce's namespace, the root of its suffix, the name of the file."""
    root = ElementTree.parse(path).getroot()
    suffix = path.name.split(".")[1].removesuffix("-meta")
    assert path.name.endswith(f".{suffix}-meta.xml")
    assert root.tag == NAMESPACE + ROOTS[suffix]
    assert all(element.tag.startswith(NAMESPACE) for element in root.iter())
    assert not [element.tag for element in root.iter() if not len(element) and not (element.text or "").strip()]
    value = plain(path)
    if suffix == "field":
        assert value["fullName"] == stem(path)
        assert re.fullmatch(r"[A-Za-z]\w{0,39}__c", stem(path))
    label = value.get("label", "")
    assert len(label) <= LABEL_MAX if isinstance(label, str) else True


def test_the_project_points_at_the_source() -> None:
    """Its default package folder exists; the API version is a number of one."""
    project = json.loads((PROJECT / "sfdx-project.json").read_text(encoding="utf-8"))
    (package,) = project["packageDirectories"]
    assert package["default"]
    assert (PROJECT / package["path"]).is_dir()
    assert re.fullmatch(r"\d\d\.0", project["sourceApiVersion"])


def expected() -> Iterator[tuple[str, str, Field]]:
    """Each field that Concord reads or writes: its object, its name in this project, the field in the package."""
    packaged = {field.name: field for field in (*event_fields("practifi"), sync_key())}
    defaults = FieldNames()
    for attribute in (
        "sync_key", "external_id", "sync_status", "show_as", "send_invitations", "recurring", "teams", "join_url",
    ):  # fmt: skip
        yield "Activity", getattr(NAMES, attribute), packaged[getattr(defaults, attribute)]
    yield "Contact", NAMES.alternative_email, contact_fields("practifi")[0]
    logged = {field.name: field for field in integration_log("practifi").fields}
    for attribute in ("log_message", "log_system", "log_time", "log_is_error"):
        yield NAMES.log_object, getattr(NAMES, attribute), logged[getattr(defaults, attribute)]


@pytest.mark.parametrize(
    ("sobject", "name", "packaged"), list(expected()), ids=lambda value: getattr(value, "name", value)
)
def test_each_field_is_made_like_that_of_the_package(sobject: str, name: str, packaged: Field) -> None:
    """The type, the length, the values; text and URL of as many characters as Concord writes at most."""
    field = field_of(sobject, name)
    assert field["type"] == TYPES[packaged.type]
    assert field["label"].removeprefix("Concord ") == packaged.label.removeprefix("Concord ")
    if packaged.type in ("string", "textarea"):
        assert int(field["length"]) == packaged.length
    if packaged.type == "picklist":
        values = [value["fullName"] for value in field["valueSet"]["valueSetDefinition"]["value"]]
        assert values == [value for value, _ in packaged.picklist]
        assert field["valueSet"]["restricted"] == "true"
    if packaged.type == "boolean":
        assert field["defaultValue"] == "false"


def test_the_mapping_names_every_field_that_the_org_could_have() -> None:
    """Nothing of the package is named in an org without it, and no field here is unknown to the mapping."""
    named = {member.name: getattr(NAMES, member.name) for member in members(NAMES)}
    assert not [name for name, value in named.items() if value.startswith("practifi__")]
    made = {stem(path) for path in files("objects/Activity/fields/*")}
    assert made - set(NAMES.of_event()) == {"Concord_Origin__c"}
    assert set(NAMES.of_event()) <= made


def test_the_sync_key_is_unique_and_tells_upper_from_lower_case() -> None:
    """Else an upsert by it could find two events, or somebody else's."""
    key = field_of("Activity", NAMES.sync_key)
    assert {name: key[name] for name in ("externalId", "unique", "caseSensitive")} == dict.fromkeys(
        ("externalId", "unique", "caseSensitive"), "true"
    )


def test_show_time_as_has_the_values_that_concord_writes() -> None:
    """All five, the default as in Outlook."""
    values = field_of("Activity", NAMES.show_as)["valueSet"]["valueSetDefinition"]["value"]
    assert [value["fullName"] for value in values] == [label for label, _ in EXTENDED_SHOW_AS]
    assert [value["fullName"] for value in values if value["default"] == "true"] == ["Busy"]


def test_concords_permission_set_names_every_field_where_it_counts() -> None:
    """Fields of Activity on Event and Task alike; Concord writes all but two, which it reads."""
    rights = plain(SOURCE / "permissionsets" / "Concord.permissionset-meta.xml")
    granted = {one["field"]: one["editable"] == "true" for one in rights["fieldPermissions"]}
    wanted = {f"{sobject}.{stem(path)}" for sobject in ("Event", "Task") for path in files("objects/Activity/fields/*")}
    wanted |= {
        f"{sobject}.{stem(path)}"
        for sobject in ("Contact", NAMES.log_object)
        for path in files(f"objects/{sobject}/fields/*")
    }
    assert granted.keys() == wanted
    assert all(one["readable"] == "true" for one in rights["fieldPermissions"])
    read_only = {"Contact.Concord_Alternative_Email__c", "Event.Concord_Origin__c", "Task.Concord_Origin__c"}
    assert {field for field, is_editable in granted.items() if not is_editable} == read_only
    assert {one["name"] for one in rights["userPermissions"]} == {"ApiEnabled", "EditEvent", "ViewAllData"}
    objects = {one["object"]: one for one in rights["objectPermissions"]}
    assert objects[NAMES.log_object]["allowCreate"] == "true"
    assert objects["Contact"]["allowRead"] == "true"
    assert not [one for one in objects.values() if "true" in (one["allowDelete"], one["modifyAllRecords"])]


def test_people_may_change_only_what_is_theirs() -> None:
    """What Concord alone writes is read-only to them, the key and the id are not shown."""
    rights = plain(SOURCE / "permissionsets" / "Concord_People.permissionset-meta.xml")
    editable = {one["field"] for one in rights["fieldPermissions"] if one["editable"] == "true"}
    theirs = (NAMES.show_as, NAMES.send_invitations, NAMES.teams)
    assert editable == {f"{sobject}.{name}" for sobject in ("Event", "Task") for name in theirs}
    shown = {one["field"].partition(".")[2] for one in rights["fieldPermissions"]}
    assert shown == {*theirs, NAMES.sync_status, NAMES.recurring, NAMES.join_url}


def test_the_channel_carries_what_concord_listens_to() -> None:
    """One member an entity, of a channel that is there."""
    channels = {stem(path) for path in files("platformEventChannels/*")}
    chosen = [plain(path) for path in files("platformEventChannelMembers/*")]
    assert {f"/data/{member['selectedEntity']}" for member in chosen} == set(TOPICS)
    assert {member["eventChannel"] for member in chosen} == channels
    assert all(name.endswith("__chn") for name in channels)
    for path, member in zip(files("platformEventChannelMembers/*"), chosen, strict=True):
        assert stem(path) == f"{member['eventChannel'].replace('__', '_')}_{member['selectedEntity']}"


def test_the_layout_has_a_section_of_fields_that_are_there() -> None:
    """What Concord alone writes is read-only on it."""
    sections = {one["label"]: one for one in plain(files("layouts/*")[0])["layoutSections"]}
    items = [
        item for columns in many(sections["Microsoft 365"]["layoutColumns"]) for item in many(columns["layoutItems"])
    ]
    behaviour = {item["field"]: item["behavior"] for item in items}
    assert {name for name, how in behaviour.items() if how == "Readonly"} == {
        NAMES.sync_status, NAMES.recurring, NAMES.join_url,
    }  # fmt: skip
    assert behaviour.keys() <= {stem(path) for path in files("objects/Activity/fields/*")}


def test_the_settings_have_the_names_and_defaults_of_the_product() -> None:
    """Section 2b of the product's facts; one row an owner."""
    folder = SOURCE / "objects" / "Concord_Settings__c"
    assert plain(folder / "Concord_Settings__c.object-meta.xml")["customSettingsType"] == "Hierarchy"
    made = {value["label"]: value for value in map(plain, files("objects/Concord_Settings__c/fields/*"))}
    assert {label: (value["type"], value.get("defaultValue")) for label, value in made.items()} == {
        "Commencement Date": ("Date", None),
        "Future Inbound Event Sync Range in Years": ("Number", "10"),
        "Future Outbound Event Sync in Months": ("Number", "24"),
    }


def deployed() -> Org:
    """An org of the simulator with the fields that these files make, and nothing of the package."""

    def made(path: Path) -> Field:
        value = plain(path)
        name, label, kind = value["fullName"], value["label"], value["type"]
        if kind == "Checkbox":
            return checkbox(name, label, "CU", custom=True)
        if kind == "Picklist":
            values = [one["fullName"] for one in value["valueSet"]["valueSetDefinition"]["value"]]
            return picklist(name, label, "NCU", values, custom=True)
        told = next(told for told, ours in TYPES.items() if ours == kind)
        flags = {ours: value.get(theirs) == "true" for ours, theirs in _FLAGS.items()}
        return column(name, told, label, "NCU", length=int(value.get("length", 255)), custom=True, **flags)

    log = integration_log("")
    own = tuple(made(path) for path in files(f"objects/{NAMES.log_object}/fields/*"))
    log = replace(log, name=NAMES.log_object, fields=(*(f for f in log.fields if not f.name.endswith("__c")), *own))
    added = {name: tuple(made(path) for path in files(f"objects/{folder}/fields/*"))
             for name, folder in (("Event", "Activity"), ("Contact", "Contact"))}  # fmt: skip
    return replace(Org(), namespace="", custom_fields=added, custom_objects=(log,))


_FLAGS = {"external_id": "externalId", "unique": "unique", "case_sensitive": "caseSensitive"}


def test_an_org_made_of_these_files_is_all_that_concord_asks_for() -> None:
    """Preflight finds nothing to fix; an event with everything is created as told; an error is logged."""
    org = build_lasting(deployed())
    (event,) = run(described(["Event"]), calls_to(org))
    assert [finding for finding in check_fields(event, NAMES) if finding.level is Level.FIX] == []
    wanted = content(
        org, show_as=ShowAs.TENTATIVE, send_invitations=True, recurring="Every day", sync_status="Synced",
        location="x" * 255,
    )  # fmt: skip
    assert carry_out(create(wanted), calls_to(org), NAMES).result is Result.APPLIED
    (row,) = own_events(org)
    assert (row[NAMES.show_as], row[NAMES.recurring], row[NAMES.sync_status]) == ("Tentative", "Every day", "Synced")
    assert row[NAMES.send_invitations]
    assert row[NAMES.sync_key]
    assert run(write_rows([LogRow(START, "m" * 1_000, is_error=True)], ["A", "B"], NAMES), calls_to(org)) == 2
    assert [log[NAMES.log_system] for log in org.simulator.records(NAMES.log_object)] == ["A", "B"]
