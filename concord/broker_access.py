"""How to get into Kafka: protocol, authorities, certificate, user and password, in the words of each client library.

Read from the configuration of this process; every connection to the broker asks here. The development broker and most
tests say nothing and get a plain connection.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from concord import credentials
from schemas.errors import ConfigError

if TYPE_CHECKING:
    from concord.config import Config
    from concord.guard import AppOptions

PLAINTEXT: Final = "PLAINTEXT"
# What the configuration says about it, by field.
FIELDS: Final = (
    "broker_protocol", "broker_mechanism", "broker_username", "broker_password", "broker_password_file",
    "broker_ca_file", "broker_certificate_file", "broker_key_file",
)  # fmt: skip


@dataclass(frozen=True)
class BrokerAccess:
    """One way in. `tls` is None without TLS, `username` "" without SASL."""

    protocol: str = PLAINTEXT
    mechanism: str = ""
    username: str = ""
    password: str = ""
    tls: ssl.SSLContext | None = None

    def __repr__(self) -> str:
        return f"BrokerAccess({self.protocol}, {self.username})"

    def settings(self) -> dict[str, Any]:
        """As aiokafka and kafka-python take it: they agree on these names."""
        if self.protocol == PLAINTEXT:
            return {}
        found: dict[str, Any] = {"security_protocol": self.protocol, "ssl_context": self.tls}
        if self.username:
            found |= {
                "sasl_mechanism": self.mechanism, "sasl_plain_username": self.username,
                "sasl_plain_password": self.password,
            }  # fmt: skip
        return found

    def faust_credentials(self) -> Any:
        """As Faust takes it; None for a plain connection."""
        import faust

        if self.username:
            return faust.SASLCredentials(
                username=self.username, password=self.password, ssl_context=self.tls, mechanism=self.mechanism
            )
        return faust.SSLCredentials(self.tls) if self.tls is not None else None


def access_of(config: Config) -> BrokerAccess:
    """What a configuration says. Raises ConcordError for files that cannot be used."""
    protocol = config.broker_protocol
    tls = _context(config) if protocol.endswith("SSL") else None
    if not protocol.startswith("SASL"):
        return BrokerAccess(protocol, tls=tls)
    password = credentials.secret(config, "broker_password").read()
    return BrokerAccess(protocol, config.broker_mechanism, config.broker_username, password, tls)


def current_access() -> BrokerAccess:
    """What this process's environment says."""
    from concord.config import PREFIX

    return _access_in(tuple((name, os.environ.get(PREFIX + name.upper(), "")) for name in FIELDS))


@cache
def _access_in(given: tuple[tuple[str, str], ...]) -> BrokerAccess:
    """Read once: files are not looked at again for each connection."""
    from concord.config import Config

    return access_of(Config.model_validate({name: value for name, value in given if value}))


def app_options(config: Config) -> AppOptions:
    """What a role's Faust app needs beside the address: the way in, how many copies its tables' topics have, and the
    frame of what it writes. Raises ConcordError when that cannot be had."""
    from concord.guard import AppOptions
    from concord.registry.framing import framing_of

    credentials = access_of(config).faust_credentials()
    return AppOptions(credentials=credentials, replication=config.replication, frame=framing_of(config))


def problems(config: Config) -> Iterator[str]:
    """What is wrong with this part of a configuration, before anything is opened."""
    protocol = config.broker_protocol
    if protocol.startswith("SASL"):
        if not config.broker_username:
            yield f"CONCORD_BROKER_USERNAME: missing (CONCORD_BROKER_PROTOCOL is {protocol})"
        password = credentials.secret(config, "broker_password")
        if not password:
            yield f"CONCORD_BROKER_PASSWORD or CONCORD_BROKER_PASSWORD_FILE: missing (the protocol is {protocol})"
        elif password.trouble():
            yield password.trouble()
    elif config.broker_username:
        yield f"CONCORD_BROKER_USERNAME: not used by CONCORD_BROKER_PROTOCOL={protocol}; choose SASL_SSL"
    if (config.broker_certificate_file is None) != (config.broker_key_file is None):
        yield "CONCORD_BROKER_CERTIFICATE_FILE and CONCORD_BROKER_KEY_FILE: give both or neither"
    elif protocol.endswith("SSL"):
        try:
            _context(config)
        except ConfigError as error:
            yield from error.problems
    elif config.broker_ca_file is not None:
        yield f"CONCORD_BROKER_CA_FILE: not used by CONCORD_BROKER_PROTOCOL={protocol}; choose SASL_SSL or SSL"


def _context(config: Config) -> ssl.SSLContext:
    """TLS with the broker's own authority, or the system's; with our certificate where the broker asks for one."""
    try:
        context = ssl.create_default_context(cafile=_text(config.broker_ca_file))
        if config.broker_certificate_file is not None:
            context.load_cert_chain(str(config.broker_certificate_file), _text(config.broker_key_file))
    except (OSError, ssl.SSLError) as error:
        names = [config.broker_ca_file, config.broker_certificate_file, config.broker_key_file]
        files = ", ".join(str(name) for name in names if name is not None)
        raise ConfigError(
            [f"CONCORD_BROKER_CA_FILE, _CERTIFICATE_FILE, _KEY_FILE: {files} cannot be used ({type(error).__name__})"]
        ) from error
    return context


def _text(path: object) -> str | None:
    return None if path is None else str(path)
