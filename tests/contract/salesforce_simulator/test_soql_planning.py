"""Indexes may only make a query faster: with and without them the rows are the same."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from support.salesforce_client import START, SalesforceClient, build_org

from simulators.salesforce.soql.engine import Soql, Viewer


@pytest.fixture(scope="module")
def busy() -> SalesforceClient:
    """An org with 120 events of varied times, owners, keys and relations, some of them changed or deleted."""
    org = build_org()
    rng = random.Random(3)
    for place in range(120):
        start = START + timedelta(hours=rng.randrange(-200, 200))
        key = org.event(
            Subject=rng.choice(["Call", "call", "Review"]),
            StartDateTime=start.isoformat(),
            EndDateTime=(start + timedelta(minutes=rng.choice([0, 30, 600]))).isoformat(),
            Location=rng.choice([None, "A", "B"]),
            OwnerId=org.ids[rng.choice(["ada", "bob", "public"])],
            WhoId=rng.choice([None, org.ids["contact"], org.ids["other_contact"]]),
            Concord_Sync_Key__c=f"k{place}" if place % 3 else None,
            practifi__External_ID__c=rng.choice([None, "g1", "G1", "g2"]),
        )
        if place % 5 == 0:
            org.create("EventRelation", {"EventId": key, "RelationId": org.ids["cleo"]})
        org.clock.advance(rng.choice([0, 1, 90]))
        if place % 7 == 0:
            org.delete(f"/sobjects/Event/{key}")
        elif place % 4 == 0:
            org.patch(f"/sobjects/Event/{key}", {"Location": None, "practifi__External_ID__c": None})
    return org


def atom(org: SalesforceClient, rng: random.Random) -> str:
    """One random condition, half of them on indexed fields."""
    moment = (START + timedelta(hours=rng.randrange(-220, 220), seconds=rng.choice([0, 3600]))).strftime(
        "%Y-%m-%dT%H:%M:%SZ"
    )
    stamp = (START + timedelta(seconds=rng.randrange(0, 4000))).strftime("%Y-%m-%dT%H:%M:%SZ")
    operator = rng.choice(["=", "!=", "<", "<=", ">", ">="])
    people = [f"'{org.ids[name]}'" for name in ("ada", "bob", "public", "cleo")]
    listed = ", ".join(rng.sample(people, 2))
    who = f"'{org.ids['contact']}'"
    return rng.choice(
        [
            f"StartDateTime {operator} {moment}",
            f"SystemModstamp {operator} {stamp}",
            f"EndDateTime {operator} {moment}",
            f"ActivityDate {operator} {moment[:10]}",
            f"StartDateTime {operator} {rng.choice(['TODAY', 'LAST_N_DAYS:3', 'NEXT_WEEK', 'THIS_MONTH'])}",
            f"OwnerId {rng.choice(['=', '!='])} {rng.choice(people)}",
            f"OwnerId {rng.choice(['IN', 'NOT IN'])} ({listed})",
            f"WhoId {rng.choice(['=', '!='])} {rng.choice(['null', who])}",
            f"Concord_Sync_Key__c {operator} 'k{rng.randrange(120)}'",
            "Concord_Sync_Key__c IN ('k1', 'K2', 'k5', null)",
            f"practifi__External_ID__c {rng.choice(['=', '!='])} {rng.choice(['null', 'g1', 'G2'])!r}".replace(
                "'null'", "null"
            ),
            f"Location {rng.choice(['=', '!='])} 'a'",
            "Subject LIKE 'c%'",
            f"IsChild = {rng.choice(['true', 'false'])}",
            "Owner.Name LIKE '%a%'",
            f"Id {rng.choice(['IN', 'NOT IN'])} (SELECT EventId FROM EventRelation WHERE RelationId = {people[3]})",
        ]
    )


def condition(org: SalesforceClient, rng: random.Random, depth: int) -> str:
    """A random tree of conditions."""
    if depth == 0 or rng.random() < 0.2:
        return atom(org, rng)
    if rng.random() < 0.15:
        return f"(NOT {condition(org, rng, depth - 1)})"
    joiner = rng.choice([" AND ", " AND ", " OR "])
    return f"({joiner.join(condition(org, rng, depth - 1) for _ in range(rng.choice([2, 2, 3])))})"


@pytest.mark.parametrize("all_rows", [False, True])
def test_indexes_change_nothing_but_speed(busy: SalesforceClient, all_rows: bool) -> None:
    """Two hundred random conditions give the rows that a test of every row gives, in the same order."""
    rng = random.Random(17)
    store, schema = busy.simulator._records.store, busy.simulator._records.schema
    soql = Soql(schema, store, Viewer(datetime(2026, 5, 21, 8, tzinfo=UTC), ZoneInfo("Europe/Berlin"), all_rows))
    sizes = []
    for _ in range(200):
        text = f"SELECT Id FROM Event WHERE {condition(busy, rng, 3)}"
        plan = soql.plan(text)
        assert plan.filter is not None
        test = plan.filter.test
        expected = [
            row["Id"] for row in store.tables["Event"].rows.values() if (all_rows or not row["IsDeleted"]) and test(row)
        ]
        assert [row["Id"] for row in plan.rows()] == expected, text
        sizes.append(len(expected))
    assert sum(1 for size in sizes if 0 < size < 100) > 60, "the conditions are too dull"
