"""One command on its way through a round of calls: what its record held, what is left to write, how it ended. Pure."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

from connectors.salesforce.compare import is_done, is_overtaken, owner_after, was_edited
from connectors.salesforce.fields import FieldNames
from connectors.salesforce.translate import moment, to_fields, to_item
from schemas.changes import Item
from schemas.commands import Action, Command, Result
from schemas.errors import Gone, Refused, ServiceError, Unavailable
from schemas.groups import PEOPLE, REMINDER, ROOMS

Rows = list[dict[str, Any]]

# Written as relation rows of the event.
RELATED: Final = (PEOPLE, ROOMS)


class Job:
    """`held` is what the record was last read to hold, `rows` its relation rows then; `groups` what is left to write.

    `seen_at` is what the record must not have been modified after (None: write in any case); `is_modified`: it was.
    `is_again`: a create whose record exists already. `ending` (result, code, message) or `error` once it has ended.
    """

    def __init__(self, command: Command, names: FieldNames) -> None:
        self.command = command
        self.names = names
        self.groups = command.fields
        self.record_id = command.id
        self.held: Item | None = None
        self.rows: Rows = []
        self.seen_at: datetime | None = None
        self.is_modified = False
        self.is_again = False
        self.ending: tuple[Result, str, str] | None = None
        self.error: ServiceError | None = None
        self.warnings: list[str] = []

    @classmethod
    def refused(cls, command: Command, error: ServiceError) -> Job:
        """A command whose request was refused as a whole."""
        job = cls(command, FieldNames())
        job.fail(error if isinstance(error, Refused) else Unavailable(error.what, was_sent=False, code=error.code))
        return job

    @property
    def is_open(self) -> bool:
        """Whether it has not ended."""
        return self.ending is None and self.error is None

    @property
    def is_delete(self) -> bool:
        """Whether it removes its record."""
        return self.command.action is Action.DELETE

    @property
    def is_new(self) -> bool:
        """Whether its record has still to be made."""
        return not self.record_id

    @property
    def has_relations(self) -> bool:
        """Whether relation rows are left to write."""
        return any(group in self.groups for group in RELATED)

    @property
    def key(self) -> str:
        """The value by which the record of a create is found again."""
        content = self.command.content
        assert content is not None
        return self.command.pair_key if self.names.sync_key else self.names.external_id and content.external_id

    @property
    def owner_id(self) -> str:
        """Whose event it is once the command is done."""
        return owner_after(self.command, self.held.content if self.held is not None else None)

    def end(self, result: Result, code: str = "", message: str = "") -> None:
        """It has ended like this."""
        self.ending = (result, code, message)

    def fail(self, error: ServiceError) -> None:
        """A refusal and a missing record end the command; what passes leaves it to be sent again."""
        if isinstance(error, Gone):
            self.end(Result.APPLIED if self.is_delete else Result.GONE, error.code)
        elif isinstance(error, Refused):
            self.end(Result.REFUSED, error.code, error.what)
        else:
            self.error = error

    def take(self, record: dict[str, Any], rows: Rows) -> None:
        """What the record holds now."""
        before = self.held.version if self.held is not None else ""
        try:
            self.held, self.rows = to_item(record, rows, self.names), rows
        except (KeyError, ValueError, TypeError, OverflowError) as error:
            self.end(Result.REFUSED, "UNREADABLE_EVENT", f"The event cannot be read: {type(error).__name__}.")
            return
        modified = moment(self.held.version)
        # The header knows whole seconds. Told of a change but shown none, we do not ask for the condition again.
        is_futile = self.is_modified and before == self.held.version
        self.seen_at = (
            None if is_futile else modified.replace(microsecond=0) + timedelta(seconds=modified.microsecond > 0)
        )
        self.is_modified = False

    def judge(self) -> None:
        """Compare what the record holds with what was wanted and with what it was decided on."""
        if not self.is_open or self.held is None:
            return
        command, content = self.command, self.held.content
        if self.is_delete:
            if command.basis is not None and was_edited(content, command.basis, self.names):
                self.end(Result.STALE)
            return
        if command.basis is not None and is_overtaken(content, command, self.names):
            self.end(Result.STALE)
            return
        held = self.held
        self.groups = tuple(group for group in command.fields if not is_done(held, command, group, self.names))
        if not self.groups:
            self.end(Result.APPLIED)

    def again(self, record: dict[str, Any], rows: Rows) -> None:
        """A create whose record exists. What people made of it since stays, and only those not yet invited are: an
        interrupted create cannot be told from a removal, and a removal would be carried to everybody's calendar."""
        self.ending, self.record_id, self.is_again = None, record["Id"], True
        self.groups = tuple(group for group in RELATED if group in self.command.fields)
        self.take(record, rows)

    def body(self) -> dict[str, Any]:
        """The record members that are left to write."""
        content = self.command.content
        assert content is not None
        if self.is_again:
            return {}
        groups = self.groups
        if self.held is not None:
            if REMINDER not in groups:
                # Moved along with the start as it stands now: somebody may have changed it since the decision.
                content = replace(content, reminder_minutes=self.held.content.reminder_minutes)
            if self.held.content.send_invitations == content.send_invitations:
                groups = tuple(group for group in groups if group != PEOPLE)  # they are relations, not members
        return to_fields(content, groups, self.names, self.command.pair_key)
