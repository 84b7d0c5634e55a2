"""Each client leaves through the configured proxy and trusts the configured CA bundle, and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from support.connect_proxy import ConnectProxy, running_proxy
from support.pubsub_client import EVENTS
from support.salesforce_client import event_body

from concord.config import load_config
from concord.roles.graph_connection import Graph
from concord.roles.salesforce_connection import Salesforce
from connectors.graph import wire as graph_wire
from connectors.salesforce import wire as salesforce_wire
from schemas.errors import Unavailable
from simulators.launch import SimulatorOptions, Simulators, running_simulators

LOGIN = "mule:in-the-clear"


@pytest.fixture(scope="module")
def simulators(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulators]:
    """Both simulators on free ports."""
    options = SimulatorOptions(port_base=0, state_dir=tmp_path_factory.mktemp("state"))
    with running_simulators(options) as running:
        yield running


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[ConnectProxy]:
    """A proxy that asks who comes; the environment knows of none."""
    for name in ("HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy", "no_grpc_proxy"):
        monkeypatch.delenv(name, raising=False)
    with running_proxy(LOGIN) as running:
        yield running


def variables(simulators: Simulators, **more: str) -> dict[str, str]:
    """The variables of a deployment, with these added, named without their prefix."""
    env = simulators.environment()
    given = {
        "BROKER": "127.0.0.1:9",
        "GRAPH_URL": env["GRAPH_TLS_URL"],
        "GRAPH_AUTHORITY": env["GRAPH_AUTHORITY"].rpartition("/")[0],
        "GRAPH_TENANT": env["GRAPH_TENANT"],
        "GRAPH_CLIENT_ID": env["GRAPH_CLIENT_ID"],
        "GRAPH_CLIENT_SECRET": env["GRAPH_CLIENT_SECRET"],
        "SALESFORCE_URL": env["SF_TLS_URL"],
        "SALESFORCE_CLIENT_ID": env["SF_CLIENT_ID"],
        "SALESFORCE_CLIENT_SECRET": env["SF_CLIENT_SECRET"],
        "PUBSUB_ADDR": env["PUBSUB_TLS_ADDR"],
        "CA_FILE": env["CONCORD_CA_FILE"],
        **more,
    }
    return {f"CONCORD_{name}": value for name, value in given.items()}


async def ask_graph(environ: dict[str, str]) -> int:
    """A token by msal, then a call by httpx."""
    graph = Graph(load_config("services", environ))
    await graph.start()
    try:
        return (await graph.client.send(graph_wire.users(1))).status
    finally:
        await graph.stop()


async def ask_salesforce(environ: dict[str, str]) -> int:
    """A session by simple-salesforce, then a call by requests."""
    salesforce = Salesforce(load_config("services", environ))
    await salesforce.start()
    try:
        return (await salesforce.client.send_async(salesforce_wire.soql("SELECT Id FROM User LIMIT 1"))).status
    finally:
        await salesforce.stop()


async def hear_an_event(environ: dict[str, str]) -> int:
    """An event is made, and its change event comes over gRPC."""
    salesforce = Salesforce(load_config("services", environ))
    await salesforce.start()
    stream = salesforce.change_events()
    try:
        salesforce_wire.read(await salesforce.client.send_async(salesforce_wire.insert("Event", [event_body()])))
        subscription = await stream.subscribe(EVENTS, b"")
        await subscription.ask(1)
        batch = await subscription.next()
        subscription.close()
        return len(batch.events) if batch is not None else 0
    finally:
        await stream.close()
        await salesforce.stop()


def places(environ: dict[str, str], *names: str) -> set[str]:
    """host:port of the addresses in these variables."""
    return {
        urlsplit(text if "//" in text else f"//{text}").netloc
        for text in (environ[f"CONCORD_{name}"] for name in names)
    }


def test_graph_and_its_sign_in_pass_through_the_proxy(simulators: Simulators, proxy: ConnectProxy) -> None:
    """Two clients, two tunnels, to the one host of both."""
    environ = variables(simulators, PROXY=proxy.url)
    assert asyncio.run(ask_graph(environ)) == 200
    assert set(proxy.tunnels) == places(environ, "GRAPH_URL")
    assert len(proxy.tunnels) == 2
    assert proxy.passed_on > 1_000


def test_salesforce_and_its_sign_in_pass_through_the_proxy(simulators: Simulators, proxy: ConnectProxy) -> None:
    """simple-salesforce's sign-in has connections of its own."""
    environ = variables(simulators, PROXY=proxy.url)
    assert asyncio.run(ask_salesforce(environ)) == 200
    assert set(proxy.tunnels) == places(environ, "SALESFORCE_URL")
    assert len(proxy.tunnels) == 2


def test_change_events_pass_through_the_proxy(simulators: Simulators, proxy: ConnectProxy) -> None:
    """By gRPC over TLS within the tunnel."""
    environ = variables(simulators, PROXY=proxy.url)
    assert asyncio.run(hear_an_event(environ)) == 1
    assert set(proxy.tunnels) == places(environ, "SALESFORCE_URL", "PUBSUB_ADDR")


@pytest.mark.parametrize("ask", [ask_graph, ask_salesforce])
def test_a_proxy_that_lets_nobody_through_is_out_of_reach(
    simulators: Simulators, proxy: ConnectProxy, ask: object, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing was sent, so it may be tried again; the password is in no message."""
    caplog.set_level("DEBUG")
    wrong = proxy.url.replace("in-the-clear", "a-wrong-word")
    with pytest.raises(Unavailable, match="ProxyError") as caught:
        asyncio.run(ask(variables(simulators, PROXY=wrong)))  # type: ignore[operator]
    assert not caught.value.was_sent
    assert proxy.refused
    assert not proxy.tunnels
    assert "a-wrong-word" not in f"{caplog.text} {caught.value!r} {caught.value.__cause__!r}"


def test_the_proxy_of_the_environment_counts_but_not_for_this_machine(
    simulators: Simulators, proxy: ConnectProxy
) -> None:
    """HTTPS_PROXY as shells and containers set it; test services are reached directly."""
    environ = {**variables(simulators), "HTTPS_PROXY": proxy.url}
    assert asyncio.run(ask_graph(environ)) == 200
    assert not proxy.tunnels
    config = load_config("services", {**environ, "CONCORD_GRAPH_URL": "https://graph.example/v1.0"})
    through = Graph(config)._connection.proxy
    assert through is not None
    assert through.get_secret_value() == proxy.url
    assert "in-the-clear" not in repr(Graph(config)._connection)


@pytest.mark.parametrize("ask", [ask_graph, ask_salesforce])
def test_an_authority_that_is_not_in_the_bundle_is_not_trusted(
    simulators: Simulators, proxy: ConnectProxy, ask: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when the environment names a bundle that would trust it: only the configured one counts."""
    environ = variables(simulators)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", environ["CONCORD_CA_FILE"])
    monkeypatch.setenv("CURL_CA_BUNDLE", environ["CONCORD_CA_FILE"])
    with pytest.raises(Unavailable):
        asyncio.run(ask({**environ, "CONCORD_CA_FILE": ""}))  # type: ignore[operator]
