"""The promises I1 to I9 of the design, each as a function from the end of a run to what breaks it (empty: it holds)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Final

from concord.roles import reconcile as role
from concord.standing import WHEN_CHANGED, present_reason
from schemas.changes import Kind, Side
from schemas.commands import Action, Command, Result
from schemas.journal import JournalEntry, OutcomeKnown, Seen
from schemas.settings import Direction
from schemas.state import PairState
from schemas.topics import (
    GRAPH_CHANGES,
    OPERATOR_ACTIONS,
    SALESFORCE_CHANGES,
    SETTINGS_CHANGES,
    SYNC_JOURNAL,
    SYNC_OUTCOMES,
    SYNC_QUARANTINE,
)
from simulation.comparison import own_words
from simulation.converge import i1_converge
from simulation.diary import SECRET, Conflict
from simulation.guarded import MESSAGE, ORIGIN, POSITION_ROW
from simulation.holds import ledger_differs, unreleased_deletions, unreleased_mails
from simulation.log import Stored
from simulation.outcome import Ending, readable
from streams.stage import fold_partition
from streams.undo import UNDONE

Problems = list[str]


def i2_quiet(ending: Ending) -> Problems:
    """Nothing oscillates, and one more exchange with everything read again writes nothing on either side."""
    problems = list(_oscillations(ending))
    waiting = {pair.pair_key for pair in ending.pairs.values() if _waits_for_a_change(ending, pair)}
    before = {write.command_id for write in ending.writes}
    ending.world.read_everything_again()
    pairs = [write.command_id.rpartition("#")[0] for write in ending.writes if write.command_id not in before]
    more = len([pair_key for pair_key in pairs if pair_key not in waiting])
    return [*problems, f"{more} writes although everything was settled"] if more else problems


def _waits_for_a_change(ending: Ending, pair: PairState) -> bool:
    """Whether settings that changed since would let a pair pass: it is synced when it next changes, or is read again.
    An attendee's copy, for instance, whose organizer has been disabled."""
    return present_reason(pair, ending.world.settings, ending.world.now()) == WHEN_CHANGED.code


def _oscillations(ending: Ending) -> Iterator[str]:
    """A text that was carried to an event in Microsoft 365 once is not carried there again: no two texts are alike."""
    carried: Counter[tuple[str, str, str]] = Counter()
    asked_for = {
        (command.pair_key, getattr(command.content, group))
        for command in ending.commands.values()
        if command.reason == UNDONE and command.content is not None
        for group in ("subject", "body", "location")
    }  # an operator wanted an old text back, on this side or from the other
    for command_id, outcomes in ending.outcomes.items():
        command = ending.commands[command_id]
        is_update = command.side is Side.GRAPH and command.action is Action.UPDATE and command.content is not None
        if is_update and any(outcome.result is Result.APPLIED for outcome in outcomes):
            groups = [group for group in ("subject", "body", "location") if group in command.fields]
            texts = (getattr(command.content, group) for group in groups)
            fresh = (text for text in texts if (command.pair_key, text) not in asked_for)
            carried.update((command.pair_key, command.id, text) for text in fresh)
    yield from (f"{key}: {text!r} was carried to Outlook {n} times" for (key, _, text), n in carried.items() if n > 1)


def i3_microsoft_wins(ending: Ending) -> Problems:
    """A group edited on both sides at once holds Microsoft's value on both; the other value is in a decision."""
    return [problem for one in ending.world.diary.conflicts for problem in _overruled(ending, one)]


def _overruled(ending: Ending, conflict: Conflict) -> Iterator[str]:
    touched = ending.world.diary.touched
    sides = (("graph", conflict.graph_id), ("salesforce", conflict.salesforce_id))
    if any(touched[(*side, conflict.group)] != conflict.number for side in sides):
        return  # edited again since
    if conflict.graph_id not in ending.graph or conflict.salesforce_id not in ending.salesforce:
        return
    if any(one.direction is not Direction.TWO_WAY for one in ending.world.settings_history):
        return
    yield from _forgotten(ending, conflict)
    _, event = ending.graph[conflict.graph_id]
    for member, value in conflict.microsoft.items():
        found, wanted = event[member], value
        if member == "body":
            found, wanted = own_words(found["content"]), value["content"]
        elif member == "location":
            found, wanted = found["displayName"], value["displayName"]
        elif member in {"start", "end"}:
            found, wanted = found["dateTime"][:19], value["dateTime"]
        if found != wanted:
            yield f"conflict {conflict.number} over {conflict.group}: Outlook holds {found!r}, not {wanted!r}"


