"""One seeded run: people act, faults strike, Concord works; then all calms down and every promise is checked."""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Final
from unittest.mock import patch

from simulation import faults
from simulation.faults import STAGES, crash
from simulation.guarded import POINTS
from simulation.invariants import INVARIANTS
from simulation.listening import listening
from simulation.mutants import NONE, Mutant
from simulation.outcome import Ending, read_ending
from simulation.people import clash
from simulation.remembered import remembered
from simulation.series import Series
from simulation.world import World

ROUNDS_MAX: Final = 60
"""Rounds of reading in which a firm must come to rest once nothing changes any more."""
EVENTS_MAX: Final = 60_000
"""What may happen in one such round."""


@dataclass
class Report:
    """What one run showed. `problems` is empty when every invariant held."""

    seed: int
    problems: list[str] = field(default_factory=list)
    tally: Counter[str] = field(default_factory=Counter)
    counts: Counter[str] = field(default_factory=Counter)
    trace: list[str] = field(default_factory=list)


def run(seed: int, steps: int = 200, mutant: Mutant = NONE, often: tuple[str, ...] = ()) -> Report:
    """One run. The same arguments give the same run. Acts named in `often` happen five times as often as usual."""
    with mutant.planted(), remembered(), collecting_rarely(), ExitStack() as stack:
        world = World(seed, mutant)
        stack.enter_context(patch("concord.roles.sinks.datetime", SimpleNamespace(now=lambda _: world.now())))
        stack.enter_context(listening(world.logs))
        report = Report(seed, trace=world.trace, tally=world.faults.tally, counts=world.counts)
        try:
            weights = {name: weight * (5 if name in often else 1) for name, (weight, _) in ACTS.items()}
            for _ in range(steps):
                step(world, weights)
            calm_down(world)
            ending = read_ending(world)
            for name, check in INVARIANTS:
                report.problems += _broken(name, check, ending)
        except Unsettled as endless:
            report.problems.append(f"I2 quiet: {endless}")
        return report


@contextmanager
def collecting_rarely() -> Iterator[None]:
    """A run is short and makes few cycles: looking for them at the usual pace takes a fifth of its time."""
    usual = gc.get_threshold()
    gc.set_threshold(200_000, 20, 100)
    try:
        yield
    finally:
        gc.set_threshold(*usual)


def _broken(name: str, check: Callable[[Ending], list[str]], ending: Ending) -> list[str]:
    """What breaks one invariant. A check that cannot even look (a fold that fails) counts as broken too."""
    try:
        return [f"{name}: {problem}" for problem in check(ending)]
    except Exception as error:  # noqa: BLE001  # whatever it is, the run has failed and says so
        return [f"{name}: the check itself failed with {error!r}"]


class Unsettled(Exception):
    """The firm does not come to rest."""


def step(world: World, weights: dict[str, float]) -> None:
    """Somebody does something, or something goes wrong; then Concord works for a while."""
    name = world.rng.choices(list(weights), list(weights.values()))[0]
    world.diary.number += 1
    text = ACTS[name][1](world)
    if text:
        world.note(f"{world.diary.number:3}  {text}")
        world.counts[name] += 1
    world.clock.advance(world.rng.choice((0.2, 1.0, 3.0, 20.0)))
    world.pump(world.rng.choice((0, 5, 15, 40, 80)))


def calm_down(world: World) -> None:
    """No more faults, no more acts: read and work until two rounds in a row change nothing. Raises Unsettled."""
    world.faults.is_on = False
    world.services.calm_down()
    if world.settings.shadow:
        world.change_setting("shadow", "off", confirms=True)
    world.note("--- calm")
    quiet = 0
    for _ in range(ROUNDS_MAX):
        before = world.progress
        settle(world)
        quiet = quiet + 1 if world.progress == before and world.is_idle else 0
        if quiet == 2:
            return
    raise Unsettled(f"still busy after {ROUNDS_MAX} rounds of reading")


def settle(world: World) -> None:
    """Time passes, everything is looked at, and Concord works until nothing is left to do. Raises Unsettled."""
    world.clock.advance(180)
    world.wake_all("timer")
    for _ in range(EVENTS_MAX):
        if not world.advance():
            return
    raise Unsettled(f"more than {EVENTS_MAX} events in one round")


# --- what happens ---------------------------------------------------------------------------------------------


def _arm_crash(world: World) -> str:
    possible = [(stage, point) for stage in STAGES for point in POINTS if crash(stage, point) not in faults.IMPOSSIBLE]
    world.armed = world.rng.choice(possible)
    return ""


def _repeat(world: World) -> str:
    process = world.rng.choice(world.processes)
    process.disturb()
    if world.rng.choice(process.partitions).repeat():
        world.faults.count(faults.REPEATED)
    return ""


def _jump(world: World) -> str:
    process = world.rng.choice(world.processes)
    process.disturb()
    consumer = world.rng.choice(list(process.consumers.values()))
    if consumer.jump(world.rng):
        world.faults.count(faults.JUMP)
    return ""


def _commit(world: World) -> str:
    for process in world.processes:
        for (agent, number), consumer in process.consumers.items():
            if world.rng.random() < 0.5:
                consumer.commit()
                if consumer.committed - 1 > process.partition(agent, number).position:
                    world.faults.count(faults.COMMIT_AHEAD)
    return ""


def _restart(world: World) -> str:
    process = world.rng.choice(world.processes)
    fault = world.rng.choice(("", "rewind", "rewind", "hole"))
    process.crash(world.rng, fault=fault)
    return f"{process.name} is killed{' and begins again with a ' * bool(fault)}{fault}"


