"""Keys with certificates of their own, made once each, and what is signed with them."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import jwt
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID


@dataclass(frozen=True)
class Identity:
    """A private key and its certificate, both as PEM texts."""

    key: str
    certificate: str

    @property
    def pem(self) -> str:
        """Both in one file, as the tools that make them write it."""
        return self.key + self.certificate

    @property
    def thumbprint(self) -> str:
        """SHA-1 of the certificate in hexadecimal digits, as Entra shows it."""
        return self._x509.fingerprint(SHA1()).hex().upper()

    @property
    def named(self) -> dict[str, str]:
        """The JWT header that names the certificate."""
        return {"x5t#S256": urlsafe_b64encode(self._x509.fingerprint(SHA256())).decode().rstrip("=")}

    @property
    def _x509(self) -> x509.Certificate:
        return x509.load_pem_x509_certificate(self.certificate.encode())

    def sign(self, claims: dict[str, Any], header: dict[str, str] | None = None, algorithm: str = "PS256") -> str:
        """A JWT with these claims, its header naming the certificate unless told otherwise."""
        return jwt.encode(claims, self.key, algorithm, self.named if header is None else header)


@cache
def identity(name: str, days: int = 365) -> Identity:
    """The identity of that name, valid for so many days, or ended so many days ago."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    end = datetime.now(UTC) + timedelta(days=days)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject).issuer_name(subject).public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(end - timedelta(days=800)).not_valid_after(end)
        .sign(key, SHA256())
    )  # fmt: skip
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return Identity(private.decode(), certificate.public_bytes(Encoding.PEM).decode())
