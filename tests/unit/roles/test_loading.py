"""What a role loads at its start is left alone by the garbage collector."""

from __future__ import annotations

import gc
from contextlib import suppress

from concord.loading import loading


def test_what_is_loaded_is_not_looked_through_again() -> None:
    """No collection in the block; what it made is out of the collector's sight after, what comes later is not."""
    with loading():
        assert not gc.isenabled()
        made: list[object] = [[]]
    later: list[object] = [[]]
    assert gc.isenabled()
    seen = {id(one) for one in gc.get_objects()}
    assert id(made) not in seen
    assert id(later) in seen


def test_the_collector_works_again_when_loading_fails() -> None:
    """A configuration that is wrong is told by code that goes on."""
    with suppress(ValueError), loading():
        raise ValueError
    assert gc.isenabled()
