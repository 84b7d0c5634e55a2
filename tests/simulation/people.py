"""What the firm's people do on either side, through the services' own APIs: never through anything of Concord's."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from connectors.graph.wire import PAIR_TAG
from schemas.settings import ShowAsList
from simulation.diary import Conflict, Diary, Texts
from simulation.firm import STRANGERS, Client, Person, Place

# Microsoft 365 refuses what Concord writes with this in the subject; see `services.refused_by_rule`.
FORBIDDEN: Final = "(forbidden)"

Request = Callable[..., Any]
"""(method, path, body) -> the answer's JSON. Raises AssertionError when the service refuses."""


GRAPH_EDITS: Final = (
    "subject", "body", "location", "show_as", "time", "all_day", "reminder", "people", "privacy", "teams",
    "rooms",
)  # fmt: skip
SALESFORCE_EDITS: Final = (*GRAPH_EDITS, "send_invitations", "owner")
ONLINE: Final = {"isOnlineMeeting": True, "onlineMeetingProvider": "teamsForBusiness"}
CONFLICTS: Final = ("subject", "body", "location", "time")


# Dates of series that are looked at: from before anything made here to almost as far as Concord carries them, which is
# so many days for each month of the setting.
SERIES_BEHIND: Final = timedelta(days=60)
SERIES_AHEAD: Final = timedelta(days=29)
TAG_EXPANDED: Final = f"singleValueExtendedProperties($filter=id eq '{PAIR_TAG}')"


def is_date(event: dict[str, Any]) -> bool:
    """Whether an event is one date of a series."""
    return event["type"] in {"occurrence", "exception"}


