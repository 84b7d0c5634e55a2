"""Why a decision fell as it did: each reason code with the rule of the product facts behind it, in plain words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Reason:
    """One reason: its code as stored, the rule's number, and a sentence for people."""

    code: str
    rule: str
    text: str


def _table(*rows: tuple[str, str, str]) -> dict[str, Reason]:
    return {code: Reason(code, rule, text) for code, rule, text in rows}


REASONS: Final[dict[str, Reason]] = _table(
    ("created_in_microsoft", "6", "New in Microsoft 365: created in Practifi."),
    ("created_in_practifi", "7.5", "New in Practifi: created in Microsoft 365."),
    ("edited_in_microsoft", "6", "Edited in Microsoft 365 only: carried to Practifi."),
    ("edited_in_practifi", "7.5", "Edited in Practifi only: carried to Microsoft 365."),
    ("edited_on_both", "7.15", "Edited on both sides in different fields: each edit carried across."),
    ("conflict", "7.15", "Edited on both sides in the same field: Microsoft 365 wins, the other value is kept here."),
    ("deleted_in_microsoft", "2a", "Deleted in Microsoft 365: deleted in Practifi."),
    ("deleted_in_practifi", "2a", "Deleted in Practifi: deleted in Microsoft 365."),
    ("edit_beats_deletion", "7.15", "Deleted in Practifi, but edited in Microsoft 365 meanwhile: Microsoft 365 wins."),
    ("deletion_kept", "2a", "Deleted on one side; the policy keeps the other side. The two are no longer connected."),
    ("in_agreement", "7.21", "Both sides hold the same."),
    ("marks", "4", "Sync status, external id or pair mark brought up to date."),
    ("adopted", "7.21", "Both sides were found with matching marks: paired again without a write."),
    ("user_disabled", "3", "The user is not enabled for event sync."),
    ("no_primary_mailbox", "3.primary", "The user has several mailboxes, and none is chosen as the primary one."),
    ("direction", "2a", "The sync direction does not carry changes this way."),
    ("draft", "7.2", "A draft in Microsoft 365 does not appear until it is saved as confirmed."),
    ("out_of_range", "7.14", "The start lies outside the range that is synced."),
    ("private_off", "7.7", "Private events are not synced under the present settings."),
    ("internal_off", "2a", "Attended by Practifi users only, and internal events are not synced."),
    ("unmatched_off", "2a", "No attendee matches a record, and unmatched events are not synced."),
    ("too_long", "7.22", "Salesforce refuses events longer than 14 days."),
    ("attendee_copy", "7.12", "An attendee's copy: the organizer's copy leads."),
    ("imported", "7.4", "Saved by an import, by other software or in an unknown way: goes out when saved in Practifi."),
    ("awaiting_origin", "7.4", "Salesforce has not said yet how this was saved; it is decided again when it does."),
    ("not_edited_since", "7.5", "Already in Practifi when outbound sync began: goes out when next edited."),
    ("attendees_only", "7.6", "Only the attendee list changed in Practifi: nothing goes out."),
    ("no_invitations", "7.18", "Send Invitations is not ticked, or it is private: its attendees stay in Practifi."),
    ("owner_changed", "10.6", "Assigned To changed in Practifi: a new organizer would mean cancel and re-invite."),
    ("teams_stays", "6", "Microsoft 365 cannot turn a Teams meeting into a plain one: Teams Meeting stays ticked."),
    ("past", "7.14", "The event has begun: history never goes to Microsoft 365."),
    ("not_organizer", "7.12", "The organizer's copy is not in an enabled mailbox: Microsoft 365 is not written."),
    ("truncated", "7.11", "More than 50 attendees: the shortened list is never written to Microsoft 365."),
    ("awaiting_graph", "7.21", "The Practifi event carries our marks; its Microsoft 365 event has not been read yet."),
    ("awaiting_salesforce", "7.21", "The Microsoft 365 event carries our mark; its Practifi event was not read yet."),
    ("not_this_pairs", "7.12", "A copy that carries another event's mark: an event of its own."),
    ("refused_before", "8", "The service refused exactly this write; it is tried again when something changes."),
    ("series_master", "10.2", "A series: each of its dates is an event of its own."),
    ("quarantined", "8", "The write failed in Concord itself: its command stands in sync.quarantine."),
    ("held_invitations", "1.6", "Mails more people outside the firm than the limits allow: waits for an operator."),
    ("held_deletions", "7.20", "Deleted along with so many others that it waits for an operator."),
    ("hold_changed", "10", "What waits has changed since it was looked at: this release or drop does nothing."),
    ("two_engines", "1.2", "Another calendar sync seems to write this event: the same values come again and again."),
    ("shadow", "7.5", "Shadow mode: decided, but nothing is written."),
    ("given_away", "7.21", "Adopted: the Practifi event belongs to the pair of its Microsoft 365 event now."),
    ("undone", "7.15", "An operator's undo: what a decision took is written back."),
    ("undo_overtaken", "7.15", "Not undone: what the operator looked at has changed since."),
    ("hold_gone", "10", "Nothing of this event waits any more: this release or drop does nothing."),
    ("invitations_dropped", "10", "An operator dropped the write because of its mails; the next edit asks again."),
    ("deletion_dropped", "7.20", "An operator dropped the deletion: the event is kept, the two are not connected."),
    ("detached", "2a", "No longer connected: one side was deleted and the policy kept the other."),
)  # fmt: skip


def reason(code: str) -> Reason:
    """The reason with this code; a service's own error code stands for itself."""
    return REASONS.get(code) or Reason(code, "8", f"The service refused the write: {code}.")
