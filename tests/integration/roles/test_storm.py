"""Bad days: every role killed again and again while people work, the broker stalls and both services misbehave.

At the end nothing is lost, nothing is there twice, both sides are equal, and exactly the predicted mails were sent.
`make soak` repeats the storm CONCORD_SOAK_ROUNDS times and prints what the guard found and healed.
"""

from __future__ import annotations

import os
import random
import re
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from integration.guard.lab import stalling
from support.crowd import Crowd
from support.running import Running

from concord import processes
from concord.lag import read_lag
from concord.processes import ROLES
from schemas.commands import Outcome
from schemas.topics import SYNC_OUTCOMES

pytestmark = [pytest.mark.broker, pytest.mark.long]

SEED = int(os.environ.get("SEED", "11"))
# Kills of each role in one storm.
KILLS = 5
# Time between two rounds of kills, in seconds: roles need about four to come back on a stalling broker.
WORK_S = 7.0
# How long the services go on failing after the last kill, in seconds.
AFTERWARDS_S = 5.0
# Changes by people a second.
LOAD = 3.0

# Concord names mailboxes by id and writes records through the composite resources; people do neither.
OUR_EVENTS = "/users/[0-9a-f-]{36}/events"
OUR_RECORDS = "/composite"
FAULTS = {
    "graph": (
        {"path": OUR_EVENTS, "status": 429, "headers": {"Retry-After": "1"},
         "body": {"error": {"code": "TooManyRequests", "message": "Too many requests."}}},
        {"path": OUR_EVENTS, "status": 503, "body": {"error": {"code": "serviceNotAvailable", "message": "Later."}}},
        {"path": OUR_EVENTS, "status": 504, "after_effect": True},
        {"path": OUR_EVENTS, "cut": "before"},
        {"path": OUR_EVENTS, "cut": "after"},
        {"path": OUR_EVENTS, "status": 401,
         "body": {"error": {"code": "InvalidAuthenticationToken", "message": "Access token has expired."}}},
    ),
    "salesforce": (
        {"path": OUR_RECORDS, "status": 503,
         "body": [{"errorCode": "SERVER_UNAVAILABLE", "message": "Server is unavailable."}]},
        {"path": OUR_RECORDS, "status": 502, "body": "<html>Bad gateway</html>", "after_effect": True},
        {"path": OUR_RECORDS, "cut": "before"},
        {"path": OUR_RECORDS, "cut": "after"},
    ),
}  # fmt: skip


@dataclass
class Weather:
    """What a storm did: changes by people, commands answered while it lasted, how often each fault struck, and what the
    roles' logs tell of it."""

    acts: int = 0
    answered: int = 0
    struck: Counter[str] = field(default_factory=Counter)
    logged: Counter[str] = field(default_factory=Counter)


def planned_on(url: str) -> dict[str, Any]:
    """The faults planned on a simulator, and how many strikes are pending."""
    planned: dict[str, Any] = httpx.get(f"{url}/_sim/faults", timeout=30, trust_env=False).json()
    return planned


@contextmanager
def misbehaving(firm: Running, weather: Weather, chance: random.Random, every_s: float) -> Iterator[None]:
    """Plan a fault of either service in turn, again and again; sessions end as well."""
    ended = threading.Event()
    sides = {"graph": firm.env.simulators.graph_hosted.url, "salesforce": firm.env.simulators.salesforce_hosted.url}

    def plan() -> None:
        while not ended.wait(every_s):
            for side, faults in FAULTS.items():
                if not planned_on(sides[side])["pending"]:  # a heap of them would strike all at once
                    firm.control(side, "faults", chance.choice(faults))
            if chance.random() < 0.2:
                firm.control("salesforce", "expire-tokens")

    planner = threading.Thread(target=plan, name="faults")
    planner.start()
    try:
        yield
    finally:
        ended.set()
        planner.join()
        for side, url in sides.items():
            for planned in planned_on(url)["faults"]:
                kind = f"cut {planned['cut']} effect" if planned["cut"] else str(planned["status"])
                weather.struck[f"{side} {kind}"] += planned["struck"]
            httpx.delete(f"{url}/_sim/faults", trust_env=False)


def kill_all(firm: Running, chance: random.Random, kills: int) -> None:
    """Kill every role so often: all within a second or two, then time to come back and be in the middle of work."""
    for _ in range(kills):
        time.sleep(WORK_S)
        for role in chance.sample(sorted(ROLES), len(ROLES)):
            time.sleep(chance.uniform(0.0, 0.4))
            firm.until(lambda role=role: firm.env.roles.is_running(role), f"{role} to come back")
            firm.env.roles.kill(role)


