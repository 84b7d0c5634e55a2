"""Frozen values changed by copying: what `dataclasses.replace` gives, without running the constructor again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # so that mypy checks each call's members
    from dataclasses import replace as replace
else:

    def replace(value: Any, /, **changes: Any) -> Any:
        """A copy of a frozen dataclass with other members. Raises TypeError for a member that it does not have.

        For values without `__post_init__`, slots or `InitVar`, as all of ours are. A fold spends most of its time here:
        the constructor sets every member of a frozen value through a call of its own.
        """
        kind = type(value)
        members = value.__dict__
        changed = members | changes
        if len(changed) != len(members):
            raise TypeError(f"{kind.__name__} has no {', '.join(sorted(changes.keys() - members.keys()))}.")
        copy = object.__new__(kind)
        object.__setattr__(copy, "__dict__", changed)
        return copy
