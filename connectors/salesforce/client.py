"""The live edge to Salesforce: simple-salesforce signs in and holds the session, this sends the calls.

simple-salesforce's own request methods are not used for calls: on a permanent 401 its object methods sign in and retry
for ever, and after signing in anew they drop the headers of the call. Here a rejected session is renewed once.
"""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import requests
from pydantic import SecretStr
from simple_salesforce.api import Salesforce
from simple_salesforce.exceptions import SalesforceAuthenticationFailed
from urllib3.exceptions import NewConnectionError

from connectors.exchange import Call, Reply
from connectors.salesforce import wire
from connectors.salesforce.marks import CLIENT_NAME
from schemas.errors import AuthRejected, Unavailable

# Names us in the origin of changes, which is one of the three signs of our own write coming back.
CALL_OPTIONS: Final = f"client={CLIENT_NAME}"


@dataclass(frozen=True)
class SalesforceConnection:
    """How to reach the org. `url` is its My Domain; `timeout_s` bounds connecting and each read."""

    url: str
    client_id: str
    client_secret: SecretStr
    version: str = "66.0"
    ca_file: Path | None = None
    timeout_s: float = 30.0


@dataclass(frozen=True)
class Session:
    """Signed in: what the Pub/Sub API wants to know, and who we are. The ids have 18 characters, "" when not told."""

    token: SecretStr
    instance_url: str
    org_id: str
    user_id: str


class SalesforceClient:
    """Sends calls, one after another or from several threads.

    `counts` maps (method, status or "unavailable") to how many were sent, `throttled` counts the answers that asked to
    wait, `trouble` says why the last call got no answer ("" when it did), `api_usage` is what the last answer said of
    the day's requests.
    """

    def __init__(self, connection: SalesforceConnection) -> None:
        self._connection = connection
        self._base = connection.url.rstrip("/")
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.verify = str(connection.ca_file) if connection.ca_file is not None else True
        self._session.headers["Sforce-Call-Options"] = CALL_OPTIONS
        self._signed_in: Any = None
        self._identity = ("", "")
        self._lock = threading.Lock()
        self.counts: Counter[tuple[str, str]] = Counter()
        self.throttled = 0
        self.trouble = ""
        self.api_usage = ""

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    async def send_async(self, call: Call) -> Reply:
        """Like `send`, in a thread."""
        return await asyncio.to_thread(self.send, call)

    def send(self, call: Call) -> Reply:
        """One call, one answer of any status. A session that ended is renewed once.

        Raises Unavailable (`was_sent` says whether the call may have taken effect) and AuthRejected.
        """
        try:
            session = self._sign_in()
            reply = self._exchange(call, session)
            if reply.status == 401:
                reply = self._exchange(call, self._sign_in(instead_of=session))
        except (AuthRejected, Unavailable) as error:
            self.trouble = error.what
            raise
        self.trouble = ""
        if wire.asks_to_wait(reply):
            self.throttled += 1
        return reply

    async def session_async(self, instead_of: Session | None = None) -> Session:
        """The session that calls use, signed in to when there is none; a new one `instead_of` a rejected one.

        Raises Unavailable and AuthRejected.
        """
        return await asyncio.to_thread(self._session_now, instead_of)

    def _session_now(self, instead_of: Session | None) -> Session:
        signed_in = self._sign_in()
        if instead_of is not None and signed_in.session_id == instead_of.token.get_secret_value():
            signed_in = self._sign_in(instead_of=signed_in)
        org_id, user_id = self._identity
        return Session(SecretStr(signed_in.session_id), self._base, org_id, user_id)

    def _sign_in(self, instead_of: Any = None) -> Any:
        with self._lock:
            if self._signed_in is None or self._signed_in is instead_of:
                self._signed_in = self._new_session()
            return self._signed_in

    def _new_session(self) -> Any:
        """Client credentials at the org's own host. Raises AuthRejected or Unavailable."""
        login = requests.Session()
        login.trust_env = False
        login.verify = self._session.verify
        through = _Within(login, self._base, self._connection.timeout_s)
        try:
            with login:
                signed_in = Salesforce(
                    consumer_key=self._connection.client_id,
                    consumer_secret=self._connection.client_secret.get_secret_value(),
                    domain=urlsplit(self._base).netloc.removesuffix(".salesforce.com"),
                    session=through,
                    version=self._connection.version,
                )
                self._identity = through.identity
                return signed_in
        except SalesforceAuthenticationFailed as failed:
            code = failed.code
        except (requests.RequestException, ValueError, KeyError) as failed:
            code = type(failed).__name__
            through.status = 0
        # Raised out here, so that no error carries the sign-in's frames along: its secret and its open connection.
        is_page = isinstance(code, int)  # what answered is no JSON: an edge's or a maintenance page
        if through.status == 0 or through.status >= 500 or through.status == 429 or is_page:
            raise Unavailable(f"Salesforce cannot be signed in to: {code}.", was_sent=False, status=through.status)
        raise AuthRejected(
            f"Salesforce refused to sign in: {code}.", "Check consumer key, secret and the execution user."
        )

    def _exchange(self, call: Call, session: Any) -> Reply:
        path, body = self._versioned(call)
        headers = {"Authorization": f"Bearer {session.session_id}", **call.headers}
        try:
            answer = self._session.request(
                call.method, self._base + path, params=dict(call.params), json=body, headers=headers,
                timeout=self._connection.timeout_s, allow_redirects=False,
            )  # fmt: skip
        except requests.RequestException as error:
            self.counts[(call.method, "unavailable")] += 1
            trouble = _trouble_of(error)
        else:
            return self._taken(call, answer)
        raise trouble  # out here, so that it does not carry the frames of the request along: its token, its connections

    def _taken(self, call: Call, answer: requests.Response) -> Reply:
        self.api_usage = answer.headers.get("Sforce-Limit-Info", self.api_usage)
        self.counts[(call.method, str(answer.status_code))] += 1
        lowered = {name.lower(): value for name, value in answer.headers.items()}
        return Reply(answer.status_code, lowered, answer.content)

    def _versioned(self, call: Call) -> tuple[str, Any]:
        """The call's path and body under the version that the connection asks for."""
        prefix = f"/services/data/v{self._connection.version}"
        if call.path.startswith("/services/"):  # a nextRecordsUrl is absolute already
            return call.path, call.body
        if call.path != wire.COMPOSITE:
            return prefix + call.path, call.body
        requests_within = [
            {**request, "url": prefix + request["url"].removeprefix(wire.API_PREFIX)}
            for request in call.body["compositeRequest"]
        ]
        return prefix + call.path, {**call.body, "compositeRequest": requests_within}


