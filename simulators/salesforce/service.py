"""The simulated org as one object: requests in, answers out. Synchronous, single-threaded, in memory."""

from __future__ import annotations

import random
import traceback
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

from simulators.http import Delivery, Request, Response
from simulators.salesforce.archive import ArchiveJob
from simulators.salesforce.behaviour import Behaviour
from simulators.salesforce.calls import change_origin, error_response
from simulators.salesforce.changes import Actor, Change, ChangeLog
from simulators.salesforce.errors import SalesforceError, not_found
from simulators.salesforce.ids import IdSource, canonical
from simulators.salesforce.jobs import Jobs
from simulators.salesforce.oauth import OAuth
from simulators.salesforce.org import Access, ConnectedApp, Org
from simulators.salesforce.queries import Queries
from simulators.salesforce.records import Clock, Faults, Records
from simulators.salesforce.reminders import Reminders
from simulators.salesforce.replication import Replication
from simulators.salesforce.resources import Resources
from simulators.salesforce.rest import Rest
from simulators.salesforce.seeding import Seeding
from simulators.salesforce.sessions import Sessions
from simulators.salesforce.soap_login import SoapLogin
from simulators.salesforce.usage import Usage

URI_MAX: Final = 16_384
"""Longest URI, and longest URI with headers, in bytes."""


