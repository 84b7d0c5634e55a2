"""When deletions are so many that an operator is to look first (rule 7.20)."""

from __future__ import annotations

import pytest
from support.builders import firm_settings

from streams.bursts import is_burst, owners_in_burst


@pytest.mark.parametrize(
    ("removed", "known", "settings", "expected"),
    [
        (20, 100, {}, False),
        (21, 100, {}, True),
        (30, 300, {}, False),  # 10 % of the user's events is larger than 20
        (31, 300, {}, True),
        (31, 310, {}, False),
        (5, 5, {}, False),
        (5, 5, {"deletion_limit_events": 4, "deletion_limit_percent": 50}, True),
        (5, 10, {"deletion_limit_events": 4, "deletion_limit_percent": 50}, False),
        (9999, 9999, {"deletion_limit_events": 0}, False),
        (21, 9999, {"deletion_limit_percent": 0}, True),
    ],
)  # fmt: skip
@pytest.mark.rule("7.20")
def test_more_than_the_larger_of_number_and_share(
    removed: int, known: int, settings: dict[str, int], expected: bool
) -> None:
    """At the limit it is none yet; zero events is no limit at all."""
    assert is_burst(removed, known, firm_settings(**settings)) is expected


def test_each_owner_counts_alone_and_strangers_do_not() -> None:
    """Two users who tidy up at once are no burst; ids that were not alive are nobody's."""
    owners = {f"{owner}{n}": owner for owner in ("ann", "bob", "cleo") for n in range(30)}
    removed = [f"ann{n}" for n in range(20)] + [f"bob{n}" for n in range(21)] + [f"x{n}" for n in range(99)]
    assert owners_in_burst(removed, owners, firm_settings(), {}) == {"bob"}


def test_dates_of_one_series_count_once() -> None:
    """Whoever deletes a series of a hundred dates did one thing."""
    owners = {f"d{n}": "ann" for n in range(100)} | {f"s{n}": "ann" for n in range(30)}
    series = {f"d{n}": "master" for n in range(100)}
    assert owners_in_burst(series, owners, firm_settings(), series) == frozenset()
    removed = [*series, *(f"s{n}" for n in range(20))]
    assert owners_in_burst(removed[:-1], owners, firm_settings(), series) == frozenset()
    assert owners_in_burst(removed, owners, firm_settings(), series) == {"ann"}
