"""What a contender measures of itself, from its first record to the last one acknowledged, and how it says so."""

from __future__ import annotations

import json
import resource
import sys
import time
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Ran:
    """Seconds on the clock and of processor time, records that were sent, largest resident size in MiB."""

    name: str
    entries: int
    sent: int
    wall_s: float
    cpu_s: float
    memory_mib: float

    @property
    def per_s(self) -> float:
        """Entries per second of processor time: what others do on the machine meanwhile counts less."""
        return self.entries / self.cpu_s


class Stopwatch:
    """Begins at the first record. Counts what is done."""

    def __init__(self, name: str, entries: int) -> None:
        self.name = name
        self.entries = entries
        self.done = 0
        self.sent = 0
        self._wall = self._cpu = 0.0

    def begin(self) -> None:
        """Call it before each record; only the first counts."""
        if not self._wall:
            self._wall, self._cpu = time.monotonic(), time.process_time()

    @property
    def is_over(self) -> bool:
        """Whether every entry was handled."""
        return self.done >= self.entries

    def tell(self) -> None:
        """Print what was measured as one line of JSON."""
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        wall, cpu = time.monotonic() - self._wall, time.process_time() - self._cpu
        print(json.dumps(asdict(Ran(self.name, self.done, self.sent, wall, cpu, memory))), flush=True)


def arguments() -> tuple[str, int, str]:
    """Broker, number of entries, a folder of one's own: what each contender is started with."""
    broker, entries, folder = sys.argv[1:]
    return broker, int(entries), folder
