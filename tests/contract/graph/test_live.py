"""The live client against the Graph simulator over TLS: msal's tokens, real sockets, cut connections."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

import pytest
from pydantic import SecretStr
from support.graph_firm import APP, CLIENT, FIRM, TOM, build_graph, meeting

from connectors.exchange import run_async
from connectors.graph import wire
from connectors.graph.client import GraphClient, GraphConnection
from connectors.graph.credentials import ClientSecret
from connectors.graph.directory import read_directory
from connectors.graph.sink import apply_command
from connectors.graph.source import Reach, read_page
from connectors.secret import Secret
from schemas.calendar import Attendee, CalendarEvent, TimeSpan
from schemas.changes import Side
from schemas.commands import Action, Command, Outcome, Result
from schemas.cursors import GraphCursor
from schemas.errors import AuthRejected, Unavailable
from schemas.groups import ALL
from simulators.certificates import Certificates, load_certificates
from simulators.faults import Cut, Fault
from simulators.graph.service import GraphSimulator
from simulators.hosting import Host, Hosted
from simulators.server import Edge

T = TypeVar("T")
NOW = datetime(2026, 3, 2, 8, tzinfo=UTC)
START = datetime(2026, 3, 11, 10, tzinfo=UTC)
HELD = CalendarEvent(TimeSpan(START, START + timedelta(hours=1)), "Review", attendees=(Attendee(CLIENT, "Ines"),))
CREATE = Command(
    "c#1", "s:1", Side.GRAPH, Action.CREATE, NOW, 1, generation=1, mailbox=TOM.id, fields=ALL, content=HELD, target=HELD
)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """An authority of this module's own."""
    return load_certificates(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def sim() -> GraphSimulator:
    """The service behind the edge."""
    return build_graph()


@pytest.fixture
def hosted(sim: GraphSimulator, certificates: Certificates) -> Iterator[Hosted]:
    """The service on free ports."""
    host = Host(certificates.server_context)
    listening = host.add(Edge("graph", sim, sim.clock), 0, 0)
    with host:
        yield listening


@pytest.fixture
def connection(hosted: Hosted, certificates: Certificates) -> GraphConnection:
    """How Concord is configured for it."""
    return GraphConnection(
        f"{hosted.tls_url}/v1.0", hosted.tls_url, FIRM.id, APP.client_id, by_secret(APP.secrets[0]),
        certificates.ca_file, timeout_s=5.0,
    )  # fmt: skip


def by_secret(value: str) -> ClientSecret:
    """A client secret."""
    return ClientSecret(Secret("CONCORD_GRAPH_CLIENT_SECRET", SecretStr(value)))


def talk(connection: GraphConnection, act: Callable[[GraphClient], Awaitable[T]]) -> T:
    """Run an action with a client, and close it."""

    async def go() -> T:
        async with GraphClient(connection) as client:
            return await act(client)

    return asyncio.run(go())


def test_a_mailbox_is_read_over_the_wire(sim: GraphSimulator, hosted: Hosted, connection: GraphConnection) -> None:
    """Sign-in by msal, a list, delta with its links followed, and the directory."""
    for n in range(7):
        hosted.edge.call(lambda n=n: sim.add_event(TOM.id, meeting(CLIENT, subject=f"M{n}")))

    async def act(client: GraphClient) -> tuple[list[str], int]:
        cursor, position, subjects, listed = GraphCursor(TOM.id), 0, [], {}
        reach = Reach(datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 5, 1, tzinfo=UTC), "w", page_size=3)
        while True:
            asked = read_page(cursor, reach, now=NOW, position=position, listed=listed)
            page = await run_async(asked, client.send)
            subjects += [c.item.content.subject for c in page.changes if c.item]
            cursor, position, listed = page.cursor, page.position, page.listed
            if page.is_last:
                break
        assert client.counts["delta", "200"] >= 3
        assert (client.counts["event get", "200"], client.counts["batch", "200"]) == (1, 0)
        return sorted(subjects), len(await run_async(read_directory(), client.send))

    subjects, entries = talk(connection, act)
    assert subjects == [f"M{n}" for n in range(7)]
    assert entries == 3 + 2 + 1