LOGGED = {
    "holes": re.compile(r"hole, offsets (\d+) to (\d+)"),
    "stalls": re.compile(r"Faust does not deliver offsets (\d+) to (\d+)"),
}


def told_by_logs(firm: Running) -> Counter[str]:
    """Holes and stalls that the guard found so far, the records it read back, and processes that ended themselves."""
    counts: Counter[str] = Counter()
    for role in ROLES:
        for line in firm.log_of(role):
            for name, words in LOGGED.items():
                found = words.search(line["message"])
                if found:
                    counts[name] += 1
                    counts["records read back"] += int(found[2]) - int(found[1]) + 1
            counts["ended themselves"] += line["message"].startswith("ending the process")
            counts["quarantined"] += "goes to quarantine" in line["message"]
    return counts


def storm(firm: Running, seed: int, kills: int) -> Weather:
    """People at work, kills, stalls and faults, then calm until everything is settled."""
    weather, chance = Weather(), random.Random(seed)
    before, answered = told_by_logs(firm), len(firm.decoded(Outcome, SYNC_OUTCOMES))
    crowd = Crowd(firm, seed, f"Storm {seed}")
    with pytest.MonkeyPatch.context() as quick, misbehaving(firm, weather, chance, 1.0):
        quick.setattr(processes, "RESTART_S", (processes.RESTART_S[0], 0.5))  # a long wait would keep killed roles away
        with crowd.at_work(LOAD), stalling(firm.env.broker):
            kill_all(firm, chance, kills)
        weather.answered = len(firm.decoded(Outcome, SYNC_OUTCOMES)) - answered
        time.sleep(AFTERWARDS_S)
    firm.come_to_agreement(180)
    weather.logged = told_by_logs(firm) - before
    weather.acts = crowd.acts.total()
    assert weather.acts > kills * len(ROLES)
    return weather


def assert_whole(firm: Running) -> None:
    """Both sides equal, nothing twice, mails as predicted, nothing left to fold. Repeats go on coming in all the while:
    the delta names changes again that were read before."""
    firm.assert_agreement()
    firm.assert_no_duplicates()
    firm.assert_mails_as_predicted()
    firm.until(lambda: not any(row.records_behind for row in read_lag(firm.broker)), "no lag of any group")


def test_killed_roles_a_stalling_broker_and_failing_services_lose_and_double_nothing(firm: Running) -> None:
    """SIGKILL for each role, five times, under load; the broker frozen 250 ms of every 400; answers throttled, refused
    and lost before and after their effect. In the end both sides are equal and everybody got the mails predicted."""
    if not firm.env.broker.is_controllable:
        pytest.skip("a broker given by address is not ours to freeze")
    weather = storm(firm, SEED, KILLS)
    assert_whole(firm)
    assert weather.struck.total() > 0
    firm.assert_quiet(5.5)


def test_a_broker_that_dies_and_comes_back_loses_and_doubles_nothing(firm: Running) -> None:
    """The broker is killed under load and started again on its data; people go on working meanwhile. Every role comes
    back by itself, and everything holds."""
    if not firm.env.broker.is_controllable:
        pytest.skip("a broker given by address is not ours to kill")
    crowd = Crowd(firm, SEED, "Outage")
    with crowd.at_work(LOAD):
        time.sleep(3.0)
        firm.env.broker.kill()
        time.sleep(2.0)
        firm.env.broker.restart()
        time.sleep(3.0)
    firm.come_to_agreement(180)
    assert_whole(firm)


@pytest.mark.soak
@pytest.mark.timeout(0)
def test_soak(firm: Running, capsys: pytest.CaptureFixture[str]) -> None:
    """The storm again and again on the same log; after each round everything holds."""
    for number in range(int(os.environ.get("CONCORD_SOAK_ROUNDS", "1"))):
        began = time.monotonic()
        weather = storm(firm, SEED + number, KILLS)
        assert_whole(firm)
        with capsys.disabled():
            told = ", ".join(f"{weather.logged[name]} {name}" for name in ("holes", "stalls", "records read back"))
            faults = ", ".join(f"{count} x {kind}" for kind, count in sorted(weather.struck.items()) if count)
            sys.stdout.write(
                f"round {number + 1}: {weather.acts} changes, {KILLS * len(ROLES)} kills, {weather.answered} commands "
                f"answered meanwhile, {told}, "
                f"{weather.logged['ended themselves']} ended themselves; faults: {faults}; "
                f"whole after {time.monotonic() - began:.0f} s\n"
            )
            sys.stdout.flush()
