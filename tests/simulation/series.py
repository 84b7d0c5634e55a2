"""What the firm's people do to series in Outlook: make, move, cancel, re-time, retext, end, divide, turn, delete."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from simulation.firm import Person
from simulation.people import GRAPH_EDITS, Outlook, is_date

# Clocks change in all but the first within five weeks of the simulation's start.
ZONES: Final = ("UTC", "America/New_York", "Europe/London", "Australia/Sydney")
DAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


def local(wall: datetime, zone: str) -> dict[str, str]:
    """A wall-clock time as Graph takes it."""
    return {"dateTime": wall.strftime("%Y-%m-%dT%H:%M:%S"), "timeZone": zone}


def wall_of(value: dict[str, str], zone: str) -> datetime:
    """Graph's time, read in UTC, on the clocks of a zone."""
    moment = datetime.fromisoformat(value["dateTime"][:19]).replace(tzinfo=UTC)
    return moment.astimezone(ZoneInfo(zone)).replace(tzinfo=None)


@dataclass
class Series:
    """People in Outlook and their series."""

    outlook: Outlook

    @property
    def _rng(self) -> Any:
        return self.outlook.rng

    def acts(self) -> dict[str, tuple[float, Callable[[], str]]]:
        """Every act by its name, with how often it happens."""
        return {
            "series made in Outlook": (2, self.make),
            "series re-timed": (0.7, self.retime),
            "series moved to another weekday": (0.3, self.move_to_another_day),
            "series edited": (0.8, self.retext),
            "series divided": (0.4, self.divide),
            "series turned into a single event": (0.2, self.to_single),
            "single event turned into a series": (0.4, self.to_series),
            "series deleted": (0.3, self.delete),
            "date of a series moved": (1, self.move_date),
            "date of a series cancelled": (0.7, self.cancel_date),
        }

    # --- the series as a whole --------------------------------------------------------------------------------

    def make(self) -> str:
        """A new series of a few dates, or one without an end."""
        outlook, rng = self.outlook, self._rng
        person = rng.choice(outlook.people)
        zone = rng.choice(ZONES)
        wall = outlook.texts.moment(outlook.now()).replace(tzinfo=None)
        sensitivity = rng.choice(("normal",) * 9 + ("private",))
        is_private = sensitivity != "normal"
        body = {
            "subject": outlook.texts.make("round", is_private),
            "body": {"contentType": "text", "content": outlook.texts.make("minutes", is_private)},
            "location": {"displayName": outlook.texts.make("hall", is_private)},
            "sensitivity": sensitivity,
            "attendees": outlook.invite(),
            "recurrence": self._rule(wall.date(), zone),
            **self._times(wall, zone),
        }
        if rng.random() < 0.15:
            day = wall.replace(hour=0, minute=0)
            body |= {"isAllDay": True, "start": local(day, zone), "end": local(day + timedelta(days=1), zone)}
        return f"{person.name} makes the series {body['subject']!r} in {zone} ({self._post(person, body)[-8:]})"

    def _times(self, wall: datetime, zone: str) -> dict[str, Any]:
        minutes = self._rng.choice((30, 60))
        return {"start": local(wall, zone), "end": local(wall + timedelta(minutes=minutes), zone)}

    def _rule(self, day: date, zone: str) -> dict[str, Any]:
        rng = self._rng
        bounds: dict[str, Any] = {"type": "numbered", "numberOfOccurrences": rng.choice((2, 3, 4))}
        kind = rng.random()
        if kind < 0.6:
            pattern: dict[str, Any] = {
                "type": "weekly",
                "interval": rng.choice((1, 1, 2)),
                "daysOfWeek": [DAYS[day.weekday()]],
            }
        elif kind < 0.8:
            pattern = {"type": "daily", "interval": rng.choice((1, 3))}
        else:
            pattern = {"type": "absoluteMonthly", "interval": 1, "dayOfMonth": day.day}
            bounds = {"type": "noEnd"}
        return {"pattern": pattern, "range": {**bounds, "startDate": f"{day}", "recurrenceTimeZone": zone}}

    def _post(self, person: Person, body: dict[str, Any]) -> str:
        made = self.outlook.request("POST", f"/users/{person.mailbox}/events", body)
        for one in self._dates(person, made["id"]):
            self.outlook.diary.made["graph", one["id"]] = self.outlook.diary.number
            self.outlook.diary.touch("graph", one["id"], *GRAPH_EDITS)
        return str(made["id"])

    def _dates(self, person: Person, master_id: str) -> list[dict[str, Any]]:
        return [one for one in self.outlook.events(person.mailbox) if one.get("seriesMasterId") == master_id]

    def _pick(self) -> tuple[Person, dict[str, Any]] | None:
        person = self._rng.choice(self.outlook.people)
        own = [one for one in self.outlook.masters(person.mailbox) if one["isOrganizer"]]
        return (person, self._rng.choice(own)) if own else None

    def _change(self, person: Person, master: dict[str, Any], body: dict[str, Any], *groups: str) -> bool:
        """Change a series. What this does to its dates goes into the diary. False when Graph refuses it."""
        before = {one["id"] for one in self._dates(person, master["id"])}
        if self._is_too_quick(before):
            return False
        path = f"/users/{person.mailbox}/events/{master['id']}"
        if self.outlook.request("PATCH", path, body, None, True) is None:
            return False
        after = {one["id"] for one in self._dates(person, master["id"])}
        for one in sorted(before - after):
            self.outlook.diary.delete("graph", one)
        for one in sorted(after):
            fresh = one not in before
            self.outlook.diary.touch("graph", one, *(GRAPH_EDITS if fresh else groups))
        return True

    def _is_too_quick(self, ids: set[str]) -> bool:
        return bool(ids & self.outlook.diary.unsettled())

    def retime(self) -> str:
        """The whole series begins an hour or two later; what was special about single dates is forgotten."""
        picked = self._pick()
        if picked is None or picked[1]["isAllDay"]:
            return ""
        person, master = picked
        zone = master["recurrence"]["range"]["recurrenceTimeZone"]
        wall = wall_of(master["start"], zone)
        later = wall + timedelta(hours=self._rng.choice((1, 2)))
        if later.date() != wall.date() or not self._change(person, master, self._times(later, zone), *GRAPH_EDITS):
            return ""
        return f"{person.name} re-times the series {master['subject']!r}"

    def move_to_another_day(self) -> str:
        """A weekly series goes to the next weekday: other dates."""
        picked = self._pick()
        if picked is None or picked[1]["recurrence"]["pattern"]["type"] != "weekly":
            return ""
        person, master = picked
        rule = master["recurrence"]
        zone = rule["range"]["recurrenceTimeZone"]
        day = date.fromisoformat(rule["range"]["startDate"]) + timedelta(days=1)
        rule = {
            "pattern": {**rule["pattern"], "daysOfWeek": [DAYS[day.weekday()]]},
            "range": {**rule["range"], "startDate": f"{day}"},
        }
        wall = wall_of(master["start"], zone)
        times = self._times(datetime.combine(day, wall.time()), zone)
        if master["isAllDay"]:
            times = {"start": local(datetime.combine(day, datetime.min.time()), zone),
                     "end": local(datetime.combine(day + timedelta(days=1), datetime.min.time()), zone)}  # fmt: skip
        if not self._change(person, master, {"recurrence": rule, **times}, *GRAPH_EDITS):
            return ""
        return f"{person.name} moves the series {master['subject']!r} to another weekday"

    def retext(self) -> str:
        """Subject, body, place or people of the whole series."""
        picked = self._pick()
        if picked is None:
            return ""
        person, master = picked
        group = self._rng.choice(("subject", "body", "location", "people", "privacy", "show_as"))
        if not self._change(person, master, self.outlook.edited(group, master), group):
            return ""
        return f"{person.name} edits the series {master['subject']!r}: {group}"

    def divide(self) -> str:
        """A series ends before one of its dates, and another begins there: Outlook's "this and following"."""
        picked = self._pick()
        if picked is None:
            return ""
        person, master = picked
        dates = sorted(self._dates(person, master["id"]), key=lambda one: one["start"]["dateTime"])
        if len(dates) < 2 or master["isAllDay"]:
            return ""
        zone = master["recurrence"]["range"]["recurrenceTimeZone"]
        wall = wall_of(self._rng.choice(dates[1:])["start"], zone)
        span = {"type": "endDate", "endDate": f"{wall.date() - timedelta(days=1)}",
                "startDate": master["recurrence"]["range"]["startDate"], "recurrenceTimeZone": zone}  # fmt: skip
        rule = {"pattern": master["recurrence"]["pattern"], "range": span}
        if not self._change(person, master, {"recurrence": rule}, *GRAPH_EDITS):  # exceptions are forgotten
            return ""
        kept = {name: master[name] for name in ("sensitivity", "showAs", "location", "body")}
        subject = self.outlook.texts.make("onwards", master["sensitivity"] != "normal")
        times = self._times(wall + timedelta(minutes=5), zone)
        followed = {"subject": subject, **kept, "recurrence": self._rule(wall.date(), zone), **times}
        self._post(person, followed)
        return f"{person.name} divides the series {master['subject']!r} at {wall:%d %b}"

    def to_single(self) -> str:
        """The series becomes its first date alone."""
        picked = self._pick()
        if picked is None or not self._change(picked[0], picked[1], {"recurrence": None}):
            return ""
        person, master = picked
        self.outlook.diary.touch("graph", master["id"], *GRAPH_EDITS)
        return f"{person.name} makes the series {master['subject']!r} ({master['id'][-8:]}) a single event"

    def to_series(self) -> str:
        """A single event is repeated from now on."""
        picked = self.outlook.pick()
        if picked is None or is_date(picked[1]) or picked[1]["isAllDay"]:
            return ""
        person, event = picked
        zone = self._rng.choice(ZONES)
        rule = self._rule(wall_of(event["start"], zone).date(), zone)
        if self._is_too_quick({event["id"]}) or not self._change(person, event, {"recurrence": rule}):
            return ""
        return f"{person.name} makes {event['subject']!r} ({event['id'][-8:]}) a series"

    def delete(self) -> str:
        """The series with all its dates."""
        picked = self._pick()
        if picked is None:
            return ""
        person, master = picked
        before = {one["id"] for one in self._dates(person, master["id"])}
        path = f"/users/{person.mailbox}/events/{master['id']}"
        if self._is_too_quick(before) or self.outlook.request("DELETE", path, None, None, True) is None:
            return ""
        for one in sorted(before):
            self.outlook.diary.delete("graph", one)
        return f"{person.name} deletes the series {master['subject']!r}"

    # --- one date ---------------------------------------------------------------------------------------------

    def _pick_date(self) -> tuple[Person, dict[str, Any]] | None:
        person = self._rng.choice(self.outlook.people)
        own = [one for one in self.outlook.events(person.mailbox) if one["isOrganizer"] and is_date(one)]
        return (person, self._rng.choice(own)) if own else None

    def move_date(self) -> str:
        """One date is moved within its day."""
        picked = self._pick_date()
        if picked is None or picked[1]["isAllDay"]:
            return ""
        person, event = picked
        if not self.outlook.patch(person, event, self.outlook.edited("time", event), "time"):
            return ""
        return f"{person.name} moves one date of {event['subject']!r} ({event['id'][-8:]})"

    def cancel_date(self) -> str:
        """One date is deleted."""
        picked = self._pick_date()
        if picked is None or self._is_too_quick({picked[1]["id"]}):
            return ""
        person, event = picked
        self.outlook.request("DELETE", f"/users/{person.mailbox}/events/{event['id']}", None)
        self.outlook.diary.delete("graph", event["id"])
        return f"{person.name} cancels one date of {event['subject']!r} ({event['id'][-8:]})"
