"""Client assertions: signed JWTs with which an application signs in instead of a secret (RFC 7523)."""

from __future__ import annotations

import base64
import json
from datetime import datetime
from typing import Any, Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from simulators.graph.tenant import App

CLOCK_SKEW_S: Final = 300


class AssertionRefused(Exception):
    """An assertion that does not prove the application; `number` is the AADSTS code."""

    def __init__(self, number: int, text: str) -> None:
        super().__init__(text)
        self.number = number


def check_assertion(assertion: str, app: App, endpoint: str, now: datetime) -> None:
    """Verify signature and claims. Raises AssertionRefused 700027 (key or signature) or 50012 (claims)."""
    parts = assertion.split(".")
    try:
        header, claims = _part(parts[0]), _part(parts[1])
        signature = _decode(parts[2])
    except (ValueError, IndexError):
        raise AssertionRefused(50027, "The client assertion is not a valid JWT.") from None
    signed = ".".join(parts[:2]).encode()
    if not any(_verifies(key, str(header.get("alg")), signature, signed) for key in app.public_keys):
        raise AssertionRefused(
            700027, "The certificate used to sign the client assertion is not registered on the application."
        )
    if claims.get("iss") != claims.get("sub") or str(claims.get("sub", "")).lower() != app.client_id.lower():
        raise AssertionRefused(50012, "The issuer and subject of the assertion must be the client id.")
    if not _same_endpoint(str(claims.get("aud", "")), endpoint):
        raise AssertionRefused(50012, "The audience of the assertion must be the token endpoint.")
    expires, starts = claims.get("exp"), claims.get("nbf", 0)
    stamp = now.timestamp()
    if not isinstance(expires, int | float) or expires < stamp - CLOCK_SKEW_S or starts > stamp + CLOCK_SKEW_S:
        raise AssertionRefused(50012, "The assertion is not within its valid time range.")


def _same_endpoint(audience: str, endpoint: str) -> bool:
    return audience.split("://")[-1].rstrip("/").lower() == endpoint.split("://")[-1].lower()


def _decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _part(text: str) -> dict[str, Any]:
    value = json.loads(_decode(text))
    if not isinstance(value, dict):
        raise ValueError("not an object")
    return value


def _public_key(pem: str) -> RSAPublicKey | None:
    raw = pem.encode()
    key = (
        x509.load_pem_x509_certificate(raw).public_key()
        if b"CERTIFICATE" in raw
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
