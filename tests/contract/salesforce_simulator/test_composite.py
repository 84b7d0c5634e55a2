"""Composite, graph and batch: several requests in one."""

from __future__ import annotations

from typing import Any

from support.salesforce_client import PREFIX, SalesforceClient, error_of, event_body


def sub(method: str, path: str, reference: str, body: Any = None, **more: Any) -> dict[str, Any]:
    """One subrequest."""
    item = {"method": method, "url": PREFIX + path, "referenceId": reference, **more}
    return item if body is None else {**item, "body": body}


def run(org: SalesforceClient, *items: dict[str, Any], all_or_none: bool = False) -> list[dict[str, Any]]:
    """The results of a composite request that must be accepted."""
    response = org.post("/composite", {"allOrNone": all_or_none, "compositeRequest": list(items)})
    assert response.status == 200, response.body
    return list(response.json()["compositeResponse"])


def codes(results: list[dict[str, Any]]) -> list[tuple[int, str | None]]:
    """Status and error code of each result."""
    return [
        (item["httpStatusCode"], item["body"][0]["errorCode"] if item["httpStatusCode"] >= 400 else None)
        for item in results
    ]


def test_later_requests_use_earlier_answers(org: SalesforceClient) -> None:
    """`@{ref.id}` and `@{ref.records[0].Id}` are filled in bodies and URLs; the whole counts as one call."""
    used = org.simulator.calls_used
    results = run(
        org,
        sub("POST", "/sobjects/Contact", "who", {"LastName": "New"}),
        sub("POST", "/sobjects/Event", "ev", event_body(WhoId="@{who.id}", Subject="for @{who.id}")),
        sub("GET", "/query?q=SELECT+Id+FROM+Event+WHERE+WhoId='@{who.id}'", "found"),
        sub("PATCH", "/sobjects/Event/@{found.records[0].Id}", "up", {"Location": "Here"}),
        sub("GET", "/sobjects/Event/@{ev.id}", "read"),
    )
    assert codes(results) == [(201, None), (201, None), (200, None), (204, None), (200, None)]
    assert results[0]["httpHeaders"]["Location"].endswith(results[0]["body"]["id"])
    assert results[3]["body"] is None
    assert (results[4]["body"]["Location"], results[4]["body"]["WhoId"]) == ("Here", results[0]["body"]["id"])
    assert [item["referenceId"] for item in results] == ["who", "ev", "found", "up", "read"]
    assert org.simulator.calls_used == used + 1


def test_a_failure_halts_what_depends_on_it(org: SalesforceClient) -> None:
    """Without allOrNone only the dependent request is halted; the others stand."""
    results = run(
        org,
        sub("POST", "/sobjects/Contact", "who", {}),
        sub("POST", "/sobjects/Event", "ev", event_body(WhoId="@{who.id}")),
        sub("POST", "/sobjects/Event", "other", event_body()),
    )
    assert codes(results) == [(400, "REQUIRED_FIELD_MISSING"), (400, "PROCESSING_HALTED"), (201, None)]
    assert len(org.simulator.records("Event")) == 1


def test_all_or_none_halts_and_rolls_back_the_rest(org: SalesforceClient) -> None:
    """With allOrNone one failure undoes the whole: the others answer 400 PROCESSING_HALTED, before and after it."""
    changes = len(org.simulator.changes)
    results = run(
        org,
        sub("POST", "/sobjects/Event", "first", event_body()),
        sub("POST", "/sobjects/Contact", "bad", {}),
        sub("POST", "/sobjects/Event", "last", event_body()),
        all_or_none=True,
    )
    halted = (400, "PROCESSING_HALTED")
    assert codes(results) == [halted, (400, "REQUIRED_FIELD_MISSING"), halted]
    assert org.simulator.records("Event") == []
    assert len(org.simulator.changes) == changes


def test_all_or_none_is_one_transaction(org: SalesforceClient) -> None:
    """A whole that succeeds is one transaction; a record written twice in it is one change of the first kind."""
    run(
        org,
        sub("POST", "/sobjects/Event", "ev", event_body()),
        sub("PATCH", "/sobjects/Event/@{ev.id}", "up", {"Subject": "Final"}),
        sub("POST", "/sobjects/EventRelation", "rel", {"EventId": "@{ev.id}", "RelationId": org.ids["contact"]}),
        all_or_none=True,
    )
    first, second = org.simulator.changes
    assert (first.change_type, first.row["Subject"], first.sequence_number) == ("CREATE", "Final", 1)
    assert (second.entity, second.sequence_number) == ("EventRelation", 2)
    assert first.transaction_key == second.transaction_key


def test_a_collection_inside_counts_as_failed_with_any_item(org: SalesforceClient) -> None:
    """Under allOrNone a failed item of a collection fails the whole; the collection keeps its own body."""
    records = [{"attributes": {"type": "Contact"}, "LastName": "New"}, {"attributes": {"type": "Contact"}}]
    results = run(
        org,
        sub("POST", "/composite/sobjects", "many", {"allOrNone": False, "records": records}),
        sub("POST", "/sobjects/Contact", "one", {"LastName": "Smith"}),
        all_or_none=True,
    )
    assert [item["httpStatusCode"] for item in results] == [200, 400]
    assert [item["success"] for item in results[0]["body"]] == [True, False]
    assert org.query("SELECT Id FROM Contact WHERE LastName IN ('New', 'Smith')") == []


