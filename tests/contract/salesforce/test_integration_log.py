"""The org's integration log: found by the article's own query, written once, without anything private."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from support.builders import NOW, meeting, salesforce_item
from support.graph_driver import LossyWire
from support.salesforce_client import SalesforceClient
from support.salesforce_driver import NAMES, build_lasting, calls_to

from connectors.exchange import run
from connectors.salesforce.integration_log import ROWS_MAX, LogRow, row_of, write_rows
from schemas.changes import Side
from schemas.commands import Action, Outcome, Result
from schemas.errors import ServiceError, Unavailable

SYSTEMS = ("Microsoft Calendar Sync", "Microsoft Email Sync")
ARTICLE = (
    "SELECT Id, practifi__Error_Message__c, practifi__External_System__c, practifi__Date_Time__c, "
    "practifi__Is_Error__c FROM practifi__Integration_Log__c WHERE practifi__external_system__c = "
    "'Microsoft Email Sync' AND practifi__is_error__c = true ORDER BY practifi__Date_Time__c DESC"
)
ERROR = LogRow(NOW, "Practifi refused the update of an event (X).", True)
WARNING = LogRow(NOW, "Something was left out.", False)


@pytest.fixture
def org() -> SalesforceClient:
    """A calm org."""
    return build_lasting()


def outcome(result: Result = Result.REFUSED, **members: Any) -> Outcome:
    """What became of an update."""
    usual: dict[str, Any] = {"code": "FIELD_INTEGRITY_EXCEPTION", "message": "bad value: Topsecret plans"}
    return Outcome("m:uid#7", "m:uid", Side.SALESFORCE, Action.UPDATE, result, NOW, **(usual | members))


def write(org: SalesforceClient, *rows: LogRow, systems: tuple[str, ...] = SYSTEMS, send: Any = None) -> int:
    """One round."""
    return run(write_rows(rows, systems, NAMES), send or calls_to(org))


@pytest.mark.rule("5.log")
def test_errors_are_found_with_the_articles_query(org: SalesforceClient) -> None:
    """Newest first; each error stands under every system, a warning under the first only."""
    later = replace(ERROR, at=NOW + timedelta(minutes=1), message="Later.")
    assert write(org, ERROR, later, WARNING) == 5
    found = org.query(ARTICLE)
    assert [row["practifi__Error_Message__c"] for row in found] == ["Later.", ERROR.message]
    own = org.query("SELECT practifi__Is_Error__c FROM practifi__Integration_Log__c WHERE "
                    "practifi__External_System__c = 'Microsoft Calendar Sync'")  # fmt: skip
    assert sorted(row["practifi__Is_Error__c"] for row in own) == [False, True, True]


def test_rows_are_written_once(org: SalesforceClient) -> None:
    """A repeat, and a round whose answer was lost, add nothing."""
    assert write(org, ERROR) == 2
    assert write(org, ERROR, WARNING) == 1
    lossy = LossyWire(calls_to(org), {1: "after"})
    with pytest.raises(Unavailable):
        write(org, replace(ERROR, message="Another."), send=lossy)
    assert write(org, replace(ERROR, message="Another.")) == 0
    assert len(org.simulator.records(NAMES.log_object)) == 5


def test_a_full_round_fits_into_one_call(org: SalesforceClient) -> None:
    """As many as a round takes, under as many systems as there may be."""
    rows = [replace(ERROR, message=f"Row {number}") for number in range(ROWS_MAX)]
    assert write(org, *rows, systems=("A", "B", "C")) == 3 * ROWS_MAX


def test_an_org_without_the_object_says_so(org: SalesforceClient) -> None:
    """An error that the role drops."""
    with pytest.raises(ServiceError):
        run(write_rows([ERROR], SYSTEMS, replace(NAMES, log_object="Missing__c")), calls_to(org))


def test_what_is_told_names_the_pair_and_nothing_of_the_event() -> None:
    """The service's words may quote what is private; the code and the pair do not."""
    row = row_of(outcome())
    assert row == LogRow(
        NOW,
        "Practifi refused the update of an event (FIELD_INTEGRITY_EXCEPTION). For more: concord explain 'm:uid' (7)",
        True,
    )
    private = salesforce_item(meeting("Topsecret", body="Topsecret"))
    left_out = row_of(outcome(Result.APPLIED, code="", item=private, warning="room 023A: FIELD_INTEGRITY_EXCEPTION"))
    assert left_out is not None
    assert (left_out.is_error, "Topsecret" in left_out.message) == (False, False)
    assert "room 023A" in left_out.message


@pytest.mark.parametrize("result", [Result.APPLIED, Result.STALE, Result.GONE])
def test_what_went_well_is_not_told(result: Result) -> None:
    """Nor what is tried again by itself."""
    assert row_of(outcome(result)) is None
