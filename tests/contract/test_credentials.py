"""Every way in, on both sides over TLS: each credential, its rotation on disk, its refusal and the way back."""

from __future__ import annotations

import asyncio
import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from support.identities import Identity, identity

from concord.config import Config, load_config
from concord.roles import graph_connection, salesforce_connection
from connectors import patience
from connectors.graph import wire as graph_wire
from connectors.salesforce import wire as salesforce_wire
from schemas.errors import AuthRejected
from simulators.launch import SimulatorOptions, Simulators, running_simulators

ISSUER = "https://oidc.cluster.example/firm"
POD = "system:serviceaccount:concord:source"
USERS = salesforce_wire.soql("SELECT Id FROM User LIMIT 1")


@pytest.fixture(scope="module")
def simulators(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulators]:
    """Both simulators on free ports."""
    options = SimulatorOptions(port_base=0, state_dir=tmp_path_factory.mktemp("state"))
    with running_simulators(options) as running:
        yield running


class Deployment:
    """One deployment's variables and the files they name. `log` is everything that was logged."""

    def __init__(self, simulators: Simulators, folder: Path, log: pytest.LogCaptureFixture) -> None:
        env = simulators.environment()
        self.simulators = simulators
        self.folder = folder
        self.log = log
        self.variables = {
            "CONCORD_BROKER": "127.0.0.1:9",
            "CONCORD_GRAPH_URL": env["GRAPH_TLS_URL"],
            "CONCORD_GRAPH_AUTHORITY": env["GRAPH_AUTHORITY"].rpartition("/")[0],
            "CONCORD_GRAPH_TENANT": env["GRAPH_TENANT"],
            "CONCORD_GRAPH_CLIENT_ID": env["GRAPH_CLIENT_ID"],
            "CONCORD_SALESFORCE_URL": env["SF_TLS_URL"],
            "CONCORD_SALESFORCE_CLIENT_ID": env["SF_CLIENT_ID"],
            "CONCORD_CA_FILE": env["CONCORD_CA_FILE"],
        }

    def put(self, name: str, text: str) -> str:
        """Write a file as a secret store does: beside it first, then in its place."""
        path = self.folder / name
        beside = path.with_suffix(".new")
        beside.write_text(text + "\n", encoding="utf-8")
        beside.replace(path)
        return str(path)

    def take_away(self, path: Path) -> None:
        """Remove a file."""
        path.unlink()

    def register(self, side: str, **credentials: Any) -> None:
        """What the service accepts from now on."""
        hosted = self.simulators.graph_hosted if side == "graph" else self.simulators.salesforce_hosted
        with httpx.Client(trust_env=False) as client:
            client.post(f"{hosted.url}/_sim/credentials", json=credentials).raise_for_status()

    def config(self, need: str, **more: str) -> Config:
        """The configuration with these variables added, named without their prefix."""
        return load_config(need, {**self.variables, **{f"CONCORD_{name}": value for name, value in more.items()}})