class SalesforceSimulator:
    """One org behind its REST API.

    `clock` is anything with `now()`; `rng` decides ids, tokens and page sizes. Equal seeds and equal requests give
    equal answers. `last_fault` holds the traceback of the last inner fault, "" when there was none.
    """

    def __init__(
        self,
        org: Org,
        clock: Clock,
        rng: random.Random,
        *,
        access: Access | None = None,
        behaviour: Behaviour | None = None,
    ) -> None:
        self.org = org
        self.access = access or Access()
        self.behaviour = behaviour or Behaviour()
        self._start_behaviour = self.behaviour
        self.clock = clock
        self.last_fault = ""
        self._rng = rng
        self._ids = IdSource(rng)
        self._log = ChangeLog(rng)
        self._records = Records(org, self.behaviour, clock, self._ids, self._log)
        self._sessions = Sessions(org.id, rng, self._static_user)
        self._usage = Usage(org)
        self._queries = Queries(self._records, self._ids, rng)
        self._replication = Replication(self._records, rng)
        self._jobs = Jobs(self._records, self._queries, self._ids, rng)
        self._archive = ArchiveJob(self._records, clock.now())
        self._reminders = Reminders(self._records, clock.now())
        self._seeding = Seeding(self._records)
        self._oauth = OAuth(org, self.access, self._records.store, self._sessions, clock.now)
        self._soap = SoapLogin(org, self._records.store, self._oauth, self._sessions)
        self.resources = Resources(self._records, self._queries, self._replication, self._jobs, self._usage)
        self._rest = Rest(self._records, self._seeding, self._sessions, self._usage, self.resources)
        self._seeding.found_org(org)
        self._seed: dict[str, Any] = {}
        self.seal()

    # The service

    def handle(self, request: Request) -> Response:
        """Answer one request. Never raises: an inner fault answers 500 UNKNOWN_EXCEPTION and is kept."""
        try:
            return self._answer(request)
        except Exception:  # noqa: BLE001 - a service answers 500 to whatever goes wrong inside it
            self.last_fault = traceback.format_exc()
            self._records.store.end()
            body = [{"message": "An unexpected error occurred.", "errorCode": "UNKNOWN_EXCEPTION"}]
            return Response.of_json(500, body)

    def due_deliveries(self) -> Sequence[Delivery]:
        """Nothing: Salesforce calls nobody over HTTP here."""
        return ()

    def delivered(self, delivery_id: str, response: Response | None) -> None:
        """Nothing is ever delivered."""

    def set_behaviour(self, behaviour: Behaviour) -> None:
        """Switch what varies in the real service from now on."""
        self.behaviour = self._records.behaviour = behaviour

    def reset(self) -> None:
        """Back to the seed: the state at the last `seal`, and the first behaviour."""
        self.set_behaviour(self._start_behaviour)
        self.load(self._seed)

    # Seeding and looking inside

    def seal(self, *, forget_changes: bool = True) -> None:
        """Make the present state the seed that `reset` returns to; the change log then begins empty."""
        if forget_changes:
            self._log.changes.clear()
        self._seed = self.dump()

    def put_app(self, app: ConnectedApp) -> None:
        """Register an application or replace the one with the same consumer key."""
        others = tuple(other for other in self.access.apps if other.consumer_key != app.consumer_key)
        self.access = replace(self.access, apps=(app, *others))
        self._oauth.access = self.access

    def insert(
        self,
        sobject: str,
        fields: Mapping[str, Any],
        *,
        id: str | None = None,  # noqa: A002 - the word that callers expect
        created: datetime | None = None,
        origin: str = "system",
        user: str | None = None,
    ) -> str:
        """Create a record without a request, under the rules of every create; read-only fields are allowed.

        `created` stamps it at another moment. `user` (id or username) is who creates it. Answers the id. Raises
        SalesforceError, or ValueError for an `id` that is none.
        """
        definition = self._records.schema.object(sobject)
        body = self._seeding.completed(definition.name, fields)
        with self._records.begin(self._actor(origin, user), created) as tx:
            fixed = canonical(id) if id else ""
            return self._records.create(tx, definition, body, record_id=fixed, privileged=True)

    def update(
        self, sobject: str, record_id: str, fields: Mapping[str, Any], *, origin: str = "ui", user: str | None = None
    ) -> None:
        """Change a record without a request, as a user does in the browser by default. Raises SalesforceError."""
        definition = self._records.schema.object(sobject)
        with self._records.begin(self._actor(origin, user)) as tx:
            self._records.update(tx, definition, record_id, fields, privileged=origin == "system")

    def delete(self, sobject: str, record_id: str, *, origin: str = "ui", user: str | None = None) -> None:
        """Delete a record without a request. Raises SalesforceError."""
        with self._records.begin(self._actor(origin, user)) as tx:
            self._records.delete(tx, self._records.schema.object(sobject), record_id)

    def undelete(self, sobject: str, record_id: str, *, origin: str = "ui", user: str | None = None) -> None:
        """Restore a record from the Recycle Bin, an event with its relations. Raises SalesforceError."""
        with self._records.begin(self._actor(origin, user)) as tx:
            self._records.undelete(tx, self._records.schema.object(sobject), record_id)

    def records(self, sobject: str, *, deleted: bool = False) -> list[dict[str, Any]]:
        """Every live record of an object as a dict of all its fields; with `deleted`, the Recycle Bin too."""
        definition = self._records.schema.object(sobject)
        rows = self._records.store.tables[definition.table].rows.values()
        return [
            {field.name: row.get(field.column) for field in definition.fields}
            for row in rows
            if deleted or not row.get("IsDeleted")
        ]

    @property
    def integration_user_id(self) -> str:
        """The id of the org's integration user."""
        return self._seeding.user_id(self.org.integration_username)

    @property
    def changes(self) -> Sequence[Change]:
        """Every committed change since the seed, oldest first."""
        return self._log.changes

    @property
    def faults(self) -> Faults:
        """The switches for faults inside the service."""
        return self._records.faults

    @property
    def calls_used(self) -> int:
        """API calls in the last 24 hours of the clock."""
        return self._usage.used(self._now())

    @property
    def usage(self) -> Usage:
        """The call counters; `usage.spent` and `usage.maximum` may be set."""
        return self._usage

    def issue_token(self, user: str | None = None) -> str:
        """A token as a login would give, for a user by id or username; the integration user by default."""
        user_id = self._seeding.user_id(user) if user else self.integration_user_id
        return self._oauth.issue_for(user_id).token

    def expire_tokens(self) -> int:
        """End every token but the static ones, as an administrator who clears sessions does. Answers how many."""
        return self._sessions.expire_all()

    @property
    def happened(self) -> Counter[str]:
        """How often each irregularity took place, by the name of its switch or action."""
        return Counter({"replication_hold": self._replication.held, "lock-writes": self.faults.locked})

    def archive(self) -> int:
        """Run the archiving job now. Answers how many events it archived."""
        return self._archive.run(self._now())

    # State

    def dump(self) -> dict[str, Any]:
        """Everything that can change, as JSON values."""
        version, internal, gauss = self._rng.getstate()
        return {
            "rng": [version, list(internal), gauss],
            "ids": dict(self._ids.counters),
            "store": self._records.store.dump(),
            "log": self._log.dump(),
            "sessions": self._sessions.dump(),
            "usage": self._usage.dump(),
            "queries": self._queries.dump(),
            "jobs": self._jobs.dump(),
            "purged_at": self._replication.purged_at,
            "archived_at": self._archive.last_run,
            "reminded_at": self._reminders.fired_until,
            "lock_writes": self.faults.lock_writes,
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """Replace the state by what `dump` gave, in this or an equal org."""
        version, internal, gauss = state["rng"]
        self._rng.setstate((version, tuple(internal), gauss))
        self._ids.counters = dict(state["ids"])
        self._records.store.load(state["store"])
        self._log.load(state["log"])
        self._sessions.load(state["sessions"])
        self._usage.load(state["usage"])
        self._queries.load(state["queries"])
        self._jobs.load(state["jobs"])
        self._replication.purged_at = state["purged_at"]
        self._archive.last_run = state["archived_at"]
        self._reminders.fired_until = state.get("reminded_at", state["archived_at"])
        self.faults.lock_writes = state["lock_writes"]
        self.last_fault = ""

    # Inside

    def _answer(self, request: Request) -> Response:
        now = self._now()
        self._archive.run_if_due(now)
        self._reminders.fire(now)
        self._replication.purge(now)
        self._jobs.run_due(now)
        size = len(request.target) + sum(len(name) + len(value) for name, value in request.headers.items())
        if len(request.target) > URI_MAX:
            return Response.of_json(414, [{"message": "The URI is too long", "errorCode": "URI_TOO_LONG"}])
        if size > URI_MAX:
            return Response.of_json(431, [{"message": "The headers are too long", "errorCode": "HEADERS_TOO_LONG"}])
        response = self._route(request, [part for part in request.raw_path.split("/") if part])
        return Response(response.status, response.headers) if request.method == "HEAD" else response

    def _route(self, request: Request, segments: list[str]) -> Response:
        match segments:
            case ["services", "data", *_]:
                return self._rest.answer(request, segments)
            case ["services", "oauth2", "token"]:
                return self._oauth.token(request)
            case ["services", "oauth2", "revoke"]:
                return self._oauth.revoke(request)
            case ["services", "oauth2", "userinfo"] | ["id", _, _]:
                try:
                    session = self._rest.session_of(request)
                except SalesforceError as error:
                    return error_response(error)
                if segments[0] == "id":
                    return self._oauth.identity(request, session, self.org.release)
                return self._oauth.userinfo(request, session)
            case ["services", "Soap", "u" | "c", version, *_]:
                return self._soap.answer(request, version)
        return error_response(not_found())

    def _now(self) -> datetime:
        return self.clock.now().astimezone(UTC)

    def _actor(self, origin: str, user: str | None) -> Actor:
        user_id = self._seeding.user_id(user) if user else self.integration_user_id
        release = self.org.release
        return Actor(user_id, origin, change_origin(origin, release, release, ""))

    def _static_user(self, token: str) -> str | None:
        """The user of a token of the seed, looked up by name at each call: the user may be inserted later."""
        username = self.access.static_tokens.get(token)
        if username is None:
            return None
        return next((str(user["Id"]) for user in self._records.store.find("User", "Username", username)), None)
