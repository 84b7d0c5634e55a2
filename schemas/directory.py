"""Who is who: mailboxes, Salesforce users and contacts by address, rooms. One record per fact, keyed and compacted."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class EntryKind(StrEnum):
    """What a directory record describes."""

    MAILBOX = "mailbox"
    ADDRESS = "address"
    ROOM = "room"
    COMPLETE = "complete"


class AddressClass(StrEnum):
    """Where an address was found; the order is the order of preference when several records share it (rule 7.10)."""

    USER = "user"
    EMAIL = "email"
    ALTERNATIVE = "alternative"
    CUSTOM = "custom"


@dataclass(frozen=True)
class DirectoryEntry:
    """One record of `directory.changes`. Which members are filled depends on `kind`:

    mailbox: `id` = Graph user id, `address`, `name`, `aliases`. address: `id` = Salesforce record id, `address`,
    `name`, `address_class`, `is_active`. room: `id` = Salesforce Calendar id or Graph address, `name`, `address`.
    complete: `id` = the side whose directory has been read whole at least once.
    """

    kind: EntryKind
    id: str
    address: str = ""
    name: str = ""
    aliases: tuple[str, ...] = ()
    address_class: AddressClass = AddressClass.EMAIL
    is_active: bool = True

    @property
    def key(self) -> str:
        """The topic key: unique per fact."""
        if self.kind is EntryKind.ADDRESS:
            return f"address/{self.address}/{self.id}/{self.address_class}"
        return f"{self.kind}/{self.id}"
