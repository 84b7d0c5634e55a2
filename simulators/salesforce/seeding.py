"""Putting records into an org without a request: what every org has, and what a seed file or a test adds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from simulators.salesforce.changes import Actor
from simulators.salesforce.errors import SalesforceError
from simulators.salesforce.ids import canonical
from simulators.salesforce.org import Org
from simulators.salesforce.records import Records

SYSTEM_PROFILE: Final = "System Administrator"
STANDARD_PROFILE: Final = "Standard User"


class Seeding:
    """Writes the rows that no caller can."""

    def __init__(self, records: Records) -> None:
        self._records = records

    def found_org(self, org: Org) -> None:
        """Create the org's own row, its profiles and the integration user."""
        records = self._records
        schema = records.schema
        user = schema.object("User")
        user_id = records.new_id(user)
        with records.begin(Actor(user_id, "system", "")) as tx:
            for name in (SYSTEM_PROFILE, STANDARD_PROFILE):
                records.create(tx, schema.object("Profile"), {"Name": name}, privileged=True)
            body = {
                "Username": org.integration_username,
                "LastName": "Integration",
                "Email": org.integration_username,
                "ProfileId": self._profile(SYSTEM_PROFILE),
                "TimeZoneSidKey": "GMT",
            }
            records.create(tx, user, self.completed("User", body), record_id=user_id, privileged=True)
            about = {
                "Name": org.name,
                "OrganizationType": "Enterprise Edition",
                "InstanceName": "SIM1",
                "IsSandbox": org.is_sandbox,
                "TimeZoneSidKey": "GMT",
            }
            records.create(tx, schema.object("Organization"), about, record_id=canonical(org.id), privileged=True)

    def completed(self, sobject: str, fields: Mapping[str, Any]) -> dict[str, Any]:
        """A user's fields with those that the API would demand of a caller but a seed need not name."""
        if sobject.lower() != "user":
            return dict(fields)
        username = str(fields.get("Username", ""))
        local = username.split("@")[0] or "user"
        filled = {
            "Alias": local[:8],
            "CommunityNickname": local[:40],
            "Email": username,
            "ProfileId": self._profile(STANDARD_PROFILE),
        }
        return {**filled, **fields}

    def user_id(self, named: str) -> str:
        """The id of a user given by id or username. Raises SalesforceError when there is none."""
        for user in self._records.store.find("User", "Username", named):
            return str(user["Id"])
        try:
            key = canonical(named)
        except ValueError:
            key = ""
        if self._records.store.live("User", key) is None:
            raise SalesforceError(400, "INVALID_CROSS_REFERENCE_KEY", f"no user is named {named}")
        return key

    def _profile(self, name: str) -> str | None:
        rows = self._records.store.tables["Profile"].rows.values()
        return next((str(row["Id"]) for row in rows if row["Name"] == name), None)
