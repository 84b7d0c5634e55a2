"""Errors say what is wrong and what to do, and the drawn tree is the real one."""

from __future__ import annotations

import re

import pytest

from schemas import errors
from schemas.errors import ConcordError, ConfigError, ServiceError, Throttled, Unavailable

TREE = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, ConcordError)]


def test_tree_in_the_module_text_names_every_error() -> None:
    """Whoever reads the top of the file sees all there is."""
    drawn = set(re.findall(r"[─ ](\w+)\s", errors.__doc__ or "")) | {"ConcordError"}
    assert {kind.__name__ for kind in TREE} <= drawn


@pytest.mark.parametrize("kind", [kind for kind in TREE if issubclass(kind, ServiceError)])
def test_service_error_carries_code_and_status(kind: type[ServiceError]) -> None:
    """The service's own word and HTTP status stay with the error."""
    error = kind("What.", 3.0, code="Busy", status=503) if kind is Throttled else kind("What.", code="Busy", status=503)
    assert (error.what, error.code, error.status) == ("What.", "Busy", 503)


def test_text_is_the_problem_then_the_advice() -> None:
    """One line for a person: what, then fix."""
    assert str(ConcordError("It broke.", "Mend it.")) == "It broke. Mend it."
    assert str(ConcordError("It broke.")) == "It broke."
    assert str(ConfigError(["a is wrong", "b is missing"], "Nothing was started.")) == (
        "a is wrong; b is missing. Nothing was started."
    )


def test_unclear_answer_counts_as_sent() -> None:
    """Unless somebody knows better, a broken connection may have had its effect."""
    assert Unavailable("Reset.").was_sent
    assert Throttled("Slow down.", 12.5).wait_s == 12.5
