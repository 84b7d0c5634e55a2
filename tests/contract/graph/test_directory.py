"""The directory of the Graph simulator, as Concord reads it."""

from __future__ import annotations

from dataclasses import replace

from support.graph_driver import send_to
from support.graph_firm import ANA, BANKSIA, BASE, FIRM, TOKEN, TOM, build_graph

from connectors.exchange import run
from connectors.graph.directory import read_directory
from schemas.directory import EntryKind
from simulators.graph.tenant import User


def test_everyone_with_an_address_is_found_over_all_pages() -> None:
    """More users than a page takes, aliases, rooms, and the mark that it is complete."""
    crowd = tuple(User(f"user-{n:04}", f"User {n}", f"u{n}@firm.example", f"u{n}@firm.example") for n in range(1200))
    sim = build_graph(tenant=replace(FIRM, users=(*FIRM.users, *crowd)))
    entries = run(read_directory(), send_to(sim, token=TOKEN, base_url=f"{BASE}/v1.0"))
    mailboxes = {e.id: e for e in entries if e.kind is EntryKind.MAILBOX}
    assert {user.id for user in crowd} < set(mailboxes)
    assert BANKSIA.id not in mailboxes
    assert (mailboxes[TOM.id].address, mailboxes[TOM.id].aliases) == (TOM.mail, ("tom@firm.example",))
    assert mailboxes[ANA.id].name == "Ana Lim"
    rooms = {e.id: e.name for e in entries if e.kind is EntryKind.ROOM}
    assert rooms[BANKSIA.email_address] == BANKSIA.display_name
    assert entries[-1].kind is EntryKind.COMPLETE
