"""`concord project` on a real broker: two instances, one killed; a rebuild beside them gives the same rows."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest
from integration.cli.firm import Firm
from sqlalchemy import and_, func, select, update
from support.history import PRIVATE, REFUSED, REVIEW
from support.simulation_pairs import content
from typer.testing import Result

from concord.config import Config, load_config
from concord.read_models.database import database_url, open_database
from concord.read_models.keeper import Keeper
from concord.read_models.reading import Reader
from concord.read_models.rebuilding import digest_of, model_named, rebuild, rebuild_in, roll_back
from concord.read_models.runs import RunFilter, RunLog
from concord.read_models.shelf import ConflictShelf, LostFilter
from concord.reading import read_topics
from projections.read_models.catalogue import BY_NAME, MODELS
from projections.read_models.tables import MOMENTS
from schemas.commands import Result as Outcome
from schemas.errors import ConfigError
from schemas.state import Status
from schemas.topics import SYNC_DECISIONS, SYNC_JOURNAL

pytestmark = pytest.mark.broker
LIMIT_S = 120.0


@pytest.fixture(scope="module")
def config(firm: Firm, tmp_path_factory: pytest.TempPathFactory) -> Config:
    """The firm's broker, and a database file of this module's own."""
    folder = tmp_path_factory.mktemp("read-models")
    return load_config(environ={"CONCORD_BROKER": firm.address, "CONCORD_DATA_DIR": str(folder)})


@pytest.fixture(scope="module")
def instances(config: Config) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Two processes of the role."""
    environ = {**os.environ, "CONCORD_BROKER": config.broker, "CONCORD_DATA_DIR": str(config.data_dir)}
    command = [sys.executable, "-m", "concord", "project"]
    running = [subprocess.Popen(command, env=environ, stderr=subprocess.DEVNULL) for _ in range(2)]
    yield running
    for one in running:
        one.terminate()
    codes = [one.wait(timeout=30) for one in running]
    assert 0 in codes


def ends(firm: Firm) -> dict[tuple[str, int], int]:
    """How many records each partition has."""
    found: dict[tuple[str, int], int] = {}
    for record in read_topics(firm.address, SYNC_JOURNAL, SYNC_DECISIONS):
        found[record.topic, record.partition] = record.offset + 1
    return found


def wait_until_kept(config: Config, firm: Firm) -> None:
    """Until the database has everything that stands on the topics."""
    wanted, deadline = ends(firm), time.monotonic() + LIMIT_S
    engine = open_database(database_url(config))
    keeper = Keeper(engine)
    try:
        while any(keeper.positions(number)[topic] < end for (topic, number), end in wanted.items()):
            assert time.monotonic() < deadline, "the read models did not come as far as the topics"
            time.sleep(0.1)
    finally:
        engine.dispose()


def digests(config: Config) -> dict[str, str]:
    """What every model holds."""
    engine = open_database(database_url(config))
    builds = Keeper(engine).active()
    try:
        with engine.begin() as transaction:
            return {model.name: digest_of(transaction, model, builds[model.name]) for model in MODELS}
    finally:
        engine.dispose()


@pytest.mark.long
def test_one_of_two_is_killed_and_nothing_is_missing_or_doubled(
    config: Config, firm: Firm, instances: list[subprocess.Popen[bytes]]
) -> None:
    """Records come before and after; the survivor takes over. A rebuild into another database counts the same."""
    wait_until_kept(config, firm)
    known = (len(firm.history.entries), len(firm.history.decisions))
    instances[0].send_signal(signal.SIGKILL)
    firm.history.graph("m:uid-late", "LATE", content("Added while one is away"), at=70)
    entries, decisions = firm.history.entries[known[0] :], firm.history.decisions[known[1] :]
    firm.write(
        {
            SYNC_JOURNAL: [(entry.pair_key, entry) for _, _, entry in entries],
            SYNC_DECISIONS: [(decision.pair_key, decision) for decision in decisions],
        }
    )
    wait_until_kept(config, firm)
    kept = digests(config)
    other = open_database(database_url(config).set(database=str(config.data_dir / "other.db")))
    Keeper(other).prepare()
    assert kept == {model.name: rebuild_in(other, firm.address, model).digest for model in MODELS}
    other.dispose()


def test_a_rebuild_is_put_in_force_and_can_be_taken_back(
    config: Config, firm: Firm, instances: list[subprocess.Popen[bytes]]
) -> None:
    """The running instance goes on with whichever build is in force."""
    wait_until_kept(config, firm)
    told: list[int] = []
    done = rebuild(config, "run-log", told.append)
    assert (done.digest, done.records) == (done.digest_before, told[-1])
    engine = open_database(database_url(config))
    assert Keeper(engine).active()["run-log"] == done.build
    known = (len(firm.history.entries), len(firm.history.decisions))
    step = firm.history.graph("m:uid-sorry", "SORRY", content("Refused later"), at=1000)
    firm.history.answer(step.commands[0], at=1001, result=Outcome.REFUSED, code="LATE")
    entries, decisions = firm.history.entries[known[0] :], firm.history.decisions[known[1] :]
    firm.write(
        {
            SYNC_JOURNAL: [(entry.pair_key, entry) for _, _, entry in entries],
            SYNC_DECISIONS: [(decision.pair_key, decision) for decision in decisions],
        }
    )
    wait_until_kept(config, firm)
    after = digests(config)["run-log"]
    assert roll_back(engine, model_named("run-log")) == done.build - 1
    wait_until_kept(config, firm)
    assert digests(config)["run-log"] == after != done.digest
    engine.dispose()
    with pytest.raises(ConfigError, match="no read model has this name"):
        rebuild(config, "runlog")


