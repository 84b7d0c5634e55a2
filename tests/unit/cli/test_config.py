"""The configuration is checked whole: every problem is told at once, none with a secret in it."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.identities import identity

from concord.config import Config, load_config
from concord.credentials import graph_credential, proxy_to, salesforce_credential, webhook_secret
from connectors.graph.credentials import Certificate, ClientSecret, FederatedToken
from connectors.salesforce.credentials import ConsumerSecret, SignedToken
from schemas.errors import ConfigError

GOOD = {
    "CONCORD_BROKER": "127.0.0.1:9092",
    "CONCORD_GRAPH_TENANT": "t",
    "CONCORD_GRAPH_CLIENT_ID": "c",
    "CONCORD_GRAPH_CLIENT_SECRET": "hush-graph",
    "CONCORD_SALESFORCE_URL": "https://firm.my.salesforce.com",
    "CONCORD_SALESFORCE_CLIENT_ID": "k",
    "CONCORD_SALESFORCE_CLIENT_SECRET": "hush-salesforce",
}


def config(need: str = "services", **more: str | Path) -> Config:
    """The good configuration with these variables, named without their prefix; "" leaves one out."""
    return load_config(need, {**GOOD, **{f"CONCORD_{name}": str(value) for name, value in more.items()}})


def troubles(need: str = "services", **more: str | Path) -> list[str]:
    """What is wrong with it."""
    with pytest.raises(ConfigError) as caught:
        config(need, **more)
    assert "hush" not in f"{caught.value} {caught.value!r} {caught.value.__cause__!r} {caught.value.__context__!r}"
    return caught.value.problems


def test_each_way_in_is_chosen_by_what_is_given(tmp_path: Path) -> None:
    """One credential a side."""
    key = tmp_path / "key.pem"
    key.write_text(identity("app 1").pem)
    assert isinstance(graph_credential(config()), ClientSecret)
    assert isinstance(salesforce_credential(config()), ConsumerSecret)
    by_key = config(
        GRAPH_CLIENT_SECRET="", GRAPH_PRIVATE_KEY_FILE=key, SALESFORCE_CLIENT_SECRET="",
        SALESFORCE_PRIVATE_KEY=identity("app 1").key, SALESFORCE_USERNAME="u@firm.example",
    )  # fmt: skip
    assert isinstance(graph_credential(by_key), Certificate)
    assert isinstance(salesforce_credential(by_key), SignedToken)
    token = tmp_path / "token"
    token.write_text("e30.eyJleHAiOjMyNTAzNjgwMDAwfQ.c2ln")
    by_token = config(GRAPH_CLIENT_SECRET="", GRAPH_FEDERATED_TOKEN_FILE=token)
    assert isinstance(graph_credential(by_token), FederatedToken)


def test_everything_wrong_is_told_at_once(tmp_path: Path) -> None:
    """Values, files, choices and what is missing, in one go, although some of it does not even parse."""
    bundle = tmp_path / "ca.pem"
    bundle.write_text("no certificate")
    found = troubles(
        GRAPH_URL="ftp://x", PARTITIONS="many", GRAPH_TENANT="", GRAPH_CLIENT_SECRET="",
        GRAPH_PRIVATE_KEY="hush, no key", SALESFORCE_CLIENT_SECRET="", CA_FILE=bundle, PROXY="socks5://hush@p:1",
        SALESFORCE_AUDIENCE="https://evil.example", WEBHOOK_URL="https://hook.example", WEBHOKS="1",
    )  # fmt: skip
    assert [problem.split(": ")[0].removeprefix("CONCORD_") for problem in found] == [
        "WEBHOKS", "PARTITIONS", "GRAPH_URL", "SALESFORCE_AUDIENCE", "GRAPH_TENANT", "CA_FILE",
        "PROXY (or HTTPS_PROXY)",
        "GRAPH_PRIVATE_KEY", "WEBHOOK_SECRET",
        "SALESFORCE_CLIENT_SECRET_FILE or CONCORD_SALESFORCE_PRIVATE_KEY_FILE",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("need", "more", "word"),
    [
        ("graph", {"GRAPH_CLIENT_SECRET": ""}, "missing (one credential"),
        ("graph", {"GRAPH_CLIENT_SECRET_FILE": "/nowhere"}, "given twice"),
        ("graph", {"GRAPH_FEDERATED_TOKEN_FILE": "/nowhere"}, "choose one of them"),
        ("graph", {"GRAPH_CLIENT_SECRET": "", "GRAPH_CLIENT_SECRET_FILE": "/nowhere"}, "cannot be read"),
        ("graph", {"GRAPH_CLIENT_SECRET": "", "GRAPH_PRIVATE_KEY": identity("app 1").key}, "no certificate"),
        ("graph", {"GRAPH_CLIENT_SECRET": "", "GRAPH_PRIVATE_KEY": identity("app 1").key,
                   "GRAPH_CERTIFICATE_THUMBPRINT": "12"}, "40 hexadecimal digits"),
        ("graph", {"WEBHOOK_SECRET_FILE": "/nowhere"}, "cannot be read"),
        ("salesforce", {"SALESFORCE_CLIENT_SECRET": "", "SALESFORCE_PRIVATE_KEY": identity("app 1").key},
         "SALESFORCE_USERNAME: missing"),
        ("broker", {"PROXY_FILE": "/nowhere"}, "cannot be read"),
    ],
)  # fmt: skip
def test_one_thing_wrong_is_one_sentence(need: str, more: dict[str, str], word: str) -> None:
    """And nothing beside it."""
    found = [problem for problem in troubles(need, **more) if word in problem]
    assert len(found) == 1


@pytest.mark.parametrize("content", ["", "not.a-token", "e30.e30.c2ln", "e30.eyJleHAiOjF9.c2ln"])
def test_a_token_file_without_a_living_token_is_told(tmp_path: Path, content: str) -> None:
    """Empty, no JWT, one that does not say when it ends, one that has ended."""
    token = tmp_path / "token"
    token.write_text(content)
    (problem,) = troubles("graph", GRAPH_CLIENT_SECRET="", GRAPH_FEDERATED_TOKEN_FILE=token)
    assert problem.startswith("CONCORD_GRAPH_FEDERATED_TOKEN_FILE: ")


def test_a_role_is_not_stopped_by_the_other_sides_credentials() -> None:
    """A source of Graph has none of Salesforce's."""
    config("graph", SALESFORCE_CLIENT_SECRET="", SALESFORCE_URL="", SALESFORCE_CLIENT_ID="")
    config("salesforce", GRAPH_CLIENT_SECRET="", GRAPH_TENANT="", GRAPH_CLIENT_ID="")


