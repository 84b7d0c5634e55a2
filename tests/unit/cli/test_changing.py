"""Settings and users: changes on top of others' changes, every problem at once, Salesforce users by address."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from concord import changing
from concord.changing import ATTEMPTS, confirm, known_users, set_settings, switch_users
from concord.cli import app
from projections.directory import Directory
from schemas.directory import AddressClass, DirectoryEntry, EntryKind
from schemas.errors import ConcordError, ConfigError
from schemas.settings import ConflictScope, Settings, UserSetting, change_settings

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)


def directory(*, complete: bool = True) -> Directory:
    """Ann by her address, Bob by an alias, Cleo with a mailbox only; Dora is a contact, not a user."""
    entries = [
        DirectoryEntry(EntryKind.MAILBOX, "mb-ann", "Ann@firm.example", "Ann"),
        DirectoryEntry(EntryKind.MAILBOX, "mb-bob", "bob@firm.example", "Bob", ("robert@firm.example",)),
        DirectoryEntry(EntryKind.MAILBOX, "mb-cleo", "cleo@firm.example", "Cleo"),
        DirectoryEntry(EntryKind.MAILBOX, "mb-dora", "dora@firm.example", "Dora"),
        DirectoryEntry(EntryKind.ADDRESS, "005ANN", "ann@firm.example", "Ann", address_class=AddressClass.USER),
        DirectoryEntry(EntryKind.ADDRESS, "005BOB", "robert@firm.example", "Bob", address_class=AddressClass.USER),
        DirectoryEntry(EntryKind.ADDRESS, "003DORA", "dora@firm.example", "Dora", address_class=AddressClass.EMAIL),
    ]
    if complete:
        entries += [DirectoryEntry(EntryKind.COMPLETE, side) for side in ("graph", "salesforce")]
    folded = Directory()
    for entry in entries:
        folded.put(entry.key, entry)
    return folded


@dataclass
class Log:
    """`settings.changes` in memory. `before_append` runs when somebody is about to append: another writer."""

    documents: list[Settings] = field(default_factory=list)
    before_append: Callable[[], None] = lambda: None

    def append(self, _: str, __: str, rows: list[tuple[str, Any]]) -> None:
        """Append one document."""
        self.before_append()
        self.documents += [record for _, record in rows]

    def read(self, _: str) -> list[Settings]:
        """Those that took effect."""
        taken: list[Settings] = []
        for document in self.documents:
            if document.number == len(taken) + 1:
                taken.append(document)
        return taken


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Log:
    """An empty settings topic and a complete directory, in place of the broker's."""
    kept = Log()
    monkeypatch.setattr(changing, "append", kept.append)
    monkeypatch.setattr(changing, "read_settings", kept.read)
    monkeypatch.setattr("concord.reading.read_settings", kept.read)
    monkeypatch.setattr(changing, "read_directory", lambda _: directory())
    return kept


def run(*words: str) -> Result:
    """Run `concord WORDS`."""
    return CliRunner().invoke(app, list(words), env={"CONCORD_BROKER": "127.0.0.1:1"})


def flat(result: Result) -> str:
    """What was printed, or what was refused, on one line."""
    return " ".join(f"{result.exception or ''} {result.output}".split())


def test_salesforce_user_is_found_by_address_or_alias_and_must_be_a_user() -> None:
    """Addresses compare without case; a contact of the same address is no user."""
    found = {user.mailbox: user.salesforce_id for user in known_users(directory(), Settings())}
    assert found == {"mb-ann": "005ANN", "mb-bob": "005BOB", "mb-cleo": "", "mb-dora": ""}


def test_what_was_settled_stays_and_names_follow_the_directory() -> None:
    """A user on record keeps the Salesforce user; name and address are those of today; one without a mailbox stays."""
    held = Settings(
        users=(UserSetting("mb-ann", "old@firm.example", "005OLD", "Old", True), UserSetting("mb-x", "x@y", ""))
    )
    found = {user.mailbox: user for user in known_users(directory(), held)}
    assert found["mb-ann"] == UserSetting("mb-ann", "Ann@firm.example", "005OLD", "Ann", True)
    assert found["mb-x"].address == "x@y"


def test_numbers_grow_by_one_and_the_author_is_kept(log: Log) -> None:
    """Each change is one document."""
    set_settings("", {"conflict_scope": "record"}, by="olga")
    document = set_settings("", {"inbound_years": "5"}, by="petra")
    assert (document.number, document.changed_by, document.conflict_scope) == (2, "petra", ConflictScope.RECORD)
    assert [d.number for d in log.documents] == [1, 2]