@pytest.mark.parametrize("cut", [Cut.BEFORE, Cut.AFTER])
def test_a_cut_connection_leaves_one_event_and_one_mail(
    cut: Cut, sim: GraphSimulator, hosted: Hosted, connection: GraphConnection
) -> None:
    """The socket closes before or after the effect: what happened is found out, nothing is done twice."""
    hosted.edge.faults.add(Fault(path="/events", method="POST", cut=cut))

    async def act(client: GraphClient) -> Outcome:
        outcome = await run_async(apply_command(CREATE, now=NOW), client.send)
        assert client.counts["event post", "unavailable"] == 1
        return outcome

    assert talk(connection, act).result is Result.APPLIED
    assert len(hosted.edge.call(lambda: sim.events_of(TOM.id))) == 1
    assert [(m.kind, m.to) for m in hosted.edge.call(lambda: sim.mails)] == [("invite", CLIENT)]


def test_a_slow_answer_is_given_up_and_looked_up(
    sim: GraphSimulator, hosted: Hosted, connection: GraphConnection
) -> None:
    """A timeout leaves the create unclear; the event is found by its tag."""
    hosted.edge.faults.add(Fault(path="/events", method="POST", delay_s=1.0))

    async def act(client: GraphClient) -> Outcome:
        return await run_async(apply_command(CREATE, now=NOW), client.send)

    outcome = talk(replace(connection, timeout_s=0.3), act)
    assert outcome.result is Result.APPLIED
    assert len(hosted.edge.call(lambda: sim.events_of(TOM.id))) == 1
    assert len(hosted.edge.call(lambda: sim.mails)) == 1


def test_an_expired_token_is_replaced(sim: GraphSimulator, hosted: Hosted, connection: GraphConnection) -> None:
    """The service says 401 an hour on by its clock: a fresh token, and the call goes through."""

    async def act(client: GraphClient) -> tuple[int, int]:
        first = await client.send(wire.get_calendar(TOM.id))
        await asyncio.to_thread(hosted.edge.call, lambda: sim.clock.advance(4000))
        second = await client.send(wire.get_calendar(TOM.id))
        assert client.counts["calendar", "401"] == 1
        return first.status, second.status

    assert talk(connection, act) == (200, 200)


def test_a_busy_mailbox_is_never_throttled_by_us(
    sim: GraphSimulator, hosted: Hosted, connection: GraphConnection
) -> None:
    """Fifty calls and some batches at once: the service, which refuses the fifth concurrent one, refuses none."""
    event_id = hosted.edge.call(lambda: sim.add_event(TOM.id, meeting()))
    hosted.edge.faults.add(Fault(path="/events", count=50, delay_s=0.005))

    async def act(client: GraphClient) -> set[int]:
        single = wire.get_event(TOM.id, event_id)
        calls = [single] * 50 + [wire.batch([single] * 5)] * 3
        return {reply.status for reply in await asyncio.gather(*map(client.send, calls))}

    assert talk(connection, act) == {200}


def test_wrong_credentials_need_a_person(connection: GraphConnection) -> None:
    """A wrong secret is named by Entra's number and never repeated."""

    async def act(client: GraphClient) -> None:
        await client.send(wire.get_calendar(TOM.id))

    with pytest.raises(AuthRejected) as caught:
        talk(replace(connection, credential=by_secret("not-the-secret")), act)
    assert caught.value.code == "AADSTS7000215"
    assert "not-the-secret" not in str(caught.value)


def test_an_untrusted_certificate_is_not_spoken_to(connection: GraphConnection, tmp_path: Path) -> None:
    """Another authority's bundle: nothing is sent, and what cannot be reached is named."""
    other = load_certificates(tmp_path)

    async def act(client: GraphClient) -> None:
        await client.send(wire.get_calendar(TOM.id))

    with pytest.raises(Unavailable) as caught:
        talk(replace(connection, ca_bundle=other.ca_file), act)
    assert not caught.value.was_sent
    assert caught.value.what == "Cannot reach the token authority (ConnectError)."