def _trouble_of(error: requests.RequestException) -> Unavailable:
    """A request without an answer: whether it may have been sent."""
    inner = error.args[0] if error.args else None
    reason = getattr(inner, "reason", inner)
    is_distrusted = any(isinstance(why, ssl.SSLCertVerificationError) for why in getattr(reason, "args", ()))
    is_unsent = (
        isinstance(error, requests.ConnectTimeout)
        or isinstance(reason, NewConnectionError)  # no connection came about at all
        or is_distrusted  # any other TLS error may come when the request was sent long ago
    )
    what = "cannot be reached" if is_unsent else "did not answer"
    return Unavailable(f"Salesforce {what}: {type(error).__name__}.", was_sent=not is_unsent)


class _Within(requests.Session):  # type: ignore[misc]
    """For signing in: simple-salesforce builds the host from a label and sets no timeout; both are put right.

    `status` is that of the last answer, 0 before; `identity` are the ids of org and user that it named.
    """

    def __init__(self, inner: requests.Session, base: str, timeout_s: float) -> None:
        super().__init__()
        self._inner = inner
        self._base = urlsplit(base)
        self._timeout_s = timeout_s
        self.status = 0
        self.identity = ("", "")

    def request(self, method: Any, url: Any, **options: Any) -> Any:
        """Send to the host that was configured, within the timeout."""
        address = urlsplit(str(url))._replace(scheme=self._base.scheme, netloc=self._base.netloc)
        options.setdefault("timeout", self._timeout_s)
        answer = self._inner.request(method, address.geturl(), **options)
        self.status = answer.status_code
        self.identity = _identity_in(answer)
        return answer


def _identity_in(answer: requests.Response) -> tuple[str, str]:
    """Org and user of a token: the last two parts of its identity URL."""
    try:
        parts = urlsplit(str(answer.json()["id"])).path.split("/")
    except (ValueError, KeyError, TypeError):
        return "", ""
    return (parts[-2], parts[-1]) if len(parts) > 2 else ("", "")
