"""The settings document: changed whole or not at all, numbered, and what begins when outbound begins (rule 7.5)."""

from __future__ import annotations

import dataclasses
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import product

import pytest

from schemas.errors import ConfigError
from schemas.settings import (
    READERS,
    ConflictScope,
    Direction,
    Settings,
    ShowAsList,
    UserSetting,
    change_settings,
    change_users,
    confirm_preflight,
)

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
LATER = NOW + timedelta(days=3)
ANN = UserSetting("mailbox-ann", "ann@firm.example", "005ANN", "Ann", is_enabled=True)
CONFIRMED = Settings(preflight_at=NOW, preflight_by="eve")
BOB = UserSetting("mailbox-bob", "bob@firm.example", "005BOB", "Bob", is_enabled=True)


def changed(current: Settings, now: datetime = NOW, **updates: str) -> Settings:
    """`current` with these settings changed by Eve."""
    return change_settings(current, updates, by="eve", now=now)


def with_users(current: Settings, *users: UserSetting, now: datetime = NOW) -> Settings:
    """`current` with these users added or replaced by Eve."""
    return change_users(current, list(users), by="eve", now=now)


def since(settings: Settings, user: UserSetting = ANN) -> datetime | None:
    """When outbound began for a user."""
    found = settings.user_of_mailbox(user.mailbox)
    assert found is not None
    return found.outbound_since


def test_defaults_are_the_cautious_ones() -> None:
    """Out of the box: inbound only, nothing deleted, nobody invited, nothing private, internal or unmatched."""
    settings = Settings()
    assert settings.direction is Direction.MICROSOFT_TO_PRACTIFI
    assert not any(getattr(settings, name) for name in READERS if isinstance(getattr(settings, name), bool))
    assert (settings.inbound_years, settings.outbound_months) == (10, 24)
    assert settings.conflict_scope is ConflictScope.FIELD
    assert settings.show_as_list is ShowAsList.EXTENDED


def test_every_setting_but_the_stamp_and_the_users_can_be_changed() -> None:
    """A setting that no reader knows could never be set."""
    assert set(READERS) == {field.name for field in dataclasses.fields(Settings)} - {
        "number", "changed_at", "changed_by", "users", "preflight_at", "preflight_by",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("direction", "two_way", Direction.TWO_WAY),
        ("sync_internal_events", "on", True),
        ("sync_private_events", "Yes", True),
        ("sync_unmatched_events", "TRUE", True),
        ("send_invitations", "off", False),
        ("delete_from_microsoft", "no", False),
        ("delete_from_practifi", "false", False),
        ("commencement_date", "2025-09-01", date(2025, 9, 1)),
        ("inbound_years", "0", 0),
        ("inbound_years", "50", 50),
        ("outbound_months", "120", 120),
        ("conflict_scope", "record", ConflictScope.RECORD),
        ("show_as_list", "standard", ShowAsList.STANDARD),
        ("licences", "25", 25),
        ("outbound_origins", "UI, unknown,AURA,ui", ("ui", "unknown", "AURA")),
    ],
)
def test_value_is_read_from_its_text(name: str, text: str, value: object) -> None:
    """What an administrator types becomes the value."""
    assert getattr(changed(CONFIRMED, **{name: text}), name) == value


ORIGINS = "use ui, unknown or origins as Salesforce gives them, with commas between and no spaces"


@pytest.mark.parametrize(
    ("name", "text", "advice"),
    [
        ("direction", "both", "use one of: microsoft_to_practifi, practifi_to_microsoft, two_way"),
        ("sync_internal_events", "perhaps", "use on or off"),
        ("commencement_date", "1.9.2025", "use a date as YYYY-MM-DD"),
        ("commencement_date", "2025-02-30", "use a date as YYYY-MM-DD"),
        ("inbound_years", "51", "use a whole number from 0 to 50"),
        ("inbound_years", "-1", "use a whole number from 0 to 50"),
        ("inbound_years", "²", "use a whole number from 0 to 50"),
        ("outbound_months", "121", "use a whole number from 0 to 120"),
        ("outbound_months", "", "use a whole number from 0 to 120"),
        ("outbound_months", "1.5", "use a whole number from 0 to 120"),
        ("conflict_scope", "", "use one of: field, record"),
        ("show_as_list", "long", "use one of: extended, standard"),
        ("outbound_origins", "", ORIGINS),
        ("outbound_origins", "ui,,api", ORIGINS),
        ("outbound_origins", "ui api", ORIGINS),
    ],
)
def test_bad_value_says_what_to_use(name: str, text: str, advice: str) -> None:
    """The message names the setting, the text and what would be right."""
    with pytest.raises(ConfigError) as caught:
        changed(Settings(), **{name: text})
    assert caught.value.problems == [f"{name}={text!r}: {advice}"]


