"""Microsoft's own Graph SDK for Python: sign-in, users, rooms, events, views, delta, batch, subscriptions, errors."""

from __future__ import annotations

import asyncio
import os
import ssl
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
from azure.core.credentials import AccessToken
from kiota_abstractions.base_request_configuration import RequestConfiguration
from kiota_authentication_azure.azure_identity_authentication_provider import AzureIdentityAuthenticationProvider
from msal import ConfidentialClientApplication
from msgraph import GraphRequestAdapter, GraphServiceClient
from msgraph.generated.models.attendee import Attendee
from msgraph.generated.models.attendee_type import AttendeeType
from msgraph.generated.models.body_type import BodyType
from msgraph.generated.models.date_time_time_zone import DateTimeTimeZone
from msgraph.generated.models.day_of_week import DayOfWeek
from msgraph.generated.models.email_address import EmailAddress
from msgraph.generated.models.event import Event
from msgraph.generated.models.free_busy_status import FreeBusyStatus
from msgraph.generated.models.item_body import ItemBody
from msgraph.generated.models.location import Location
from msgraph.generated.models.o_data_errors.o_data_error import ODataError
from msgraph.generated.models.patterned_recurrence import PatternedRecurrence
from msgraph.generated.models.recurrence_pattern import RecurrencePattern
from msgraph.generated.models.recurrence_pattern_type import RecurrencePatternType
from msgraph.generated.models.recurrence_range import RecurrenceRange
from msgraph.generated.models.recurrence_range_type import RecurrenceRangeType
from msgraph.generated.models.sensitivity import Sensitivity
from msgraph.generated.models.single_value_legacy_extended_property import SingleValueLegacyExtendedProperty
from msgraph.generated.users.item.calendar.calendar_view.calendar_view_request_builder import CalendarViewRequestBuilder
from msgraph.generated.users.item.calendar_view.delta.delta_request_builder import DeltaRequestBuilder
from msgraph.generated.users.item.events.events_request_builder import EventsRequestBuilder
from msgraph.generated.users.item.events.item.event_item_request_builder import EventItemRequestBuilder

TAG = "String {6f1c2f5e-9a3b-4c1d-8e7f-0a1b2c3d4e5f} Name Thirdparty"
USER = os.environ["GRAPH_USER"]
DAY = (datetime.now(UTC) + timedelta(days=30)).replace(hour=9, minute=0, second=0, microsecond=0)


class Signed:
    """A credential by MSAL's client-credentials flow."""

    def __init__(self) -> None:
        self._app = ConfidentialClientApplication(
            os.environ["GRAPH_CLIENT_ID"],
            client_credential=os.environ["GRAPH_CLIENT_SECRET"],
            authority=os.environ["GRAPH_AUTHORITY"],
            instance_discovery=False,
            verify=os.environ["CONCORD_CA_FILE"],
        )

    def get_token(self, *scopes: str, **_: Any) -> AccessToken:
        """As azure-identity's credentials do."""
        answer = self._app.acquire_token_for_client(list(scopes) or ["https://graph.microsoft.com/.default"])
        assert "access_token" in answer, answer
        return AccessToken(answer["access_token"], 2_000_000_000)


def client_of() -> GraphServiceClient:
    """The SDK's client, with its own middleware, against the TLS address."""
    base = os.environ["GRAPH_TLS_URL"]
    provider = AzureIdentityAuthenticationProvider(
        Signed(), scopes=["https://graph.microsoft.com/.default"], allowed_hosts=["localhost"]
    )
    from msgraph_core import GraphClientFactory

    plain = httpx.AsyncClient(verify=ssl.create_default_context(cafile=os.environ["CONCORD_CA_FILE"]), trust_env=False)
    adapter = GraphRequestAdapter(provider, client=GraphClientFactory.create_with_default_middleware(client=plain))
    adapter.base_url = base
    return GraphServiceClient(request_adapter=adapter)


def at(moment: datetime, zone: str = "UTC") -> DateTimeTimeZone:
    """A time as Graph wants it."""
    return DateTimeTimeZone(date_time=moment.strftime("%Y-%m-%dT%H:%M:%S"), time_zone=zone)


