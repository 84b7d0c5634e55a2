"""Both services' data in one file, from one start to the next."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Protocol

from schemas.errors import ConfigError
from simulators.clock import SimulatorClock

FORMAT: Final = 1


class Dumping(Protocol):
    """A service whose data can be taken out and put back."""

    def dump(self) -> dict[str, Any]:
        """Everything it holds, as JSON values."""

    def load(self, state: dict[str, Any]) -> None:
        """Replace everything by what `dump` returned."""


Parts = dict[str, tuple[Dumping, SimulatorClock]]
"""Services and their clocks by name."""


def save(path: Path, parts: Parts) -> None:
    """Write every part's data and how far its clock was moved. The file is replaced in one step."""
    now = datetime.now(UTC)
    value = {
        "format": FORMAT,
        "saved_at": now.isoformat(),
        "services": {
            name: {"clock_offset_s": (clock.now() - now).total_seconds(), "state": service.dump()}
            for name, (service, clock) in parts.items()
        },
    }
    partial = path.with_name(f"{path.name}.partial")
    with partial.open("w", encoding="utf-8") as handle:
        json.dump(value, handle, separators=(",", ":"))
        handle.flush()
        os.fsync(handle.fileno())
    partial.replace(path)


def load(path: Path, parts: Parts) -> bool:
    """Put the data of `path` into the parts; False when there is no such file. Raises ConfigError for another file."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return False
    except (OSError, ValueError) as problem:
        raise ConfigError([f"{path} cannot be read: {problem}"], "Name another file for --persist.") from None
    try:
        if value["format"] != FORMAT:
            raise ConfigError([f"{path} has format {value['format']}, not {FORMAT}"], "Start with a new file.")
        for name, (service, clock) in parts.items():
            part = value["services"][name]
            clock.advance(part["clock_offset_s"])
            service.load(part["state"])
    except (KeyError, TypeError, ValueError, AttributeError) as problem:
        what = f"{path} is no file that the simulators saved: {type(problem).__name__} {problem}"
        raise ConfigError([what], "Name another file for --persist.") from None
    return True
