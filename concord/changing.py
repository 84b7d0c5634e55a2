"""Writing settings and operator actions: append, then read back whether ours took effect."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

from concord.appending import append_bytes
from concord.reading import TopicFold, read_settings
from concord.registry.framing import current_framing
from projections.directory import Directory, normal
from schemas.codec import decode, encode
from schemas.directory import AddressClass, DirectoryEntry, EntryKind
from schemas.errors import ConcordError, ConfigError, UnreadableRecord
from schemas.journal import OperatorActed, OperatorAction, OperatorVerb
from schemas.settings import Settings, UserSetting, change_settings, change_users, confirm_preflight
from schemas.topics import DIRECTORY_CHANGES, FIRM_KEY, OPERATOR_ACTIONS, SETTINGS_CHANGES

# How often a change is made anew on top of somebody else's that came first, before giving up.
ATTEMPTS: Final = 8

_SIDES: Final = {
    "graph": "Microsoft 365 (`concord source graph`)",
    "salesforce": "Salesforce (`concord source salesforce`)",
}


def append(broker: str, topic: str, rows: list[tuple[str, Any]]) -> None:
    """Append (key, record) rows and wait until the broker has them. Raises ConcordError."""
    frame = current_framing(broker)
    append_bytes(broker, topic, [(row.encode(), frame(topic, encode(record))) for row, record in rows])


def current_settings(broker: str) -> Settings:
    """The settings in force; the defaults when none were ever saved."""
    documents = read_settings(broker)
    return documents[-1] if documents else Settings()


def append_settings(broker: str, make: Callable[[Settings], Settings]) -> Settings:
    """Append the next document, made anew when somebody else's came first, so that both changes stand.

    Nothing is written when there is nothing to change. Raises ConcordError when others keep coming first.
    """
    for _ in range(ATTEMPTS):
        current = current_settings(broker)
        wanted = make(current)
        if _content(wanted) == _content(current):
            return current
        append(broker, SETTINGS_CHANGES, [(FIRM_KEY, wanted)])
        if any(document == wanted for document in read_settings(broker)):
            return wanted
    raise ConcordError(
        f"Others changed the settings at the same moment, {ATTEMPTS} times in a row; yours did not take effect.",
        "Set them again.",
    )


def _content(document: Settings) -> Settings:
    """The document without its number, time and author."""
    return replace(document, number=0, changed_at=Settings.changed_at, changed_by="")


def set_settings(broker: str, updates: dict[str, str], *, by: str) -> Settings:
    """Change settings, all or nothing; the settings then in force. Raises ConfigError that lists every problem."""
    return append_settings(broker, lambda current: change_settings(current, updates, by=by, now=datetime.now(UTC)))


def confirm(broker: str, *, by: str) -> Settings:
    """Record that a preflight was confirmed; the settings then in force. Raises ConcordError."""
    return append_settings(broker, lambda current: confirm_preflight(current, by=by, now=datetime.now(UTC)))


class DirectoryFold(TopicFold):
    """The directory as it stands on its topic; what cannot be read is left out, as the workers do."""

    def __init__(self, broker: str) -> None:
        super().__init__(broker, DIRECTORY_CHANGES)
        self.directory = Directory()

    def advance(self) -> None:
        """Take what was added up to now."""
        for record in self._tail.more():
            with contextlib.suppress(UnreadableRecord, UnicodeDecodeError):
                key = (record.key or b"").decode()
                if record.value is None:
                    self.directory.remove(key)
                else:
                    self.directory.put(key, decode(DirectoryEntry, record.value))


def read_directory(broker: str) -> Directory:
    """The directory as it stands now."""
    with DirectoryFold(broker) as fold:
        fold.advance()
        return fold.directory


def known_users(directory: Directory, settings: Settings) -> list[UserSetting]:
    """Everyone with a mailbox, and everyone the settings name, by address.

    The Salesforce user is the one with the mailbox's address or one of its aliases. One that was settled before stays.
    """
    users = {user.mailbox: user for user in settings.users}
    for mailbox in directory.of_kind(EntryKind.MAILBOX):
        held = users.get(mailbox.id) or UserSetting(mailbox.id, mailbox.address, "", mailbox.name)
        users[mailbox.id] = replace(
            held,
            address=mailbox.address or held.address,
            name=mailbox.name or held.name,
            salesforce_id=held.salesforce_id or _salesforce_user(directory, mailbox),
        )
    return sorted(users.values(), key=lambda user: (user.address, user.mailbox))


def _salesforce_user(directory: Directory, mailbox: DirectoryEntry) -> str:
    matches = (directory.record_for(address) for address in (mailbox.address, *mailbox.aliases) if address)
    return next((match.id for match in matches if match and match.address_class is AddressClass.USER), "")


def switch_users(broker: str, names: list[str], *, enable: bool, every: bool = False, by: str) -> Settings:
    """Enable or disable users by address, alias, mailbox id or Salesforce user id; the settings then in force.

    `every` means all that have both sides. Raises ConfigError that lists every problem. Disabling deletes nothing.
    """
    directory = read_directory(broker)

    def make(current: Settings) -> Settings:
        users = known_users(directory, current)
        chosen, problems = _chosen(names, users, directory)
        people = {user.salesforce_id for user in chosen if user.salesforce_id}
        chosen = [user for user in users if user in chosen or user.salesforce_id in people]
        if every:
            chosen = [user for user in users if user.salesforce_id or not enable]
        if not chosen and not problems:
            problems = ["no user to change"]
        # One that would be disabled and is not on record needs no record to stay so.
        kept = [user for user in chosen if enable or current.user_of_mailbox(user.mailbox) is not None]
        try:
            wanted = change_users(
                current, [replace(user, is_enabled=enable) for user in kept], by=by, now=datetime.now(UTC)
            )
        except ConfigError as error:
            problems += error.problems
        if problems:
            raise ConfigError(problems, _advice(directory))
        return wanted

    return append_settings(broker, make)


def choose_primary(broker: str, name: str, *, by: str) -> Settings:
    """Make a mailbox the primary one of its user; the settings then in force. Raises ConfigError."""

    def make(current: Settings, users: list[UserSetting], mailbox: UserSetting) -> list[UserSetting]:
        if not mailbox.salesforce_id:
            raise ConfigError([f"{mailbox.address}: no user has this mailbox"], _NOMINATE)
        own = [user for user in users if user.salesforce_id == mailbox.salesforce_id]
        return [replace(user, is_primary=user.mailbox == mailbox.mailbox) for user in own]

    return _change_mailbox(broker, [name], lambda current, users, found: make(current, users, found[0]), by=by)


def nominate_user(broker: str, mailbox: str, user: str, *, by: str) -> Settings:
    """Give a mailbox, a shared one for instance, to a user as one more of theirs; the settings then in force.

    It takes part as its user does. Raises ConfigError, also when the user takes part and has no primary mailbox.
    """

    def make(_: Settings, users: list[UserSetting], found: list[UserSetting]) -> list[UserSetting]:
        shared, owner = found
        if not owner.salesforce_id:
            raise ConfigError([f"{owner.address}: no Salesforce user has this address"], "Nothing was changed.")
        given = replace(shared, salesforce_id=owner.salesforce_id, is_enabled=owner.is_enabled, is_primary=False)
        return [owner, given]

    return _change_mailbox(broker, [mailbox, user], make, by=by)


_NOMINATE: Final = "Nothing was changed. `concord users nominate` gives a mailbox to a user."


def _change_mailbox(
    broker: str, names: list[str], make: Callable[[Settings, list[UserSetting], list[UserSetting]], list[UserSetting]],
    *, by: str,
) -> Settings:  # fmt: skip
    """Change what is said about the mailboxes that these names mean. Raises ConfigError that lists every problem."""
    directory = read_directory(broker)

    def wanted(current: Settings) -> Settings:
        users = known_users(directory, current)
        found, problems = [], []
        for name in names:
            chosen, unknown = _chosen([name], users, directory)
            found += chosen
            problems += unknown
        if problems:
            raise ConfigError(problems, _advice(directory))
        return change_users(current, make(current, users, found), by=by, now=datetime.now(UTC))

    return append_settings(broker, wanted)


def users_named(names: list[str], users: list[UserSetting], directory: Directory) -> list[UserSetting]:
    """The users that these names mean: address, alias, mailbox id or Salesforce user id. Raises ConfigError."""
    chosen, problems = _chosen(names, users, directory)
    if problems:
        raise ConfigError(problems, "`concord users list` shows who is known.")
    return chosen


def _chosen(names: list[str], users: list[UserSetting], directory: Directory) -> tuple[list[UserSetting], list[str]]:
    """The users that these names mean, and one problem for each name that means nobody."""
    by_name = {
        normal(name): user for user in users for name in (user.salesforce_id, user.mailbox, user.address) if name
    }
    by_mailbox = {user.mailbox: user for user in users}
    chosen, problems = [], []
    for name in names:
        user = by_name.get(normal(name)) or by_mailbox.get(directory.mailbox_for(name))
        if user is None:
            problems.append(f"{name}: no such user")
        elif user not in chosen:
            chosen.append(user)
    return chosen, problems


def _advice(directory: Directory) -> str:
    missing = [text for side, text in _SIDES.items() if side not in directory.complete_sides]
    if missing:
        return f"Nothing was changed. The directory of {' and '.join(missing)} has not been read yet."
    return "Nothing was changed. `concord users list` shows who is known."


def retry_pairs(broker: str, pair_keys: list[str], *, by: str) -> None:
    """Ask for another try of these pairs: a journal fact, safe to repeat. Raises ConcordError."""
    now = datetime.now(UTC)
    actions = [(key, OperatorAction(key, now, OperatorActed(OperatorVerb.RETRY, by))) for key in pair_keys]
    append(broker, OPERATOR_ACTIONS, actions)