def test_all_problems_are_listed_and_nothing_is_changed() -> None:
    """Good values beside bad ones are not taken either."""
    current = replace(CONFIRMED, number=4)
    with pytest.raises(ConfigError) as caught:
        changed(current, direction="two_way", inbound_years="99", colour="red", commencement_date="2026-03-03")
    problems = "\n".join(caught.value.problems)
    assert len(caught.value.problems) == 3
    assert all(word in problems for word in ("inbound_years", "'colour'", "future"))
    assert "Nothing was changed" in str(caught.value)
    assert current == replace(CONFIRMED, number=4)


def test_commencement_date_may_be_today_but_not_tomorrow() -> None:
    """The past range starts at the latest now."""
    assert changed(Settings(), commencement_date="2026-03-02").commencement_date == NOW.date()
    with pytest.raises(ConfigError, match="future"):
        changed(Settings(), commencement_date="2026-03-03")


def test_each_change_is_numbered_and_stamped() -> None:
    """The number grows by one; who and when stand in the document."""
    first = changed(CONFIRMED, direction="two_way")
    second = with_users(first, ANN, now=LATER)
    assert (first.number, first.changed_at, first.changed_by) == (1, NOW, "eve")
    assert (second.number, second.changed_at, second.changed_by) == (2, LATER, "eve")


def test_users_are_added_replaced_and_kept_in_order() -> None:
    """A user is one per mailbox; others stay as they were."""
    settings = with_users(with_users(Settings(), BOB), ANN, replace(BOB, name="Robert"))
    assert [(user.mailbox, user.name) for user in settings.users] == [("mailbox-ann", "Ann"), ("mailbox-bob", "Robert")]


def test_lookups_find_users_whether_enabled_or_not() -> None:
    """By mailbox and by Salesforce id; only enabled mailboxes take part."""
    settings = with_users(Settings(), ANN, replace(BOB, is_enabled=False))
    assert settings.user_of_record("005BOB") == settings.user_of_mailbox("mailbox-bob")
    assert settings.user_of_mailbox("mailbox-carl") is None
    assert [settings.is_mailbox_enabled(f"mailbox-{name}") for name in ("ann", "bob", "carl")] == [True, False, False]


def test_user_without_salesforce_record_cannot_be_enabled() -> None:
    """Every such user is named at once; known but disabled ones are no problem."""
    carl = UserSetting("mailbox-carl", "carl@firm.example", "", is_enabled=True)
    dora = replace(carl, mailbox="mailbox-dora", address="dora@firm.example")
    with pytest.raises(ConfigError) as caught:
        with_users(Settings(), ANN, carl, dora, replace(carl, mailbox="m", is_enabled=False))
    assert [problem.split(":")[0] for problem in caught.value.problems] == ["carl@firm.example", "dora@firm.example"]


@pytest.mark.rule("3.licences")
def test_more_users_than_licences_cannot_be_enabled() -> None:
    """Enabled users never exceed the licences (rule 1.4); 0 licences means that the number is not watched."""
    licensed = changed(Settings(), licences="1")
    assert len(with_users(licensed, ANN, replace(BOB, is_enabled=False)).users) == 2
    with pytest.raises(ConfigError, match="2 users would be enabled, but only 1"):
        with_users(licensed, ANN, BOB)
    assert len(with_users(Settings(), ANN, BOB).users) == 2


@pytest.mark.rule("3.licences")
def test_licences_cannot_fall_below_the_enabled_users() -> None:
    """The same rule the other way round, listed with the other problems."""
    settings = with_users(changed(Settings(), licences="2"), ANN, BOB)
    with pytest.raises(ConfigError) as caught:
        changed(settings, licences="1", inbound_years="x")
    assert len(caught.value.problems) == 2
    assert "2 users are enabled, but only 1 would be licensed" in caught.value.problems[1]
    assert changed(settings, licences="3").licences == 3


@pytest.mark.parametrize(
    ("today", "expected"),
    [
        (date(2026, 3, 2), date(2025, 9, 2)),
        (date(2026, 8, 31), date(2026, 2, 28)),
        (date(2028, 8, 30), date(2028, 2, 29)),
        (date(2026, 6, 30), date(2025, 12, 30)),
    ],
)
@pytest.mark.rule("2b.commencement_date")
def test_commencement_date_is_filled_in_six_months_before_the_first_user_is_enabled(
    today: date, expected: date
) -> None:
    """Calendar months, cut to the month's last day; once filled in it stays."""
    now = datetime(today.year, today.month, today.day, 23, 59, tzinfo=UTC)
    assert with_users(Settings(), replace(ANN, is_enabled=False), now=now).commencement_date is None
    enabled = with_users(Settings(), ANN, now=now)
    assert enabled.commencement_date == expected
    assert with_users(enabled, BOB, now=now + timedelta(days=90)).commencement_date == expected


def test_commencement_date_that_was_set_is_kept() -> None:
    """An administrator's date is not overwritten by enabling somebody."""
    settings = changed(Settings(), commencement_date="2020-01-01")
    assert with_users(settings, ANN).commencement_date == date(2020, 1, 1)


