"""I4 on real parts: stages go over all of their input again, and neither service hears of it."""

from __future__ import annotations

import pytest
from integration.roles.test_rebuild import changelog, differing, fold_of_the_journal
from support.running import Running

from concord.groups import StillRunning
from concord.replay_ranges import Range, Start
from concord.replay_stages import Stage
from concord.replaying import execute, follow, plan
from concord.roles.reconcile import STATE_TABLE
from concord.table_versions import version_in_use

pytestmark = [pytest.mark.broker, pytest.mark.long]


def test_replaying_everything_changes_nothing_and_writes_nothing(firm: Running) -> None:
    """Intake and reconcile from the beginning: the table stays the fold of the journal, both services' request logs
    show no write, no pair stands otherwise than before."""
    roles, user, day = firm.env.roles, firm.users[0], firm.a_free_day()
    made = firm.outlook.create(user.address, firm.meeting("Before the replay", day, 2))
    record = firm.record_of(made["id"], Subject="Before the replay")
    firm.practifi.edit(record["Id"], {"Subject": "Edited before the replay"})
    firm.event_of(user, record["Id"], subject="Edited before the replay")
    firm.come_to_agreement()
    with pytest.raises(StillRunning, match="concord-reconcile has 1 worker"):
        execute(firm.broker, Stage.RECONCILE, plan(firm.broker, Stage.RECONCILE, Start(is_earliest=True)))
    assert roles.halt("reconcile") == 0
    before, standing = firm.marks(), standings(firm)
    told: list[tuple[int, int]] = []
    try:
        ranges = [
            one for stage in (Stage.INTAKE, Stage.RECONCILE) for one in replayed(firm, stage, Start(is_earliest=True))
        ]  # fmt: skip
        assert {one.first for one in ranges} == {0}
    finally:
        roles.resume("reconcile")
    follow(firm.broker, ranges, lambda done, total: told.append((done, total)))
    assert told[-1] == (sum(one.records for one in ranges),) * 2
    firm.settle()
    assert firm.graph_writes(before) + firm.practifi_writes(before) == []
    assert standings(firm) == standing
    assert roles.halt("reconcile") == 0
    try:
        version = version_in_use(firm.broker, STATE_TABLE)
        assert differing(changelog(firm.broker, version), fold_of_the_journal(firm.broker)) == []
    finally:
        roles.resume("reconcile")
    firm.come_to_agreement()
    firm.assert_no_duplicates()


def replayed(firm: Running, stage: Stage, wanted: Start) -> list[Range]:
    """Set a stage back; what it will go over again."""
    ranges = plan(firm.broker, stage, wanted)
    execute(firm.broker, stage, ranges)
    return ranges


def standings(firm: Running) -> dict[str, tuple[str, str, int, bool]]:
    """How each pair stands: what a replay must not move."""
    return {key: (s.status, s.reason, s.revision, s.is_detached) for key, s in firm.pairs().items()}