def test_nothing_of_a_configuration_prints(tmp_path: Path) -> None:
    """Secrets in the environment, a password in the proxy's address."""
    made = config(PROXY="http://u:hush-proxy@p:1", WEBHOOK_SECRET="hush-hook")
    assert "hush" not in f"{made} {made!r}"
    assert "hush" not in repr(
        (graph_credential(made), salesforce_credential(made), proxy_to(made, "https://a.example"))
    )
    assert webhook_secret(made) == "hush-hook"
    assert webhook_secret(config()) == "hush-graph"


@pytest.mark.parametrize(
    ("environ", "address", "expected"),
    [
        ({}, "https://graph.example/v1.0", None),
        ({"CONCORD_PROXY": "http://p:1"}, "https://graph.example/v1.0", "http://p:1"),
        ({"CONCORD_PROXY": "http://p:1"}, "https://127.0.0.1:8911", "http://p:1"),
        ({"CONCORD_PROXY": "none", "HTTPS_PROXY": "http://q:2"}, "https://graph.example", None),
        ({"CONCORD_PROXY": "http://p:1", "NO_PROXY": "graph.example"}, "https://graph.example", "http://p:1"),
        ({"CONCORD_PROXY": "http://p:1", "CONCORD_NO_PROXY": "graph.example"}, "https://graph.example", None),
        ({"HTTPS_PROXY": "http://q:2"}, "api.pubsub.salesforce.com:7443", "http://q:2"),
        ({"https_proxy": "http://q:2"}, "https://graph.example", "http://q:2"),
        ({"HTTPS_PROXY": "http://q:2", "NO_PROXY": ".salesforce.com"}, "api.pubsub.salesforce.com:7443", None),
        ({"HTTPS_PROXY": "http://q:2", "NO_PROXY": "other.example, example"}, "https://graph.example", None),
        ({"HTTPS_PROXY": "http://q:2", "NO_PROXY": "ample"}, "https://graph.example", "http://q:2"),
        ({"HTTPS_PROXY": "http://q:2", "NO_PROXY": "*"}, "https://graph.example", None),
        ({"HTTPS_PROXY": "http://q:2"}, "https://127.0.0.1:8911/v1.0", None),
        ({"HTTPS_PROXY": "http://q:2"}, "localhost:8913", None),
        ({"HTTPS_PROXY": "http://q:2"}, "[::1]:8913", None),
        ({"HTTP_PROXY": "http://q:2"}, "https://graph.example", None),
    ],
)
def test_the_proxy_to_an_address(environ: dict[str, str], address: str, expected: str | None) -> None:
    """Our own variable before the environment's; without ours, this machine is reached directly."""
    found = proxy_to(load_config("broker", {**GOOD, **environ}), address)
    assert (found.get_secret_value() if found is not None else None) == expected


def test_a_proxy_may_stand_in_a_file(tmp_path: Path) -> None:
    """Its address holds a password."""
    path = tmp_path / "proxy"
    path.write_text("http://u:hush@p:1\n")
    found = proxy_to(config(PROXY_FILE=path), "https://graph.example")
    assert found is not None
    assert found.get_secret_value() == "http://u:hush@p:1"
