"""The way into Kafka as the configuration says it: complete or refused before anything starts; secrets never told."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
import trustme

from concord.broker_access import BrokerAccess, access_of, app_options
from concord.config import load_config
from schemas.errors import ConfigError

BASE = {"CONCORD_BROKER": "kafka:9093"}
SASL = BASE | {
    "CONCORD_BROKER_PROTOCOL": "SASL_SSL",
    "CONCORD_BROKER_USERNAME": "concord-reconcile",
    "CONCORD_BROKER_PASSWORD": "open-sesame",
}


def test_without_a_word_the_connection_is_plain() -> None:
    """As the development broker wants it; no client gets a setting."""
    config = load_config(environ=BASE)
    assert access_of(config) == BrokerAccess()
    assert access_of(config).settings() == {}
    assert app_options(config).credentials is None


def test_tables_have_as_many_copies_as_topics() -> None:
    """Changelogs of one copy would lose a table with one broker."""
    assert app_options(load_config(environ=BASE | {"CONCORD_REPLICATION": "3"})).replication == 3


def test_each_library_gets_the_same(tmp_path: Path) -> None:
    """Aiokafka and kafka-python by their common names, Faust as its credentials; a password from a file."""
    (tmp_path / "password").write_text("from-file\n")
    environ = {name: value for name, value in SASL.items() if not name.endswith("PASSWORD")}
    config = load_config(environ=environ | {"CONCORD_BROKER_PASSWORD_FILE": str(tmp_path / "password")})
    access = access_of(config)
    settings = access.settings()
    assert isinstance(settings.pop("ssl_context"), ssl.SSLContext)
    assert settings == {
        "security_protocol": "SASL_SSL", "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": "concord-reconcile", "sasl_plain_password": "from-file",
    }  # fmt: skip
    faust = app_options(config).credentials
    assert (faust.protocol.value, faust.mechanism.value) == ("SASL_SSL", "SCRAM-SHA-512")
    assert (faust.username, faust.password) == ("concord-reconcile", "from-file")
    assert isinstance(faust.ssl_context, ssl.SSLContext)
    assert "from-file" not in repr(access) + repr(config) + repr(faust)


def test_a_certificate_is_shown_where_brokers_ask_for_one(tmp_path: Path) -> None:
    """TLS both ways: authority, certificate and key from files."""
    authority = trustme.CA()
    ours = authority.issue_cert("concord-reconcile")
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    ours.private_key_pem.write_to_path(str(tmp_path / "key.pem"))
    ours.cert_chain_pems[0].write_to_path(str(tmp_path / "cert.pem"))
    config = load_config(
        environ=BASE | {
            "CONCORD_BROKER_PROTOCOL": "SSL", "CONCORD_BROKER_CA_FILE": str(tmp_path / "ca.pem"),
            "CONCORD_BROKER_CERTIFICATE_FILE": str(tmp_path / "cert.pem"),
            "CONCORD_BROKER_KEY_FILE": str(tmp_path / "key.pem"),
        }
    )  # fmt: skip
    access = access_of(config)
    assert access.tls is not None
    assert len(access.tls.get_ca_certs()) == 1
    assert set(access.settings()) == {"security_protocol", "ssl_context"}
    assert app_options(config).credentials.protocol.value == "SSL"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"CONCORD_BROKER_USERNAME": ""}, "CONCORD_BROKER_USERNAME: missing"),
        ({"CONCORD_BROKER_PASSWORD": ""}, "CONCORD_BROKER_PASSWORD or CONCORD_BROKER_PASSWORD_FILE: missing"),
        ({"CONCORD_BROKER_PASSWORD_FILE": "/nowhere"}, "CONCORD_BROKER_PASSWORD: given twice"),
        ({"CONCORD_BROKER_PROTOCOL": "PLAINTEXT"}, "CONCORD_BROKER_USERNAME: not used by"),
        ({"CONCORD_BROKER_CA_FILE": "/nowhere"}, "/nowhere cannot be used (FileNotFoundError)"),
        ({"CONCORD_BROKER_KEY_FILE": "/nowhere"}, "give both or neither"),
        ({"CONCORD_BROKER_PROTOCOL": "TLS"}, "CONCORD_BROKER_PROTOCOL"),
    ],
)
def test_what_is_missing_or_wrong_is_said_before_anything_starts(changes: dict[str, str], said: str) -> None:
    """By the name of its variable."""
    with pytest.raises(ConfigError) as raised:
        load_config(environ=SASL | changes)
    assert said in str(raised.value.problems)
    assert "open-sesame" not in str(raised.value.problems)
