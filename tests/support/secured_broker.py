"""A Kafka broker that asks who is there: TLS, SASL and access control, beside a plain listener for the test itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import trustme

from concord.broker_cache import kafka_jars
from concord.broker_jvm import JvmBroker
from concord.broker_settings import cache_folder, free_port


@dataclass(frozen=True)
class Secured:
    """Where the listeners are: `plain` lets everybody do everything, `address` asks."""

    plain: str
    address: str
    ca_file: Path

    def variables(self, user: str, password: str, mechanism: str = "PLAIN") -> dict[str, str]:
        """What a process of Concord needs to get in as this user."""
        return {
            "CONCORD_BROKER": self.address,
            "CONCORD_BROKER_PROTOCOL": "SASL_SSL",
            "CONCORD_BROKER_MECHANISM": mechanism,
            "CONCORD_BROKER_USERNAME": user,
            "CONCORD_BROKER_PASSWORD": password,
            "CONCORD_BROKER_CA_FILE": str(self.ca_file),
        }


class _Node(JvmBroker):
    """The development broker with a second listener."""

    def __init__(self, jars: Path, folder: Path, users: Mapping[str, str]) -> None:
        super().__init__(jars)
        self.secure_port = free_port()
        self._users = users
        self._authority = trustme.CA()
        self._folder = folder
        self.ca_file = folder / "ca.pem"
        self._authority.cert_pem.write_to_path(str(self.ca_file))

    def _configure(self) -> None:
        super()._configure()
        keystore = self._folder / "broker.pem"
        self._authority.issue_cert("localhost", "127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(keystore))
        keystore.write_text(_pkcs8(keystore.read_bytes()), encoding="utf-8")
        passwords = " ".join(f'user_{name}="{password}"' for name, password in self._users.items())
        plain = f"org.apache.kafka.common.security.plain.PlainLoginModule required {passwords};"
        properties = self.data_dir / "server.properties"
        text = properties.read_text(encoding="utf-8")
        listeners = next(line for line in text.splitlines() if line.startswith("listeners="))
        advertised = next(line for line in text.splitlines() if line.startswith("advertised.listeners="))
        secured = f"SECURED://127.0.0.1:{self.secure_port}"
        more = {
            "listeners": listeners.removeprefix("listeners=") + f",{secured}",
            "advertised.listeners": advertised.removeprefix("advertised.listeners=") + f",{secured}",
            "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SECURED:SASL_SSL",
            "listener.name.secured.ssl.keystore.type": "PEM",
            "listener.name.secured.ssl.keystore.location": str(keystore),
            "listener.name.secured.sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-512",
            "listener.name.secured.plain.sasl.jaas.config": plain,
            "listener.name.secured.scram-sha-512.sasl.jaas.config": (
                "org.apache.kafka.common.security.scram.ScramLoginModule required;"
            ),
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": "User:ANONYMOUS",
        }
        lines = [line for line in text.splitlines() if line.partition("=")[0] not in more]
        lines += [f"{name}={value}" for name, value in more.items()]
        properties.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _pkcs8(pem: bytes) -> str:
    """The same key and chain with the key as Kafka reads it."""
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        NoEncryption,
        PrivateFormat,
        load_pem_private_key,
    )

    key = load_pem_private_key(pem, None)
    chain = pem[pem.index(b"-----BEGIN CERTIFICATE") :]
    return (key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + chain).decode()


@contextmanager
def secured_broker(folder: Path, users: Mapping[str, str]) -> Iterator[Secured]:
    """A broker that knows these users and their passwords. Its SCRAM users are made over the plain listener."""
    import os

    node = _Node(kafka_jars(cache_folder(os.environ)), folder, users)
    try:
        node.start()
        yield Secured(node.address, f"127.0.0.1:{node.secure_port}", node.ca_file)
    finally:
        node.stop()
