"""The API described: an OpenAPI 3.1 document made from the table of operations. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema
from starlette.responses import JSONResponse, Response

from concord.console.operations import JSON, PROBLEM, ROOT, TOKEN_HEADER, Nothing, Operation, Problem
from concord.console.pages import Page, Visit

VERSION: Final = "1"
ADDRESS: Final = f"{ROOT}/openapi.json"
_REF: Final = "#/components/schemas/{model}"
# The refusals that every guarded operation knows, and what each means.
REFUSALS: Final = {
    "400": "The parameters or the body cannot be read.",
    "401": "Nobody is signed in, or the token does not count.",
    "403": "The role is not enough, or the session's own token is missing.",
    "404": "There is nothing of that name.",
    "409": "It cannot be done as things stand.",
    "413": "The body is too large.",
    "415": "The body is not JSON.",
    "422": "A value is not allowed; `problems` names each.",
    "500": "A fault in Concord.",
    "503": "Kafka or the database does not answer.",
}


def document(pages: Iterable[Page]) -> dict[str, Any]:
    """The description of these operations; pages without one are passed over."""
    rows = [(page, page.api) for page in pages if page.api is not None]
    shapes: dict[type[BaseModel], None] = {Problem: None}
    for _, told in rows:
        shapes |= dict.fromkeys(filter(None, (told.gives, told.takes)))
    modes = [(shape, "serialization" if shape in _given(rows) else "validation") for shape in shapes]
    _, schemas = models_json_schema(modes, ref_template=_REF)  # type: ignore[arg-type]
    paths: dict[str, dict[str, Any]] = {}
    for page, told in rows:
        paths.setdefault(page.path, {})[page.method.lower()] = _told(page, told)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Concord", "version": VERSION,
            "description": "Everything that the administrator's console does. Errors are RFC 9457 problems.",
        },
        "paths": paths,
        "components": {
            "schemas": schemas["$defs"],
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "description": "Made by `concord console token add`."},
                "session": {
                    "type": "apiKey", "in": "cookie", "name": "concord",
                    "description": f"A browser's session (`__Host-concord` over TLS); writes also need {TOKEN_HEADER}.",
                },
            },
        },
    }  # fmt: skip


def _given(rows: list[tuple[Page, Operation]]) -> set[type[BaseModel]]:
    return {told.gives for _, told in rows} | {Problem}


def _told(page: Page, told: Operation) -> dict[str, Any]:
    name = page.path.removeprefix(ROOT).strip("/").replace("/", "_").replace(".", "_")
    found: dict[str, Any] = {
        "operationId": f"{page.method.lower()}_{name}",
        "summary": told.summary,
        "description": f"Needs the role {page.needs.word}." if page.needs is not None else "Needs no sign-in.",
        "security": [{"token": []}, {"session": []}] if page.needs is not None else [],
        "parameters": _parameters(told.asks),
        "responses": {
            "200": {"description": told.gives.__doc__ or "", "content": {JSON: {"schema": _ref(told.gives)}}},
            **{
                status: {"description": words, "content": {PROBLEM: {"schema": _ref(Problem)}}}
                for status, words in REFUSALS.items()
            },
        },
    }
    if told.takes is not None:
        found["requestBody"] = {"required": True, "content": {JSON: {"schema": _ref(told.takes)}}}
    return found


def _ref(shape: type[BaseModel]) -> dict[str, str]:
    return {"$ref": _REF.format(model=shape.__name__)}


def _parameters(asks: type[BaseModel]) -> list[dict[str, Any]]:
    schema = asks.model_json_schema()
    required, named = schema.get("required", ()), schema.get("$defs", {})
    rows = []
    for name, held in schema.get("properties", {}).items():
        description = held.pop("description", "")
        rows.append({
            "name": name, "in": "query", "required": name in required, "schema": _inlined(held, named),
            **({"description": description} if description else {}),
        })  # fmt: skip
    return rows


def _inlined(schema: Any, named: dict[str, Any]) -> Any:
    """A schema with what it refers to in its place."""
    if isinstance(schema, list):
        return [_inlined(one, named) for one in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return _inlined(named[schema["$ref"].rpartition("/")[2]], named)
    return {key: _inlined(value, named) for key, value in schema.items()}


class OpenApi(BaseModel):
    """An OpenAPI 3.1 document."""

    openapi: str
    info: dict[str, Any]
    paths: dict[str, Any]
    components: dict[str, Any]


def described(pages: Iterable[Page]) -> Page:
    """The operation that gives the description of these, and of itself."""
    known = list(pages)

    def answer(_: Visit) -> Response:
        return JSONResponse(body)

    own = Page(ADDRESS, answer, None, api=Operation("This document", OpenApi, Nothing))
    body = document([*known, own])
    return own