def test_nothing_to_change_writes_nothing(log: Log) -> None:
    """The same value again makes no new document."""
    first = set_settings("", {"conflict_scope": "record"}, by="olga")
    assert set_settings("", {"conflict_scope": "record"}, by="petra") == first
    assert len(log.documents) == 1


def test_a_change_is_made_again_on_top_of_one_that_came_first(log: Log) -> None:
    """Two writers at once: both changes stand, neither is lost."""
    rival = change_settings(Settings(), {"inbound_years": "3"}, by="rival", now=NOW)

    def interfere() -> None:
        log.before_append = lambda: None
        log.documents.append(rival)

    log.before_append = interfere
    document = set_settings("", {"conflict_scope": "record"}, by="olga")
    assert (document.number, document.conflict_scope, document.inbound_years) == (2, ConflictScope.RECORD, 3)
    assert [d.changed_by for d in log.read("")] == ["rival", "olga"]


def test_giving_up_says_so(log: Log) -> None:
    """Somebody else first every time: an error, not an endless loop, and no change of ours."""

    def interfere() -> None:
        years = str(len(log.read("")) + 20)
        log.documents.append(
            change_settings((log.read("") or [Settings()])[-1], {"inbound_years": years}, by="r", now=NOW)
        )

    log.before_append = interfere
    with pytest.raises(ConcordError, match=f"{ATTEMPTS} times in a row"):
        set_settings("", {"conflict_scope": "record"}, by="olga")
    assert all(d.conflict_scope is ConflictScope.FIELD for d in log.read(""))


@pytest.mark.parametrize(
    ("name", "mailbox"),
    [
        ("ann@firm.example", "mb-ann"), (" ANN@FIRM.EXAMPLE ", "mb-ann"), ("mb-ann", "mb-ann"), ("005ANN", "mb-ann"),
        ("robert@firm.example", "mb-bob"),
    ],
)  # fmt: skip
def test_a_user_is_named_in_any_usual_way(name: str, mailbox: str, log: Log) -> None:
    """Address or alias without case, mailbox id, Salesforce user id."""
    document = switch_users("", [name], enable=True, by="olga")
    assert [user.mailbox for user in document.users if user.is_enabled] == [mailbox]
    assert log.documents == [document]


def test_every_problem_with_users_is_listed_at_once(log: Log) -> None:
    """Unknown names and users without a Salesforce user; nothing is written."""
    with pytest.raises(ConfigError) as raised:
        switch_users("", ["ghost", "cleo@firm.example", "nobody@x", "ann@firm.example"], enable=True, by="olga")
    assert raised.value.problems == [
        "ghost: no such user",
        "nobody@x: no such user",
        "cleo@firm.example: no Salesforce user has this address",
    ]
    assert log.documents == []


def test_all_means_everyone_with_both_sides(log: Log) -> None:
    """`--all` leaves out who has no Salesforce user, and enabling again changes nothing."""
    document = switch_users("", [], enable=True, every=True, by="olga")
    assert {user.mailbox for user in document.users if user.is_enabled} == {"mb-ann", "mb-bob"}
    assert switch_users("", [], enable=True, every=True, by="petra") == document
    assert not any(user.is_enabled for user in switch_users("", [], enable=False, every=True, by="olga").users)


def test_more_users_than_licences_are_refused(log: Log) -> None:
    """Both numbers are said."""
    set_settings("", {"licences": "1"}, by="olga")
    with pytest.raises(ConfigError, match="2 users would be enabled, but only 1 are licensed"):
        switch_users("", [], enable=True, every=True, by="olga")
    assert len(log.documents) == 1