def guest(address: str, kind: AttendeeType = AttendeeType.Required) -> Attendee:
    """Somebody to invite."""
    return Attendee(email_address=EmailAddress(address=address, name=address.partition("@")[0]), type=kind)


def meeting(subject: str, **more: Any) -> Event:
    """An hour at the client's."""
    return Event(
        subject=subject,
        body=ItemBody(content_type=BodyType.Html, content="<p>Bring the <b>plan</b>.</p>"),
        start=at(DAY),
        end=at(DAY + timedelta(hours=1)),
        location=Location(display_name="At the client's"),
        **more,
    )


def prefer(*values: str, parameters: Any = None) -> RequestConfiguration[Any]:
    """Request configuration with Prefer headers."""
    configuration: RequestConfiguration[Any] = RequestConfiguration(query_parameters=parameters)
    for value in values:
        configuration.headers.add("Prefer", value)
    return configuration


async def directory(client: GraphServiceClient) -> None:
    """Users by address and in pages; rooms of the tenant."""
    me = await client.users.by_user_id(USER).get()
    assert me is not None
    assert me.user_principal_name
    seen: list[str] = []
    page = await client.users.get()
    while page is not None:
        seen += [user.id or "" for user in page.value or []]
        page = await client.users.with_url(page.odata_next_link).get() if page.odata_next_link else None
    assert me.id in seen
    rooms = await client.places.graph_room.get()
    assert rooms is not None
    assert all(room.display_name and room.email_address for room in rooms.value or [])


async def one_event(client: GraphServiceClient) -> None:
    """Create, create again, read, find by extended property."""
    events = client.users.by_user_id(USER).events
    tag = SingleValueLegacyExtendedProperty(id=TAG, value="pair-1")
    wanted = meeting(
        "Annual review",
        attendees=[guest("client@elsewhere.example"), guest("partner@elsewhere.example", AttendeeType.Optional)],
        show_as=FreeBusyStatus.Oof,
        sensitivity=Sensitivity.Normal,
        transaction_id="7a1e9d1e-5f7d-4b3e-9c36-0d5f3f5d3c11",
        single_value_extended_properties=[tag],
    )
    made = await events.post(wanted)
    assert made is not None
    assert made.id
    assert made.is_organizer
    assert made.show_as is FreeBusyStatus.Oof
    again = await events.post(wanted)
    assert again is not None
    assert again.id == made.id
    item = events.by_event_id(made.id)
    text = await item.get(prefer('outlook.body-content-type="text"', 'outlook.timezone="Pacific Standard Time"'))
    assert text is not None
    assert text.body is not None
    assert text.body.content_type is BodyType.Text
    assert "Bring the plan." in (text.body.content or "")
    assert text.start is not None
    assert text.start.time_zone == "Pacific Standard Time"
    found = await events.get(
        RequestConfiguration(
            query_parameters=EventsRequestBuilder.EventsRequestBuilderGetQueryParameters(
                filter=f"singleValueExtendedProperties/Any(ep: ep/id eq '{TAG}' and ep/value eq 'pair-1')",
                expand=[f"singleValueExtendedProperties($filter=id eq '{TAG}')"],
                select=["id", "subject"],
            )
        )
    )
    assert found is not None
    assert [(one.id, one.subject) for one in found.value or []] == [(made.id, "Annual review")]
    (held,) = (found.value or [])[0].single_value_extended_properties or []
    assert held.value == "pair-1"
    await edits(events.by_event_id(made.id), (made.additional_data or {}).get("@odata.etag") or "")


