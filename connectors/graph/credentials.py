"""What Concord proves itself to Entra with: a client secret, a certificate, or a token of an identity provider.

Each is read at every sign-in, so that what was rotated on disk counts from the next token request on.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import time
from dataclasses import dataclass
from typing import Any

from connectors.keys import BadKey, certificates, private_key
from connectors.secret import Secret
from schemas.errors import AuthRejected

_THUMBPRINT = re.compile(r"[0-9A-Fa-f]{40}")


@dataclass(frozen=True)
class ClientSecret:
    """The value of a client secret."""

    secret: Secret

    def read(self) -> str:
        """What is needed as text, to tell whether it changed. Raises AuthRejected."""
        return self.secret.read()

    def for_msal(self, text: str) -> Any:
        """The `client_credential` that msal wants, made of what was read."""
        return text


@dataclass(frozen=True)
class Certificate:
    """A private key and its certificate, both PEM. Without `certificate` it stands beside the key in `key`.

    `thumbprint` (SHA-1, 40 hexadecimal digits) serves in place of a certificate that is not at hand.
    """

    key: Secret
    certificate: Secret
    thumbprint: str = ""

    def read(self) -> str:
        """Key and certificate as one text. Raises AuthRejected."""
        return self.key.read() + ("\n" + self.certificate.read() if self.certificate else "")

    def for_msal(self, text: str) -> Any:
        """Signed with PS256 and named by SHA-256 with the certificate, else RS256 and SHA-1. Raises AuthRejected."""
        try:
            key = private_key(text)
            if self.thumbprint:
                return {"private_key": key, "thumbprint": _digits(self.thumbprint)}
            return {"private_key": key, "public_certificate": certificates(text, key)}
        except BadKey as bad:
            what = f"{self.key.name}: {bad}."
        raise AuthRejected(what, "Put key and certificate right; they are read again by themselves.")


@dataclass(frozen=True)
class FederatedToken:
    """A token that an identity provider (Kubernetes, say) writes into a file and replaces before it ends."""

    token: Secret

    def read(self) -> str:
        """The token as it is now. Raises AuthRejected, also for one that has ended: whoever writes it has stopped."""
        text = self.token.read()
        ended = _end_of(text)
        if ended is None:
            raise AuthRejected(
                f"{self.token.name}: the file {self.token.file} holds no token (JWT).", "Check what writes it."
            )
        if ended < time.time():
            raise AuthRejected(
                f"{self.token.name}: the token in {self.token.file} has ended.",
                "Check that whatever writes it still runs, and the clock.",
            )
        return text

    def for_msal(self, text: str) -> Any:
        """Handed on as it is."""
        return {"client_assertion": lambda: text}


Credential = ClientSecret | Certificate | FederatedToken


def trouble_of(credential: Credential) -> str:
    """What is wrong with a credential before anybody is asked, "" when nothing is."""
    try:
        credential.for_msal(credential.read())
    except AuthRejected as rejected:
        return rejected.what.removesuffix(".")
    return ""


def _digits(thumbprint: str) -> str:
    plain = re.sub(r"[\s:]", "", thumbprint)
    if not _THUMBPRINT.fullmatch(plain):
        raise BadKey("the thumbprint is not 40 hexadecimal digits (SHA-1)")
    return plain


def _end_of(token: str) -> float | None:
    """When a JWT ends, as a time stamp; None when it is none."""
    parts = token.split(".")
    if len(parts) != 3:
        return None
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
        return float(claims["exp"])
    except (ValueError, binascii.Error, KeyError, TypeError):
        return None