def stamp(moment: datetime) -> str:
    """A time as Salesforce takes it, and Graph in a query."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def zoned(moment: datetime) -> dict[str, str]:
    """A time as Graph takes it."""
    return {"dateTime": moment.strftime("%Y-%m-%dT%H:%M:%S"), "timeZone": "UTC"}


@dataclass
class Outlook:
    """People in Outlook."""

    request: Request
    rng: random.Random
    texts: Texts
    diary: Diary
    people: list[Person]
    clients: list[Client]
    places: list[Place]
    now: Callable[[], datetime]
    series_months: int = 2

    def events(self, mailbox: str) -> list[dict[str, Any]]:
        """The living events of a mailbox, series date by date as far as Concord carries them."""
        found = self._listed(mailbox)
        if any(one["type"] == "seriesMaster" for one in found):
            now = self.now()
            last = now + SERIES_AHEAD * self.series_months
            window = {"startDateTime": stamp(now - SERIES_BEHIND), "endDateTime": stamp(last)}
            query = {"$top": "500", "$expand": TAG_EXPANDED, **window}
            viewed = self.request("GET", f"/users/{mailbox}/calendarView", None, query)["value"]
            found = [one for one in found if one["type"] != "seriesMaster"] + [one for one in viewed if is_date(one)]
        return [one for one in found if not one["isCancelled"]]

    def masters(self, mailbox: str) -> list[dict[str, Any]]:
        """The living series of a mailbox."""
        return [one for one in self._listed(mailbox) if one["type"] == "seriesMaster" and not one["isCancelled"]]

    def _listed(self, mailbox: str) -> list[dict[str, Any]]:
        query = {"$top": "500", "$expand": TAG_EXPANDED}
        found: list[dict[str, Any]] = self.request("GET", f"/users/{mailbox}/events", None, query)["value"]
        return found

    def pick(self, *, organizer: bool = True) -> tuple[Person, dict[str, Any]] | None:
        """Somebody's event."""
        person = self.rng.choice(self.people)
        events = [one for one in self.events(person.mailbox) if one["isOrganizer"] is organizer or not organizer]
        return (person, self.rng.choice(events)) if events else None

    def invite(self) -> list[dict[str, Any]]:
        """Some attendees: colleagues, clients, strangers."""
        addresses = [one.address for one in (*self.people, *self.clients) if one.address] + list(STRANGERS)
        chosen = self.rng.sample(addresses, self.rng.choice((0, 1, 1, 2, 3)))
        return [{"emailAddress": {"address": one, "name": one.split("@")[0]}, "type": "required"} for one in chosen]

    def create(self) -> str:
        """A new event in somebody's calendar."""
        person = self.rng.choice(self.people)
        sensitivity = self.rng.choice(("normal",) * 8 + ("private", "private", "personal", "confidential"))
        is_private = sensitivity != "normal"
        start = self.texts.moment(self.now())
        body: dict[str, Any] = {
            "subject": self.texts.make("meeting", is_private),
            "body": {"contentType": "text", "content": self.texts.make("agenda", is_private)},
            "start": zoned(start),
            "end": zoned(start + timedelta(minutes=self.rng.choice((15, 30, 60, 90)))),
            "location": {"displayName": self.texts.make("place", is_private)},
            "sensitivity": sensitivity,
            "showAs": self.rng.choice(("busy", "free", "tentative", "oof", "workingElsewhere")),
            "attendees": self.invite(),
            "isReminderOn": self.rng.random() < 0.7,
            "reminderMinutesBeforeStart": 15,
        }
        if self.rng.random() < 0.15:
            body |= self._all_day(start)
        if self.rng.random() < 0.2:
            body |= ONLINE
        if self.rng.random() < 0.25:
            body |= self._in_room(body["attendees"])
        made = self.request("POST", f"/users/{person.mailbox}/events", body)
        self.diary.made["graph", made["id"]] = self.diary.number
        self.diary.touch("graph", made["id"], *GRAPH_EDITS)
        return f"{person.name} makes {body['subject']!r} in Outlook ({made['id'][-8:]})"

    def _in_room(self, attendees: list[dict[str, Any]]) -> dict[str, Any]:
        """A room booked as Outlook books one: invited, and the location."""
        place = self.rng.choice(self.places)
        email = {"address": place.address, "name": place.name}
        location = {
            "displayName": place.name, "locationType": "conferenceRoom", "locationEmailAddress": place.address,
        }  # fmt: skip
        people = [{name: one[name] for name in ("emailAddress", "type")} for one in attendees]
        people = [one for one in people if one["type"] != "resource"]
        return {"attendees": [*people, {"emailAddress": email, "type": "resource"}], "location": location}

    @staticmethod
    def _all_day(start: datetime) -> dict[str, Any]:
        day = start.replace(hour=0, minute=0)
        return {"isAllDay": True, "start": zoned(day), "end": zoned(day + timedelta(days=1))}

    def edited(self, group: str, event: dict[str, Any]) -> dict[str, Any]:
        """The members that edit one group of an event."""
        is_private = event["sensitivity"] != "normal"
        start = self.texts.moment(self.now())
        match group:
            case "subject":
                return {"subject": self.texts.make("renamed", is_private)}
            case "body":
                return {"body": {"contentType": "text", "content": self.texts.make("notes", is_private)}}
            case "location":
                return {"location": {"displayName": self.texts.make("room", is_private)}}
            case "show_as":
                others = [one for one in ("busy", "free", "tentative", "oof") if one != event["showAs"]]
                return {"showAs": self.rng.choice(others)}
            case "time" if is_date(event):
                # No date of a series may reach its neighbour.
                moved = datetime.fromisoformat(event["start"]["dateTime"][:19]).replace(tzinfo=UTC)
                moved = moved.replace(minute=self.texts.next_number() % 60)
                return {"isAllDay": False, "start": zoned(moved), "end": zoned(moved + timedelta(minutes=45))}
            case "time":
                return {"isAllDay": False, "start": zoned(start), "end": zoned(start + timedelta(minutes=45))}
            case "all_day":
                return self._all_day(start)
            case "reminder":
                return {"isReminderOn": True, "reminderMinutesBeforeStart": self.rng.choice((0, 5, 10, 30, 60))}
            case "privacy":
                return {"sensitivity": "private" if event["sensitivity"] == "normal" else "normal"}
            case "teams":
                return ONLINE
            case "rooms":
                return self._in_room(event["attendees"])
        return {"attendees": self.invite()}

    def edit(self) -> str:
        """An organizer edits one or two groups; an attendee only what is theirs."""
        picked = self.pick(organizer=self.rng.random() < 0.9)
        if picked is None:
            return ""
        person, event = picked
        groups = self.rng.sample(GRAPH_EDITS, self.rng.choice((1, 1, 2)))
        if is_date(event):
            groups = [one for one in groups if one != "all_day" and (one != "time" or not event["isAllDay"])]
        if not event["isOrganizer"]:
            groups = ["show_as"]
        body: dict[str, Any] = {}
        for group in groups:
            body |= self.edited(group, event)
        if not self.patch(person, event, body, *groups):
            return ""
        return f"{person.name} edits {event['subject']!r} ({event['id'][-8:]}) in Outlook: {', '.join(groups)}"

    def patch(self, person: Person, event: dict[str, Any], body: dict[str, Any], *groups: str) -> bool:
        """Change an event. False when Graph refuses it, as it does when a date of a series would pass its neighbour."""
        event_id = event["id"]
        path = f"/users/{person.mailbox}/events/{event_id}"
        if self.request("PATCH", path, body, None, is_date(event)) is None:
            return False
        also = ("teams",) if "body" in groups else ()  # a body without its join block ends the Teams meeting
        if {"rooms", "people"} & set(groups):
            also = (*also, "rooms", "people", "location")
        self.diary.touch("graph", event_id, *("time" if one == "all_day" else one for one in groups), *also)
        return True

    def respond(self) -> str:
        """An attendee answers."""
        picked = self.pick(organizer=False)
        if picked is None or picked[1]["isOrganizer"]:
            return ""
        person, event = picked
        answer = self.rng.choice(("accept", "tentativelyAccept"))
        self.request("POST", f"/users/{person.mailbox}/events/{event['id']}/{answer}", {"sendResponse": True})
        return f"{person.name} answers {event['subject']!r}: {answer}"

    def delete(self) -> str:
        """Somebody deletes an event of theirs."""
        picked = self.pick(organizer=self.rng.random() < 0.9)
        if picked is None:
            return ""
        person, event = picked
        if event["id"] in self.diary.unsettled():
            return ""
        self.request("DELETE", f"/users/{person.mailbox}/events/{event['id']}", None)
        self.diary.delete("graph", event["id"])
        return f"{person.name} deletes {event['subject']!r} ({event['id'][-8:]}) in Outlook"

    def clear(self) -> str:
        """Somebody deletes several events at once: all of one afternoon's appointments."""
        person = self.rng.choice(self.people)
        events = [one for one in self.events(person.mailbox) if one["isOrganizer"] and not is_date(one)]
        busy = self.diary.unsettled()
        chosen = [one for one in self.rng.sample(events, min(len(events), 4)) if one["id"] not in busy]
        for event in chosen:
            self.request("DELETE", f"/users/{person.mailbox}/events/{event['id']}", None)
            self.diary.delete("graph", event["id"])
        return f"{person.name} deletes {len(chosen)} events in Outlook at once" if chosen else ""

    def copy(self) -> str:
        """A copy made in Outlook, which takes the extended property along."""
        picked = self.pick()
        if picked is None:
            return ""
        person, event = picked
        kept = ("subject", "body", "start", "end", "isAllDay", "location", "sensitivity", "showAs")
        body: dict[str, Any] = {name: event[name] for name in kept}
        tags = event.get("singleValueExtendedProperties")
        if tags:
            body["singleValueExtendedProperties"] = tags
        made = self.request("POST", f"/users/{person.mailbox}/events", body)
        self.diary.made["graph", made["id"]] = self.diary.number
        self.diary.touch("graph", made["id"], *GRAPH_EDITS)
        return f"{person.name} copies {event['subject']!r} to {made['id'][-8:]}, tag {'and all' if tags else 'absent'}"


