"""Events that nobody would write on purpose: carried as far as Practifi can hold them, or left out for a reason."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from support.running import Running, invited

from concord.demo_players import graph_time
from concord.processes import ROLES
from schemas.state import PairState, Status

pytestmark = pytest.mark.broker

POISON: dict[str, dict[str, Any]] = {
    "far future": {"start": {"dateTime": "2999-12-31T23:00:00", "timeZone": "UTC"},
                   "end": {"dateTime": "2999-12-31T23:30:00", "timeZone": "UTC"}},
    "before the epoch": {"start": {"dateTime": "1901-01-01T00:00:00", "timeZone": "UTC"},
                         "end": {"dateTime": "1901-01-01T01:00:00", "timeZone": "UTC"}},
    "a crowd": {"attendees": [invited(f"Guest {n}", f"guest{n}@elsewhere.example") for n in range(300)]},
    "long body": {"body": {"contentType": "text", "content": "Agenda. " * 140_000}},
    "control \x01\x02\x0b characters \x1f": {},
    "emoji 👩‍👩‍👧‍👦 🏴󠁧󠁢󠁥󠁮󠁧󠁿 and \u202eright to left\u202c שלום مرحبا": {"location": {"displayName": "💥" * 60}},
    "subject " + "x" * 240: {},
}  # fmt: skip
# What stays in Microsoft 365 alone, and why.
REFUSED = {"far future": "out_of_range", "before the epoch": "out_of_range"}


def test_poison_events_are_carried_or_refused_with_a_reason(firm: Running) -> None:
    """Absurd dates, 300 attendees, a body above 1 MB, control characters, emoji, right-to-left text, a very long
    subject: each ends in Practifi or stands alone with the reason that is true; no role ended, later events go on."""
    user, day = firm.users[0], firm.a_free_day()
    restarts = firm.env.roles.restarts
    made = {}
    for subject, more in POISON.items():
        made[subject] = firm.outlook.create(user.address, {**firm.meeting(subject, day), **more})["id"]
    made["an hour later"] = firm.outlook.create(
        user.address,
        {**firm.meeting("an hour later", day), "end": graph_time(day + timedelta(hours=2))},
    )["id"]
    for subject in made.keys() - REFUSED.keys():
        firm.record_of(made[subject])
    firm.settle()
    pairs: dict[str, PairState] = {s.graph.item.id: s for s in firm.pairs().values() if s.graph.item is not None}
    for subject, graph_id in made.items():
        state = pairs.get(graph_id)
        if state is None:
            assert subject in REFUSED, subject  # outside what is read at all
        elif subject in REFUSED:
            assert (state.status, state.reason) == (Status.NOT_SYNCED, REFUSED[subject])
        else:
            assert state.status is Status.SYNCED, (subject, state.reason)
    assert firm.env.roles.restarts == restarts
    assert all(firm.env.roles.is_running(role) for role in ROLES)