def test_subrequests_have_headers_of_their_own(org: SalesforceClient) -> None:
    """If-Unmodified-Since works per subrequest; Authorization is refused."""
    key = org.event()
    since = org.get(f"/sobjects/Event/{key}").headers["last-modified"]
    org.clock.advance(5)
    org.patch(f"/sobjects/Event/{key}", {"Subject": "1"})
    stale = sub("PATCH", f"/sobjects/Event/{key}", "a", {"Subject": "2"}, httpHeaders={"If-Unmodified-Since": since})
    assert codes(run(org, stale)) == [(412, "PRECONDITION_FAILED")]
    forbidden = sub("GET", "/limits", "a", httpHeaders={"Authorization": "Bearer x"})
    assert error_of(org.post("/composite", {"compositeRequest": [forbidden]}))[:2] == (400, "INVALID_INPUT")


def test_the_limits_of_a_composite(org: SalesforceClient) -> None:
    """25 subrequests, 5 of them queries or collections, distinct plain reference ids, no nesting."""
    gets = [sub("GET", "/limits", f"r{place}") for place in range(26)]
    queries = [sub("GET", "/query?q=SELECT+Id+FROM+Event", f"r{place}") for place in range(6)]
    assert len(run(org, *gets[:25])) == 25
    assert len(run(org, *queries[:5])) == 5
    for items, code in (
        (gets, "LIMIT_EXCEEDED"),
        (queries, "LIMIT_EXCEEDED"),
        ([gets[0], gets[0]], "INVALID_INPUT"),
        ([sub("GET", "/limits", "a[1]")], "INVALID_INPUT"),
        ([], "INVALID_INPUT"),
    ):
        assert error_of(org.post("/composite", {"compositeRequest": items}))[:2] == (400, code)
    nested = sub("POST", "/composite", "in", {"compositeRequest": gets[:1]})
    for flag in (True, False):
        assert codes(run(org, nested, all_or_none=flag)) == [(400, "INVALID_INPUT")]


def test_each_graph_stands_or_falls_alone(org: SalesforceClient) -> None:
    """A failed graph is rolled back and says isSuccessful false; the other one is kept."""
    good = [sub("POST", "/sobjects/Event", "a", event_body())]
    bad = [sub("POST", "/sobjects/Event", "a", event_body()), sub("POST", "/sobjects/Contact", "b", {})]
    body = {"graphs": [{"graphId": "1", "compositeRequest": bad}, {"graphId": "2", "compositeRequest": good}]}
    graphs = org.post("/composite/graph", body).json()["graphs"]
    assert [(graph["graphId"], graph["isSuccessful"]) for graph in graphs] == [("1", False), ("2", True)]
    assert codes(graphs[0]["graphResponse"]["compositeResponse"])[0] == (400, "PROCESSING_HALTED")
    assert len(org.simulator.records("Event")) == 1


def test_after_fourteen_failed_graphs_the_rest_is_halted(org: SalesforceClient) -> None:
    """The fifteenth graph is not tried any more."""
    bad = [sub("POST", "/sobjects/Contact", "a", {})]
    good = [sub("POST", "/sobjects/Contact", "a", {"LastName": "New"})]
    graphs = [{"graphId": str(place), "compositeRequest": bad} for place in range(14)]
    graphs.append({"graphId": "last", "compositeRequest": good})
    answer = org.post("/composite/graph", {"graphs": graphs}).json()["graphs"][-1]
    assert answer["isSuccessful"] is False
    assert codes(answer["graphResponse"]["compositeResponse"]) == [(400, "PROCESSING_HALTED")]


def test_a_graph_has_a_greatest_depth_and_number_of_kinds(org: SalesforceClient) -> None:
    """Fifteen levels of references, fifteen kinds of nodes; one more of either is refused whole."""

    def chain(length: int) -> list[dict[str, Any]]:
        first = sub("POST", "/sobjects/Contact", "r0", {"LastName": "Top"})
        rest = [
            sub("POST", "/sobjects/Contact", f"r{n}", {"LastName": "x", "Department": f"@{{r{n - 1}.id}}"})
            for n in range(1, length)
        ]
        return [first, *rest]

    def kinds(count: int) -> list[dict[str, Any]]:
        return [sub("GET", f"/sobjects/Kind{n}__c/describe", f"r{n}") for n in range(count)]

    def ask(plan: list[dict[str, Any]]) -> Any:
        return org.post("/composite/graph", {"graphs": [{"graphId": "g", "compositeRequest": plan}]})

    assert ask(chain(15)).status == ask(kinds(15)).status == 200
    for plan in (chain(16), kinds(16)):
        assert error_of(ask(plan))[:2] == (400, "LIMIT_EXCEEDED")


def test_a_batch_runs_independent_requests(org: SalesforceClient) -> None:
    """URLs begin with the version; haltOnError answers 412 for what follows a failure."""
    items = [
        {"method": "POST", "url": "v66.0/sobjects/Contact", "richInput": {"LastName": "New"}},
        {"method": "GET", "url": "v66.0/sobjects/Nope"},
        {"method": "GET", "url": "v66.0/limits"},
    ]
    body = org.post("/composite/batch", {"batchRequests": items}).json()
    assert body["hasErrors"] is True
    assert [item["statusCode"] for item in body["results"]] == [201, 404, 200]
    halted = org.post("/composite/batch", {"batchRequests": items, "haltOnError": True}).json()["results"][2]
    assert (halted["statusCode"], halted["result"][0]["errorCode"]) == (412, "BATCH_PROCESSING_HALTED")