OUTBOUND = {Direction.TWO_WAY, Direction.PRACTIFI_TO_MICROSOFT}


@pytest.mark.parametrize(
    ("before", "was_enabled", "after", "is_enabled"), list(product(Direction, (False, True), Direction, (False, True)))
)
def test_outbound_begins_when_it_did_not_run_before(
    before: Direction, was_enabled: bool, after: Direction, is_enabled: bool
) -> None:
    """Rule 7.5: the clock starts when outbound starts for a user, and is cleared when it ends."""
    first = with_users(changed(CONFIRMED, direction=before), replace(ANN, is_enabled=was_enabled), now=NOW)
    moved = changed(first, now=LATER, direction=after)
    settings = with_users(moved, replace(ANN, is_enabled=is_enabled), now=LATER)
    ran, runs = was_enabled and before in OUTBOUND, is_enabled and after in OUTBOUND
    is_kept = ran and after in OUTBOUND  # the direction changed first: outbound ended there, if it did
    assert since(settings) == ((NOW if is_kept else LATER) if runs else None)


def test_outbound_begins_anew_after_a_pause() -> None:
    """Disabled and enabled again, or one-way and two-way again: what was saved in the pause does not go out."""
    running = with_users(changed(CONFIRMED, direction="two_way"), ANN)
    paused = with_users(running, replace(ANN, is_enabled=False), now=LATER)
    again = with_users(paused, replace(ANN, is_enabled=True), now=LATER + timedelta(days=1))
    assert (since(running), since(paused), since(again)) == (NOW, None, LATER + timedelta(days=1))
    inbound = changed(running, now=LATER, direction="microsoft_to_practifi")
    both = changed(inbound, now=LATER + timedelta(days=1), direction="two_way")
    assert (since(inbound), since(both)) == (None, LATER + timedelta(days=1))


def test_outbound_time_cannot_be_brought_along() -> None:
    """Whoever adds a user cannot claim that outbound began earlier."""
    settings = with_users(changed(CONFIRMED, direction="two_way"), replace(ANN, outbound_since=NOW - timedelta(999)))
    assert since(settings) == NOW


def test_another_users_change_leaves_the_outbound_time_alone() -> None:
    """Enabling Bob does not restart Ann's clock; neither does an unrelated setting."""
    settings = with_users(changed(CONFIRMED, direction="two_way"), ANN)
    later = changed(with_users(settings, BOB, now=LATER), now=LATER, send_invitations="on")
    assert (since(later), since(later, BOB)) == (NOW, LATER)


SHARED = replace(ANN, mailbox="mailbox-office", address="office@firm.example", name="Office")


@pytest.mark.rule("3.primary")
def test_several_mailboxes_need_one_that_is_primary() -> None:
    """A user with two mailboxes takes part only with exactly one primary one; disabled it does not matter."""
    for one, other in ((False, False), (True, True)):
        with pytest.raises(ConfigError, match=r"ann@firm\.example, office@firm\.example belong to one user"):
            with_users(Settings(), replace(ANN, is_primary=one), replace(SHARED, is_primary=other))
    off = replace(ANN, is_enabled=False), replace(SHARED, is_enabled=False)
    assert with_users(Settings(), *off).lacks_primary("005ANN")
    settings = with_users(Settings(), ANN, replace(SHARED, is_primary=True), BOB)
    assert settings.user_of_record("005ANN") == settings.user_of_mailbox("mailbox-office")
    assert not settings.lacks_primary("005BOB")


@pytest.mark.rule("3.licences")
def test_two_mailboxes_of_a_user_take_one_licence() -> None:
    """Licences count users."""
    licensed = changed(Settings(), licences="1")
    settings = with_users(licensed, replace(ANN, is_primary=True), SHARED)
    assert settings.enabled_count == 1
    with pytest.raises(ConfigError, match="2 users would be enabled, but only 1"):
        with_users(settings, BOB)


@pytest.mark.rule("1.2")
@pytest.mark.parametrize("direction", ["two_way", "practifi_to_microsoft"])
def test_outbound_needs_a_confirmed_preflight(direction: str) -> None:
    """Refused with a sentence that says what to do; allowed once somebody confirmed, who and when stand in it."""
    with pytest.raises(ConfigError, match="concord preflight --confirm"):
        changed(Settings(), direction=direction)
    assert changed(Settings(), direction="microsoft_to_practifi", inbound_years="3").inbound_years == 3
    confirmed = confirm_preflight(Settings(number=4), by="olga", now=LATER)
    assert (confirmed.number, confirmed.preflight_at, confirmed.preflight_by) == (5, LATER, "olga")
    assert changed(confirmed, direction=direction).direction == direction


def test_outbound_that_is_on_already_stays_changeable() -> None:
    """A document from before there were preflights."""
    old = Settings(direction=Direction.TWO_WAY)
    assert changed(old, direction="practifi_to_microsoft").direction is Direction.PRACTIFI_TO_MICROSOFT
    assert changed(old, inbound_years="3").inbound_years == 3
