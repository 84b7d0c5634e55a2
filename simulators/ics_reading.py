"""iCalendar files as others export them, read into plain values: what each event says, or why it cannot be used. Pure.

Follows RFC 5545 where files do, and the habits of Outlook, Google and Apple where they do not. What a rule means is
`simulators.ics_recurrence`; who an event is put for, and how, is `simulators.ics`.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final

import icalendar
from icalendar.prop import vBroken

from simulators.ics_events import IcsEvent, Moment, Person, Repeats, Unread, Unusable

SENSITIVITY: Final = {"PUBLIC": "normal", "PRIVATE": "private", "CONFIDENTIAL": "confidential"}
BUSY_STATUS: Final = {
    "FREE": "free",
    "TENTATIVE": "tentative",
    "BUSY": "busy",
    "OOF": "oof",
    "WORKINGELSEWHERE": "workingElsewhere",
}
RESPONSE: Final = {"ACCEPTED": "accepted", "DECLINED": "declined", "TENTATIVE": "tentativelyAccepted"}

_BLOCK: Final = re.compile(r"^BEGIN:(VTIMEZONE|VEVENT)\s*$.*?^END:\1\s*$", re.MULTILINE | re.DOTALL | re.IGNORECASE)

_ALARM: Final = re.compile(r"^BEGIN:VALARM\s*$.*?^END:VALARM\s*$\n?", re.MULTILINE | re.DOTALL | re.IGNORECASE)


def read_ics(data: bytes) -> tuple[tuple[IcsEvent, ...], tuple[Unread, ...]]:
    """Every VEVENT of a file, as an event or as a reason. Raises ValueError when it is no iCalendar file at all."""
    events: list[IcsEvent] = []
    unread: list[Unread] = []
    for component in _components(data):
        if isinstance(component, Unread):
            unread.append(component)
            continue
        read = _read(component)
        if isinstance(read, IcsEvent):
            events.append(read)
        else:
            unread.append(read)
    kept, older = _newest_revisions(events)
    return _with_overrides(kept), (*unread, *older)


def _components(data: bytes) -> Iterator[icalendar.Event | Unread]:
    """The VEVENTs of a file. A file that is broken outside them is read block by block, so that they survive."""
    text = _text(data)
    if not re.search(r"^\s*BEGIN:(VCALENDAR|VEVENT)\s*$", text, re.MULTILINE | re.IGNORECASE):
        raise ValueError("this is not an iCalendar file: it has no BEGIN:VCALENDAR")
    try:
        yield from _parse(text)
    except ValueError:
        yield from _block_by_block(text)


def _block_by_block(text: str) -> Iterator[icalendar.Event | Unread]:
    zones: list[str] = []
    blocks: list[str] = []
    for match in _BLOCK.finditer(text):
        (zones if match[1].upper() == "VTIMEZONE" else blocks).append(match[0])
    good: list[str] = []
    for zone in zones:
        try:
            _parse(_wrapped([zone]))
        except ValueError:
            # An event that needs this zone is refused for its unknown zone; the others do not suffer.
            continue
        good.append(zone)
    for block in blocks:
        yield from _parse_event(good, block)


def _parse_event(zones: Sequence[str], block: str) -> list[icalendar.Event | Unread]:
    try:
        return [*_parse(_wrapped([*zones, block]))]
    except ValueError as problem:
        reason = _short(problem)
    silent = _ALARM.sub("", block)
    try:
        events = _parse(_wrapped([*zones, silent])) if silent != block else []
    except ValueError:
        events = []
    for event in events:
        event.errors.append(("VALARM", reason))
    unfolded = re.sub(r"\r?\n[ \t]", "", block)
    named = {name: re.search(rf"^{name}[^:\n]*:(.*)$", unfolded, re.MULTILINE) for name in ("UID", "SUMMARY")}
    uid, subject = (_one_line(found[1]) if found is not None else "" for found in named.values())
    return [*events] if events else [Unread(uid, subject, f"it cannot be read: {reason}")]


def _wrapped(blocks: Sequence[str]) -> str:
    return "\r\n".join(["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//concord//reading//", *blocks, "END:VCALENDAR", ""])


def _parse(text: str) -> list[icalendar.Event]:
    """Raises ValueError for text that the library cannot take apart."""
    with warnings.catch_warnings():
        # The library warns when it guesses a zone from a "globally unique" id; the guess is what we want.
        warnings.simplefilter("ignore")
        try:
            parsed = icalendar.Calendar.from_ical(text, multiple=True)
            return [event for root in parsed for event in root.walk("VEVENT")]
        except (KeyError, TypeError, IndexError, AttributeError, OverflowError, RecursionError) as problem:
            # Whatever odd input makes the library trip over is bad input to us.
            raise ValueError(_short(problem)) from problem


def _text(data: bytes) -> str:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", errors="replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        # Old exports carry the code page of their machine; Western European is the likeliest.
        return data.decode("cp1252", errors="replace")


def _read(component: icalendar.Event) -> IcsEvent | Unread:
    uid, subject = _string(component, "UID"), _one_line(_string(component, "SUMMARY"))
    try:
        event = _read_single(component, uid, subject)
        return replace(event, repeats=_repeats(component, event.start), instead_of=_instead_of(component))
    except Unusable as problem:
        return Unread(uid, subject, str(problem))
    except (ValueError, TypeError, OverflowError, AttributeError) as problem:
        return Unread(uid, subject, f"it cannot be read: {_short(problem)}")


def _read_single(component: icalendar.Event, uid: str, subject: str) -> IcsEvent:
    start, end, is_all_day = _span(component)
    attendees, nameless = _attendees(component)
    organizers = [person for value in _all(component, "ORGANIZER") if (person := _person(value)) is not None]
    status = _word(component, "STATUS")
    return IcsEvent(
        uid=uid,
        sequence=_whole(component, "SEQUENCE"),
        subject=subject,
        body="\n".join(str(value) for value in _all(component, "DESCRIPTION")).strip(),
        location=_one_line(_string(component, "LOCATION")),
        start=start,
        end=end,
        is_all_day=is_all_day,
        # RFC 5545 3.8.1.3: a class that is not known is to be treated as private.
        sensitivity=SENSITIVITY.get(_word(component, "CLASS") or "PUBLIC", "private"),
        show_as=_show_as(component, status),
        importance=_importance(_whole(component, "PRIORITY")),
        is_cancelled=status == "CANCELLED",
        reminder_minutes=_reminder(component, start, end),
        categories=tuple(dict.fromkeys(_categories(component))),
        organizer=organizers[0] if organizers else None,
        attendees=attendees,
        notes=_notes(component, nameless),
    )


def _notes(component: icalendar.Event, nameless: int) -> tuple[str, ...]:
    notes = [f"left out {name or 'a line'}: {_one_line(text)[:100]}" for name, text in component.errors]
    if nameless:
        notes.append(f"left out {nameless} attendee(s) without a mail address")
    return tuple(notes)


# --- time -----------------------------------------------------------------------------------------------------


def _span(component: icalendar.Event) -> tuple[Moment, Moment, bool]:
    start = _value(component, "DTSTART")
    if start is None:
        broken = any("DTSTART" in str(text) for _, text in component.errors)
        raise Unusable("its start (DTSTART) cannot be read" if broken else "it has no start (DTSTART)")
    end = _value(component, "DTEND")
    duration = _value(component, "DURATION")
    if duration is not None and not isinstance(duration, timedelta):
        raise Unusable("its DURATION is not a length of time")
    begins = _moment(component, "DTSTART", start)
    is_all_day = not isinstance(start, datetime)
    if end is not None:
        ends = _moment(component, "DTEND", end)
        if isinstance(end, datetime) == is_all_day:
            raise Unusable("its start is a date and its end a time, or the other way round")
        if is_all_day and ends.wall == begins.wall:
            # Common in exports: an end that equals the start, meant inclusively.
            ends = Moment(ends.wall + timedelta(days=1), ends.zone)
    elif duration is not None:
        ends = _later(begins, duration, is_all_day)
    else:
        # RFC 5545 3.6.1: a date alone lasts that day, a time alone lasts no time at all.
        ends = _later(begins, timedelta(days=1) if is_all_day else timedelta(), is_all_day)
    if _instant(ends) < _instant(begins):
        raise Unusable("it ends before it starts")
    return begins, ends, is_all_day or _is_marked_all_day(component, begins, ends)


def _moment(component: icalendar.Event, name: str, value: Any) -> Moment:
    if isinstance(value, datetime):
        zone_name = str(component[name].params.get("TZID", ""))
        if value.tzinfo is None and zone_name:
            raise Unusable(f"its time zone {zone_name!r} is neither defined in the file nor known")
        return Moment(value.replace(tzinfo=None, microsecond=0), value.tzinfo)
    if isinstance(value, date):
        return Moment(datetime.combine(value, time()), None)
    raise Unusable(f"its {name} is neither a date nor a time")


def _later(begins: Moment, duration: timedelta, is_all_day: bool) -> Moment:
    """The end of something that lasts `duration`: exact hours count as elapsed time, also across a clock change."""
    if is_all_day:
        return Moment(begins.wall + max(timedelta(days=-(-duration // timedelta(days=1))), timedelta(days=1)), None)
    if begins.zone is None or duration % timedelta(days=1) == timedelta():
        return Moment(begins.wall + duration, begins.zone)
    ends = (begins.wall.replace(tzinfo=begins.zone).astimezone(UTC) + duration).astimezone(begins.zone)
    return Moment(ends.replace(tzinfo=None), begins.zone)


def _instant(moment: Moment) -> datetime:
    return moment.wall.replace(tzinfo=moment.zone or UTC).astimezone(UTC)


def _is_marked_all_day(component: icalendar.Event, begins: Moment, ends: Moment) -> bool:
    """Outlook writes all-day events as midnights with a mark of its own."""
    marked = _word(component, "X-MICROSOFT-CDO-ALLDAYEVENT") == "TRUE"
    return marked and begins.wall.time() == time() == ends.wall.time() and ends.wall > begins.wall


def _reminder(component: icalendar.Event, begins: Moment, ends: Moment) -> int | None:
    """Minutes before the start of the first alarm that is shown or heard; None when none comes before the start.

    Apple's calendar writes "no alarm" as an alarm of action NONE in 1976.
    """
    for alarm in component.walk("VALARM"):
        trigger = alarm.get("TRIGGER")
        if isinstance(trigger, list):
            trigger = trigger[0]
        if trigger is None or isinstance(trigger, vBroken) or _word(alarm, "ACTION") in {"EMAIL", "NONE"}:
            continue
        when = trigger.dt
        if isinstance(when, timedelta):
            from_end = str(trigger.params.get("RELATED", "START")).upper() == "END"
            offset = when + (_instant(ends) - _instant(begins) if from_end else timedelta())
        elif isinstance(when, datetime):
            offset = (when if when.tzinfo is not None else when.replace(tzinfo=UTC)) - _instant(begins)
        else:
            continue
        if offset <= timedelta():
            return int(-offset // timedelta(minutes=1))
    return None


# --- people ---------------------------------------------------------------------------------------------------


def _attendees(component: icalendar.Event) -> tuple[tuple[Person, ...], int]:
    """Attendees with an address, the first of each address, and how many have none."""
    people: dict[str, Person] = {}
    nameless = 0
    for value in _all(component, "ATTENDEE"):
        person = _person(value)
        if person is None:
            nameless += 1
        else:
            people.setdefault(person.address.lower(), person)
    return tuple(people.values()), nameless


def _person(value: Any) -> Person | None:
    """Someone with a mail address, taken from mailto:, the EMAIL parameter or a bare address; else None."""
    if isinstance(value, vBroken):
        return None
    params = getattr(value, "params", {})
    address = str(params.get("EMAIL", "") or re.sub(r"^mailto:", "", str(value).strip(), flags=re.IGNORECASE)).strip()
    if not re.fullmatch(r"[^\s@:;,<>()\"]+@[^\s@:;,<>()\"]+", address):
        return None
    role, cutype = str(params.get("ROLE", "")).upper(), str(params.get("CUTYPE", "")).upper()
    if cutype in {"RESOURCE", "ROOM"}:
        kind = "resource"
    else:
        kind = "optional" if role in {"OPT-PARTICIPANT", "NON-PARTICIPANT"} else "required"
    response = RESPONSE.get(str(params.get("PARTSTAT", "")).upper(), "none")
    return Person(address, _one_line(str(params.get("CN", ""))) or address, kind, response)


# --- words ----------------------------------------------------------------------------------------------------


def _show_as(component: icalendar.Event, status: str) -> str:
    named = BUSY_STATUS.get(_word(component, "X-MICROSOFT-CDO-BUSYSTATUS"))
    if named is not None:
        return named
    if _word(component, "TRANSP") == "TRANSPARENT":
        return "free"
    return "tentative" if status == "TENTATIVE" else "busy"


def _importance(priority: int) -> str:
    """RFC 5545 3.8.1.9: 1 to 4 is high, 5 normal, 6 to 9 low, 0 undefined. Pure."""
    if 1 <= priority <= 4:
        return "high"
    return "low" if 6 <= priority <= 9 else "normal"


def _categories(component: icalendar.Event) -> Iterator[str]:
    for value in _all(component, "CATEGORIES"):
        if not isinstance(value, vBroken):
            yield from (_one_line(str(name)) for name in getattr(value, "cats", [value]) if str(name).strip())


def _all(component: Any, name: str) -> list[Any]:
    value = component.get(name)
    if value is None:
        return []
    return list(value) if isinstance(value, list) else [value]


def _value(component: icalendar.Event, name: str) -> Any:
    """The Python value of a time property, None when absent. Raises Unusable when broken or given twice."""
    values = _all(component, name)
    if not values:
        return None
    if len(values) > 1:
        raise Unusable(f"it gives {name} {len(values)} times")
    if isinstance(values[0], vBroken):
        raise Unusable(f"its {name} cannot be read: {str(values[0])[:60]!r}")
    return values[0].dt if hasattr(values[0], "dt") else values[0].td


def _string(component: Any, name: str) -> str:
    values = _all(component, name)
    return str(values[0]) if values else ""


def _word(component: Any, name: str) -> str:
    return _string(component, name).strip().upper()


def _whole(component: Any, name: str) -> int:
    text = _string(component, name).strip()
    return int(text) if re.fullmatch(r"\d{1,9}", text) else 0


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _short(problem: BaseException) -> str:
    return _one_line(str(problem))[:160] or type(problem).__name__


def _repeats(component: icalendar.Event, start: Moment) -> Repeats | None:
    """The rule and days of a series, None for an event that does not recur. Raises Unusable."""
    broken = [name for name, _ in component.errors if name in {"RRULE", "RDATE", "EXDATE"}]
    if broken or "EXRULE" in component:
        raise Unusable(f"its {(*broken, 'EXRULE')[0]} cannot be used, so it is not known when it recurs")
    added = tuple(_days(component, "RDATE", start))
    rules = _all(component, "RRULE")
    if not rules and not added:
        return None
    if len(rules) > 1:
        raise Unusable("it has several rules, and a Graph series has one")
    rule = {str(name).upper(): list(value) for name, value in rules[0].items()} if rules else {}
    text = rules[0].to_ical().decode() if rules else ""
    for until in rule.get("UNTIL", ()):
        text = re.sub(r"UNTIL=[^;]*", f"UNTIL={_last_moment(until, start):%Y%m%dT%H%M%S}", text)
    return Repeats(rule, text, tuple(_days(component, "EXDATE", start)), added)


def _last_moment(until: date, start: Moment) -> datetime:
    """The end of a rule on the clocks of its series; a date alone includes that day."""
    if not isinstance(until, datetime):
        return datetime.combine(until, time(23, 59, 59))
    if until.tzinfo is None:
        return until
    return until.astimezone(start.zone or UTC).replace(tzinfo=None) if start.zone else until.replace(tzinfo=None)


def _days(component: icalendar.Event, name: str, start: Moment) -> Iterator[Moment]:
    """The moments of EXDATE or RDATE on the clocks of the series. Raises Unusable for a period."""
    for value in _all(component, name):
        if isinstance(value, vBroken):
            raise Unusable(f"its {name} cannot be read: {str(value)[:60]!r}")
        for one in getattr(value, "dts", [value]):
            if not isinstance(one.dt, date):
                raise Unusable(f"its {name} is a period, which a Graph series cannot have")
            yield _on_clocks_of(one.dt, start)


def _on_clocks_of(value: date, start: Moment) -> Moment:
    if not isinstance(value, datetime):
        return Moment(datetime.combine(value, time()), None)
    if value.tzinfo is not None and start.zone is not None:
        value = value.astimezone(start.zone)
    return Moment(value.replace(tzinfo=None, microsecond=0), start.zone)


def _instead_of(component: icalendar.Event) -> Moment | None:
    """The date of a series that this event stands for. Raises Unusable."""
    value = _value(component, "RECURRENCE-ID")
    if value is None:
        return None
    if str(component["RECURRENCE-ID"].params.get("RANGE", "")):
        raise Unusable("it changes a date and all that follow, which a Graph series cannot")
    return _moment(component, "RECURRENCE-ID", value)


def _with_overrides(events: Sequence[IcsEvent]) -> tuple[IcsEvent, ...]:
    """Changed dates with the series they belong to, where the file holds it."""
    series = {event.uid for event in events if event.uid and event.repeats is not None}
    changed: dict[str, list[IcsEvent]] = {}
    for event in events:
        if event.instead_of is not None and event.uid in series:
            changed.setdefault(event.uid, []).append(event)
    return tuple(
        replace(event, overrides=tuple(changed.get(event.uid, ()))) if event.repeats is not None else event
        for event in events
        if event.instead_of is None or event.uid not in series
    )


def _newest_revisions(events: Sequence[IcsEvent]) -> tuple[tuple[IcsEvent, ...], tuple[Unread, ...]]:
    """One event a UID: the highest SEQUENCE, the last of equal ones. Events without a UID are all different."""
    newest: dict[tuple[str, Moment | None], IcsEvent] = {}
    for event in events:
        known = newest.get((event.uid, event.instead_of))
        if event.uid and (known is None or event.sequence >= known.sequence):
            newest[event.uid, event.instead_of] = event
    kept = tuple(event for event in events if not event.uid or newest[event.uid, event.instead_of] is event)
    older = tuple(
        Unread(event.uid, event.subject, "the file holds a newer revision of the same event (same UID)")
        for event in events
        if event.uid and newest[event.uid, event.instead_of] is not event
    )
    return kept, older
