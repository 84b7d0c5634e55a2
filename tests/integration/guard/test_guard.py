"""The guard on a real broker: killed workers, a stalling broker, lost folders, a deaf Faust, poison, two workers."""

from __future__ import annotations

import os
import random
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from integration.guard.lab import Lab, lab_on, read_topic, stalling, wait_for
from support.broker import admin_of

from concord.broker import DevelopmentBroker
from schemas.topics import SYNC_QUARANTINE

pytestmark = pytest.mark.broker

# Kills in the torture test; a soak run sets more, and another seed.
KILLS = int(os.environ.get("CONCORD_GUARD_KILLS", "2"))
SEED = int(os.environ.get("CONCORD_SEED", "7"))


@pytest.fixture(scope="module", autouse=True)
def quarantine(broker: DevelopmentBroker) -> None:
    """The topic that the guard writes to by its fixed name."""
    with admin_of(broker.address) as admin:
        if SYNC_QUARANTINE not in admin.list_topics():
            admin.create_topics({SYNC_QUARANTINE: {"num_partitions": 1, "replication_factor": 1}})


@pytest.fixture
def lab(broker: DevelopmentBroker, tmp_path: Path) -> Iterator[Lab]:
    """Topics of the test's own."""
    with lab_on(broker.address, tmp_path) as made:
        yield made


@pytest.mark.long
def test_killed_workers_on_a_stalling_broker_lose_nothing(broker: DevelopmentBroker, lab: Lab) -> None:
    """SIGKILL under load, again and again, while the broker freezes 250 ms of every 400, with one lane and with eight:
    each input has its output, the table is the fold of the inputs in their order, the local databases agree, and the
    group stands behind the last record."""
    if not broker.is_controllable:
        pytest.skip("a broker given by address is not ours to freeze")
    chance = random.Random(SEED)
    with lab.toy() as one, lab.toy(lanes=8, pause_s=0.002) as eight:
        with stalling(broker):
            with lab.under_load():
                for number in range(KILLS):
                    toy = (one, eight)[number % 2]
                    toy.start()
                    time.sleep(2.2 + chance.uniform(0.0, 1.8))
                    toy.kill()
                one.start()
                time.sleep(2.5)
            wait_for(lab.is_done, 90)
        assert one.stop() == 0
    lab.assert_nothing_lost()
    assert lab.table_by_database() == lab.expected_table()
    assert lab.committed() == {number: position + 1 for number, position in lab.positions().items()}


@pytest.mark.long
def test_a_deleted_folder_is_recovered_and_a_group_ahead_is_not_believed(lab: Lab) -> None:
    """The databases are gone: the same table comes back from the changelog. The group stands at the end of a topic to
    which nothing is added, the position before: what lies between is processed although nothing arrives."""
    lab.put(0, 400)
    with lab.toy(worker="") as toy:
        toy.start()
        wait_for(lab.is_done)
        assert toy.stop() == 0
        shutil.rmtree(lab.folder / "w1")
        lab.put(400, 600)
        lab.commit_at_end()
        toy.start()
        wait_for(lab.is_done)
        assert toy.stop() == 0
        assert toy.said("hole, offsets 200 to 499 are read back")
    lab.assert_nothing_lost()
    assert lab.table_by_database() == lab.expected_table()


def test_what_faust_does_not_deliver_is_read_back(lab: Lab) -> None:
    """Faust goes deaf in the middle of a run, without any error: the rest of the topic is processed all the same."""
    lab.put(0, 300)
    with lab.toy(deaf_after=100) as toy:
        toy.start()
        wait_for(lambda: bool(lab.outputs()))
        lab.put(300, 300)
        wait_for(lab.is_done)
        assert toy.stop() == 0
        assert toy.said("Faust does not deliver") or toy.said("hole, offsets")
    lab.assert_nothing_lost()


def test_poison_stands_in_quarantine_and_holds_nobody_up(lab: Lab) -> None:
    """Unreadable bytes, an empty record and a nameless one: as they were, with Connect's headers; the rest goes on."""
    lab.put_raw(b"k0", b"v0")
    lab.put_raw(b"k0", b"poison \xff\x00", headers=[("mark", b"mine")], timestamp_ms=1732470000000)
    lab.put_raw(b"k0", None)
    lab.put_raw(b"k0", b"v1")
    with lab.toy() as toy:
        toy.start()
        wait_for(lab.is_done)
        assert toy.stop() == 0
    lab.assert_nothing_lost()
    topic = lab.settings.source.encode()
    held = [r for r in read_topic(lab.address, SYNC_QUARANTINE) if r.headers.get("__connect.errors.topic") == topic]
    assert [(r.key, r.value) for r in held] == [(b"k0", b"poison \xff\x00"), (b"k0", None)]
    headers = held[0].headers
    assert headers["mark"] == b"mine"
    assert headers["__connect.errors.offset"] == b"1"
    assert headers["__connect.errors.task.id"] == b"w1"
    assert headers["__connect.errors.exception.class.name"] == b"schemas.errors.UnreadableRecord"
    assert headers["__connect.errors.exception.message"] == b"The record is poison."


def test_a_stop_does_not_wait_for_a_step_that_hangs(lab: Lab) -> None:
    """SIGTERM while a step waits for a minute: a clean end within ten seconds, and the record is done again later."""
    lab.put(0, 8)
    with lab.toy(lanes=4, pause_s=60.0) as toy:
        toy.start()
        wait_for(lambda: toy.said("/1: taken over"))
        time.sleep(0.3)
        told = time.monotonic()
        assert toy.stop() == 0
        assert time.monotonic() - told < 10
    assert lab.positions() == {}
    assert lab.outputs() == []


@pytest.mark.long
def test_two_workers_share_and_hand_over_under_load(lab: Lab) -> None:
    """A second worker comes and the first one goes while records flow: nothing is lost between them."""
    with lab.toy("w1", worker="") as first, lab.toy("w2", worker="") as second:
        with lab.under_load(1000):
            first.start()
            wait_for(lambda: first.said("/1: taken over"))
            time.sleep(0.5)
            second.start()
            wait_for(lambda: second.said("taken over"))
            time.sleep(1.0)
            assert first.stop() == 0
            wait_for(lambda: second.said("/0: taken over") and second.said("/1: taken over"))
        wait_for(lab.is_done)
        assert second.stop() == 0
    lab.assert_nothing_lost()
