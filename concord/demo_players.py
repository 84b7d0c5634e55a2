"""The users of the demo: they work in Outlook and in Practifi through the services' own APIs, as any client would."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

import httpx

from concord.comparison import EXTERNAL_ID
from schemas.errors import ConcordError

# Longest wait for one answer of a simulator, in seconds.
TIMEOUT_S: Final = 30.0
# Days that one calendar view may span.
VIEW_DAYS_MAX: Final = 1800


class RequestFailed(ConcordError, RuntimeError):
    """A service answered a player with an error: method, path, status and the service's words."""


class Outlook:
    """One firm's people in Outlook. Mailboxes are named by address."""

    def __init__(self, url: str, token: str) -> None:
        self._http = httpx.Client(
            base_url=url,
            headers={
                "authorization": f"Bearer {token}",
                "x-sim-client": "outlook",
                "prefer": 'outlook.timezone="UTC", outlook.body-content-type="text"',
            },
            timeout=TIMEOUT_S,
            trust_env=False,
        )

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def create(self, mailbox: str, event: Mapping[str, Any]) -> dict[str, Any]:
        """A new event; invitations leave at once."""
        made: dict[str, Any] = _ok(self._http.post(f"/users/{mailbox}/events", json=event))
        return made

    def edit(self, mailbox: str, event_id: str, changes: Mapping[str, Any]) -> dict[str, Any]:
        """Change some members."""
        edited: dict[str, Any] = _ok(self._http.patch(f"/users/{mailbox}/events/{event_id}", json=changes))
        return edited

    def delete(self, mailbox: str, event_id: str) -> None:
        """Delete; cancellations leave at once."""
        _ok(self._http.delete(f"/users/{mailbox}/events/{event_id}"))

    def get(self, mailbox: str, event_id: str) -> dict[str, Any] | None:
        """An event, None when it does not exist."""
        answer = self._http.get(f"/users/{mailbox}/events/{event_id}")
        return None if answer.status_code == 404 else _ok(answer)

    def all(self, mailbox: str, since: datetime, until: datetime) -> list[dict[str, Any]]:
        """Every event of a mailbox, series also date by date where dates lie between the two moments. Bodies stand as
        plain text also under `text`."""
        events = self._pages(f"/users/{mailbox}/events?$top=200")
        if any(event["type"] == "seriesMaster" for event in events):
            dates: dict[str, dict[str, Any]] = {}
            for start, end in _windows(since, until):
                window = f"startDateTime={practifi_time(start)}&endDateTime={practifi_time(end)}"
                viewed = self._pages(f"/users/{mailbox}/calendarView?{window}&$top=500")
                dates |= {event["id"]: event for event in viewed if event["type"] != "singleInstance"}
            events += dates.values()
        for event in events:
            event["text"] = event["body"]["content"]
        return events

    def room(self, name: str) -> dict[str, Any]:
        """A room by its name."""
        return next(room for room in self._pages("/places/microsoft.graph.room") if room["displayName"] == name)

    def instances(self, mailbox: str, master_id: str, since: datetime, until: datetime) -> list[dict[str, Any]]:
        """The dates of one series between two moments, by start."""
        window = f"startDateTime={practifi_time(since)}&endDateTime={practifi_time(until)}"
        found = self._pages(f"/users/{mailbox}/events/{master_id}/instances?{window}&$top=200")
        return sorted(found, key=lambda event: str(event["start"]["dateTime"]))

    def _pages(self, link: str | None) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        while link:
            page = _ok(self._http.get(link))
            found += page["value"]
            link = page.get("@odata.nextLink")
        return found


def _windows(since: datetime, until: datetime) -> Iterator[tuple[datetime, datetime]]:
    """The time between two moments in pieces that a calendar view takes."""
    while since < until:
        end = min(until, since + timedelta(days=VIEW_DAYS_MAX))
        yield since, end
        since = end


# Requests in one composite call, Salesforce's limit.
COMPOSITE_MAX: Final = 25


