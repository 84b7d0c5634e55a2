"""One Graph call under way: who calls, what was asked beside the path, and how answers to it are built."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

from simulators.graph.errors import unreadable_body
from simulators.graph.prefer import Expansion, Preferences, query_options, read_expand, read_preferences, read_select
from simulators.graph.render import EVENT_MEMBERS, EVENT_TYPE, View
from simulators.graph.tenant import App
from simulators.http import Request, Response

VERSION = "v1.0"


@dataclass(frozen=True)
class Caller:
    """Whose token it is. `name` is written into the mail record."""

    name: str
    app: App


@dataclass
class Call:
    """A request with its caller; `segments` is the decoded path below the version root."""

    request: Request
    caller: Caller
    segments: list[str]
    applied: list[str] = field(default_factory=list)
    _options: dict[str, str] | None = None
    _prefer: Preferences | None = None

    @property
    def options(self) -> dict[str, str]:
        """Query options by lower-case name."""
        if self._options is None:
            self._options = query_options(self.request)
        return self._options

    @property
    def prefer(self) -> Preferences:
        """The Prefer header. Raises GraphError for an unknown zone."""
        if self._prefer is None:
            self._prefer = read_preferences(self.request)
            if text := self._prefer.applied():
                self.applied.append(text)
        return self._prefer

    @property
    def root(self) -> str:
        """Absolute URL of the version root."""
        return f"{self.request.base_url}/{VERSION}"

    def context(self, fragment: str) -> str:
        """An @odata.context value."""
        return f"{self.root}/$metadata#{fragment}"

    def link(self, changes: Mapping[str, str], keep: bool = True) -> str:
        """The request's URL with other query options, for nextLink and deltaLink."""
        query = dict(self.request.query) if keep else {}
        for name, value in changes.items():
            query = {key: old for key, old in query.items() if key.lower() != name.lower()} | {name: value}
        return f"{self.request.base_url}{self.request.raw_path}?{urlencode(query, quote_via=quote, safe='$,:()')}"

    def body(self) -> dict[str, Any]:
        """The request body as a JSON object. Raises GraphError RequestBodyRead."""
        try:
            value = self.request.json()
        except ValueError:
            raise unreadable_body("Unable to read JSON request payload: it is not valid JSON.") from None
        if not isinstance(value, dict):
            raise unreadable_body("The request body must be a JSON object.")
        return value

    def parameters(self) -> dict[str, Any]:
        """The parameters of an action by lower-case name; an absent body means none."""
        if not self.request.body.strip():
            return {}
        return {name.lower(): value for name, value in self.body().items()}

    def view(self, is_single: bool = False, with_select: bool = True) -> View:
        """How the caller wants events."""
        select = None
        if with_select:
            select = read_select(self.options.get("$select", ""), EVENT_MEMBERS, EVENT_TYPE)
        expand = self.options.get("$expand")
        return View(self.prefer, select, read_expand(expand) if expand else Expansion(), is_single)


def key_text(name: str) -> str:
    """A key as it stands in an @odata.context."""
    return quote(name, safe="@")


def no_content(status: int = 204) -> Response:
    """An answer without a body."""
    return Response(status)
