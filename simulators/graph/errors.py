"""The errors Graph answers with, as exceptions a handler raises and the service turns into Graph's error body."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class GraphError(Exception):
    """One refused request: HTTP status, Graph's error code and message, and extra members of the `error` object."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        extra: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status = status
        self.code = code
        self.message = message
        self.extra = dict(extra or {})
        self.headers = dict(headers or {})


def invalid_request(message: str) -> GraphError:
    """A well-formed request that the mailbox refuses to carry out."""
    return GraphError(400, "ErrorInvalidRequest", message)


def invalid_parameter(message: str) -> GraphError:
    """A query parameter or action parameter is missing or contradicts another."""
    return GraphError(400, "ErrorInvalidParameter", message)


def validation_failed(detail: str = "") -> GraphError:
    """A property value breaks a rule of the calendar, such as an end before its start."""
    return GraphError(400, "ErrorPropertyValidationFailure", "At least one property failed validation." + detail)


def unreadable_body(message: str) -> GraphError:
    """The JSON body does not fit the type it should describe."""
    return GraphError(400, "RequestBodyRead", message)


def bad_query(message: str) -> GraphError:
    """An OData query option cannot be parsed or names something that does not exist."""
    return GraphError(400, "RequestBroker--ParseUri", message)


def unsupported_zone(name: str) -> GraphError:
    """A time zone name that neither Windows nor the IANA database knows."""
    return GraphError(
        400, "TimeZoneNotSupportedException", f"A time zone with the specified ID could not be found: {name}."
    )


def id_malformed() -> GraphError:
    """An item id that cannot be one of this mailbox's ids."""
    return GraphError(400, "ErrorInvalidIdMalformed", "Id is malformed.")


def item_not_found() -> GraphError:
    """A well-formed id of an item that is not in the mailbox (any more)."""
    return GraphError(404, "ErrorItemNotFound", "The specified object was not found in the store.")


def conflict() -> GraphError:
    """If-Match does not name the current version, or the service rewrote the item in the meantime."""
    return GraphError(
        412,
        "ErrorIrresolvableConflict",
        "The send or update operation could not be performed because the change key passed in the request does not "
        "match the current change key for the item.",
    )


def access_denied(message: str = "Access is denied. Check credentials and try again.") -> GraphError:
    """The application may not use this mailbox or this part of it."""
    return GraphError(403, "ErrorAccessDenied", message)


def resource_not_found(message: str) -> GraphError:
    """No such path or resource."""
    return GraphError(404, "ResourceNotFound", message)


def unauthenticated(message: str, detail: str = "invalid_token") -> GraphError:
    """The bearer token is missing, unknown or expired."""
    challenge = f'Bearer realm="", authorization_uri="", error="{detail}"'
    return GraphError(401, "InvalidAuthenticationToken", message, headers={"www-authenticate": challenge})
