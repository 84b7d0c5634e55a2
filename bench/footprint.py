"""Memory and processor time of processes, as Linux counts them. Elsewhere nothing is known and the rows say so."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from concord.processes import RoleProcesses

PROC: Final = Path("/proc")
BROKER: Final = "Kafka broker"
OURSELVES: Final = "simulators, people, bench"

# Fields of a process's stat line after its name: user and system time, in ticks.
_USER_TIME, _SYSTEM_TIME = 11, 12


@dataclass(frozen=True)
class Footprint:
    """One process: resident memory now and at its highest in MiB, processor time so far in seconds; None: unknown."""

    now_mib: float | None = None
    peak_mib: float | None = None
    cpu_s: float | None = None


def read_footprint(status: str, stat: str, ticks_per_s: int) -> Footprint:
    """A process's `status` and `stat` files as a footprint. Pure."""

    def mib(name: str) -> float | None:
        found = re.search(rf"^{name}:\s+(\d+) kB$", status, re.MULTILINE)
        return int(found[1]) / 1024 if found else None

    # The name stands in brackets and may hold blanks.
    fields = stat.rpartition(")")[2].split()
    cpu_s = None
    if len(fields) > _SYSTEM_TIME:
        cpu_s = (int(fields[_USER_TIME]) + int(fields[_SYSTEM_TIME])) / ticks_per_s
    return Footprint(mib("VmRSS"), mib("VmHWM"), cpu_s)


def footprint(pid: int) -> Footprint:
    """The footprint of a process; nothing for one that is gone."""
    try:
        status, stat = ((PROC / str(pid) / name).read_text() for name in ("status", "stat"))
    except OSError:
        return Footprint()
    return read_footprint(status, stat, os.sysconf("SC_CLK_TCK"))


def footprints(roles: RoleProcesses) -> dict[str, Footprint]:
    """Each role, a Java broker that we started, and this process, which hosts the simulators."""
    rows = {role: footprint(roles.pid(role)) for role in roles.roles}
    broker = next((pid for pid in children(os.getpid()) if name_of(pid) == "java"), None)
    if broker is not None:
        rows[BROKER] = footprint(broker)
    rows[OURSELVES] = footprint(os.getpid())
    return rows


def cpu_shares(was: Mapping[str, Footprint], now: Mapping[str, Footprint], seconds: float) -> dict[str, float | None]:
    """Processor time of each process between two looks, as a share of one core; None where it cannot be told: not
    known, or the process was started anew meanwhile. Pure."""
    shares: dict[str, float | None] = {}
    for name, before in was.items():
        after = now.get(name, Footprint())
        is_known = before.cpu_s is not None and after.cpu_s is not None and after.cpu_s >= before.cpu_s
        shares[name] = ((after.cpu_s or 0.0) - (before.cpu_s or 0.0)) / seconds if is_known else None
    return shares


def children(pid: int) -> list[int]:
    """The processes that a process started."""
    lists = (PROC / str(pid) / "task").glob("*/children")
    return [int(child) for found in lists for child in found.read_text().split()]


def name_of(pid: int) -> str:
    """The short name of a process, "" when it is gone."""
    try:
        return (PROC / str(pid) / "comm").read_text().strip()
    except OSError:
        return ""
