"""How the firm stands per user: a count of the pairs' states."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from support.history import History, whole_day
from support.simulation_pairs import OWNER, START, agreed_pair, content

from projections.overview import NOBODY, Standing, overview, total
from schemas.settings import UserSetting
from schemas.state import PairState, Status


def stand(history: History) -> list[Standing]:
    """The overview of a history, with the reasons on record."""
    observed = {entry.pair_key: entry.observed_at for _, _, entry in history.entries}
    return overview(history.partition.pairs.values(), history.settings, observed, lambda state: state.reason)


def test_statuses_are_counted_per_user_with_their_reasons() -> None:
    """A synced, a pending, a refused and two left-out events of one user are five counts, and the reasons are kept."""
    [ann] = stand(whole_day())
    assert ann.address == "ann@firm.example"
    assert ann.statuses == {Status.SYNCED: 1, Status.PENDING: 1, Status.ERROR: 1, Status.NOT_SYNCED: 2}
    assert ann.in_scope == 3
    assert ann.reasons == {"private_off": 1, "draft": 1}
    assert ann.errors == {"FIELD_CUSTOM_VALIDATION_EXCEPTION": 1}


def test_freshness_is_the_last_entry_and_waiting_the_oldest_command() -> None:
    """Both are times of the journal, not of the items."""
    [ann] = stand(whole_day())
    assert ann.observed_at == START + timedelta(seconds=50)
    assert ann.oldest_pending == START + timedelta(seconds=40)


def test_a_user_without_events_is_listed() -> None:
    """Everyone the settings name has a row."""
    history = History()
    bob = UserSetting("mailbox-bob", "bob@firm.example", "005BOB", "Bob")
    history.settings = replace(history.settings, users=(*history.settings.users, bob))
    assert [(row.address, sum(row.statuses.values())) for row in stand(history)] == [
        ("ann@firm.example", 0),
        ("bob@firm.example", 0),
    ]


def test_events_of_people_outside_the_settings_come_last() -> None:
    """A Practifi event whose owner is not known counts, under nobody's name."""
    history = whole_day()
    history.salesforce("s:X", "X", replace(content("Stranger's"), owner_id="005NOBODY"), at=60)
    rows = stand(history)
    assert [row.address for row in rows] == ["ann@firm.example", NOBODY]
    assert sum(rows[-1].statuses.values()) == 1


def test_a_practifi_event_counts_for_its_owner() -> None:
    """Without an event in Microsoft 365 the owner in Practifi decides whose it is."""
    history = History()
    history.salesforce("s:X", "X", replace(content("Own"), owner_id=OWNER), at=1)
    [ann] = stand(history)
    assert sum(ann.statuses.values()) == 1


def test_pairs_that_are_gone_on_both_sides_count_for_nothing() -> None:
    """A deleted event is neither synced nor left out."""
    history = History()
    key = agreed_pair(history)
    step = history.graph(key, "G", None, at=5)
    history.answer(step.commands[0], at=6)
    assert history.pair(key).salesforce.item is None
    [ann] = stand(history)
    assert sum(ann.statuses.values()) == 0


def test_a_deletion_under_way_counts_as_pending_for_its_owner() -> None:
    """Until the service has confirmed it, the pair is open."""
    history = History()
    key = agreed_pair(history)
    history.graph(key, "G", None, at=5)
    [ann] = stand(history)
    assert ann.statuses == {Status.PENDING: 1}


def test_total_sums_counts_and_takes_the_extremes() -> None:
    """The newest news and the oldest command of all."""
    history = whole_day()
    history.salesforce("s:X", "X", replace(content("Stranger's"), owner_id="005NOBODY"), at=60)
    rows = stand(history)
    whole = total(rows)
    assert sum(whole.statuses.values()) == 6
    assert whole.observed_at == START + timedelta(seconds=60)
    assert whole.oldest_pending == START + timedelta(seconds=40)


def test_total_of_nothing_is_nothing() -> None:
    """A firm without users has a total all the same."""
    whole = total([])
    assert (whole.in_scope, whole.observed_at, whole.oldest_pending) == (0, None, None)


def test_reason_comes_from_the_caller() -> None:
    """What a pair is counted under is the caller's to say: settings may have changed since the pair was decided."""
    history = whole_day()
    rows = overview(
        history.partition.pairs.values(), history.settings, {}, lambda state: "other" if is_left_out(state) else "kept"
    )
    assert rows[0].reasons == {"other": 2}


def is_left_out(state: PairState) -> bool:
    """Whether a pair is not synced."""
    return state.status is Status.NOT_SYNCED