def _forgotten(ending: Ending, conflict: Conflict) -> Iterator[str]:
    """The value that lost, if Concord ever saw it, stands in a decision."""
    texts = [value for value in conflict.practifi.values() if isinstance(value, str)]
    history = ending.world.settings_history
    if conflict.group == "time" or not texts or not all(user.is_enabled for one in history for user in one.users):
        return  # nothing is decided about a user's pairs while the user is disabled
    record = ending.salesforce[conflict.salesforce_id]
    if all(record[name] == value for name, value in conflict.practifi.items()):
        return  # a gate kept Microsoft's edit out: nothing was overwritten
    readings = (entry.what for _, entry in ending.journal)
    items = (
        what.item if isinstance(what, Seen) else what.outcome.item if isinstance(what, OutcomeKnown) else None
        for what in readings
    )
    was_seen = any(
        item is not None and item.id == conflict.salesforce_id and getattr(item.content, conflict.group) == texts[0]
        for item in items
    )
    # A pair found anew is not in conflict, but what it overwrites stands in its decision all the same.
    lost = (row for decision in ending.decisions for row in (*decision.lost, *decision.changes))
    if was_seen and not any(row.field == conflict.group and row.before == texts[0] for row in lost):
        yield f"conflict {conflict.number} over {conflict.group}: {texts[0]!r} lost and is in no decision"


def i4_effect_once(ending: Ending) -> Problems:
    """One object per pair on each side, each command carried out once, and the mails sent are those it predicted."""
    return [*_doubled(ending), *_repeated(ending), *_mails(ending)]


def _doubled(ending: Ending) -> Iterator[str]:
    partners = Counter(
        record["practifi__External_ID__c"]
        for record in ending.salesforce.values()
        if record["practifi__External_ID__c"]
        and record["Concord_Sync_Key__c"] in ending.pairs
        # A record from the recycle bin brings its old marks along, and keeps them while its owner takes no part.
        and record["Id"] not in ending.world.diary.restored
    )
    doubled = ((one, count) for one, count in partners.items() if count > 1)
    yield from (f"{count} records in Practifi for one event ({one[-8:]})" for one, count in doubled)
    holders = Counter(
        (side, state.item.id)
        for pair in ending.pairs.values()
        for side, state in (("graph", pair.graph), ("salesforce", pair.salesforce))
        if state.item is not None
    )
    yield from (f"{side} item {one[-8:]} is in {count} pairs" for (side, one), count in holders.items() if count > 1)


def _repeated(ending: Ending) -> Iterator[str]:
    made: dict[str, set[str]] = {}
    for write in ending.writes:
        if write.command_id and write.created:
            made.setdefault(write.command_id, set()).update(write.created)
    yield from (f"{command} made {len(ids)} items" for command, ids in made.items() if len(ids) > 1)
    changes = Counter(
        (write.command_id, write.method, write.target)
        for write in ending.world.services.graph.writes
        if write.command_id and write.method in {"PATCH", "DELETE"}
    )
    yield from (f"{one[0]} took effect {count} times ({one[1]})" for one, count in changes.items() if count > 1)


def _mails(ending: Ending) -> Iterator[str]:
    for command_id, mails in ending.mails_by_command().items():
        command = ending.commands.get(command_id)
        predicted = Counter(command.mails) if command is not None else Counter()
        if mails != predicted:
            yield f"{command_id or 'a write without command'} sent {_text(mails)} but predicted {_text(predicted)}"
    written = {write.command_id for write in ending.world.services.graph.writes}
    for command_id, command in ending.commands.items():
        if command.mails and command_id in written and command_id not in ending.mails_by_command():
            yield f"{command_id} predicted {_text(Counter(command.mails))} and sent nothing"


def _text(mails: Counter) -> str:  # type: ignore[type-arg]
    return ", ".join(sorted(f"{count} {mail.kind} {mail.address}" for mail, count in mails.items())) or "nothing"


def i5_nothing_lost(ending: Ending) -> Problems:
    """Every input stands in the journal or in quarantine, every command has an outcome, everything was read."""
    return [*_unread(ending), *_unrecorded(ending), *_unanswered(ending), *_unfolded(ending), *_quarantined(ending)]


def _quarantined(ending: Ending) -> Iterator[str]:
    """Only what is unreadable may end in quarantine, and with its bytes untouched."""
    for record in ending.world.log.whole(SYNC_QUARANTINE):
        headers = dict(record.headers)
        if record.value not in ending.world.poison:
            yield f"{headers[ORIGIN].decode()} is in quarantine: {headers.get(MESSAGE, b'').decode()}"


def _unread(ending: Ending) -> Iterator[str]:
    for process in ending.world.processes:
        for partition in process.partitions:
            end = len(ending.world.log.read(partition.agent.topic, partition.number))
            if partition.position != end - 1:
                yield f"{partition.agent.name}/{partition.number} stands at {partition.position} of {end - 1}"