def _sweep(world: World) -> str:
    partitions = [one for one in world.process("reconcile").partitions if one.agent.name == "reconcile"]
    world.process("reconcile").disturb()
    sent = world.rng.choice(partitions).tick(world.sweep)
    world.faults.tally[faults.SWEPT] += sent
    return f"the sweep sends {sent} commands again" if sent else ""


def _timer(world: World) -> str:
    world.wake_all("timer")
    return ""


def _time(world: World) -> str:
    world.clock.advance(world.rng.choice((60, 600, 3600)))
    return ""


SETTINGS: Final = {
    "sync_internal_events": ("on", "off"),
    "sync_private_events": ("on", "off"),
    "sync_unmatched_events": ("on", "off"),
    "send_invitations": ("on", "off"),
    "delete_from_microsoft": ("on", "off"),
    "delete_from_practifi": ("on", "off"),
    "conflict_scope": ("field", "record"),
    "shadow": ("on", "off", "off"),
    "outbound_origins": ("ui", "ui", "ui,unknown", "ui,api"),
    "direction": ("two_way", "two_way", "microsoft_to_practifi", "practifi_to_microsoft"),
    "invitation_limit_per_write": ("0", "1", "2"),
    "invitation_limit_per_hour": ("0", "3", "9"),
    "deletion_limit_events": ("0", "2", "20"),
    "deletion_limit_percent": ("0", "10", "50"),
    "commencement_date": ("2025-09-01", "2026-02-15", "2026-03-01"),
    "inbound_years": ("0", "1", "2", "10"),
    "outbound_months": ("0", "1", "2", "24"),
}


def _setting(world: World) -> str:
    name = world.rng.choice(list(SETTINGS))
    value = world.rng.choice(SETTINGS[name])
    if world.settings.preflight_at is None and world.extra.random() < 0.7:  # that is what this firm is about to do
        name, value = ("shadow", "off") if world.settings.shadow else ("direction", "two_way")
    return world.change_setting(name, value)


def _user(world: World) -> str:
    return world.switch_user(world.rng.choice(world.services.people).mailbox)


def _correct(world: World) -> str:
    """Two saves that Salesforce may stamp alike; at times intake meets both again after they were carried."""
    world.clock.advance(1 - world.now().microsecond / 1_000_000)
    text = world.practifi.correct(lambda: world.glance("salesforce source", "Event"))
    if text and world.faults.strikes(0.5):
        world.pump(1000)
        world.process("reconcile").crash(world.rng, fault="rewind")
        text += ", and intake reads it again"
    return text


def _by_software(act: Callable[[World], str]) -> Callable[[World], str]:
    """An act in Practifi that is no person's: an import, or another program."""

    def by_software(world: World) -> str:
        world.diary.origin = world.rng.choice(("api", "bulk"))
        text = act(world)
        how, world.diary.origin = world.diary.origin, "ui"
        return f"{text}, by way of {how}" if text else ""

    return by_software


def _told(act: Callable[[World], str]) -> Callable[[World], str]:
    """An act in Outlook, of which notifications tell."""

    def told(world: World) -> str:
        text = act(world)
        for person in world.services.people:
            if world.rng.random() < 0.35:
                world.notify(person.mailbox)
        return text

    return told


def _on_series(name: str) -> Callable[[World], str]:
    return _told(lambda world: world.series.acts()[name][1]())


SERIES_ACTS: Final = {name: (often, _on_series(name)) for name, (often, _) in Series(None).acts().items()}


ACTS: Final[dict[str, tuple[float, Callable[[World], str]]]] = {
    "made in Outlook": (7, _told(lambda world: world.outlook.create())),
    "made in Practifi": (6, lambda world: world.practifi.create()),
    "edited in Outlook": (9, _told(lambda world: world.outlook.edit())),
    "edited in Practifi": (9, lambda world: world.practifi.edit()),
    "corrected in Practifi": (3, _correct),
    "imported into Practifi": (1.5, _by_software(lambda world: world.practifi.create())),
    "edited by software": (1.5, _by_software(lambda world: world.practifi.edit())),
    "edited on both sides": (5, _told(lambda world: clash(world.outlook, world.practifi, world.rng))),
    "deleted in Outlook": (2.5, _told(lambda world: world.outlook.delete())),
    "deleted in Practifi": (2.5, lambda world: world.practifi.delete()),
    "cleared in Outlook": (0.7, _told(lambda world: world.outlook.clear())),
    "cleared in Practifi": (0.7, lambda world: world.practifi.clear()),
    "restored in Practifi": (1, lambda world: world.restore_in_practifi()),
    "copied in Outlook": (1.5, _told(lambda world: world.outlook.copy())),
    "answered": (2, _told(lambda world: world.outlook.respond())),
    "operator retries": (0.5, lambda world: world.operator_retries()),
    "operator undoes": (2, lambda world: world.operator_undoes()),
    "operator decides": (4, lambda world: world.operator_decides()),
    "settings": (0.6, _setting),
    "users": (0.4, _user),
    "crash": (9, _arm_crash),
    "kill": (1, _restart),
    "repeat": (3, _repeat),
    "jump": (3, _jump),
    "commit": (8, _commit),
    "sweep": (1.5, _sweep),
    "timer": (5, _timer),
    "time": (3, _time),
    "delta token": (1, lambda world: world.drop_delta_tokens()),
    **SERIES_ACTS,
    "poison": (0.5, lambda world: world.poison_topic()),
    "overlap": (2, lambda world: world.reopen_overlap()),
}


__all__ = ["ACTS", "Report", "run"]