FIELDS: Final = (
    "Id, Subject, Description, Location, StartDateTime, EndDateTime, IsAllDayEvent, IsPrivate, OwnerId, IsReminderSet, "
    "ReminderDateTime, practifi__Show_Time_As__c, practifi__Send_Invitations_to_Attendees__c, "
    "practifi__Teams_Meeting__c, practifi__Teams_Meeting_URL__c, "
    "practifi__External_ID__c, practifi__Microsoft_365_Sync_Status__c, Concord_Sync_Key__c, Concord_Origin__c, "
    "SystemModstamp"
)
SHOW_TIME_AS: Final = {
    ShowAsList.EXTENDED: ("Busy", "Free", "Tentative", "Out of Office", "Working Elsewhere"),
    ShowAsList.STANDARD: ("Busy", "Free", "Out of Office"),
}


@dataclass
class Practifi:
    """People in Practifi."""

    request: Request
    rng: random.Random
    texts: Texts
    diary: Diary
    people: list[Person]
    clients: list[Client]
    places: list[Place]
    now: Callable[[], datetime]
    show_as: tuple[str, ...] = SHOW_TIME_AS[ShowAsList.EXTENDED]

    def rows(self, query: str) -> list[dict[str, Any]]:
        """The rows of a query."""
        answer = self.request("GET", "/query", None, {"q": query})
        rows: list[dict[str, Any]] = list(answer["records"])
        while not answer["done"]:
            answer = self.request("GET", answer["nextRecordsUrl"], None)
            rows += answer["records"]
        return rows

    def events(self) -> list[dict[str, Any]]:
        """The living events, invitees' copies left out."""
        return self.rows(f"SELECT {FIELDS} FROM Event WHERE IsChild = false ORDER BY Id")

    def relations(self) -> list[dict[str, Any]]:
        """Who is invited, and the rooms."""
        return self.rows("SELECT Id, EventId, RelationId, Status FROM EventRelation ORDER BY Id")

    def create(self) -> str:
        """A new event, with its invitees."""
        owner = self.rng.choice(self.people)
        is_private = self.rng.random() < 0.15
        start = self.texts.moment(self.now())
        record: dict[str, Any] = {
            "Subject": self.texts.make("review", is_private),
            "Description": self.texts.make("brief", is_private),
            "Location": self.texts.make("office", is_private),
            "OwnerId": owner.salesforce_id,
            "IsPrivate": is_private,
            "practifi__Show_Time_As__c": self.rng.choice(self.show_as),
            "practifi__Send_Invitations_to_Attendees__c": self.rng.random() < 0.5,
            "practifi__Teams_Meeting__c": self.rng.random() < 0.2,
        }
        if self.rng.random() < 0.15:
            day = start.replace(hour=0, minute=0)
            record |= {"IsAllDayEvent": True, "StartDateTime": stamp(day), "EndDateTime": stamp(day)}
        else:
            record |= {"StartDateTime": stamp(start), "EndDateTime": stamp(start + timedelta(minutes=30))}
            if self.rng.random() < 0.5:
                record |= {"IsReminderSet": True, "ReminderDateTime": stamp(start - timedelta(minutes=30))}
        made = self.request("POST", "/sobjects/Event", record)["id"]
        if not is_private:
            self._invite(made, owner.salesforce_id)
        self.diary.made["salesforce", made] = self.diary.number
        self.diary.touch("salesforce", made, *SALESFORCE_EDITS)
        return f"{owner.name} makes {record['Subject']!r} in Practifi ({made[10:15]})"

    def _invite(self, event_id: str, owner_id: str) -> None:
        users = dict.fromkeys(one.salesforce_id for one in self.people)  # some have two mailboxes, and stand here twice
        ids = [user for user in users if user != owner_id] + [one.contact_id for one in self.clients]
        for relation in self.rng.sample(ids, self.rng.choice((0, 1, 2))):
            self.request("POST", "/sobjects/EventRelation", {"EventId": event_id, "RelationId": relation})
        if self.rng.random() < 0.25:
            self._book(event_id)

    def _book(self, event_id: str) -> None:
        """A room is chosen; Salesforce may refuse one that is taken."""
        calendar_id = self.rng.choice([one.calendar_id for one in self.places if one.calendar_id])
        relation = {"EventId": event_id, "RelationId": calendar_id}
        self.request("POST", "/sobjects/EventRelation", relation, None, True)

    def _change_room(self, record: dict[str, Any]) -> None:
        rooms = [one for one in self.relations() if one["EventId"] == record["Id"] and one["RelationId"][:3] == "023"]
        for one in rooms:
            self.request("DELETE", f"/sobjects/EventRelation/{one['Id']}", None)
        if not record["IsPrivate"] and (not rooms or self.rng.random() < 0.5):
            self._book(record["Id"])

    def edited(self, group: str, record: dict[str, Any]) -> dict[str, Any]:
        """The fields that edit one group of a record."""
        start = self.texts.moment(self.now())
        is_private = record["IsPrivate"]
        match group:
            case "subject":
                word = FORBIDDEN if self.rng.random() < 0.08 else "retitled"
                return {"Subject": self.texts.make(word, is_private)}
            case "body":
                return {"Description": self.texts.make("comment", is_private)}
            case "location":
                return {"Location": self.texts.make("floor", is_private)}
            case "show_as":
                others = [one for one in self.show_as if one != record["practifi__Show_Time_As__c"]]
                return {"practifi__Show_Time_As__c": self.rng.choice(others)}
            case "time":
                end = start + timedelta(minutes=20)
                return {"IsAllDayEvent": False, "StartDateTime": stamp(start), "EndDateTime": stamp(end)}
            case "all_day":
                day = start.replace(hour=0, minute=0)
                return {"IsAllDayEvent": True, "StartDateTime": stamp(day), "EndDateTime": stamp(day)}
            case "reminder":
                begins = datetime.fromisoformat(record["StartDateTime"])
                minutes = self.rng.choice((0, 5, 20, 40))
                return {"IsReminderSet": True, "ReminderDateTime": stamp(begins - timedelta(minutes=minutes))}
            case "send_invitations":
                sends = record["practifi__Send_Invitations_to_Attendees__c"]
                return {"practifi__Send_Invitations_to_Attendees__c": not sends}
            case "teams":
                return {"practifi__Teams_Meeting__c": not record["practifi__Teams_Meeting__c"]}
            case "owner":
                return {"OwnerId": self.rng.choice(self.people).salesforce_id}
        return {"IsPrivate": not is_private}

    def edit(self) -> str:
        """Somebody edits one or two groups of a record."""
        events = self.events()
        if not events:
            return ""
        record = self.rng.choice(events)
        groups = self.rng.sample(SALESFORCE_EDITS, self.rng.choice((1, 1, 2)))
        if "time" in groups or "all_day" in groups:
            groups = [one for one in groups if one != "reminder"]  # the reminder follows the start that is read here
        if "people" in groups:
            self._change_people(record)
        if "rooms" in groups:
            self._change_room(record)
        done = {"people", "rooms"} & set(groups)
        if done:  # and kept, even if the service refuses the rest
            self.diary.touch("salesforce", record["Id"], *sorted(done))
        fields: dict[str, Any] = {}
        for group in groups:
            fields |= self.edited(group, record) if group not in {"people", "rooms"} else {}
        if not self.patch(record["Id"], fields, *groups):
            return ""
        return f"edit of {record['Subject']!r} ({record['Id'][10:15]}) in Practifi: {', '.join(groups)}"

    def patch(self, record_id: str, fields: dict[str, Any], *groups: str) -> bool:
        """Change a record. False when the service refuses it, as it refuses to make one with invitees private."""
        if fields and self.request("PATCH", f"/sobjects/Event/{record_id}", fields, None, True) is None:
            return False
        words = {"all_day": "time", "send_invitations": "people"}
        # A reminder is an instant there: moving the event moves it nearer or farther.
        also = ("reminder",) if {"time", "all_day"} & set(groups) else ()
        self.diary.touch("salesforce", record_id, *(words.get(one, one) for one in groups), *also)
        return True

    def _change_people(self, record: dict[str, Any]) -> None:
        relations = (one for one in self.relations() if one["RelationId"][:3] != "023")
        held = [one for one in relations if one["EventId"] == record["Id"]]
        if held and self.rng.random() < 0.5:
            self.request("DELETE", f"/sobjects/EventRelation/{held[0]['Id']}", None)
            return
        known = {one["RelationId"] for one in held} | {record["OwnerId"]}
        ids = [one.salesforce_id for one in self.people] + [one.contact_id for one in self.clients]
        free = [one for one in ids if one not in known]
        if free and not record["IsPrivate"]:
            relation = {"EventId": record["Id"], "RelationId": self.rng.choice(free)}
            self.request("POST", "/sobjects/EventRelation", relation)

    def correct(self, between: Callable[[], None]) -> str:
        """Somebody saves a subject and corrects it at once; Salesforce may stamp both saves alike."""
        now = stamp(self.now())
        events = [one for one in self.events() if one["practifi__External_ID__c"] and one["StartDateTime"] > now]
        if not events:
            return ""
        record = self.rng.choice(events)
        for _ in range(2):
            if not self.patch(record["Id"], self.edited("subject", record), "subject"):
                return ""
            between()
        return f"{record['Subject']!r} ({record['Id'][10:15]}) is saved twice in Practifi"

    def delete(self) -> str:
        """Somebody deletes a record."""
        events = self.events()
        if not events:
            return ""
        record = self.rng.choice(events)
        if record["Id"] in self.diary.unsettled():
            return ""
        self.request("DELETE", f"/sobjects/Event/{record['Id']}", None)
        self.diary.delete("salesforce", record["Id"])
        return f"{record['Subject']!r} ({record['Id'][10:15]}) is deleted in Practifi"

    def clear(self) -> str:
        """Several records of one user are deleted at once, by mass delete."""
        owner = self.rng.choice(self.people)
        events = [one for one in self.events() if one["OwnerId"] == owner.salesforce_id]
        busy = self.diary.unsettled()
        chosen = [one for one in self.rng.sample(events, min(len(events), 4)) if one["Id"] not in busy]
        for record in chosen:
            self.request("DELETE", f"/sobjects/Event/{record['Id']}", None)
            self.diary.delete("salesforce", record["Id"])
        return f"{len(chosen)} records of {owner.name} are deleted in Practifi at once" if chosen else ""


def clash(outlook: Outlook, practifi: Practifi, rng: random.Random) -> str:
    """Both sides of a pair are edited at once: the same group, or two different ones."""
    by_graph = {one["practifi__External_ID__c"]: one for one in practifi.events() if one["practifi__External_ID__c"]}
    person = rng.choice(outlook.people)
    events = [one for one in outlook.events(person.mailbox) if one["isOrganizer"] and one["id"] in by_graph]
    if not events:
        return ""
    event = rng.choice(events)
    record = by_graph[event["id"]]
    group = rng.choice(CONFLICTS)
    other = group if rng.random() < 0.6 else rng.choice([one for one in CONFLICTS if one != group])
    ours, theirs = outlook.edited(group, event), practifi.edited(other, record)
    if not outlook.patch(person, event, ours, group):
        return ""
    is_saved = practifi.patch(record["Id"], theirs, other)
    if other == group and is_saved:
        outlook.diary.conflicts.append(
            Conflict(outlook.diary.number, group, person.mailbox, event["id"], record["Id"], ours, theirs)
        )
    return f"both sides edit {event['subject']!r} ({event['id'][-8:]} / {record['Id'][10:15]}): {group} and {other}"
