"""Commands that change something, on a real broker: several people at once, retry, and waiting until all is settled.

Runs after the modules that only look at the same firm.
"""

from __future__ import annotations

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from integration.cli.firm import Firm
from support.history import PENDING, REFUSED, REVIEW
from support.simulation_pairs import OWNER

from concord.changing import current_settings, set_settings, switch_users
from concord.reading import JournalFold, read_settings, read_topics
from concord.settling import Watch, wait_settled
from schemas.codec import decode
from schemas.commands import Result
from schemas.journal import OperatorAction, OperatorVerb
from schemas.topics import OPERATOR_ACTIONS, SYNC_JOURNAL

pytestmark = pytest.mark.broker


def test_many_writers_at_once_lose_nothing(firm: Firm) -> None:
    """Six people change six settings and two users in the same moment: every change stands in the end, under numbers
    without a gap."""
    address = firm.address
    before = current_settings(address)
    start = threading.Barrier(6)
    updates = [
        {"direction": "practifi_to_microsoft"}, {"inbound_years": "7"}, {"outbound_months": "9"},
        {"sync_private_events": "on"}, {"licences": "50"},
    ]  # fmt: skip

    def change(number: int) -> None:
        start.wait(timeout=30)
        if number < len(updates):
            set_settings(address, updates[number], by=f"writer-{number}")
        else:
            switch_users(address, ["bob@firm.example"], enable=True, by=f"writer-{number}")

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(change, range(6)))
    documents = read_settings(address)
    now = documents[-1]
    assert [d.number for d in documents] == list(range(1, len(documents) + 1))
    assert now.number == before.number + 6
    assert (now.direction, now.inbound_years, now.outbound_months) == ("practifi_to_microsoft", 7, 9)
    assert (now.sync_private_events, now.licences) == (True, 50)
    assert {user.address for user in now.users if user.is_enabled} == {"ann@firm.example", "bob@firm.example"}


def test_settings_set_is_seen_by_show_and_history(firm: Firm) -> None:
    """What was saved comes back from the topic, with who saved it."""
    done = firm.run("settings", "set", "conflict_scope=record", "--by", "olga")
    assert "conflict_scope: field -> record" in done.stdout
    shown = json.loads(firm.run("settings", "show", "--json").stdout)
    assert (shown["conflict_scope"], shown["changed_by"]) == ("record", "olga")
    last = json.loads(firm.run("settings", "history", "--json").stdout)[-1]
    assert (last["number"], last["changes"]) == (shown["number"], ["conflict_scope: field -> record"])


def test_users_are_enabled_and_disabled_by_address(firm: Firm) -> None:
    """The Salesforce user is the one with the address; outbound begins now; disabling forgets nobody."""
    firm.run("settings", "set", "direction=two_way")
    enabled = json.loads(firm.run("users", "enable", "robert@firm.example", "--json").stdout)
    bob = next(user for user in enabled["users"] if user["address"] == "bob@firm.example")
    assert (bob["salesforce_id"], bob["is_enabled"]) == ("005BOB", True)
    disabled = json.loads(firm.run("users", "disable", "bob@firm.example", "--json").stdout)
    assert {user["salesforce_id"] for user in disabled["users"]} == {OWNER, "005BOB"}


def test_retry_asks_only_for_pairs_in_error(firm: Firm) -> None:
    """`--errors` finds the refused one; a named pair that is not in error is left alone; twice is safe."""
    assert json.loads(firm.run("retry", "--errors", "--json").stdout) == {"retried": [REFUSED]}
    assert f"{REVIEW} is not in error" in firm.run("retry", REVIEW).stdout
    assert REFUSED in firm.run("retry", "dinner", "--by", "olga").stdout
    actions = [decode(OperatorAction, record.value) for record in read_topics(firm.address, OPERATOR_ACTIONS)]
    assert [(a.pair_key, a.action.verb) for a in actions] == [(REFUSED, OperatorVerb.RETRY)] * 2
    assert actions[-1].action.by == "olga"


def test_waiting_ends_once_everything_is_dealt_with(firm: Firm) -> None:
    """While a wait is on, the outcome comes in and the groups catch up: then the answer is yes, and exit code 0."""
    firm.commit_everything()
    assert not wait_settled(firm.address, 0).is_settled
    looked = threading.Event()
    answers = []
    waiting = threading.Thread(
        target=lambda: answers.append(wait_settled(firm.address, 60, on_look=lambda _: looked.set()))
    )
    waiting.start()
    assert looked.wait(timeout=30)
    history = firm.history
    known = len(history.entries)
    pending = history.pair(PENDING).salesforce.pending
    assert pending is not None
    history.answer(pending, "00U000000000009AAA", at=99, result=Result.APPLIED)
    firm.write({SYNC_JOURNAL: [(entry.pair_key, entry) for _, _, entry in history.entries[known:]]})
    firm.commit_everything()
    waiting.join(timeout=60)
    assert [answer.is_settled for answer in answers] == [True]
    done = firm.run("status", "--wait", "30", "--json")
    assert done.exit_code == 0
    assert json.loads(done.stdout)["settled"] is True


def test_looking_again_reads_only_what_was_added(firm: Firm) -> None:
    """Polling is cheap: nothing is read twice, and a look at a quiet broker takes milliseconds."""
    address = firm.address
    with JournalFold(address) as fold:
        assert fold.advance() == len(firm.history.entries)
        assert fold.advance() == 0
    with Watch(address) as watch:
        watch.look()
        started = time.process_time()
        for _ in range(5):
            watch.look()
        assert (time.process_time() - started) / 5 < 0.2