class Practifi:
    """The firm's people in Practifi: what they save comes about in the user interface."""

    def __init__(self, url: str, token: str, version: str) -> None:
        self._path = f"/services/data/v{version}"
        self._http = httpx.Client(
            base_url=f"{url}{self._path}",
            headers={"authorization": f"Bearer {token}", "x-sim-origin": "ui"},
            timeout=TIMEOUT_S,
            trust_env=False,
        )
        self._url = url

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def create(self, event: Mapping[str, Any], people: tuple[str, ...] = ()) -> str:
        """A new event with these users and contacts invited, saved together as its screen does; returns its id."""
        if not people:
            made: str = _ok(self._http.post("/sobjects/Event", json=event))["id"]
            return made
        together, rest = people[: COMPOSITE_MAX - 1], people[COMPOSITE_MAX - 1 :]
        records = [("Event", dict(event))]
        records += [("EventRelation", {"EventId": "@{r0.id}", "RelationId": one}) for one in together]
        parts = [
            {"method": "POST", "url": f"{self._path}/sobjects/{kind}", "referenceId": f"r{number}", "body": body}
            for number, (kind, body) in enumerate(records)
        ]
        answer = _ok(self._http.post("/composite", json={"allOrNone": True, "compositeRequest": parts}))
        refused = [part["body"] for part in answer["compositeResponse"] if part["httpStatusCode"] >= 400]
        if refused:
            raise RequestFailed(f"an event is not saved: {str(refused)[:300]}")
        event_id: str = answer["compositeResponse"][0]["body"]["id"]
        self.invite(event_id, rest)
        return event_id

    def invite(self, event_id: str, people: tuple[str, ...]) -> None:
        """Add attendees."""
        for record_id in people:
            _ok(self._http.post("/sobjects/EventRelation", json={"EventId": event_id, "RelationId": record_id}))

    def edit(self, event_id: str, changes: Mapping[str, Any]) -> None:
        """Change some fields."""
        _ok(self._http.patch(f"/sobjects/Event/{event_id}", json=changes))

    def delete(self, event_id: str) -> None:
        """Delete."""
        _ok(self._http.delete(f"/sobjects/Event/{event_id}"))

    def get(self, event_id: str) -> dict[str, Any] | None:
        """An event, None when it does not exist."""
        answer = self._http.get(f"/sobjects/Event/{event_id}")
        return None if answer.status_code == 404 else _ok(answer)

    def with_external_id(self, external_id: str) -> dict[str, Any] | None:
        """The event that carries this Microsoft 365 id."""
        quoted = external_id.replace("\\", "\\\\").replace("'", "\\'")
        rows = self.query(f"SELECT FIELDS(ALL) FROM Event WHERE {EXTERNAL_ID} = '{quoted}' LIMIT 2")
        return rows[0] if rows else None

    def related(self, event_id: str) -> set[str]:
        """Who and what hangs on an event: users, contacts, calendars."""
        rows = self.query(f"SELECT RelationId FROM EventRelation WHERE EventId = '{event_id}'")
        return {row["RelationId"] for row in rows}

    def query(self, soql: str) -> list[dict[str, Any]]:
        """All rows of a query."""
        page = _ok(self._http.get("/query", params={"q": soql}))
        rows: list[dict[str, Any]] = list(page["records"])
        while not page["done"]:
            page = _ok(self._http.get(f"{self._url}{page['nextRecordsUrl']}"))
            rows += page["records"]
        return rows


def _ok(answer: httpx.Response) -> Any:
    if answer.is_error:
        raise RequestFailed(
            f"{answer.request.method} {answer.request.url.path}: {answer.status_code} {answer.text[:300]}"
        )
    return answer.json() if answer.content else {}


def graph_time(moment: datetime) -> dict[str, str]:
    """A moment as Graph wants it, in UTC."""
    return {"dateTime": f"{moment:%Y-%m-%dT%H:%M:%S}", "timeZone": "UTC"}


def practifi_time(moment: datetime) -> str:
    """A moment as Salesforce wants it."""
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"
