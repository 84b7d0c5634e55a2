"""People who work in Outlook and in Practifi at the same time, a few changes a second, not looking at each other."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from support.running import Running, invited

from concord.comparison import EXTERNAL_ID, INVITES
from concord.demo_players import graph_time, practifi_time
from schemas.settings import UserSetting

SHOW_AS = (("busy", "Busy"), ("free", "Free"), ("tentative", "Tentative"), ("oof", "Out of Office"))
# What a service says of an item that somebody else just deleted.
GONE = (": 404 ", "ENTITY_IS_DELETED")


@dataclass
class Known:
    """One event as the crowd knows it; the id on the other side is looked up when it is there."""

    number: int
    user: UserSetting
    graph_id: str = ""
    record_id: str = ""


class Crowd:
    """Seeded: the same seed makes the same choices. Each event keeps a number of its own in its subject."""

    def __init__(self, firm: Running, seed: int, name: str) -> None:
        self._firm = firm
        self._chance = random.Random(seed)
        self._name = name
        self._known: list[Known] = []
        self._made = 0
        self._day = firm.a_free_day()
        self.acts: Counter[str] = Counter()
        self.problem: BaseException | None = None

    @contextmanager
    def at_work(self, per_second: float) -> Iterator[None]:
        """Act all the while, in the background. What went wrong is raised at the end."""
        ended = threading.Event()

        def work() -> None:
            try:
                while not ended.wait(1 / per_second):
                    self.act()
            except BaseException as problem:
                self.problem = problem
                raise

        worker = threading.Thread(target=work, name="crowd")
        worker.start()
        try:
            yield
        finally:
            ended.set()
            worker.join()
        if self.problem is not None:
            raise self.problem

    def act(self) -> None:
        """One act of somebody."""
        acts = [self._create_in_outlook, self._create_in_practifi]
        if len(self._known) >= 4:
            edits: list[Callable[[], None]] = [self._edit_in_outlook, self._edit_in_practifi, self._edit_on_both]
            acts = [*acts, *edits, *edits, self._delete_in_outlook, self._delete_in_practifi]
        chosen = self._chance.choice(acts)
        self.acts[chosen.__name__.strip("_")] += 1
        try:
            chosen()
        except RuntimeError as problem:
            if not any(words in str(problem) for words in GONE):
                raise

    # --- acts -------------------------------------------------------------------------------------------------

    def _create_in_outlook(self) -> None:
        user, number = self._somebody(), self._next()
        meeting = self._firm.meeting(self._subject(number), self._time(), self._chance.randint(0, 2))
        if self._chance.random() < 0.3:
            colleague = self._chance.choice([one for one in self._firm.users if one is not user])
            meeting["attendees"].append(invited(colleague.name, colleague.address))
        made = self._firm.outlook.create(user.address, meeting)
        self._known.append(Known(number, user, graph_id=made["id"]))

    def _create_in_practifi(self) -> None:
        user, number = self._somebody(), self._next()
        people = tuple(one[0] for one in self._chance.sample(self._firm.people, self._chance.randint(0, 2)))
        entry = self._firm.entry(self._subject(number), self._time(), user, **{INVITES: bool(people)})
        record_id = self._firm.practifi.create(entry)  # the weather strikes whoever saves several records in one call
        self._firm.practifi.invite(record_id, people)
        self._known.append(Known(number, user, record_id=record_id))

    def _edit_in_outlook(self) -> None:
        one = self._chance.choice(self._known)
        graph_id = self._graph_id(one)
        if graph_id:
            self._firm.outlook.edit(one.user.address, graph_id, self._outlook_changes(one))

    def _edit_in_practifi(self) -> None:
        one = self._chance.choice(self._known)
        record_id = self._record_id(one)
        if record_id:
            self._firm.practifi.edit(record_id, self._practifi_changes(one))

    def _edit_on_both(self) -> None:
        one = self._chance.choice(self._known)
        graph_id, record_id = self._graph_id(one), self._record_id(one)
        if graph_id and record_id:
            self._firm.practifi.edit(record_id, self._practifi_changes(one))
            self._firm.outlook.edit(one.user.address, graph_id, self._outlook_changes(one))

    def _delete_in_outlook(self) -> None:
        one = self._known.pop(self._chance.randrange(len(self._known)))
        graph_id = self._graph_id(one)
        if graph_id:
            self._firm.outlook.delete(one.user.address, graph_id)

    def _delete_in_practifi(self) -> None:
        one = self._known.pop(self._chance.randrange(len(self._known)))
        record_id = self._record_id(one)
        if record_id:
            self._firm.practifi.delete(record_id)

    # --- choices ----------------------------------------------------------------------------------------------

    def _somebody(self) -> UserSetting:
        return self._chance.choice(self._firm.users)

    def _next(self) -> int:
        self._made += 1
        return self._made

    def _subject(self, number: int) -> str:
        return f"{self._name} {number} {self._word()}"

    def _word(self) -> str:
        return "".join(self._chance.choices("abcdefghijklmnop", k=6))

    def _time(self) -> datetime:
        return self._day + timedelta(minutes=15 * self._chance.randrange(1000))

    def _graph_id(self, one: Known) -> str:
        if not one.graph_id:
            one.graph_id = str((self._firm.practifi.get(one.record_id) or {}).get(EXTERNAL_ID) or "")
        return one.graph_id

    def _record_id(self, one: Known) -> str:
        if not one.record_id:
            one.record_id = str((self._firm.practifi.with_external_id(one.graph_id) or {}).get("Id") or "")
        return one.record_id

    def _outlook_changes(self, one: Known) -> dict[str, Any]:
        start = self._time()
        people = self._chance.sample(self._firm.people, self._chance.randint(0, 2))
        return self._chance.choice(
            [
                {"subject": self._subject(one.number)},
                {"body": {"contentType": "text", "content": self._word()}},
                {"location": {"displayName": self._word()}},
                {"showAs": self._chance.choice(SHOW_AS)[0]},
                {"start": graph_time(start), "end": graph_time(start + timedelta(minutes=45))},
                {"attendees": [invited(name, address) for _, name, address in people]},
                {"isReminderOn": True, "reminderMinutesBeforeStart": self._chance.choice((5, 30, 90))},
            ]
        )

    def _practifi_changes(self, one: Known) -> dict[str, Any]:
        start = self._time()
        return self._chance.choice(
            [
                {"Subject": self._subject(one.number)},
                {"Description": self._word()},
                {"Location": self._word()},
                {"practifi__Show_Time_As__c": self._chance.choice(SHOW_AS)[1]},
                {
                    "StartDateTime": practifi_time(start),
                    "EndDateTime": practifi_time(start + timedelta(minutes=45)),
                },
            ]
        )
