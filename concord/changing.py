"""Writing settings and operator actions: append, then read back whether ours took effect."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from concord.connecting import producer_of
from concord.reading import read_settings, read_topics
from projections.directory import Directory
from schemas.codec import decode, encode
from schemas.directory import AddressClass, DirectoryEntry, EntryKind
from schemas.errors import ConcordError, ConfigError
from schemas.journal import OperatorActed, OperatorAction, OperatorVerb
from schemas.settings import Settings, UserSetting, change_settings, change_users
from schemas.topics import DIRECTORY_CHANGES, FIRM_KEY, OPERATOR_ACTIONS, SETTINGS_CHANGES


def append(broker: str, topic: str, rows: list[tuple[str, Any]]) -> None:
    """Append (key, record) rows and wait until the broker has them. Raises ConcordError."""
    with producer_of(broker) as producer:
        sent = [producer.send(topic, key=row.encode(), value=encode(record)) for row, record in rows]
        for future in sent:
            future.get(timeout=30)


def current_settings(broker: str) -> Settings:
    """The settings in force; the defaults when none were ever saved."""
    documents = read_settings(broker)
    return documents[-1] if documents else Settings()


def _append_settings(broker: str, make: Callable[[Settings], Settings]) -> Settings:
    """Append the next document. Raises ConcordError when somebody else's came first: nothing of theirs is lost."""
    wanted = make(current_settings(broker))
    append(broker, SETTINGS_CHANGES, [(FIRM_KEY, wanted)])
    taken = next((d for d in read_settings(broker) if d.number == wanted.number), None)
    if taken != wanted:
        by = taken.changed_by if taken is not None else "nobody"
        raise ConcordError(
            f"{by} saved settings number {wanted.number} at the same moment; yours did not take effect.",
            "Look at `concord settings show` and set yours again.",
        )
    return wanted


def set_settings(broker: str, updates: dict[str, str], *, by: str) -> Settings:
    """Change settings, all or nothing. Raises ConfigError that lists every problem."""
    return _append_settings(broker, lambda current: change_settings(current, updates, by=by, now=datetime.now(UTC)))


def read_directory(broker: str) -> Directory:
    """The directory as it stands on its topic."""
    directory = Directory()
    for record in read_topics(broker, DIRECTORY_CHANGES):
        key = (record.key or b"").decode()
        if record.value is None:
            directory.remove(key)
        else:
            directory.put(key, decode(DirectoryEntry, record.value))
    return directory


def known_users(directory: Directory, settings: Settings) -> list[UserSetting]:
    """Every mailbox with its Salesforce user, enabled or not, by address."""
    users = {user.mailbox: user for user in settings.users}
    for mailbox in directory.of_kind(EntryKind.MAILBOX):
        match = directory.record_for(mailbox.address)
        is_user = match is not None and match.address_class is AddressClass.USER
        found = UserSetting(mailbox.id, mailbox.address, match.id if match and is_user else "", mailbox.name)
        held = users.get(mailbox.id)
        if held is None or (not held.salesforce_id and found.salesforce_id):
            users[mailbox.id] = found
    return sorted(users.values(), key=lambda user: user.address)


def switch_users(broker: str, names: list[str], *, enable: bool, every: bool = False, by: str) -> Settings:
    """Enable or disable users by address or mailbox id; `every` means all that have both sides.

    Raises ConfigError that lists every unknown name. Disabling deletes nothing.
    """
    directory = read_directory(broker)

    def make(current: Settings) -> Settings:
        users = known_users(directory, current)
        by_name = {name.casefold(): user for user in users for name in (user.address, user.mailbox)}
        unknown = [name for name in names if name.casefold() not in by_name]
        if unknown:
            raise ConfigError(
                [f"{name}: no such user" for name in unknown], "Known users: `concord users list`. Nothing was changed."
            )
        chosen = [by_name[name.casefold()] for name in names]
        if every:
            chosen = [user for user in users if user.salesforce_id]
        changed = [UserSetting(u.mailbox, u.address, u.salesforce_id, u.name, enable, u.outbound_since) for u in chosen]
        if not changed:
            raise ConfigError(["no user to change"], "Known users: `concord users list`.")
        return change_users(current, changed, by=by, now=datetime.now(UTC))

    return _append_settings(broker, make)


def retry_pairs(broker: str, pair_keys: list[str], *, by: str) -> None:
    """Ask for another try of these pairs: a journal fact, safe to repeat."""
    now = datetime.now(UTC)
    actions = [(key, OperatorAction(key, now, OperatorActed(OperatorVerb.RETRY, by))) for key in pair_keys]
    append(broker, OPERATOR_ACTIONS, actions)