def run(config: Config, firm: Firm, *words: str) -> Result:
    """`concord WORDS` with this module's database."""
    os.environ["CONCORD_DATA_DIR"] = str(config.data_dir)
    try:
        return firm.run(*words)
    finally:
        del os.environ["CONCORD_DATA_DIR"]


def test_what_the_read_models_say(config: Config, firm: Firm, instances: list[subprocess.Popen[bytes]]) -> None:
    """Run log with its error, story, conflict, freshness; nothing of the private event but that it is there."""
    wait_until_kept(config, firm)
    engine = open_database(database_url(config), writes=False)
    reader = Reader(engine)
    log = RunLog(engine)
    failed = [one for one in log.page(RunFilter(status="errors")).rows if REFUSED in log.failed(one.key)]
    assert (failed[0].direction, failed[0].message) == ("inbound", "FIELD_CUSTOM_VALIDATION_EXCEPTION")
    assert [value.group for value in ConflictShelf(engine).page(LostFilter()).rows if value.pair_key == REVIEW] == [
        "location"
    ]
    assert next(moment.headline for moment in reader.timeline(REVIEW)) == "First seen in Microsoft 365"
    assert any(moment.decision is not None and moment.decision.lost for moment in reader.timeline(REVIEW))
    assert any(moment.took_s is not None for moment in reader.timeline(REVIEW))
    assert "Surgery" not in str(reader.timeline(PRIVATE))
    rows = {row.owner: row for row in reader.freshness(firm.history.settings)}
    assert rows["mailbox-ann"].under_way == sum(
        side.pending is not None
        for state in firm.history.partition.pairs.values()
        for side in (state.graph, state.salesforce)
    )
    failing = sum(state.status is Status.ERROR for state in firm.history.partition.pairs.values())
    assert rows["mailbox-ann"].statuses["error"] == failing
    engine.dispose()
    shown = json.loads(run(config, firm, "runs", "--days", "3650", "--errors-only", "--json").stdout)
    assert [row["errors"] for row in shown if REFUSED in row["failed"]] == [failed[0].errors]
    said = run(config, firm, "rebuild", "held-writes").stdout
    assert said.startswith("Build 2 of held-writes is in use: ")
    assert said.endswith("the same rows as before.\n")
    assert "Build 1 of held-writes is in use again" in run(config, firm, "rebuild", "held-writes", "--rollback").stdout
    assert "Can be rebuilt: sync-state" in str(run(config, firm, "rebuild", "runlog").exception)
    table = run(config, firm, "runs", "--days", "3650").stdout
    assert "ann@firm.example" in table
    assert len(BY_NAME) == len(MODELS)


def test_a_row_that_went_wrong_is_shown_and_put_right(
    config: Config, firm: Firm, instances: list[subprocess.Popen[bytes]]
) -> None:
    """The command, over the topics: the dry run names the row, --execute heals it, and then all is the same."""
    wait_until_kept(config, firm)
    sound = digests(config)
    engine = open_database(database_url(config))
    build = Keeper(engine).active()["timeline"]
    with engine.begin() as transaction:
        offset = transaction.execute(select(func.min(MOMENTS.c.offset)).where(MOMENTS.c.build == build)).scalar()
        here = and_(MOMENTS.c.build == build, MOMENTS.c.partition == 0, MOMENTS.c.offset == offset)
        transaction.execute(update(MOMENTS).where(here).values(moment="{}"))
    engine.dispose()
    words = ("replay", "--stage", "projections", "--model", "timeline", "--to-earliest")
    shown = json.loads(run(config, firm, *words, "--json").stdout)
    (timeline,) = shown["models"]
    key = {"partition": 0, "offset": offset}
    assert timeline["differing"] == [{"table": "moments", "key": key, "how": "changed", "columns": ["moment"]}]
    assert not shown["is_executed"]
    assert "put right" in run(config, firm, *words, "--execute").stdout
    assert digests(config) == sound
    assert "the same as they stand" in run(config, firm, *words).stdout
    late = run(config, firm, "replay", "--stage", "projections", "--to-datetime", "2099-01-01").stdout
    assert "run-log: 0 records wrote 0 rows, the same as they stand." in late
    wrong = run(config, firm, "replay", "--stage", "projections", "--to-earliest", "--topic", "graph.changes")
    assert str(wrong.exception).startswith("The stage projections does not read graph.changes.")
