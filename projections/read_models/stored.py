"""Values of a row that are more than text or a number: JSON, and the same without what is private. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, Final, TypeVar

from cattrs.preconf.json import make_converter

from projections.timeline import Difference, Moment, shown
from projections.wording import HIDDEN, PRIVATE_GROUPS
from schemas.commands import Decision, PredictedMail

T = TypeVar("T")

_CONVERTER: Final = make_converter()


def text_of(value: Any) -> str:
    """A frozen value as JSON text; the same value always gives the same text."""
    return json.dumps(_CONVERTER.unstructure(value), sort_keys=True, separators=(",", ":"))


def value_of(kind: type[T], text: str) -> T:
    """The frozen value of a JSON text."""
    return _CONVERTER.structure(json.loads(text), kind)


def hidden_moment(text: str) -> str:
    """A stored moment as it may be shown once its pair is private."""
    moment = value_of(Moment, text)
    outcome = moment.outcome
    if outcome is not None:
        outcome = replace(outcome, message=hidden_text(outcome.message), warning=hidden_text(outcome.warning))
    return text_of(
        replace(
            moment,
            holds=tuple((group, HIDDEN if group in PRIVATE_GROUPS else words) for group, words in moment.holds),
            differences=tuple(_hidden_difference(one) for one in moment.differences),
            outcome=outcome,
        )
    )


def _hidden_difference(one: Difference) -> Difference:
    return Difference(one.group, HIDDEN, HIDDEN) if one.group in PRIVATE_GROUPS else one


def hidden_decision(text: str) -> str:
    """A stored decision, hidden in the same way."""
    return text_of(shown(value_of(Decision, text), True))


def mails_text(mails: Iterable[PredictedMail], *, hide: bool) -> str:
    """Predicted mails as JSON: [kind, address]."""
    return text_of([[mail.kind, HIDDEN if hide else mail.address] for mail in mails])


def hidden_mails(text: str) -> str:
    """Stored mails without their addresses."""
    return text_of([[kind, HIDDEN] for kind, _ in json.loads(text)])


def hidden_text(text: str) -> str:
    """Text of a private event; nothing stays nothing."""
    return HIDDEN if text else ""
