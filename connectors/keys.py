"""Private keys and certificates in PEM texts: read, matched, and what is wrong with them in one sentence."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)
_KEY = re.compile(
    r"-----BEGIN (?:RSA |ENCRYPTED )?PRIVATE KEY-----.+?-----END (?:RSA |ENCRYPTED )?PRIVATE KEY-----", re.DOTALL
)


class BadKey(ValueError):
    """Why a text cannot be signed with. The text itself is not in it."""


def private_key(pem: str) -> str:
    """The private key in a PEM text that may hold certificates too. Raises BadKey unless it is an open RSA key."""
    found = _KEY.search(pem)
    if found is None:
        raise BadKey("there is no private key in it (PEM)")
    try:
        key = load_pem_private_key(found[0].encode(), None)
    except TypeError:
        raise BadKey("the private key has a passphrase; it is needed without one") from None
    except (ValueError, UnsupportedAlgorithm):
        raise BadKey("the private key is damaged") from None
    if not isinstance(key, RSAPrivateKey):
        raise BadKey("the private key is no RSA key")
    return found[0]


def certificates(pem: str, key: str, now: datetime | None = None) -> str:
    """The certificates in a PEM text, beginning with that of the key. Raises BadKey: none, another's, not valid."""
    found = _CERTIFICATE.findall(pem)
    if not found:
        raise BadKey("there is no certificate in it (PEM)")
    try:
        first = x509.load_pem_x509_certificate(found[0].encode())
    except ValueError:
        raise BadKey("the certificate is damaged") from None
    public = load_pem_private_key(key.encode(), None).public_key()
    if first.public_key() != public:
        raise BadKey("the certificate does not belong to the private key")
    if not first.not_valid_before_utc <= (now or datetime.now(UTC)) <= first.not_valid_after_utc:
        dates = f"{first.not_valid_before_utc:%Y-%m-%d} to {first.not_valid_after_utc:%Y-%m-%d}"
        raise BadKey(f"the certificate is valid from {dates}, not today")
    return "\n".join(found)
