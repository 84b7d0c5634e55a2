"""Several requests in one: /composite, /composite/graph and /composite/batch. The whole counts as one API call."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from simulators.http import Request, Response
from simulators.salesforce.calls import Call, read_call_options
from simulators.salesforce.changes import Transaction
from simulators.salesforce.errors import SalesforceError, error_body, method_not_allowed
from simulators.salesforce.records import Records
from simulators.salesforce.references import fill, fill_text, names_in

SUBREQUESTS_MAX: Final = 25
QUERIES_MAX: Final = 5
"""Subrequests of one composite that may be queries or collections."""
NODES_MAX: Final = 500
GRAPHS_MAX: Final = 75
FAILED_GRAPHS_MAX: Final = 14
DEPTH_MAX: Final = 15
"""Nodes of a graph of which each refers to the one before."""
KINDS_MAX: Final = 15
"""Different kinds of nodes in a graph: methods and the objects they are for."""
_FORBIDDEN_HEADERS: Final = frozenset({"accept", "authorization", "content-type"})
_KIND: Final = re.compile(r"(/sobjects/[^/]+).*")
_REFERENCE_ID: Final = re.compile(r"[A-Za-z0-9_]+")
_HALTED_TEXT: Final = "The transaction was rolled back since another operation in the same transaction failed."
Dispatch = Callable[[Call], Response]
"""Answers one REST call by its path, refusals included."""


@dataclass(frozen=True)
class Subrequest:
    """One entry of compositeRequest."""

    method: str
    url: str
    reference: str
    body: Any
    headers: Mapping[str, str]


class Composite:
    """The composite resources."""

    def __init__(self, records: Records, dispatch: Dispatch) -> None:
        self._records = records
        self._dispatch = dispatch

    def answer(self, call: Call) -> Response:
        """POST /composite."""
        _need_post(call)
        body = call.object_body()
        subrequests = _subrequests(body.get("compositeRequest"), SUBREQUESTS_MAX)
        if sum(1 for item in subrequests if _is_costly(item.url)) > QUERIES_MAX:
            text = f"Limit of {QUERIES_MAX} query and collection subrequests exceeded"
            raise SalesforceError(400, "LIMIT_EXCEEDED", text)
        results, _ok = self._run(call, subrequests, all_or_none=body.get("allOrNone") is True)
        return Response.of_json(200, {"compositeResponse": results})

    def answer_graph(self, call: Call) -> Response:
        """POST /composite/graph: each graph is all or none by itself."""
        _need_post(call)
        graphs = call.object_body().get("graphs")
        if not isinstance(graphs, list) or not all(isinstance(graph, dict) for graph in graphs):
            raise SalesforceError(400, "INVALID_INPUT", "The parameter graphs must be an array of objects")
        if len(graphs) > GRAPHS_MAX:
            raise SalesforceError(400, "LIMIT_EXCEEDED", f"Limit of {GRAPHS_MAX} graphs exceeded")
        plans = [_subrequests(graph.get("compositeRequest"), NODES_MAX) for graph in graphs]
        if sum(len(plan) for plan in plans) > NODES_MAX:
            raise SalesforceError(400, "LIMIT_EXCEEDED", f"Limit of {NODES_MAX} nodes exceeded")
        for plan in plans:
            _check_graph(plan)
        failures = 0
        answers = []
        for graph, plan in zip(graphs, plans, strict=True):
            if failures >= FAILED_GRAPHS_MAX:
                results, ok = [_halted(item.reference) for item in plan], False
            else:
                results, ok = self._run(call, plan, all_or_none=True)
                failures += not ok
            answers.append(
                {
                    "graphId": graph.get("graphId"),
                    "graphResponse": {"compositeResponse": results},
                    "isSuccessful": ok,
                }
            )
        return Response.of_json(200, {"graphs": answers})

    def answer_batch(self, call: Call) -> Response:
        """POST /composite/batch: independent requests, their URLs given from the version on."""
        _need_post(call)
        body = call.object_body()
        items = body.get("batchRequests")
        if not isinstance(items, list) or not 0 < len(items) <= SUBREQUESTS_MAX:
            text = f"batchRequests must hold 1 to {SUBREQUESTS_MAX} requests"
            raise SalesforceError(400, "INVALID_INPUT", text)
        results: list[dict[str, Any]] = []
        failed = False
        for item in items:
            if failed and body.get("haltOnError") is True:
                halted = SalesforceError(412, "BATCH_PROCESSING_HALTED", "Batch processing halted per request")
                results.append({"statusCode": 412, "result": error_body(halted)})
                continue
            url = str(item.get("url", "")).removeprefix("/").removeprefix("services/data/")
            method = str(item.get("method", "GET"))
            sub = Subrequest(method, f"/services/data/{url}", "", item.get("richInput"), {})
            response = self._dispatch(_sub_call(call, sub, None))
            failed = failed or response.status >= 400
            results.append({"statusCode": response.status, "result": None if response.is_empty else response.held()})
        return Response.of_json(200, {"hasErrors": failed, "results": results})

    def _run(self, call: Call, plan: list[Subrequest], *, all_or_none: bool) -> tuple[list[dict[str, Any]], bool]:
        """The results in order, and whether every subrequest succeeded."""
        if not all_or_none:
            results = self._each(call, plan, None)
            return results, all(not _failed(result) for result in results)
        with self._records.begin(call.actor) as tx:
            start = tx.savepoint()
            results = self._each(call, plan, tx)
            if not any(_failed(result) for result in results):
                return results, True
            tx.rollback_to(start)
        # What went well until then is reported as halted; a collection keeps its own body, as documented.
        return [result if _failed(result) else _halted(result["referenceId"]) for result in results], False

    def _each(self, call: Call, plan: list[Subrequest], tx: Transaction | None) -> list[dict[str, Any]]:
        answers: dict[str, Any] = {}
        results: list[dict[str, Any]] = []
        for item in plan:
            if tx is not None and any(_failed(result) for result in results):
                results.append(_halted(item.reference))
                continue
            try:
                filled = replace(item, url=fill_text(item.url, answers), body=fill(item.body, answers))
            except SalesforceError as error:
                results.append(_result(item.reference, 400, error_body(error), {}))
                continue
            response = self._dispatch(_sub_call(call, filled, tx))
            body = None if response.is_empty else response.held()
            headers = {"Location": response.headers["location"]} if "location" in response.headers else {}
            results.append(_result(item.reference, response.status, body, headers))
            if response.status < 400:
                answers[item.reference] = body
        return results


def _sub_call(call: Call, item: Subrequest, tx: Transaction | None) -> Call:
    headers = {name: value for name, value in call.request.headers.items() if not name.startswith("if-")}
    headers.update(item.headers)
    headers["content-type"] = "application/json"
    body = b"" if item.body is None else json.dumps(item.body).encode()
    request = Request(item.method, item.url, headers, body, call.request.base_url)
    options = read_call_options(request.header("sforce-call-options"))
    return replace(call, request=request, tx=tx, options=options, is_subrequest=True)


def _subrequests(items: Any, maximum: int) -> list[Subrequest]:
    if not isinstance(items, list) or not items or not all(isinstance(item, dict) for item in items):
        raise SalesforceError(400, "INVALID_INPUT", "The parameter compositeRequest must be an array of objects")
    if len(items) > maximum:
        raise SalesforceError(400, "LIMIT_EXCEEDED", f"Limit of {maximum} subrequests exceeded")
    found = [_subrequest(item) for item in items]
    if len({item.reference for item in found}) != len(found):
        raise SalesforceError(400, "INVALID_INPUT", "Duplicate referenceId in compositeRequest")
    return found


def _check_graph(plan: list[Subrequest]) -> None:
    """Raise SalesforceError (400) for a graph that is too deep or of too many kinds."""
    depths: dict[str, int] = {}
    for item in plan:
        above = [depths[name] for name in names_in([item.url, item.body]) if name in depths]
        depths[item.reference] = 1 + max(above, default=0)
    if max(depths.values()) > DEPTH_MAX:
        raise SalesforceError(400, "LIMIT_EXCEEDED", f"Limit of {DEPTH_MAX} levels in a graph exceeded")
    kinds = {(item.method.upper(), _KIND.sub(r"\1", item.url.split("?")[0])) for item in plan}
    if len(kinds) > KINDS_MAX:
        raise SalesforceError(400, "LIMIT_EXCEEDED", f"Limit of {KINDS_MAX} kinds of nodes in a graph exceeded")


def _subrequest(item: Mapping[str, Any]) -> Subrequest:
    reference, url, method = (item.get(name) for name in ("referenceId", "url", "method"))
    if not (isinstance(reference, str) and isinstance(url, str) and isinstance(method, str)):
        raise SalesforceError(400, "INVALID_INPUT", "A subrequest needs method, url and referenceId")
    if not _REFERENCE_ID.fullmatch(reference):
        text = f"Invalid referenceId {reference}: only letters, numbers and underscores are allowed"
        raise SalesforceError(400, "INVALID_INPUT", text)
    headers = {str(name).lower(): str(value) for name, value in (item.get("httpHeaders") or {}).items()}
    refused = sorted(_FORBIDDEN_HEADERS & headers.keys())
    if refused:
        raise SalesforceError(400, "INVALID_INPUT", f"Header not allowed in a subrequest: {refused[0]}")
    return Subrequest(method, url, reference, item.get("body"), headers)


def _is_costly(url: str) -> bool:
    path = url.split("?")[0]
    return "/query" in path or "/composite/sobjects" in path


def _failed(result: Mapping[str, Any]) -> bool:
    """Whether a subrequest failed; a collection fails with any of its items."""
    if result["httpStatusCode"] >= 300:
        return True
    body = result["body"]
    return isinstance(body, list) and any(isinstance(item, dict) and item.get("success") is False for item in body)


def _result(reference: str, status: int, body: Any, headers: Mapping[str, str]) -> dict[str, Any]:
    return {"body": body, "httpHeaders": dict(headers), "httpStatusCode": status, "referenceId": reference}


def _halted(reference: str) -> dict[str, Any]:
    error = SalesforceError(400, "PROCESSING_HALTED", _HALTED_TEXT)
    return _result(reference, 400, error_body(error), {})


def _need_post(call: Call) -> None:
    if call.request.method != "POST":
        raise method_not_allowed(call.request.method, ["POST"])
