"""One org: what is switched on in it, what its package adds, how much it may use. Frozen values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from simulators.salesforce.ids import to18
from simulators.salesforce.objects.event import EVENT, event_relation, junction_lists, relation_views
from simulators.salesforce.objects.people import ACCOUNT, CALENDAR, CONTACT, LEAD, ORGANIZATION, PROFILE, USER
from simulators.salesforce.objects.practifi import contact_fields, event_fields, integration_log, origin, sync_key
from simulators.salesforce.objects.system import NAME_FIELDS
from simulators.salesforce.schema import NAME_OBJECT, Field, Schema, SObject

OLDEST_VERSION: Final = 31
"""Lowest API version still served; older ones answer 410 in the real service."""


@dataclass(frozen=True)
class ConnectedApp:
    """An application that may ask for tokens.

    `execution_user` is the username that client credentials run as (None: the flow is off). `public_keys` are PEM texts
    (public key or certificate) for JWT assertions. `authorised_users` are the usernames pre-authorised for JWT; None
    means everybody. `name` is what `per-app-api-usage` would show.
    """

    consumer_key: str
    consumer_secret: str = ""
    name: str = "Connected App"
    execution_user: str | None = None
    public_keys: tuple[str, ...] = ()
    authorised_users: frozenset[str] | None = None


@dataclass(frozen=True)
class Access:
    """Who may come in: applications, tokens that never expire (token -> username), passwords (username -> password)."""

    apps: tuple[ConnectedApp, ...] = ()
    static_tokens: Mapping[str, str] = field(default_factory=dict)
    passwords: Mapping[str, str] = field(default_factory=dict)
    session_s: int = 7200
    """Lifetime of a token in seconds of the service's clock. The token answer does not say it."""


@dataclass(frozen=True)
class Org:
    """The org a simulator stands for.

    `custom_fields` maps object names to fields; None takes the package's fields and the sync key. `custom_objects`
    likewise; None takes the integration log. `namespace` is the package's prefix, "" for none.
    """

    id: str = to18("00DQH0000009Cnc")
    name: str = "Concord Demo"
    namespace: str = "practifi"
    multiday_events: bool = True
    shared_activities: bool = False
    custom_fields: Mapping[str, tuple[Field, ...]] | None = None
    custom_objects: tuple[SObject, ...] | None = None
    api_requests_max: int = 100_000
    """API calls in any 24 hours."""
    integration_username: str = "integration@concord.example"
    release: str = "66.0"
    """The server's own version: newest one served, and the one in the change origin of UI saves."""
    is_sandbox: bool = False
    keeps_origin: bool = False
    """Whether a trigger of the org keeps in a field of Event how somebody last saved it."""

    def without_custom_fields(self) -> Org:
        """The same org before the package and the sync key were installed."""
        return replace(self, custom_fields={}, custom_objects=())

    @property
    def added_fields(self) -> Mapping[str, tuple[Field, ...]]:
        """The custom fields by object name."""
        if self.custom_fields is not None:
            return self.custom_fields
        return {
            "Event": (*event_fields(self.namespace), *((origin(),) if self.keeps_origin else ()), sync_key()),
            "Contact": contact_fields(self.namespace),
        }

    def schema(self) -> Schema:
        """Every object of this org, custom ones last."""
        event = EVENT.with_fields(junction_lists()) if self.shared_activities else EVENT
        objects = (
            ACCOUNT,
            CALENDAR,
            CONTACT,
            event,
            event_relation(shared_activities=self.shared_activities),
            *relation_views(shared_activities=self.shared_activities),
            LEAD,
            ORGANIZATION,
            PROFILE,
            USER,
            SObject(NAME_OBJECT, "Name", "Names", "", NAME_FIELDS, frozenset({"query"})),
        )
        added = self.added_fields
        extended = tuple(item.with_fields(added[item.name]) if item.name in added else item for item in objects)
        custom = self.custom_objects if self.custom_objects is not None else (integration_log(self.namespace),)
        return Schema((*extended, *custom))