def _unrecorded(ending: Ending) -> Iterator[str]:
    recorded = {(entry.source.topic, entry.source.partition, entry.source.offset) for _, entry in ending.journal}
    quarantined = {dict(record.headers).get(ORIGIN, b"").decode() for record in ending.world.log.whole(SYNC_QUARANTINE)}
    for topic in (GRAPH_CHANGES, SALESFORCE_CHANGES, SYNC_OUTCOMES, SETTINGS_CHANGES, OPERATOR_ACTIONS):
        for record in ending.world.log.whole(topic):
            place = (record.topic, record.partition, record.offset)
            if place in recorded or "/".join(map(str, place)) in quarantined or _is_nobodys(ending, record):
                continue
            yield f"{place} is neither in the journal nor in quarantine"


def _is_nobodys(ending: Ending, record: Stored) -> bool:
    """Whether a record is the removal of what had never been seen, and so never was ours."""
    if record.topic not in {GRAPH_CHANGES, SALESFORCE_CHANGES}:
        return False
    change = ending.changes[record.topic, record.partition][record.offset]
    if change is None:
        return False
    earlier = ending.changes[record.topic, record.partition][: record.offset]
    return change.item is None and not any(one is not None and one.id == change.id and one.item for one in earlier)


def _unanswered(ending: Ending) -> Iterator[str]:
    for command_id, command in ending.commands.items():
        if command_id not in ending.outcomes:
            yield f"{command_id} ({command.side} {command.action}) has no outcome"


def _unfolded(ending: Ending) -> Iterator[str]:
    for record, entry in ending.journal:
        pair = ending.pairs.get(entry.pair_key)
        if entry.pair_key != role.SETTINGS_KEY and (pair is None or pair.offset < record.offset):
            yield f"{entry.pair_key}: journal entry {record.partition}/{record.offset} is not folded"


def i6_nothing_deleted_by_accident(ending: Ending) -> Problems:
    """Whatever Concord deleted was deleted by a person on the other side, under a policy that allowed it; once each.
    What was deleted in a burst was released."""
    problems = []
    for pair_key, command in _deletions(ending):
        source = Side.SALESFORCE if command.side is Side.GRAPH else Side.GRAPH
        found = _found_removed(ending, pair_key, source)
        deletions = ending.world.diary.deletions
        by_people = sum(deletions[source, native] for native in found)
        # A copy that went because its organizer's went, or an item that was made and deleted before we knew its id.
        is_indirect = any(native == "" or (source is Side.GRAPH and native not in ending.graph) for native in found)
        times = sum(other.side is command.side for key, other in _deletions(ending) if key == pair_key)
        by_people += _times_turned(ending, pair_key)
        if not by_people and not is_indirect:
            problems.append(f"{command.command_id} deleted an item in {command.side} that nobody deleted elsewhere")
        elif by_people and times > by_people and all(deletions[source, native] for native in found):
            problems.append(f"{pair_key} was deleted in {command.side} {times} times, by people {by_people} times")
        allowed = "delete_from_microsoft" if command.side is Side.SALESFORCE else "delete_from_practifi"
        if not any(getattr(settings, allowed) for settings in ending.world.settings_history):
            problems.append(f"{command.command_id} deleted in {command.side} against the policy")
    return [*problems, *unreleased_deletions(ending, _deletions(ending))]


def _times_turned(ending: Ending, pair_key: str) -> int:
    """How often people made a series of a single event: its dates stand in Practifi by themselves from then on."""
    kinds = [
        entry.what.item.kind
        for _, entry in ending.journal
        if entry.pair_key == pair_key and isinstance(entry.what, Seen) and entry.what.item is not None
        if entry.what.side is Side.GRAPH
    ]
    pairs = zip([Kind.SINGLE, *kinds], kinds, strict=False)
    return sum(before is Kind.SINGLE and after is Kind.SERIES_MASTER for before, after in pairs)


def _deletions(ending: Ending) -> list[tuple[str, Command]]:
    """The deletions that were carried out, with their pairs."""
    written = {write.command_id for write in ending.writes}
    commands = (ending.commands[one] for one in written if one in ending.commands)
    found = [(one.pair_key, one) for one in commands if one.action is Action.DELETE]
    return sorted(found, key=lambda pair: pair[1].command_id)


def _found_removed(ending: Ending, pair_key: str, side: Side) -> set[str]:
    """The ids of one side of a pair that were found removed, by a source or by a sink."""
    found: set[str] = set()
    for _, entry in ending.journal:
        if entry.pair_key != pair_key:
            continue
        if isinstance(entry.what, Seen) and entry.what.side is side and entry.what.item is None:
            found.add(entry.what.id)
        outcome = entry.what.outcome if isinstance(entry.what, OutcomeKnown) else None
        if outcome is not None and outcome.side is side and outcome.result is Result.GONE:
            found.add(ending.commands[outcome.command_id].id)
    return found


