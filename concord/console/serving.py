"""`concord console` as a process: where it listens, under which names, and what must be so before it does."""

from __future__ import annotations

import socket
from typing import Final

import structlog
import uvicorn
from sqlalchemy import URL, Engine

from concord.config import Config
from concord.console.accounts import FILE, Accounts
from concord.console.app import LOOPBACK, console_app
from concord.console.desk import BrokerDesk
from concord.console.entra import Entra, EntraApp, read_roles
from concord.console.live import Live
from concord.console.programs import FILE as TOKENS
from concord.console.programs import Programs
from concord.console.store import FILE as STORE
from concord.console.store import open_store
from concord.credentials import proxy_to, secret
from concord.read_models.books import Books
from concord.read_models.database import database_url
from connectors.graph.credentials import ClientSecret
from schemas.errors import ConfigError

log: Final = structlog.get_logger(__name__)

# Requests answered at the same time; beyond, the browser is told to come again.
CONCURRENT_MAX: Final = 200
# How long what is being answered may take when the console ends, in seconds.
END_S: Final = 5


def accounts_of(config: Config) -> Accounts:
    """The accounts of this deployment."""
    return Accounts(config.data_dir / FILE)


def programs_of(config: Config) -> Programs:
    """The access tokens of this deployment."""
    return Programs(config.data_dir / TOKENS)


def store_of(config: Config) -> Engine:
    """What every process of the console shares. Raises ConcordError."""
    url = database_url(config)
    if url.get_backend_name() == "sqlite":
        config.data_dir.mkdir(parents=True, exist_ok=True)
        url = URL.create("sqlite", database=str(config.data_dir / STORE))
    return open_store(url)


def entra_of(config: Config) -> Entra | None:
    """What signs people in by Entra, None when that is not set up. Raises ConfigError."""
    if not config.console_client_id:
        return None
    credential = ClientSecret(secret(config, "console_client_secret"))
    return Entra(
        EntraApp(
            config.graph_authority, config.graph_tenant, config.console_client_id, credential,
            read_roles(config.console_roles), config.ca_file, proxy_to(config, config.graph_authority),
            config.http_timeout_s,
        )
    )  # fmt: skip


def address_of(config: Config) -> str:
    """The address that people open."""
    return config.console_url or f"http://{config.console_listen}"


def listens_at(config: Config) -> tuple[str, int]:
    """Host and port. Raises ConfigError when passwords would cross a network in the clear."""
    host, _, port = config.console_listen.rpartition(":")
    if host not in LOOPBACK and not config.console_url.startswith("https://"):
        raise ConfigError(
            [f"CONCORD_CONSOLE_LISTEN: other machines reach {host}, and passwords would cross in the clear"],
            "Put a proxy with TLS before it and set CONCORD_CONSOLE_URL to the https address that people open.",
        )
    return host, int(port)


class _Server(uvicorn.Server):
    """Ends the streams of open pages first: it would wait for them."""

    def __init__(self, config: uvicorn.Config, live: Live) -> None:
        super().__init__(config)
        self._live = live

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Answer what is being answered, then end."""
        self._live.close()
        await super().shutdown(sockets)


def run_console(config: Config) -> None:
    """Serve until SIGINT or SIGTERM. Raises ConfigError when the address cannot be listened on."""
    host, port = listens_at(config)
    try:
        listening = socket.create_server((host, port))
    except (OSError, OverflowError) as error:
        raise ConfigError(
            [f"The console cannot be served on {host}:{port}: {getattr(error, 'strerror', None) or 'no such address'}"],
            "Give CONCORD_CONSOLE_LISTEN an address that is free on this machine.",
        ) from error
    desk = BrokerDesk(config.broker, Books(database_url(config)))
    desk.plant.watch.start()
    entra, store = entra_of(config), store_of(config)
    live = Live(desk.version)
    app = console_app(
        desk, accounts_of(config), programs_of(config), store, live, url=config.console_url, entra=entra
    )  # fmt: skip
    server = _Server(
        uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            lifespan="off",
            limit_concurrency=CONCURRENT_MAX,
            timeout_graceful_shutdown=END_S,
        ),
        live,
    )
    log.info("the console is served", address=address_of(config))
    try:
        with listening:
            server.run(sockets=[listening])
    finally:
        desk.close()
        store.dispose()
        if entra is not None:
            entra.close()
