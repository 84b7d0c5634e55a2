"""The rules of the product, by the numbers of the product facts, each with the place in the code that decides it.

`make rules` sets the tests beside them (`docs/reference/rules.md`). Settings carry their section and name.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Rule:
    """One rule: its number, what it says, and what decides it as `module:name`."""

    number: str
    text: str
    decided_by: str


def _table(*rows: tuple[str, str, str]) -> tuple[Rule, ...]:
    return tuple(Rule(*row) for row in rows)


RULES: Final[tuple[Rule, ...]] = _table(
    ("1.1", "Another calendar sync must be off: its signs are looked for before outbound is turned on.",
     "concord.preflight_checks:engines"),
    ("1.2", "Writing to Microsoft 365 needs a preflight that somebody confirmed; a second sync is kept out.",
     "schemas.settings:change_settings"),
    ("2a.sync_internal_events", "Off: events of Practifi users only do not sync.", "streams.policy:inbound_gate"),
    ("2a.delete_from_microsoft", "A deletion in Microsoft 365 deletes in Practifi.", "streams.policy:deletion_gate"),
    ("2a.delete_from_practifi", "A deletion in Practifi deletes in Microsoft 365.", "streams.policy:deletion_gate"),
    ("2a.sync_private_events", "Off: private events do not sync.", "streams.policy:inbound_gate"),
    ("2a.direction", "One way: changes of the other side never flow back.", "streams.policy:outbound_gate"),
    ("2a.sync_unmatched_events", "Off: events none of whose outsiders is on record do not sync.",
     "streams.policy:inbound_gate"),
    ("2a.send_invitations", "The default of the checkbox of a new Practifi event.", "streams.mapping:practifi_view"),
    ("2b.commencement_date", "Start of the past inbound range; six months before enablement unless set.",
     "schemas.settings:change_users"),
    ("2b.inbound_years", "How many years ahead events come in.", "streams.policy:inbound_range"),
    ("2b.outbound_months", "How many months ahead events go out.", "streams.policy:months_ahead"),
    ("3.licences", "No more enabled users than licences.", "schemas.settings:change_users"),
    ("3.primary", "Of several mailboxes the primary one receives what its user makes.",
     "schemas.settings:Settings"),
    ("4.show_as", "Show Time As and showAs, by table.", "streams.mapping:SHOW_AS_EXTENDED"),
    ("4.private", "Private and sensitivity, by table; what is not normal is private.", "streams.mapping:SENSITIVITIES"),
    ("4.responses", "Answers come in by table and never go out.", "streams.mapping:RESPONSES"),
    ("4.recurring", "A series is told in words of at most 255 characters.", "connectors.graph.series:in_words"),
    ("4.lossy", "A Practifi value that nobody changed is never written outbound.", "streams.comparing:compare"),
    ("7.1", "Only the default calendar syncs.", "connectors.graph.wire:delta"),
    ("6.rooms", "Resource Calendars and rooms of the same, unique name; the location text is kept.",
     "streams.intake:identified"),
    ("6.teams", "Teams Meeting makes a Teams meeting; its URL comes back; it cannot be turned off.",
     "streams.comparing:compare"),
    ("5.log", "Errors are found in the org's integration log, under each external system.",
     "connectors.salesforce.integration_log:row_of"),
    ("7.2", "Drafts do not appear until they are saved as confirmed.", "streams.policy:inbound_gate"),
    ("7.3", "Attachments are not synced.", "connectors.graph.translate:to_body"),
    ("7.4", "Imported Practifi events never go out.", "streams.origins:may_go_out"),
    ("7.5", "Only an insert, update or deletion sends anything: turning two-way on does not.",
     "streams.policy:outbound_gate"),
    ("7.6", "Changing only the attendees in Practifi sends nothing.", "streams.policy:outbound_gate"),
    ("7.7", "Private events sync both ways without attendees.", "streams.mapping:practifi_view"),
    ("7.7a", "An event that turns private loses its relations; nobody is cancelled by it.",
     "streams.mapping:practifi_people"),
    ("7.8", "Attendees are matched by the addresses of users, individuals and contacts.",
     "projections.directory:Directory"),
    ("7.9", "Encrypted fields cannot match.", "connectors.salesforce.directory:read_directory"),
    ("7.10", "One address, several records: user, Email, Alternative Email, custom; then the oldest.",
     "projections.directory:Directory"),
    ("7.11", "The first 50 attendees by name; a shortened list never goes out.", "streams.mapping:matched_people"),
    ("7.12", "Assigned To is the organizer if enabled; one meeting is one Practifi event.", "streams.mapping:owner_of"),
    ("7.13", "Nobody has to accept for an event to sync.", "streams.policy:inbound_gate"),
    ("7.14", "The start decides whether it is in range; a series by each date.", "streams.policy:inbound_range"),
    ("7.15", "In a conflict Microsoft 365 wins; the losing values are kept.", "streams.comparing:compare"),
    ("7.16", "Outbound at once, inbound with the next look.", "concord.roles.reconcile:reconcile_step"),
    ("7.17", "Invitations leave from the primary mailbox, to the address on record.", "streams.mapping:graph_content"),
    ("7.18", "Send Invitations unchecked: created without attendees; checked later: invited then.",
     "streams.mapping:carries_people"),
    ("7.19", "A removal counts only after a direct read says that the event is gone.",
     "connectors.graph.source:verify_missing"),
    ("7.20", "A burst of deletions waits until an administrator releases it.", "streams.bursts:owners_in_burst"),
    ("7.21", "Our own writes coming back change nothing.", "streams.comparing:compare"),
    ("7.22", "Events longer than 14 days do not sync, with a reason.", "streams.policy:inbound_gate"),
    ("10.1", "Unmatched events on does not let internal events in.", "streams.policy:inbound_gate"),
    ("10.2", "Deleting one date on either side ends that date only.", "connectors.graph.series:as_instance"),
    ("10.3", "An edit of a date in Practifi is a PATCH of that date.", "streams.reconcile:reconcile"),
    ("10.4", "Events made in Practifi go out as single events.", "connectors.graph.translate:to_body"),
    ("10.5", "The organizer is nobody enabled: inbound only, the status says why.", "streams.policy:outbound_gate"),
    ("10.6", "A new Assigned To in Practifi is held.", "streams.policy:outbound_gate"),
    ("10.7", "Disabling deletes nothing; enabling again sends nothing again.", "streams.policy:outbound_gate"),
)  # fmt: skip