@pytest.fixture
def deployment(simulators: Simulators, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Deployment:
    """A deployment without credentials; everything is logged."""
    caplog.set_level(logging.DEBUG)
    return Deployment(simulators, tmp_path, caplog)


class Graph:
    """A Graph client that is asked, from one event loop, and forgets its token before each call."""

    def __init__(self, config: Config) -> None:
        self.connection = graph_connection.Graph(config)

    async def ask(self) -> int:
        """The status of a call that needs a token, with a new one."""
        client = self.connection.client
        client._tokens.discard(client._tokens._token)
        return (await client.send(graph_wire.users(1))).status

    async def __aenter__(self) -> Graph:
        await self.connection.start()
        return self

    async def __aexit__(self, *_: Any) -> None:
        await self.connection.stop()


class Salesforce:
    """The same for Salesforce."""

    def __init__(self, config: Config) -> None:
        self.connection = salesforce_connection.Salesforce(config)

    async def ask(self) -> int:
        """The status of a call in a new session."""
        client = self.connection.client
        client._signed_in = None
        return (await client.send_async(USERS)).status

    async def __aenter__(self) -> Salesforce:
        await self.connection.start()
        return self

    async def __aexit__(self, *_: Any) -> None:
        await self.connection.stop()


class Way(ABC):
    """One way in: how to set it up, and to make the n-th credential the only one that the service takes.

    `write(n)` puts the n-th into the file, `accept(n)` registers it; `secrets(n)` are texts that nobody may read.
    """

    need = "graph"
    client: type[Graph] | type[Salesforce] = Graph

    def __init__(self, deployment: Deployment) -> None:
        self.deployment = deployment

    @abstractmethod
    def write(self, n: int) -> dict[str, str]:
        """Put it on disk; returns the variables that name it."""

    @abstractmethod
    def accept(self, n: int) -> None:
        """Register it at the service, in place of the others."""

    @abstractmethod
    def secrets(self, n: int) -> list[str]:
        """What must not show."""


def private_part(one: Identity) -> str:
    """A line of a key that stands nowhere else."""
    return one.key.splitlines()[5]


class _ByClientSecret(Way):
    def write(self, n: int) -> dict[str, str]:
        return {"GRAPH_CLIENT_SECRET_FILE": self.deployment.put("secret", f"entra-secret-{n}")}

    def accept(self, n: int) -> None:
        self.deployment.register("graph", secrets=[f"entra-secret-{n}"])

    def secrets(self, n: int) -> list[str]:
        return [f"entra-secret-{n}"]


class _ByCertificate(Way):
    """Key and certificate in one file."""

    def write(self, n: int) -> dict[str, str]:
        return {"GRAPH_PRIVATE_KEY_FILE": self.deployment.put("key.pem", identity(f"app {n}").pem)}

    def accept(self, n: int) -> None:
        self.deployment.register("graph", certificates=[identity(f"app {n}").certificate])

    def secrets(self, n: int) -> list[str]:
        return [private_part(identity(f"app {n}"))]


class _ByCertificateBesideItsKey(_ByCertificate):
    def write(self, n: int) -> dict[str, str]:
        one = identity(f"app {n}")
        return {
            "GRAPH_PRIVATE_KEY_FILE": self.deployment.put("key.pem", one.key),
            "GRAPH_CERTIFICATE_FILE": self.deployment.put("cert.pem", one.certificate),
        }


class _ByFederatedToken(Way):
    def write(self, n: int) -> dict[str, str]:
        return {"GRAPH_FEDERATED_TOKEN_FILE": self.deployment.put("token", self._token(n))}

    def accept(self, n: int) -> None:
        trusted = {"issuer": ISSUER, "subject": POD, "keys": [identity(f"app {n}").certificate]}
        self.deployment.register("graph", federated=[trusted])

    def secrets(self, n: int) -> list[str]:
        return [self._token(n).rpartition(".")[2]]

    def _token(self, n: int) -> str:
        claims = {
            "iss": ISSUER,
            "sub": POD,
            "aud": "api://AzureADTokenExchange",
            "exp": int(time.time()) // 3600 * 3600 + 7200,
        }
        return jwt.encode(claims, identity(f"app {n}").key, "RS256", {"kid": "1"})


class _ByConsumerSecret(Way):
    need = "salesforce"
    client = Salesforce

    def write(self, n: int) -> dict[str, str]:
        return {"SALESFORCE_CLIENT_SECRET_FILE": self.deployment.put("secret", f"consumer-secret-{n}")}

    def accept(self, n: int) -> None:
        self.deployment.register("salesforce", secret=f"consumer-secret-{n}")

    def secrets(self, n: int) -> list[str]:
        return [f"consumer-secret-{n}"]


class _BySignedToken(Way):
    need = "salesforce"
    client = Salesforce

    def write(self, n: int) -> dict[str, str]:
        return {
            "SALESFORCE_PRIVATE_KEY_FILE": self.deployment.put("key.pem", identity(f"app {n}").key),
            "SALESFORCE_USERNAME": self.deployment.simulators.salesforce.org.integration_username,
        }

    def accept(self, n: int) -> None:
        self.deployment.register("salesforce", certificates=[identity(f"app {n}").certificate])

    def secrets(self, n: int) -> list[str]:
        return [private_part(identity(f"app {n}"))]


WAYS = [
    _ByClientSecret,
    _ByCertificate,
    _ByCertificateBesideItsKey,
    _ByFederatedToken,
    _ByConsumerSecret,
    _BySignedToken,
]


@pytest.fixture(params=WAYS, ids=lambda way: way.__name__.strip("_"))
def way(request: pytest.FixtureRequest, deployment: Deployment) -> Way:
    """Each way in."""
    made: Way = request.param(deployment)
    return made


def shown(way: Way, *things: Any) -> None:
    """Whatever a person could see holds no secret."""
    seen = " ".join([way.deployment.log.text, *(f"{thing} {thing!r}" for thing in things)])
    for n in (1, 2):
        for secret in way.secrets(n):
            assert secret not in seen


def test_a_credential_that_is_replaced_on_disk_counts_from_the_next_sign_in_on(way: Way) -> None:
    """The service takes the new one only, and nobody restarts anything."""
    config = way.deployment.config(way.need, **way.write(1))
    way.accept(1)

    async def go() -> list[int]:
        async with way.client(config) as client:
            statuses = [await client.ask()]
            way.write(2)
            way.accept(2)
            statuses += [await client.ask(), await client.ask()]
            shown(way, client.connection.__dict__, config)
            return statuses

    assert asyncio.run(go()) == [200, 200, 200]


def sign_ins(way: Way) -> int:
    """How often somebody asked the service for a token."""
    simulators = way.deployment.simulators
    hosted = simulators.graph_hosted if way.need == "graph" else simulators.salesforce_hosted
    counts = hosted.edge.traffic.as_json()["counts"]
    return sum(entry["count"] for entry in counts if "oauth2" in entry["route"] and entry["route"].endswith("token"))


def test_a_refused_credential_is_told_waits_and_recovers_when_the_file_is_right(way: Way) -> None:
    """Many calls, one sign-in that is refused and one sentence in the log; the right file needs no restart."""
    config = way.deployment.config(way.need, **way.write(2))
    way.accept(1)
    before = sign_ins(way)

    async def go() -> AuthRejected:
        async with way.client(config) as client:
            for _ in range(5):
                with pytest.raises(AuthRejected) as caught:
                    await client.ask()
            assert sign_ins(way) == before + 1
            way.write(1)
            assert await client.ask() == 200
            return caught.value

    refusal = asyncio.run(go())
    assert refusal.what
    assert refusal.fix
    shown(way, refusal, refusal.__context__, refusal.__cause__)
    told = [record.getMessage() for record in way.deployment.log.records if record.name == patience.__name__]
    assert len(told) == 2
    assert refusal.what in told[0]
    assert refusal.fix in told[0]
    assert "signed in again" in told[1]


def test_a_file_that_is_missing_for_a_while_is_named(way: Way) -> None:
    """No sign-in without it; it counts as soon as it is back."""
    variables = way.write(1)
    config = way.deployment.config(way.need, **variables)
    way.accept(1)
    path = Path(next(iter(variables.values())))

    async def go() -> AuthRejected:
        async with way.client(config) as client:
            assert await client.ask() == 200
            before = sign_ins(way)
            way.deployment.take_away(path)
            with pytest.raises(AuthRejected) as caught:
                await client.ask()
            assert sign_ins(way) == before
            way.write(1)
            assert await client.ask() == 200
            return caught.value

    refusal = asyncio.run(go())
    assert str(path) in refusal.what
    assert f"CONCORD_{next(iter(variables))}" in refusal.what


def test_a_certificate_is_taken_by_its_thumbprint_alone(deployment: Deployment) -> None:
    """For who has the key and the thumbprint that Entra shows, but not the certificate."""
    way = _ByCertificate(deployment)
    way.accept(1)
    one = identity("app 1")
    config = deployment.config(
        "graph", GRAPH_PRIVATE_KEY_FILE=deployment.put("key.pem", one.key), GRAPH_CERTIFICATE_THUMBPRINT=one.thumbprint
    )

    async def go() -> int:
        async with Graph(config) as client:
            return await client.ask()

    assert asyncio.run(go()) == 200


@pytest.mark.parametrize("change", [{"username": "nobody@firm.example"}, {"audience": "https://other.salesforce.com"}])
def test_what_a_jwt_says_wrong_is_told_apart(deployment: Deployment, change: dict[str, str]) -> None:
    """`invalid_grant` alone would leave a person to guess."""
    way = _BySignedToken(deployment)
    way.accept(1)
    salesforce = Salesforce(deployment.config("salesforce", **way.write(1)))
    connection = salesforce.connection._connection
    wrong = replace(connection.credential, **change)  # type: ignore[arg-type]
    salesforce.connection._connection = replace(connection, credential=wrong)

    async def go() -> None:
        async with salesforce as client:
            await client.ask()

    with pytest.raises(AuthRejected, match="invalid_grant") as caught:
        asyncio.run(go())
    assert {"username": "Pre-authorize", "audience": "as audience"}[next(iter(change))] in caught.value.fix
