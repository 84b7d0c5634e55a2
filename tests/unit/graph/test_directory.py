"""Mailboxes and rooms from the directory."""

from __future__ import annotations

import pytest
from support.graph_driver import Script, refusal, reply

from connectors.exchange import Reply, run
from connectors.graph.directory import read_directory, read_mailboxes, read_rooms
from schemas.directory import DirectoryEntry, EntryKind
from schemas.errors import AuthRejected, Unavailable

USERS = [
    {
        "id": "u2", "displayName": "Tom Reyes", "mail": "Tom.Reyes@Firm.example",
        "userPrincipalName": "tom@firm.example",
        "proxyAddresses": ["SMTP:Tom.Reyes@Firm.example", "smtp:TR@firm.example", "x500:/o=Firm", None],
        "userType": "Member",
    },
    {"id": "u1", "displayName": None, "mail": "a@firm.example", "proxyAddresses": None},
    {"id": "u3", "displayName": "No mailbox", "mail": None},
    {"id": "u4", "displayName": "Guest", "mail": "g@other.example", "userType": "Guest"},
    {"id": None, "mail": "x@firm.example"},
]  # fmt: skip
ROOMS = [
    {"id": "r1", "displayName": "Banksia", "emailAddress": "Banksia@firm.example"},
    {"id": "r2", "displayName": "Unfinished", "emailAddress": None},
]


def test_mailboxes_are_members_with_an_address() -> None:
    """Guests and accounts without mail have none here; aliases are all other smtp addresses and the sign-in name."""
    assert run(read_mailboxes(), Script([reply(200, {"value": USERS})])) == (
        DirectoryEntry(EntryKind.MAILBOX, "u1", "a@firm.example"),
        DirectoryEntry(
            EntryKind.MAILBOX, "u2", "tom.reyes@firm.example", "Tom Reyes", ("tom@firm.example", "tr@firm.example")
        ),
    )


def test_all_pages_are_read() -> None:
    """A list goes on as long as it has a nextLink, empty pages included."""
    link = "https://graph.test/v1.0/users?$skiptoken=2"
    script = Script([
        reply(200, {"value": USERS[:1], "@odata.nextLink": link}),
        reply(200, {"value": [], "@odata.nextLink": link + "3"}),
        reply(200, {"value": USERS[1:]}),
    ])  # fmt: skip
    assert len(run(read_mailboxes(), script)) == 2
    assert [call.path for call in script.calls] == ["/users", link, link + "3"]


def test_rooms_are_known_by_their_address() -> None:
    """A room without an address cannot be booked."""
    expected = DirectoryEntry(EntryKind.ROOM, "banksia@firm.example", "banksia@firm.example", "Banksia")
    assert run(read_rooms(), Script([reply(200, {"value": ROOMS})])) == (expected,)


def test_the_directory_ends_with_its_completeness() -> None:
    """Whoever reads the topic knows when this side has been read whole."""
    entries = run(read_directory(), Script([reply(200, {"value": USERS}), reply(200, {"value": ROOMS})]))
    assert [entry.kind for entry in entries] == ["mailbox", "mailbox", "room", "complete"]
    assert entries[-1].id == "graph"


def test_a_room_is_nobodys_mailbox() -> None:
    """Exchange keeps a user behind each room: it appears as the room only."""
    behind = {"id": "r1", "displayName": "Banksia", "mail": "BANKSIA@firm.example"}
    entries = run(read_directory(), Script([reply(200, {"value": [*USERS, behind]}), reply(200, {"value": ROOMS})]))
    assert [entry.id for entry in entries] == ["u1", "u2", "banksia@firm.example", "graph"]


@pytest.mark.parametrize(
    ("broken", "kind"),
    [
        (reply(200, {}), Unavailable),
        (reply(200, {"value": "x"}), Unavailable),
        (reply(200, {"value": [], "@odata.nextLink": "https://graph.test/again"}), Unavailable),
        (refusal(403, "Authorization_RequestDenied"), AuthRejected),
    ],
)
def test_a_part_of_the_directory_never_counts_as_all(broken: Reply, kind: type[Exception]) -> None:
    """A list that breaks off or runs in circles raises."""
    again = reply(200, {"value": [], "@odata.nextLink": "https://graph.test/again"})
    with pytest.raises(kind):
        run(read_mailboxes(), Script([again, broken]))
