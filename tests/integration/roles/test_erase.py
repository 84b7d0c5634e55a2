"""A person is erased under workers that then go on: nothing is written or lost, and the next edits cross."""

from __future__ import annotations

from typing import Any

import pytest
from integration.roles.test_rebuild import changelog, differing, fold_of_the_journal
from support.running import Running

from concord.config import load_config
from concord.erasing import execute, plan, stopped
from concord.finding import find_pairs, one_pair, read_story
from concord.groups import StillRunning
from concord.processes import ROLES
from concord.reading import read_topics
from concord.roles.reconcile import STATE_TABLE
from concord.table_versions import version_in_use
from schemas.topics import SYNC_JOURNAL

pytestmark = [pytest.mark.broker, pytest.mark.long]


def test_workers_go_on_from_a_rewritten_log(firm: Running) -> None:
    """An event named somebody from outside, and does so no more. Once erased, its workers write nothing, hold the state
    that the journal folds to, and carry the next edits both ways."""
    roles, user, day = firm.env.roles, firm.users[0], firm.a_free_day()
    guest = {"emailAddress": {"address": "gwen@passing.example", "name": "Gwen Passing"}, "type": "required"}
    meeting = firm.meeting("Gwen passes by", day, 1)
    made = firm.outlook.create(user.address, {**meeting, "attendees": [*meeting["attendees"], guest]})
    record = firm.record_of(made["id"], Subject="Gwen passes by")
    without: dict[str, Any] = {"subject": "Somebody passed by", "attendees": meeting["attendees"]}
    firm.outlook.edit(user.address, made["id"], {**without, "body": {"contentType": "text", "content": "Over."}})
    firm.record_of(made["id"], Subject="Somebody passed by")
    firm.come_to_agreement()
    with pytest.raises(StillRunning):
        stopped(firm.broker)
    for role in ROLES:
        roles.halt(role)  # however it ends: a slow machine cuts it short
    before = firm.marks()
    try:
        found = plan(firm.broker, "gwen@passing.example", by="olga")
        (key,) = found.pairs
        assert (found.kept, found.records[SYNC_JOURNAL] > 0) == ({}, True)
        execute(load_config("broker", firm.env.variables), found)
    finally:
        for role in ROLES:
            roles.resume(role)
    assert [read for read in read_topics(firm.broker, SYNC_JOURNAL) if b"gwen@" in (read.value or b"").lower()] == []
    firm.settle()
    assert firm.graph_writes(before) + firm.practifi_writes(before) == []
    story = read_story(firm.broker, one_pair(find_pairs(firm.broker, key), key))
    assert story.moments[0].headline.startswith("Erased on ")
    firm.practifi.edit(record["Id"], {"Subject": "Edited in Practifi afterwards"})
    firm.event_of(user, record["Id"], subject="Edited in Practifi afterwards")
    firm.outlook.edit(user.address, made["id"], {"subject": "Edited in Outlook afterwards"})
    firm.record_of(made["id"], Subject="Edited in Outlook afterwards")
    firm.come_to_agreement()
    firm.assert_no_duplicates()
    roles.halt("reconcile")
    try:
        version = version_in_use(firm.broker, STATE_TABLE)
        assert differing(changelog(firm.broker, version), fold_of_the_journal(firm.broker)) == []
    finally:
        roles.resume("reconcile")
