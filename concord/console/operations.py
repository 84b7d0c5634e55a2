"""What an operation of the API takes and gives, and how its errors look (RFC 9457). Each is a row of the table."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import urlencode

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.responses import Response

from concord.console.accounts import Role
from concord.console.forms import Form
from schemas.errors import ConcordError, ConfigError

if TYPE_CHECKING:
    from concord.console.pages import Page, Visit

ROOT: Final = "/api/v1"
JSON: Final = "application/json"
PROBLEM: Final = "application/problem+json"
# Beside the cookie of a browser, what a write brings along; programs send `Authorization: Bearer` and need none.
TOKEN_HEADER: Final = "x-concord-token"
# Rows of one answer: when nobody says how many, and at most.
ROWS: Final = 50
ROWS_MAX: Final = 500


class Shape(BaseModel):
    """What is sent or answered: nothing but its members."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Nothing(Shape):
    """No parameters."""


class Paging(Shape):
    """Which rows of a list."""

    start: int = Field(0, ge=0, le=10_000_000, description="rows to pass over")
    limit: int = Field(ROWS, ge=1, le=ROWS_MAX, description="rows to give")


class Listing(Shape):
    """One part of a list."""

    total: int = Field(description="rows in all")
    next: str | None = Field(description="address of the rows that follow; null: these were the last")


class Problem(Shape):
    """What went wrong (RFC 9457)."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str = Field("", description="one sentence: what, and what to do")
    problems: list[str] = Field(default_factory=list, description="each thing that is wrong with what was sent")


class Missing(ConcordError):
    """There is nothing of that name."""


@dataclass
class BadRequest(Exception):
    """What was sent is not what the operation takes."""

    status: int
    detail: str
    problems: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Operation:
    """One operation: the shapes of its answer, its parameters and its body (None: it has none)."""

    summary: str
    gives: type[BaseModel]
    asks: type[BaseModel] = Nothing
    takes: type[BaseModel] | None = None


M = TypeVar("M", bound=BaseModel)


def operation(
    path: str, act: Callable[[Visit], BaseModel], needs: Role | None, told: Operation, method: str = "GET"
) -> Page:
    """The row of an operation. `act` finds its parameters in `visit.asked` and its body in `visit.sent`."""
    from concord.console.pages import Page

    def answer(visit: Visit) -> Response:
        return answered(act(visit))

    return Page(ROOT + path, answer, needs, method, api=told)


def answered(value: BaseModel, status: int = 200, kind: str = JSON) -> Response:
    """A value as JSON, in ASCII and without what would be markup if somebody took it for a page."""
    text = json.dumps(value.model_dump(mode="json"), separators=(",", ":"))
    for mark in "<>&":
        text = text.replace(mark, f"\\u{ord(mark):04x}")
    return Response(text, status_code=status, media_type=kind)


def problem(status: int, detail: str, problems: Sequence[str] = ()) -> Response:
    """An error."""
    told = Problem(title=HTTPStatus(status).phrase, status=status, detail=detail, problems=list(problems))
    response = answered(told, status, PROBLEM)
    if status == HTTPStatus.UNAUTHORIZED:
        response.headers["www-authenticate"] = "Bearer"
    return response


def refused(error: ConcordError, status: int) -> Response:
    """What Concord refused, in its own words."""
    if isinstance(error, ConfigError):
        return problem(422, error.fix, error.problems)
    detail = " ".join(filter(None, (error.what, error.fix)))
    return problem(404 if isinstance(error, Missing) else status, detail)


def read_asked(told: Operation, query: Form) -> BaseModel:
    """The parameters of a request. Raises BadRequest."""
    names = [name for name, _ in query.pairs]
    if len(names) != len(set(names)):
        raise BadRequest(400, "A parameter was given twice.")
    return _validated(told.asks, dict(query.pairs), 400)


def read_body(told: Operation, body: bytes, kind: str) -> BaseModel | None:
    """The body of a request. Raises BadRequest."""
    if told.takes is None:
        if body:
            raise BadRequest(400, "This operation takes no body.")
        return None
    if kind.partition(";")[0].strip().casefold() != JSON:
        raise BadRequest(415, f"Send {JSON}.")
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        raise BadRequest(400, "The body is not JSON.") from None
    return _validated(told.takes, value, 422)


def _validated(shape: type[M], value: Any, status: int) -> M:
    try:
        return shape.model_validate(value)
    except ValidationError as error:
        found = error.errors(include_input=False, include_url=False, include_context=False)
    except RecursionError:
        raise BadRequest(status, "What was sent is nested too deeply.") from None
    # Out here: the error holds what was sent.
    raise BadRequest(
        status, "What was sent is not what this takes.",
        [f"{'.'.join(map(str, one['loc'])) or 'the whole'}: {one['msg']}" for one in found[:20]],
    )  # fmt: skip


def following(path: str, asked: Paging, total: int) -> str | None:
    """The address of the rows after these."""
    start = asked.start + asked.limit
    if start >= total:
        return None
    given = asked.model_dump(exclude_defaults=True, mode="json") | {"start": start}
    return f"{ROOT}{path}?{urlencode(given)}"
