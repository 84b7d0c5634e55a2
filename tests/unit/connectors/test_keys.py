"""Keys and certificates: what is wrong with them is told in one sentence, and nothing of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from support.identities import identity

from connectors.keys import BadKey, certificates, private_key

OURS = identity("app 1")


def elliptic() -> str:
    """A key of another kind."""
    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def locked() -> str:
    """Our key behind a passphrase."""
    key = load_pem_private_key(OURS.key.encode(), None)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"word")).decode()


def test_key_and_certificates_are_found_in_one_text() -> None:
    """In any order, with whatever a tool writes between them."""
    text = f"Bag Attributes\n{OURS.certificate}\nKey Attributes: none\n{OURS.key}"
    assert private_key(text) == OURS.key.strip()
    assert certificates(text, private_key(text)) == OURS.certificate.strip()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "no private key"),
        (OURS.certificate, "no private key"),
        (OURS.key.replace("MII", "ZZZ"), "damaged"),
        (elliptic(), "no RSA key"),
        (locked(), "passphrase"),
    ],
)
def test_what_cannot_sign_is_told(text: str, why: str) -> None:
    """Before anybody is asked."""
    with pytest.raises(BadKey, match=why):
        private_key(text)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (OURS.key, "no certificate"),
        (identity("other").certificate, "does not belong"),
        (OURS.certificate.replace("MII", "ZZZ"), "damaged"),
    ],
)
def test_a_certificate_that_is_of_no_use_is_told(text: str, why: str) -> None:
    """None, somebody else's, a broken one."""
    with pytest.raises(BadKey, match=why):
        certificates(text, OURS.key)


def test_a_certificate_that_has_ended_is_told_with_its_dates() -> None:
    """The service would only say that it knows no such certificate."""
    later = datetime.now(UTC) + timedelta(days=366)
    with pytest.raises(BadKey, match=f"to {later - timedelta(days=1):%Y-%m-%d}, not today"):
        certificates(OURS.pem, OURS.key, later)
