"""The two SOAP calls that REST clients still use: login with username and password, and logout."""

from __future__ import annotations

import re
from html import escape, unescape
from typing import Final

from simulators.http import Request, Response
from simulators.salesforce.oauth import OAuth, OAuthError
from simulators.salesforce.org import Org
from simulators.salesforce.sessions import Sessions
from simulators.salesforce.store import Store

_ENVELOPE: Final = (
    '<?xml version="1.0" encoding="UTF-8"?><soapenv:Envelope '
    'xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" xmlns="urn:partner.soap.sforce.com" '
    'xmlns:sf="urn:fault.partner.soap.sforce.com" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">'
    "<soapenv:Body>{body}</soapenv:Body></soapenv:Envelope>"
)
_ELEMENT: Final = r"<(?:\w+:)?{name}(?:\s[^>]*)?>([^<]*)</(?:\w+:)?{name}>"
_INVALID_LOGIN: Final = "Invalid username, password, security token; or user locked out."


class SoapLogin:
    """POST /services/Soap/u/{version}."""

    def __init__(self, org: Org, store: Store, oauth: OAuth, sessions: Sessions) -> None:
        self._org = org
        self._store = store
        self._oauth = oauth
        self._sessions = sessions

    def answer(self, request: Request, version: str) -> Response:
        """A login result, an empty logout result, or a SOAP fault (500)."""
        text = request.body.decode("utf-8", "replace")
        if re.search(r"<(?:\w+:)?logout\b", text):
            self._sessions.revoke(_element(text, "sessionId"))
            return _xml(200, "<logoutResponse/>")
        if not re.search(r"<(?:\w+:)?login\b", text):
            return _fault("UNKNOWN_EXCEPTION", "only login and logout are offered here")
        try:
            session = self._oauth.password_login(_element(text, "username"), _element(text, "password"))
        except OAuthError:
            return _fault("INVALID_LOGIN", _INVALID_LOGIN)
        user = self._store.live("User", session.user_id) or {}
        server = f"{request.base_url}/services/Soap/u/{version}/{self._org.id}"
        info = {
            "organizationId": self._org.id,
            "organizationName": self._org.name,
            "sessionSecondsValid": self._oauth.session_s,
            "userEmail": user.get("Email"),
            "userFullName": user.get("Name"),
            "userId": session.user_id,
            "userLanguage": user.get("LanguageLocaleKey"),
            "userLocale": user.get("LocaleSidKey"),
            "userName": user.get("Username"),
            "userTimeZone": user.get("TimeZoneSidKey"),
            "userType": user.get("UserType"),
        }
        details = "".join(f"<{name}>{escape(str(value or ''))}</{name}>" for name, value in info.items())
        return _xml(
            200,
            "<loginResponse><result>"
            f"<metadataServerUrl>{escape(server.replace('/u/', '/m/'))}</metadataServerUrl>"
            "<passwordExpired>false</passwordExpired><sandbox>false</sandbox>"
            f"<serverUrl>{escape(server)}</serverUrl><sessionId>{escape(session.token)}</sessionId>"
            f"<userId>{session.user_id}</userId><userInfo>{details}</userInfo>"
            "</result></loginResponse>",
        )


def _element(text: str, name: str) -> str:
    match = re.search(_ELEMENT.format(name=name), text)
    return unescape(match.group(1)).strip() if match else ""


def _xml(status: int, body: str) -> Response:
    return Response(status, {"content-type": "text/xml; charset=utf-8"}, _ENVELOPE.format(body=body).encode())


def _fault(code: str, message: str) -> Response:
    return _xml(
        500,
        f"<soapenv:Fault><faultcode>sf:{code}</faultcode><faultstring>{code}: {escape(message)}</faultstring><detail>"
        f"<sf:LoginFault><sf:exceptionCode>{code}</sf:exceptionCode>"
        f"<sf:exceptionMessage>{escape(message)}</sf:exceptionMessage></sf:LoginFault></detail></soapenv:Fault>",
    )