def test_an_unread_directory_is_the_reason_given(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the sources have read it, a name is unknown for that reason."""
    monkeypatch.setattr(changing, "read_directory", lambda _: directory(complete=False))
    with pytest.raises(ConfigError) as raised:
        switch_users("", ["ghost"], enable=True, by="olga")
    assert "has not been read yet" in raised.value.fix
    assert "concord source graph" in raised.value.fix


def test_disabling_one_never_enabled_is_no_change(log: Log) -> None:
    """Nothing is recorded about somebody who does not take part."""
    assert switch_users("", ["cleo@firm.example"], enable=False, by="olga").number == 0
    assert log.documents == []


def test_set_says_what_changed_and_by_which_number(log: Log) -> None:
    """Old and new value of each setting; the user's login name stands for `--by`."""
    done = run("settings", "set", "conflict_scope=record", " inbound_years = 5 ", "--by", "olga")
    assert done.exit_code == 0
    assert done.stdout.splitlines() == [
        "Saved as settings number 1:",
        "  inbound_years: 10 -> 5",
        "  conflict_scope: field -> record",
    ]
    assert (
        run("settings", "set", "conflict_scope=record").stdout
        == "Nothing to change: settings number 1 stays in force.\n"
    )
    assert log.documents[0].changed_by == "olga"


def test_set_lists_what_is_wrong_with_every_argument(log: Log) -> None:
    """Malformed, unknown and unreadable ones together."""
    done = run("settings", "set", "nonsense", "foo=1", "direction=up", "licences=-1")
    assert isinstance(done.exception, ConfigError)
    assert len(done.exception.problems) == 4
    assert log.documents == []


def test_history_names_settings_and_users_that_changed(log: Log) -> None:
    """One row a document, the newest last."""
    run("settings", "set", "conflict_scope=record", "--by", "olga")
    run("users", "enable", "ann@firm.example", "--by", "petra")
    rows = json.loads(run("settings", "history", "--json").stdout)
    assert [(row["number"], row["changed_by"]) for row in rows] == [(1, "olga"), (2, "petra")]
    assert rows[0]["changes"] == ["conflict_scope: field -> record"]
    assert "Ann@firm.example enabled" in rows[1]["changes"]
    assert "Ann@firm.example enabled" in run("settings", "history").stdout


def test_show_prints_every_setting_with_its_value(log: Log) -> None:
    """The document in force, as text and as JSON."""
    run("settings", "set", "sync_private_events=on", "--by", "olga")
    shown = run("settings", "show").stdout
    assert re.search(r"sync_private_events +on", shown)
    assert "Number 1, saved" in shown
    assert "by olga." in shown
    assert json.loads(run("settings", "show", "--json").stdout)["sync_private_events"] is True


def test_users_are_listed_with_the_count_of_licences(log: Log) -> None:
    """Enabled against licensed, and who cannot take part."""
    run("settings", "set", "licences=3")
    run("users", "enable", "ann@firm.example")
    shown = run("users", "list").stdout
    assert "1 user enabled of 3 licences." in shown
    assert "2 mailboxes have no Salesforce user with the same address." in shown
    listed = json.loads(run("users", "list", "--json").stdout)
    assert (listed["enabled"], listed["licences"], len(listed["users"])) == (1, 3, 4)


def test_enable_and_disable_say_who_changed(log: Log) -> None:
    """The names, and how many are enabled then."""
    assert "Ann@firm.example enabled" in run("users", "enable", "ann@firm.example").stdout
    shown = run("users", "disable", "ann@firm.example").stdout.splitlines()
    assert shown[1:] == ["  Ann@firm.example disabled", "0 users enabled."]
    assert replace(log.documents[-1].users[0], outbound_since=None).is_enabled is False


def test_a_shared_mailbox_is_given_to_a_user_who_has_a_primary_one(log: Log) -> None:
    """Refused while it is open which mailbox is the primary one; then it takes part as its user does."""
    run("users", "enable", "ann@firm.example")
    refused = run("users", "nominate", "cleo@firm.example", "ann@firm.example")
    assert isinstance(refused.exception, ConfigError)
    assert "one of them must be the primary mailbox" in flat(refused)
    assert "is its user's primary mailbox" in flat(run("users", "primary", "ann@firm.example"))
    given = run("users", "nominate", "cleo@firm.example", "ann@firm.example")
    assert "cleo@firm.example enabled" in flat(given), given.output
    held = log.documents[-1]
    assert [user.mailbox for user in held.mailboxes_of("005ANN")] == ["mb-ann", "mb-cleo"]
    assert held.user_of_record("005ANN") == held.user_of_mailbox("mb-ann")
    run("users", "primary", "cleo@firm.example")
    assert log.documents[-1].user_of_record("005ANN") == log.documents[-1].user_of_mailbox("mb-cleo")
    assert "1 user enabled" in flat(run("users", "list"))
    run("users", "disable", "cleo@firm.example")
    assert not any(user.is_enabled for user in log.documents[-1].users), "a user is switched with all mailboxes"


def test_only_a_mailbox_of_somebody_can_be_primary(log: Log) -> None:
    """A mailbox without a user says what to do first; an unknown one is unknown."""
    assert "no user has this mailbox" in flat(run("users", "primary", "cleo@firm.example"))
    assert "no such user" in flat(run("users", "primary", "nobody@firm.example"))
    assert "no Salesforce user" in flat(run("users", "nominate", "dora@firm.example", "cleo@firm.example"))
    assert log.documents == []


def test_outbound_is_refused_before_a_preflight_was_confirmed(log: Log) -> None:
    """One sentence that says what to do; afterwards it is a setting like any other."""
    refused = run("settings", "set", "direction=two_way")
    assert isinstance(refused.exception, ConfigError)
    assert "concord preflight --confirm" in str(refused.exception)
    assert log.documents == []
    confirm("", by="olga")
    assert set_settings("", {"direction": "two_way"}, by="petra").preflight_by == "olga"
