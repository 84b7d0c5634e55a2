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
from connectors.patience import Patience
from connectors.salesforce import wire
from connectors.salesforce.credentials import Credential, refusal_of
from connectors.salesforce.marks import CLIENT_NAME
from schemas.errors import AuthRejected, Unavailable

# Names us in the origin of changes, which is one of the three signs of our own write coming back.
CALL_OPTIONS: Final = f"client={CLIENT_NAME}"


@dataclass(frozen=True)
class SalesforceConnection:
    """How to reach the org. `url` is its My Domain; `timeout_s` bounds connecting and each read.

    `proxy` is the URL of an HTTP proxy, perhaps with a password in it; what the environment says of proxies has no say.
    """

    url: str
    client_id: str
    credential: Credential
    version: str = "66.0"
    ca_file: Path | None = None
    proxy: SecretStr | None = None
    timeout_s: float = 30.0

    def open(self) -> requests.Session:
        """Connections to the org that trust and pass through what was configured, and nothing else."""
        session = requests.Session()
        session.trust_env = False
        session.verify = str(self.ca_file) if self.ca_file is not None else True
        if self.proxy is not None:
            session.proxies = dict.fromkeys(("http", "https"), self.proxy.get_secret_value())
        return session


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
        self._session = connection.open()
        self._patience = Patience("Salesforce")
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
        """Sign in with the credential as it is on disk now, unless just that was refused a short while ago.

        Raises AuthRejected or Unavailable.
        """
        try:
            text = self._connection.credential.read()
        except AuthRejected as refusal:
            self._patience.refused("", refusal)
            raise
        self._patience.check(text)
        try:
            signed_in = self._ask(text)
        except AuthRejected as refusal:
            self._patience.refused(text, refusal)
            raise
        self._patience.accepted()
        return signed_in

    def _ask(self, text: str) -> Any:
        """One sign-in at the org's own host."""
        connection = self._connection
        through = _Within(connection.open(), self._base, connection.timeout_s)
        description = ""
        try:
            with through.inner:
                signed_in = Salesforce(
                    consumer_key=connection.client_id, session=through, version=connection.version,
                    **connection.credential.arguments(text, urlsplit(self._base).netloc),
                )  # fmt: skip
                self._identity = through.identity
                return signed_in
        except SalesforceAuthenticationFailed as failed:
            code, description = failed.code, through.description
        except (requests.RequestException, ValueError, KeyError) as failed:
            code = type(failed).__name__
            through.status = 0
        # Raised out here, so that no error carries the sign-in's frames along: its secret and its open connection.
        is_page = isinstance(code, int)  # what answered is no JSON: an edge's or a maintenance page
        if through.status == 0 or through.status >= 500 or through.status == 429 or is_page:
            raise Unavailable(f"Salesforce cannot be signed in to: {code}.", was_sent=False, status=through.status)
        raise refusal_of(str(code), description)

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
        isinstance(error, requests.ConnectTimeout | requests.exceptions.ProxyError)
        or isinstance(reason, NewConnectionError)  # no connection came about at all
        or is_distrusted  # any other TLS error may come when the request was sent long ago
    )
    what = "cannot be reached" if is_unsent else "did not answer"
    return Unavailable(f"Salesforce {what}: {type(error).__name__}.", was_sent=not is_unsent)


class _Within(requests.Session):  # type: ignore[misc]
    """For signing in: simple-salesforce builds the host from a label and sets no timeout; both are put right.

    `status` is that of the last answer, 0 before; `identity` are the ids of org and user that it named, `description`
    is what it said of a refusal.
    """

    def __init__(self, inner: requests.Session, base: str, timeout_s: float) -> None:
        super().__init__()
        self.inner = inner
        self._base = urlsplit(base)
        self._timeout_s = timeout_s
        self.status = 0
        self.identity = ("", "")
        self.description = ""

    def request(self, method: Any, url: Any, **options: Any) -> Any:
        """Send to the host that was configured, within the timeout. Raises SalesforceAuthenticationFailed."""
        address = urlsplit(str(url))._replace(scheme=self._base.scheme, netloc=self._base.netloc)
        options.setdefault("timeout", self._timeout_s)
        answer = self.inner.request(method, address.geturl(), **options)
        self.status = answer.status_code
        self.identity = _identity_in(answer)
        code, self.description = _refusal_in(answer)
        if code:  # simple-salesforce would say the same, and warn with an address that holds the consumer key
            raise SalesforceAuthenticationFailed(code, self.description)
        return answer


def _refusal_in(answer: requests.Response) -> tuple[str, str]:
    """The error of an OAuth answer and its description; "" when it is none."""
    try:
        body = answer.json()
    except ValueError:
        return "", ""
    if answer.status_code == 200 or not isinstance(body, dict) or not isinstance(body.get("error"), str):
        return "", ""
    return body["error"], str(body.get("error_description") or "")


def _identity_in(answer: requests.Response) -> tuple[str, str]:
    """Org and user of a token: the last two parts of its identity URL."""
    try:
        parts = urlsplit(str(answer.json()["id"])).path.split("/")
    except (ValueError, KeyError, TypeError):
        return "", ""
    return (parts[-2], parts[-1]) if len(parts) > 2 else ("", "")
