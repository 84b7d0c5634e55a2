"""The firm a simulator stands for: users, rooms and registered applications, as frozen values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

ALL_ROLES: Final = frozenset({"Calendars.ReadWrite", "User.Read.All", "Place.Read.All", "MailboxSettings.Read"})
"""The application permissions the simulator knows."""


@dataclass(frozen=True)
class User:
    """A person of the directory and the mailbox that may belong to it.

    `proxy_addresses` are as Exchange lists them (`SMTP:` primary, `smtp:` alias); when empty, `mail` is the only one.
    `time_zone` is a Windows or IANA name. Without `mailbox_enabled` every mailbox call answers 404
    MailboxNotEnabledForRESTAPI. `online_meetings` says whether the calendar offers teamsForBusiness.
    """

    id: str
    display_name: str
    mail: str
    user_principal_name: str
    time_zone: str = "UTC"
    proxy_addresses: tuple[str, ...] = ()
    account_enabled: bool = True
    mailbox_enabled: bool = True
    online_meetings: bool = True
    given_name: str | None = None
    surname: str | None = None
    job_title: str | None = None
    mobile_phone: str | None = None
    business_phones: tuple[str, ...] = ()
    office_location: str | None = None
    preferred_language: str | None = "en-AU"

    @property
    def addresses(self) -> tuple[str, ...]:
        """Every address that reaches this mailbox, in lower case, without the `smtp:` prefix."""
        raw = (*self.listed_proxies, self.mail, self.user_principal_name)
        plain = (text.split(":", 1)[1] if text[:5].lower() == "smtp:" else text for text in raw)
        return tuple(dict.fromkeys(text.lower() for text in plain if text))

    @property
    def listed_proxies(self) -> tuple[str, ...]:
        """The proxyAddresses property."""
        return self.proxy_addresses or ((f"SMTP:{self.mail}",) if self.mail else ())


@dataclass(frozen=True)
class Room:
    """A room: a place, and a mailbox that answers invitations by its free/busy unless `auto_accept` is off."""

    id: str
    display_name: str
    email_address: str
    capacity: int | None = None
    building: str | None = None
    floor_number: int | None = None
    floor_label: str | None = None
    nickname: str | None = None
    label: str | None = None
    phone: str | None = None
    address: Mapping[str, str] = field(default_factory=dict)
    is_wheel_chair_accessible: bool | None = None
    booking_type: str = "standard"
    tags: tuple[str, ...] = ()
    time_zone: str = "UTC"
    auto_accept: bool = True

    def as_user(self) -> User:
        """The directory object behind the room's mailbox."""
        return User(
            id=self.id,
            display_name=self.display_name,
            mail=self.email_address,
            user_principal_name=self.email_address,
            time_zone=self.time_zone,
            account_enabled=False,
            online_meetings=False,
            preferred_language=None,
        )


@dataclass(frozen=True)
class RoomList:
    """A named group of rooms, found by its address. `rooms` holds the rooms' addresses."""

    id: str
    display_name: str
    email_address: str
    rooms: tuple[str, ...] = ()


@dataclass(frozen=True)
class Federation:
    """A federated identity credential: whose tokens an application may present instead of a secret.

    `public_keys` are the issuer's signing keys as PEM texts; the real service fetches them from the issuer.
    """

    issuer: str
    subject: str
    audience: str = "api://AzureADTokenExchange"
    public_keys: tuple[str, ...] = ()


@dataclass(frozen=True)
class App:
    """An application registered in the tenant.

    `public_keys` are PEM texts (public key or certificate) against which client assertions are verified. `mailboxes`
    restricts the application to these mailbox ids (application access policy); None means every mailbox. People sign
    in to it at `redirect_uris`; `app_roles` and `groups` are what their ID tokens say of them, by user id.
    """

    client_id: str
    name: str = ""
    secrets: tuple[str, ...] = ()
    expired_secrets: tuple[str, ...] = ()
    public_keys: tuple[str, ...] = ()
    federated: tuple[Federation, ...] = ()
    roles: frozenset[str] = ALL_ROLES
    mailboxes: frozenset[str] | None = None
    enabled: bool = True
    redirect_uris: tuple[str, ...] = ()
    app_roles: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Tenant:
    """One tenant of the directory, with everything in it at the start."""

    id: str
    domain: str
    display_name: str = ""
    users: tuple[User, ...] = ()
    rooms: tuple[Room, ...] = ()
    room_lists: tuple[RoomList, ...] = ()
    apps: tuple[App, ...] = ()
    aliases: tuple[str, ...] = ()
    """Further names under which the sign-in endpoints know the tenant."""

    def is_named(self, name: str) -> bool:
        """Whether a sign-in URL that says `name` means this tenant."""
        return name.lower() in {self.id.lower(), self.domain.lower(), *(alias.lower() for alias in self.aliases)}


def user_json(user: User) -> dict[str, Any]:
    """Every property of a user that the simulator can return, `$select`ed or not."""
    return {
        "businessPhones": list(user.business_phones),
        "displayName": user.display_name,
        "givenName": user.given_name,
        "jobTitle": user.job_title,
        "mail": user.mail or None,
        "mobilePhone": user.mobile_phone,
        "officeLocation": user.office_location,
        "preferredLanguage": user.preferred_language,
        "surname": user.surname,
        "userPrincipalName": user.user_principal_name,
        "id": user.id,
        "accountEnabled": user.account_enabled,
        "proxyAddresses": list(user.listed_proxies),
        "mailNickname": user.user_principal_name.split("@")[0],
        "userType": "Member",
    }
