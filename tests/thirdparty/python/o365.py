"""python-o365, which speaks Graph by code of its own: calendars, queries, attendees, recurrence, paging."""

from __future__ import annotations

import os
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from msal import ConfidentialClientApplication
from O365 import Account, MSGraphProtocol
from O365.utils.token import MemoryTokenBackend

DAY = (datetime.now(ZoneInfo("UTC")) + timedelta(days=45)).replace(hour=14, minute=0, second=0, microsecond=0)


class Here(MSGraphProtocol):
    """Graph at another address."""

    def __init__(self) -> None:
        super().__init__(timezone="UTC")
        self.service_url = os.environ["GRAPH_TLS_URL"] + "/"


def account_of() -> Account:
    """Signed in by client credentials."""
    account = Account(
        (os.environ["GRAPH_CLIENT_ID"], os.environ["GRAPH_CLIENT_SECRET"]),
        auth_flow_type="credentials",
        tenant_id=os.environ["GRAPH_TENANT"],
        protocol=Here(),
        main_resource=os.environ["GRAPH_USER"],
        token_backend=MemoryTokenBackend(),
    )
    # Its own sign-in asks login.microsoftonline.com which authorities there are.
    account.con._msal_client = ConfidentialClientApplication(
        os.environ["GRAPH_CLIENT_ID"],
        client_credential=os.environ["GRAPH_CLIENT_SECRET"],
        authority=os.environ["GRAPH_AUTHORITY"],
        instance_discovery=False,
        token_cache=account.con.token_backend,
    )
    assert account.authenticate()
    return account


def main() -> None:
    """Everything, in order."""
    schedule = account_of().schedule()
    calendar = schedule.get_default_calendar()
    assert calendar.can_edit
    print("calendar", flush=True)

    event = calendar.new_event()
    event.subject = "Portfolio talk"
    event.body = "<p>With the <i>partners</i></p>"
    event.start = DAY
    event.end = DAY + timedelta(minutes=45)
    event.location = "Quay room"
    event.remind_before_minutes = 20
    event.attendees.add([("Client", "client@elsewhere.example"), ("Other", "other@elsewhere.example")])
    assert event.save()
    assert event.object_id
    print("created", flush=True)

    query = calendar.new_query().equals("subject", "Portfolio talk")
    (found,) = calendar.get_events(query=query, include_recurring=False)
    assert found.object_id == event.object_id
    assert [one.address for one in found.attendees] == ["client@elsewhere.example", "other@elsewhere.example"]
    assert (found.start, found.end) == (DAY, DAY + timedelta(minutes=45))
    assert found.remind_before_minutes == 20
    print("found", flush=True)

    found.subject = "Portfolio talk, renamed"
    assert found.save()
    within = calendar.get_events(
        include_recurring=True, start_recurring=DAY - timedelta(hours=1), end_recurring=DAY + timedelta(hours=2)
    )
    assert "Portfolio talk, renamed" in [one.subject for one in within]
    assert found.delete()
    print("edited and deleted", flush=True)

    weekly = calendar.new_event("Every week")
    weekly.start = DAY
    weekly.end = DAY + timedelta(minutes=30)
    weekly.recurrence.set_weekly(
        1, days_of_week=[DAY.strftime("%A").lower()], first_day_of_week="monday", start=DAY.date(), occurrences=3
    )
    assert weekly.save()
    weekly = calendar.get_event(weekly.object_id)
    dates = weekly.get_occurrences(DAY - timedelta(days=1), DAY + timedelta(days=40))
    assert len(list(dates)) == 3
    assert weekly.delete()
    print("series", flush=True)

    for number in range(12):
        one = calendar.new_event(f"Paged {number:02}")
        one.start, one.end = DAY + timedelta(days=number), DAY + timedelta(days=number, hours=1)
        assert one.save()
    query = calendar.new_query().startswith("subject", "Paged")
    paged = list(calendar.get_events(limit=None, query=query, batch=5, include_recurring=False, order_by="subject"))
    assert len(paged) == 12, len(paged)
    assert all(one.delete() for one in paged)
    print("pages", flush=True)


if __name__ == "__main__":
    main()
