"""aiosalesforce: client credentials, JWT-free; records, composite with references, batch, bulk, limits, queries."""

from __future__ import annotations

import asyncio
import os
import ssl
from datetime import UTC, datetime, timedelta

import httpx
from aiosalesforce import Salesforce
from aiosalesforce.auth import ClientCredentialsFlow

KEY = f"aio:{datetime.now(UTC).timestamp()}"
START = (datetime.now(UTC) + timedelta(days=25)).replace(microsecond=0)


def event(subject: str, **more: object) -> dict[str, object]:
    """Fields of an hour's event."""
    return {
        "Subject": subject,
        "StartDateTime": START.isoformat(),
        "EndDateTime": (START + timedelta(hours=1)).isoformat(),
        **more,
    }


class Org(Salesforce):
    """An org at an address of its own."""

    @property
    def base_url(self) -> str:
        """Where it is."""
        return os.environ["SF_TLS_URL"]

    @base_url.setter
    def base_url(self, value: str) -> None:
        """Only Salesforce's own hosts are taken otherwise."""


async def main() -> None:
    """Everything, in order."""
    context = ssl.create_default_context(cafile=os.environ["CONCORD_CA_FILE"])
    async with httpx.AsyncClient(verify=context, trust_env=False, timeout=30) as http:
        org = Org(
            http,
            base_url="https://example.my.salesforce.com",
            auth=ClientCredentialsFlow(os.environ["SF_CLIENT_ID"], os.environ["SF_CLIENT_SECRET"]),
            version=os.environ["SF_VERSION"],
        )
        limits = await org.get_limits()
        assert limits["DailyApiRequests"]["Remaining"] <= limits["DailyApiRequests"]["Max"]
        print("signed in, limits", flush=True)

        made = await org.sobject.create("Event", event("By aiosalesforce"))
        await org.sobject.update("Event", made, {"Location": "Pier 5"})
        read = await org.sobject.get("Event", made, fields=["Id", "Location"])
        assert read["Location"] == "Pier 5"
        upserted = await org.sobject.upsert("Event", KEY, "Concord_Sync_Key__c", event("Upserted"))
        assert upserted.created
        assert not (await org.sobject.upsert("Event", KEY, "Concord_Sync_Key__c", {"Location": "x"})).created
        print("records", flush=True)

        contact = (await anext(org.query("SELECT Id FROM Contact ORDER BY Id LIMIT 1")))["Id"]
        async with org.composite(all_or_none=True) as composite:
            first = composite.sobject.create("Event", event("Composite"))
            link = composite.sobject.create(
                "EventRelation", {"EventId": str(first.reference.id), "RelationId": contact}
            )
        assert first.is_success, first.response_body
        assert link.is_success, link.response_body
        rows = [row async for row in org.query(f"SELECT RelationId FROM EventRelation WHERE EventId = '{first.id}'")]
        assert contact in [row["RelationId"] for row in rows]
        print("composite", flush=True)

        async with org.composite.batch(halt_on_error=False) as batch:
            one = batch.sobject.get("Event", made)
            other = batch.sobject.get("Event", "00U000000000000EAA")
        assert one.is_success
        assert one.record["Subject"] == "By aiosalesforce"
        assert other.status_code == 404
        print("batch", flush=True)

        result = await org.bulk_v2.insert("Event", [event(f"Bulk {number}") for number in range(4)])
        assert (len(result.successful_results), result.failed_results) == (4, [])
        found = [row async for row in org.query("SELECT Id FROM Event WHERE Subject LIKE 'Bulk %'")]
        assert len(found) == 4
        await org.sobject.delete("Event", made)
        gone = [row async for row in org.query(f"SELECT Id FROM Event WHERE Id = '{made}'", include_all_records=True)]
        assert len(gone) == 1
        print("bulk, deleted", flush=True)


if __name__ == "__main__":
    asyncio.run(main())
