"""The Graph simulator's tenant as the identity provider of a console, and a person who signs in with a browser."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urlsplit

import httpx
from pydantic import SecretStr
from support.console import NOW, Browser, Seen
from support.graph_firm import ANA, FIRM, TOM

from concord.console.entra import ROLES, Entra, EntraApp, read_roles
from connectors.graph.credentials import ClientSecret
from connectors.secret import Secret
from simulators.clock import SimulatorClock
from simulators.graph.service import GraphSimulator
from simulators.graph.tenant import App
from simulators.http import Request

AUTHORITY = "https://login.simulator.test"
BACK = "/sign-in/entra/back"
CONSOLE = App(
    "bbbbbbbb-1111-4222-8333-444455556666", "Concord's console", secrets=("c0nsole",), roles=frozenset(),
    redirect_uris=(f"http://127.0.0.1{BACK}", f"https://console.example{BACK}"),
    app_roles={TOM.id: ("Concord.Operator", "Concord.Viewer")},
    groups={ANA.id: ("9c000000-0000-4111-8222-00000000000d",)},
)  # fmt: skip


@dataclass
class EntraTenant:
    """A tenant whose clock is ours. `asked` is every request that came to it."""

    graph: GraphSimulator = field(init=False)
    asked: list[tuple[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        clock = SimulatorClock()
        self.graph = GraphSimulator(replace(FIRM, apps=(*FIRM.apps, CONSOLE)), clock, random.Random(5))

    def answer(self, request: httpx.Request) -> httpx.Response:
        """One request over the wire."""
        self.asked.append((request.method, request.url.path))
        headers = {name.lower(): value for name, value in request.headers.items()}
        target = request.url.raw_path.decode()
        found = self.graph.handle(Request(request.method, target, headers, request.content, AUTHORITY))
        return httpx.Response(found.status, headers=dict(found.headers), content=found.body)

    def entra(self, roles: str = ROLES, **members: Any) -> Entra:
        """What a console signs people in with."""
        credential = ClientSecret(Secret("SECRET", SecretStr("c0nsole")))
        app = EntraApp(AUTHORITY, FIRM.id, CONSOLE.client_id, credential, read_roles(roles))
        return Entra(replace(app, **members), transport=httpx.MockTransport(self.answer))

    def page(self, address: str) -> httpx.Response:
        """What a browser gets at an address of the tenant."""
        return self.answer(httpx.Request("GET", address))

    def choose(self, address: str, who: str) -> str:
        """Pick an account on the page at this address; where the browser is sent then."""
        links = _Links()
        links.feed(self.page(address).text)
        to = next(to for to, text in links.found if who in text)
        return str(self.page(AUTHORITY + to).headers["location"])


class _Links(HTMLParser):
    """Every link: where to, and its text."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a":
            self.found.append((str(dict(attrs)["href"]), ""))

    def handle_data(self, data: str) -> None:
        if self.found:
            to, text = self.found[-1]
            self.found[-1] = (to, text + data)


def way_back(tenant: EntraTenant, browser: Browser, who: str) -> str:
    """Begin at the console, pick an account; the path that the browser then opens at the console."""
    parts = urlsplit(tenant.choose(browser.get("/sign-in/entra").goes_to, who))
    return f"{parts.path}?{parts.query}"


def sign_in(tenant: EntraTenant, browser: Browser, who: str) -> Seen:
    """The whole way; the console's answer at its end."""
    return browser.get(way_back(tenant, browser, who))


__all__ = ["ANA", "AUTHORITY", "BACK", "CONSOLE", "NOW", "TOM", "EntraTenant", "sign_in", "way_back"]
