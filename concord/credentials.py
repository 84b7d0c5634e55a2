"""What the configuration says of credentials and of the way out: which is chosen, what is wrong, which proxy is used.

A secret is given as `CONCORD_X`, or as `CONCORD_X_FILE` with the path of a file that holds it. Files are read at each
sign-in.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from pydantic import SecretStr

from connectors.graph import credentials as graph
from connectors.salesforce import credentials as salesforce
from connectors.secret import Secret

if TYPE_CHECKING:
    from concord.config import Config

PREFIX: Final = "CONCORD_"
FILE: Final = "_FILE"
# What says that no proxy is to be used, whatever the environment says.
NO_PROXY: Final = "none"
LOOPBACK: Final = "localhost,127.0.0.1,::1"


def secret(config: Config, name: str) -> Secret:
    """The secret of that name, as its value or as the file it is in; the one not given is empty."""
    file = getattr(config, f"{name}_file", None)
    value = getattr(config, name, SecretStr(""))
    return Secret(PREFIX + name.upper() + (FILE if file is not None else ""), value, file)


def graph_credential(config: Config) -> graph.Credential:
    """What signs in to Entra: a federated token, else a certificate, else a client secret."""
    if config.graph_federated_token_file is not None:
        return graph.FederatedToken(secret(config, "graph_federated_token"))
    if key := secret(config, "graph_private_key"):
        certificate = secret(config, "graph_certificate")
        return graph.Certificate(key, certificate, config.graph_certificate_thumbprint)
    return graph.ClientSecret(secret(config, "graph_client_secret"))


def salesforce_credential(config: Config) -> salesforce.Credential:
    """What signs in to Salesforce: a key, else the consumer secret."""
    if key := secret(config, "salesforce_private_key"):
        return salesforce.SignedToken(key, config.salesforce_username, config.salesforce_audience)
    return salesforce.ConsumerSecret(secret(config, "salesforce_client_secret"))


def webhook_secret(config: Config) -> str:
    """What clientState is made from: its own secret, else the client secret when that stands in the environment."""
    own = secret(config, "webhook_secret")
    return own.read() if own else config.graph_client_secret.get_secret_value()


def proxy_to(config: Config, address: str) -> SecretStr | None:
    """The proxy on the way to a URL, or to host:port; None when there is none."""
    given = secret(config, "proxy")
    url = given.read() if given else ""
    host = urlsplit(address if "://" in address else f"//{address}").hostname or ""
    if not url or url == NO_PROXY or _is_direct(host, config.no_proxy):
        return None
    return SecretStr(url)


def _is_direct(host: str, no_proxy: str) -> bool:
    """Whether a NO_PROXY list names a host: itself, a domain it is in, or `*`."""
    names = [name.strip().lower().lstrip(".") for name in no_proxy.split(",")]
    return any(name in ("*", host) or host.endswith(f".{name}") for name in names if name)


def inherited_proxy(environ: Mapping[str, str]) -> dict[str, str]:
    """The proxy settings that the environment makes when none is configured, by the names of ours.

    Test services on this machine are then reached directly.
    """
    if any(environ.get(f"{PREFIX}PROXY{end}") for end in ("", FILE)):
        return {}
    url = environ.get("HTTPS_PROXY") or environ.get("https_proxy") or ""
    others = environ.get(f"{PREFIX}NO_PROXY") or environ.get("NO_PROXY") or environ.get("no_proxy") or ""
    return {"proxy": url, "no_proxy": ",".join(filter(None, (others, LOOPBACK)))} if url else {}


def problems(config: Config, need: str) -> Iterator[str]:
    """Everything that is wrong with credentials, CA bundle and proxy, one sentence each; no value is in them."""
    yield from _given_twice(config)
    yield from filter(None, (secret(config, name).trouble() for name in ("webhook_secret", "proxy")))
    if config.ca_file is not None and need in ("graph", "salesforce", "services"):
        yield from _bad_bundle(config)
    yield from _bad_proxy(config)
    if need in ("graph", "services"):
        yield from _one_of(config, "graph")
        if config.webhook_url and not secret(config, "webhook_secret") and not config.graph_client_secret:
            yield f"{PREFIX}WEBHOOK_SECRET: missing (with {PREFIX}WEBHOOK_URL it proves what Graph posts; choose one)"
    if config.console_client_id and need == "broker":
        yield from _bad_console(config)
    if need in ("salesforce", "services"):
        yield from _one_of(config, "salesforce")
        if secret(config, "salesforce_private_key") and not config.salesforce_username:
            yield f"{PREFIX}SALESFORCE_USERNAME: missing (the user to sign in as with the private key)"


_SECRETS: Final = (
    "graph_client_secret", "graph_private_key", "salesforce_client_secret", "salesforce_private_key", "webhook_secret",
    "proxy", "database_url", "broker_password", "schema_registry_password", "console_client_secret",
)  # fmt: skip
# Of which one must be given, for each service.
ONE_OF: Final = {
    "graph": ("graph_client_secret", "graph_private_key", "graph_federated_token"),
    "salesforce": ("salesforce_client_secret", "salesforce_private_key"),
}


def _given_twice(config: Config) -> Iterator[str]:
    for name in _SECRETS:
        variable = PREFIX + name.upper()
        if getattr(config, f"{name}_file") is not None and name in config.model_fields_set and getattr(config, name):
            yield f"{variable}: given twice, also as {variable}{FILE}: choose one"


def _one_of(config: Config, side: str) -> Iterator[str]:
    """Exactly one credential must be chosen, and it must be of use."""
    given = [one for one in (secret(config, name) for name in ONE_OF[side]) if one]
    if not given:
        choice = " or ".join(PREFIX + name.upper() + FILE for name in ONE_OF[side])
        yield f"{choice}: missing (one credential to sign in with)"
    elif len(given) > 1:
        yield f"{' and '.join(one.name for one in given)}: choose one of them"
    else:
        trouble = (
            graph.trouble_of(graph_credential(config)) if side == "graph"
            else salesforce.trouble_of(salesforce_credential(config))
        )  # fmt: skip
        yield from filter(None, [trouble])


def _bad_console(config: Config) -> Iterator[str]:
    """What is missing for people to sign in to the console by Entra."""
    given = secret(config, "console_client_secret")
    if not given:
        yield f"{PREFIX}CONSOLE_CLIENT_SECRET_FILE: missing (the secret of {PREFIX}CONSOLE_CLIENT_ID)"
    elif trouble := given.trouble():
        yield trouble
    if not config.graph_tenant or config.graph_tenant.lower() in ("common", "organizations", "consumers"):
        yield f"{PREFIX}GRAPH_TENANT: missing (one tenant, of which people sign in to the console)"


def _bad_bundle(config: Config) -> Iterator[str]:
    try:
        ssl.create_default_context(cafile=str(config.ca_file))
    except (OSError, ValueError) as error:
        yield f"{PREFIX}CA_FILE: {config.ca_file} is no readable file of certificates in PEM ({type(error).__name__})"


def _bad_proxy(config: Config) -> Iterator[str]:
    given = secret(config, "proxy")
    url = given.read() if given and not given.trouble() else ""
    if not url or url == NO_PROXY:
        return
    try:
        parts = urlsplit(url)
        is_good = parts.scheme == "http" and bool(parts.hostname) and parts.port is not None
    except ValueError:
        is_good = False
    if not is_good:
        yield f"{PREFIX}PROXY (or HTTPS_PROXY): must be http://[user:password@]host:port, or {NO_PROXY}"
