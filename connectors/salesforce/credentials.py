"""What Concord proves itself to Salesforce with: the consumer secret, or a JWT signed with a private key.

Each is read at every sign-in, so that what was rotated on disk counts from the next sign-in on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from connectors.keys import BadKey, private_key
from connectors.secret import Secret
from schemas.errors import AuthRejected

_DOMAIN: Final = ".salesforce.com"
PRODUCTION: Final = f"https://login{_DOMAIN}"


@dataclass(frozen=True)
class ConsumerSecret:
    """Client credentials: the app signs in as the user that its policies name."""

    secret: Secret

    def read(self) -> str:
        """The secret as it is now. Raises AuthRejected."""
        return self.secret.read()

    def arguments(self, text: str, host: str) -> dict[str, Any]:
        """What simple-salesforce wants to know beside the consumer key; `host` is the org's My Domain."""
        return {"consumer_secret": text, "domain": host.removesuffix(_DOMAIN)}


@dataclass(frozen=True)
class SignedToken:
    """JWT bearer: signs in as `username`, with a key (PEM) whose certificate the app holds.

    `audience` is `https://login.salesforce.com`, for a sandbox `https://test.salesforce.com`.
    """

    key: Secret
    username: str
    audience: str = PRODUCTION

    def read(self) -> str:
        """The key file as it is now. Raises AuthRejected."""
        return self.key.read()

    def arguments(self, text: str, host: str) -> dict[str, Any]:
        """What simple-salesforce wants to know beside the consumer key. Raises AuthRejected for what is no key."""
        try:
            key = private_key(text)
        except BadKey as bad:
            what = f"{self.key.name}: {bad}."
        else:
            domain = urlsplit(self.audience).netloc.removesuffix(_DOMAIN)
            return {"username": self.username, "privatekey": key, "domain": domain}
        raise AuthRejected(what, "Put the key right; it is read again by itself.")


Credential = ConsumerSecret | SignedToken

# By the description of an `invalid_grant`, which is one word for many troubles.
_FIXES: Final = {
    "user hasn't approved this consumer": "Pre-authorize the user for the app, by the permission set in its policies.",
    "audience validation failed": "Use https://login.salesforce.com as audience, for a sandbox https://test.salesforce.com.",
    "no client credentials user enabled": "Choose the user to run as in the app's policies.",
    "invalid assertion": "Give the app the certificate that belongs to the key, and check the clock.",
    "expired authorization code": "Check the clock of this machine.",
    "request not supported on this domain": "Use the org's My Domain as its URL.",
    "authentication failure": "Check that the user may use the API, and from this address.",
}
_BY_CODE: Final = {
    "invalid_client_id": "Check the consumer key.",
    "invalid_client": "Check the consumer secret.",
    "invalid_client_credentials": "Check the consumer secret.",
    "inactive_user": "The user that the app runs as is inactive: activate it, or choose another.",
    "inactive_org": "The org is locked or has ended: ask Salesforce.",
}
_OTHERWISE: Final = "Check consumer key, credential and the user that the app runs as."


def refusal_of(code: str, description: str) -> AuthRejected:
    """The error that a refusal of the token endpoint stands for."""
    known = next((text for text in _FIXES if text in description.lower()), "")
    said = f"{code} ({known})" if known else code
    fix = _FIXES.get(known) or _BY_CODE.get(code, _OTHERWISE)
    return AuthRejected(f"Salesforce refused to sign in: {said}.", fix, code=code)


def trouble_of(credential: Credential) -> str:
    """What is wrong with a credential before anybody is asked, "" when nothing is."""
    try:
        credential.arguments(credential.read(), "")
    except AuthRejected as rejected:
        return rejected.what.removesuffix(".")
    return ""
