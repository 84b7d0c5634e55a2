"""Client assertions: signed JWTs with which an application signs in instead of a secret (RFC 7523).

Signed by the application's own certificate, or by an identity provider that the application trusts (federation).
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from simulators.graph.tenant import App

CLOCK_SKEW_S: Final = 300
_CERTIFICATE: Final = b"CERTIFICATE"


class AssertionRefused(Exception):
    """An assertion that does not prove the application; `number` is the AADSTS code."""

    def __init__(self, number: int, text: str) -> None:
        super().__init__(text)
        self.number = number


@dataclass(frozen=True)
class _Token:
    """A JWT taken apart, nothing of it verified."""

    header: dict[str, Any]
    claims: dict[str, Any]
    signature: bytes
    signed: bytes

    def is_signed_by(self, pems: Iterable[str]) -> bool:
        """Whether one of these keys made the signature."""
        return any(_verifies(pem, str(self.header.get("alg")), self.signature, self.signed) for pem in pems)


def check_assertion(assertion: str, app: App, endpoint: str, now: datetime) -> None:
    """Verify header, signature and claims. Raises AssertionRefused.

    An issuer that is an address is an identity provider's; everything else is the application's own assertion.
    """
    token = _read(assertion)
    if str(token.claims.get("iss", "")).lower().startswith(("https://", "http://")):
        _check_federated(token, app)
    else:
        _check_own(token, app, endpoint)
    _check_time(token.claims, now)


def _check_own(token: _Token, app: App, endpoint: str) -> None:
    """An assertion by certificate: signed by a registered one that the header names, for this endpoint, by the app."""
    named = [pem for pem in app.public_keys if _is_named(token.header, pem)]
    if not token.is_signed_by(named):
        raise AssertionRefused(
            700027, "The certificate used to sign the client assertion is not registered on the application."
        )
    claims = token.claims
    if not _same_endpoint(str(claims.get("aud", "")), endpoint):
        raise AssertionRefused(700023, "Client assertion audience claim does not match Realm issuer.")
    if claims.get("iss") != claims.get("sub") or str(claims.get("sub", "")).lower() != app.client_id.lower():
        raise AssertionRefused(700021, "Client assertion application identifier doesn't match 'client_id' parameter.")
    if not claims.get("jti") or not isinstance(claims["jti"], str):
        raise AssertionRefused(50027, "The client assertion has no jti.")


def _check_federated(token: _Token, app: App) -> None:
    """An assertion of an identity provider: issuer, subject and audience as the application's federation says, to the
    letter, signed by a key of that provider."""
    claims = token.claims
    trusted = [one for one in app.federated if one.issuer == claims.get("iss")]
    if not trusted:
        raise AssertionRefused(700211, "No matching federated identity record found for presented assertion issuer.")
    trusted = [one for one in trusted if one.subject == claims.get("sub")]
    if not trusted:
        raise AssertionRefused(700213, "No matching federated identity record found for presented assertion subject.")
    audiences = claims.get("aud")
    audiences = audiences if isinstance(audiences, list) else [audiences]
    trusted = [one for one in trusted if one.audience in audiences]
    if not trusted:
        raise AssertionRefused(700212, "No matching federated identity record found for presented assertion audience.")
    if not token.is_signed_by(pem for one in trusted for pem in one.public_keys):
        raise AssertionRefused(700027, "The client assertion contains an invalid signature.")


def _check_time(claims: dict[str, Any], now: datetime) -> None:
    expires, starts = claims.get("exp"), claims.get("nbf", 0)
    stamp = now.timestamp()
    is_alive = isinstance(expires, int | float) and expires >= stamp - CLOCK_SKEW_S
    has_begun = isinstance(starts, int | float) and starts <= stamp + CLOCK_SKEW_S
    if not is_alive or not has_begun:
        raise AssertionRefused(700024, "Client assertion is not within its valid time range.")


def _read(assertion: str) -> _Token:
    parts = assertion.split(".")
    try:
        if len(parts) != 3:
            raise ValueError("not three parts")
        return _Token(_part(parts[0]), _part(parts[1]), _decode(parts[2]), ".".join(parts[:2]).encode())
    except ValueError:
        raise AssertionRefused(50027, "The client assertion is not a valid JWT.") from None


def _is_named(header: dict[str, Any], pem: str) -> bool:
    """Whether the header names this certificate by a thumbprint. A bare public key has none: it is always tried."""
    raw = pem.encode()
    if _CERTIFICATE not in raw:
        return True
    certificate = x509.load_pem_x509_certificate(raw)
    thumbprints = {"x5t": hashes.SHA1(), "x5t#S256": hashes.SHA256()}  # noqa: S303  # a name, no proof
    given = [name for name in thumbprints if name in header]
    return bool(given) and all(
        str(header[name]).rstrip("=") == _encode(certificate.fingerprint(thumbprints[name])) for name in given
    )


def _same_endpoint(audience: str, endpoint: str) -> bool:
    return audience.split("://")[-1].rstrip("/").lower() == endpoint.split("://")[-1].lower()


def _decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _part(text: str) -> dict[str, Any]:
    value = json.loads(_decode(text))
    if not isinstance(value, dict):
        raise ValueError("not an object")
    return value


def _public_key(pem: str) -> RSAPublicKey | None:
    raw = pem.encode()
    key = (
        x509.load_pem_x509_certificate(raw).public_key()
        if _CERTIFICATE in raw
        else serialization.load_pem_public_key(raw)
    )
    return key if isinstance(key, RSAPublicKey) else None


def _verifies(pem: str, algorithm: str, signature: bytes, signed: bytes) -> bool:
    key = _public_key(pem)
    if key is None or algorithm not in ("RS256", "PS256"):
        return False
    scheme = (
        padding.PKCS1v15()
        if algorithm == "RS256"
        else padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.DIGEST_LENGTH)
    )
    try:
        key.verify(signature, signed, scheme, hashes.SHA256())
    except InvalidSignature:
        return False
    return True