def i7_no_surprise_mail(ending: Ending) -> Problems:
    """Each mail that Concord caused stands in the decision that ordered the write, and in the ledger; none went beyond
    the limits without a release."""
    predicted: dict[str, Counter] = {}  # type: ignore[type-arg]
    for decision in ending.decisions:
        for command_id in decision.commands:
            predicted[command_id] = Counter(decision.mails)
    problems = []
    for command_id, mails in ending.mails_by_command().items():
        unforeseen = mails - predicted.get(command_id, Counter())
        if unforeseen:
            problems.append(f"{command_id or 'no command'} sent {_text(unforeseen)} that no decision foresaw")
    return [
        *problems,
        *_imports(ending),
        *_in_shadow(ending),
        *_unconfirmed(ending),
        *unreleased_mails(ending),
        *ledger_differs(ending),
    ]


def _in_shadow(ending: Ending) -> Iterator[str]:
    """Under shadow mode nothing is sent to either side."""
    dark = {one.number for one in ending.world.settings_history if one.shadow}
    for decision in ending.decisions:
        if decision.commands and decision.settings_number in dark:
            yield f"{decision.commands} were sent in shadow mode"


def _unconfirmed(ending: Ending) -> Iterator[str]:
    """Before a preflight is confirmed nothing is sent to Microsoft 365."""
    closed = {one.number for one in ending.world.settings_history if one.preflight_at is None}
    for decision in ending.decisions:
        commands = (ending.commands[one] for one in decision.commands if one in ending.commands)
        if decision.settings_number in closed and any(one.side is Side.GRAPH for one in commands):
            yield f"{decision.commands} went to Microsoft 365 before a preflight was confirmed"


def _imports(ending: Ending) -> Iterator[str]:
    """What only software saved in Practifi was sent to Microsoft 365."""
    if not ending.world.services.names.origin or any(
        one.outbound_origins != ("ui",) for one in ending.world.settings_history
    ):
        return
    for write in ending.world.services.graph.writes:
        record_id = write.command_id.rpartition("#")[0].removeprefix("s:")
        if write.created and write.command_id.startswith("s:") and record_id not in ending.world.diary.by_hand:
            yield f"{write.command_id} sent an import to Microsoft 365"


def i8_pure_function_of_the_journal(ending: Ending) -> Problems:
    """Folding each journal partition from zero gives the live table, byte for byte, also after its disk was lost."""
    problems = []
    for (agent, number), table in ending.world.process("reconcile").tables.items():
        if agent != "reconcile":
            continue
        table.wipe()
        table.recover()
        journal = readable(ending.world, SYNC_JOURNAL, JournalEntry)
        partition = fold_partition(number, ((one.offset, entry) for one, entry in journal if one.partition == number))
        expected = role.rows_of(partition)
        live = {row: value for row, value in table.local.items() if row != POSITION_ROW}
        problems += [f"{number}: row {row!r} differs" for row in expected.keys() | live.keys()
                     if expected.get(row) != live.get(row)]  # fmt: skip
    return problems


def i9_private_stays_private(ending: Ending) -> Problems:
    """Private text is in no log line, header or error; private events carry no attendees across."""
    problems = [f"private text in a log line: {line[:80]}" for line in ending.world.captured_logs() if SECRET in line]
    for topic in (SYNC_QUARANTINE, SYNC_JOURNAL):
        for record in ending.world.log.whole(topic):
            if any(SECRET.encode() in value for _, value in record.headers):
                problems.append(f"private text in a header of {topic}")
    for outcomes in ending.outcomes.values():
        problems += [f"private text in the outcome of {one.command_id}" for one in outcomes if SECRET in one.message]
    for command in ending.commands.values():
        if command.content is None or command.content.sensitivity == "normal" or not command.content.attendees:
            continue
        if "people" in command.fields and (command.side is Side.SALESFORCE or command.action is Action.CREATE):
            problems.append(f"{command.command_id} carries attendees of a private event to {command.side}")
    return problems


INVARIANTS: Final[tuple[tuple[str, Callable[[Ending], Problems]], ...]] = (
    ("I1 converge", i1_converge),
    ("I3 Microsoft wins", i3_microsoft_wins),
    ("I4 effect once", i4_effect_once),
    ("I5 nothing lost", i5_nothing_lost),
    ("I6 nothing deleted by accident", i6_nothing_deleted_by_accident),
    ("I7 no surprise mail", i7_no_surprise_mail),
    ("I9 private stays private", i9_private_stays_private),
    ("I2 quiet", i2_quiet),
    ("I8 pure function of the journal", i8_pure_function_of_the_journal),
)