async def edits(item: EventItemRequestBuilder, etag: str) -> None:
    """Patch with the version read, patch with an outdated one, delete, read what is gone."""
    matching: RequestConfiguration[EventItemRequestBuilder.EventItemRequestBuilderGetQueryParameters]
    matching = RequestConfiguration()
    matching.headers.add("If-Match", etag)
    moved = await item.patch(Event(start=at(DAY + timedelta(hours=2)), end=at(DAY + timedelta(hours=3))), matching)
    assert moved is not None
    assert moved.start is not None
    assert moved.start.date_time is not None
    assert moved.start.date_time.startswith((DAY + timedelta(hours=2)).strftime("%Y-%m-%dT%H:%M"))
    try:
        await item.patch(Event(subject="late"), matching)
    except ODataError as error:
        assert error.response_status_code == 412, error.response_status_code
    else:
        raise AssertionError("an outdated If-Match was accepted")
    await item.delete()
    try:
        await item.get()
    except ODataError as error:
        assert error.response_status_code == 404
        assert error.error is not None
        assert error.error.code == "ErrorItemNotFound"
    else:
        raise AssertionError("a deleted event can be read")


async def series(client: GraphServiceClient) -> None:
    """A weekly series: its instances, one moved, one deleted."""
    user = client.users.by_user_id(USER)
    pattern = RecurrencePattern(
        type=RecurrencePatternType.Weekly,
        interval=1,
        days_of_week=[DayOfWeek(DAY.strftime("%A").lower())],
        first_day_of_week=DayOfWeek.Monday,
    )
    reach = RecurrenceRange(
        type=RecurrenceRangeType.Numbered,
        start_date=DAY.date(),
        number_of_occurrences=4,
        recurrence_time_zone="Eastern Standard Time",
    )
    made = await user.events.post(meeting("Weekly", recurrence=PatternedRecurrence(pattern=pattern, range=reach)))
    assert made is not None
    assert made.id
    query = {"start_date_time": DAY.isoformat(), "end_date_time": (DAY + timedelta(days=60)).isoformat()}
    parameters = CalendarViewRequestBuilder.CalendarViewRequestBuilderGetQueryParameters(
        **query, orderby=["start/dateTime"], top=50
    )

    async def dates() -> list[Any]:
        view = await user.calendar.calendar_view.get(RequestConfiguration(query_parameters=parameters))
        assert view is not None
        return [one for one in view.value or [] if one.series_master_id == made.id]

    found = await dates()
    assert len(found) == 4
    moved = await user.events.by_event_id(found[1].id).patch(Event(subject="Weekly, moved"))
    assert moved is not None
    assert str(moved.type).endswith("Exception_") or str(moved.type).lower().endswith("exception")
    await user.events.by_event_id(found[2].id).delete()
    assert [one.subject for one in await dates()] == ["Weekly", "Weekly, moved", "Weekly"]
    await user.events.by_event_id(made.id).delete()
    assert await dates() == []


async def changes(client: GraphServiceClient) -> None:
    """The delta of a calendar view: pages, a token, what changed since, a removal."""
    user = client.users.by_user_id(USER)
    parameters = DeltaRequestBuilder.DeltaRequestBuilderGetQueryParameters(
        start_date_time=(DAY - timedelta(days=60)).isoformat(), end_date_time=(DAY + timedelta(days=60)).isoformat()
    )

    async def rest(answer: Any) -> tuple[list[Any], str]:
        found = list(answer.value or [])
        while answer.odata_next_link:
            answer = await user.calendar_view.delta.with_url(answer.odata_next_link).get(prefer("odata.maxpagesize=5"))
            found += answer.value or []
        return found, answer.odata_delta_link

    first = await user.calendar_view.delta.get(prefer("odata.maxpagesize=5", parameters=parameters))
    _, link = await rest(first)
    made = await user.events.post(meeting("Seen by the delta"))
    assert made is not None
    assert made.id
    found, link = await rest(await user.calendar_view.delta.with_url(link).get())
    assert [one.id for one in found] == [made.id]
    await user.events.by_event_id(made.id).delete()
    found, _ = await rest(await user.calendar_view.delta.with_url(link).get())
    assert [one.id for one in found] == [made.id]
    assert "@removed" in (found[0].additional_data or {}), found[0].additional_data


async def main() -> None:
    """Everything, in order."""
    client = client_of()
    for part in (directory, one_event, series, changes):
        await part(client)
        print(part.__name__, flush=True)


if __name__ == "__main__":
    asyncio.run(main())
