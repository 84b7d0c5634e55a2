"""How this deployment is wired: read once from the environment, checked whole before anything starts.

Every variable begins with `CONCORD_`. What the firm's administrator decides (direction, users, ranges) is not here:
that is the settings document on `settings.changes` (`concord settings`).
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from concord import broker_access, credentials
from schemas.errors import ConfigError
from schemas.topics import DEFAULT_PARTITIONS

PREFIX: Final = "CONCORD_"
# Seconds between two polls of Salesforce: as the net below change events, and without them.
POLL_BELOW_CDC_S: Final = 300.0
POLL_ALONE_S: Final = 15.0


def _base_url(text: str) -> str:
    if text and not text.startswith(("https://", "http://")):
        raise ValueError("must begin with https:// (or http:// for a test service)")
    return text.rstrip("/")


Url = Annotated[str, AfterValidator(_base_url)]


class Config(BaseSettings):
    """One deployment. Times end in `_s` (seconds); secrets print as `***`."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore")

    broker: str = Field("", description="Kafka bootstrap address, host:port[,host:port]")
    broker_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        "PLAINTEXT", description="how Kafka is spoken to; in production SASL_SSL, or SSL with a certificate"
    )
    broker_mechanism: Literal["SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN"] = Field(
        "SCRAM-SHA-512", description="how the password is proven to Kafka"
    )
    broker_username: str = Field("", description="Kafka user, for SASL")
    broker_password: SecretStr = Field(SecretStr(""), description="its password")
    broker_password_file: Path | None = Field(None, description="the same in a file, read at the start")
    broker_ca_file: Path | None = Field(
        None, description="CA bundle (PEM) of the brokers' certificates; else the system's authorities"
    )
    broker_certificate_file: Path | None = Field(None, description="our certificate (PEM), where brokers ask for one")
    broker_key_file: Path | None = Field(None, description="its private key (PEM)")
    schema_registry: Url = Field(
        "", description="schema registry: records get Confluent's frame, `concord topics create` registers the schemas"
    )
    schema_registry_username: str = Field("", description="user of the schema registry, for basic authentication")
    schema_registry_password: SecretStr = Field(SecretStr(""), description="its password")
    schema_registry_password_file: Path | None = Field(None, description="the same in a file, read at each request")
    schema_registry_ca_file: Path | None = Field(
        None, description="CA bundle (PEM) of the registry's certificate; else the system's authorities"
    )
    partitions: int = Field(DEFAULT_PARTITIONS, ge=1, le=1000, description="partitions of keyed topics")
    replication: int = Field(1, ge=1, le=9, description="replication factor of topics; 3 in production")
    data_dir: Path = Field(Path(".concord"), description="local state of the workers (RocksDB), one folder per worker")
    worker: str = Field("0", pattern=r"^[A-Za-z0-9_-]{1,40}$", description="name of this worker within its role")

    graph_url: Url = Field("https://graph.microsoft.com/v1.0", description="Graph base, version included")
    graph_authority: Url = Field("https://login.microsoftonline.com", description="token authority, without tenant")
    graph_tenant: str = Field("", description="Entra tenant id")
    graph_client_id: str = Field("", description="application (client) id")
    graph_client_secret: SecretStr = Field(SecretStr(""), description="client secret: its value, not its id")
    graph_client_secret_file: Path | None = Field(None, description="the same in a file")
    graph_private_key: SecretStr = Field(
        SecretStr(""),
        description="instead of a client secret: private key (PEM), with its certificate in the same text",
    )
    graph_private_key_file: Path | None = Field(None, description="the same in a file")
    graph_certificate_file: Path | None = Field(None, description="its certificate (PEM), when it is not with the key")
    graph_certificate_thumbprint: str = Field(
        "", description="its SHA-1 thumbprint, when there is no certificate at hand"
    )
    graph_federated_token_file: Path | None = Field(
        None, description="instead of a client secret: file in which an identity provider keeps a fresh token"
    )
    salesforce_url: Url = Field("", description="My Domain URL of the org")
    salesforce_client_id: str = Field("", description="consumer key of the external client app")
    salesforce_client_secret: SecretStr = Field(SecretStr(""), description="consumer secret")
    salesforce_client_secret_file: Path | None = Field(None, description="the same in a file")
    salesforce_private_key: SecretStr = Field(
        SecretStr(""), description="instead of a consumer secret: private key (PEM) whose certificate the app holds"
    )
    salesforce_private_key_file: Path | None = Field(None, description="the same in a file")
    salesforce_username: str = Field("", description="the user to sign in as with the private key")
    salesforce_audience: str = Field(
        "https://login.salesforce.com", pattern=r"^https://[A-Za-z0-9.-]+\.salesforce\.com$",
        description="audience of what the private key signs; https://test.salesforce.com for a sandbox",
    )  # fmt: skip
    salesforce_version: str = Field("66.0", pattern=r"^\d\d\.0$", description="REST API version")
    salesforce_fields: Path | None = Field(None, description="JSON file with the org's field API names")
    pubsub_addr: str = Field(
        "api.pubsub.salesforce.com:7443", pattern=r"^[^:/]+:\d+$|^\[[^\]/]+\]:\d+$",
        description="address of Salesforce's Pub/Sub API, host:port"
    )  # fmt: skip
    pubsub_plain: bool = Field(
        False, description="reach it without TLS: for a test service, the token goes in the clear"
    )
    ca_file: Path | None = Field(
        None, description="CA bundle (PEM) that is trusted for both services, in place of the usual authorities"
    )
    proxy: SecretStr = Field(
        SecretStr(""),
        description="HTTP proxy to both services, http://[user:password@]host:port; without it HTTPS_PROXY counts; "
        "`none`: no proxy",
    )
    proxy_file: Path | None = Field(None, description="the same in a file, read at the start")
    no_proxy: str = Field("", description="hosts reached without the proxy, as in NO_PROXY, which counts otherwise")
    database_url: SecretStr = Field(
        SecretStr(""),
        description="read models: postgresql://USER:PASSWORD@HOST:5432/NAME; empty: SQLite in the data folder",
    )
    database_url_file: Path | None = Field(None, description="the same in a file, read at the start")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_format: Literal["", "json", "text"] = Field(
        "", description="json or text; empty: text on a terminal, else json, one object a line"
    )
    metrics_port: int | None = Field(
        None, ge=0, le=65_535, description="port of /metrics, /healthz and /readyz; empty: not served, 0: any free one"
    )
    metrics_host: str = Field("127.0.0.1", description="address they are served on; 0.0.0.0 in a container")
    exporter_s: float = Field(5.0, gt=0, description="time between two looks of `concord exporter` at all groups")

    console_listen: str = Field(
        "127.0.0.1:8940", pattern=r"^([^:]+|\[[^\]]+\]):\d+$", description="address the console listens on"
    )
    console_url: Url = Field(
        "", description="https address under which people reach the console, when it is not only for this machine"
    )

    console_client_id: str = Field(
        "", description="application id that people sign in to the console with; empty: only with a password"
    )
    console_client_secret: SecretStr = Field(SecretStr(""), description="its client secret")
    console_client_secret_file: Path | None = Field(None, description="the same in a file, read at each sign-in")
    console_roles: str = Field(
        "viewer=Concord.Viewer,operator=Concord.Operator,administrator=Concord.Administrator",
        description="which app role, or group id, of Entra stands for which role of the console",
    )

    graph_timer_s: float = Field(300.0, gt=0, description="each mailbox is looked at at least this often")
    salesforce_changes: Literal["cdc", "polling"] = Field(
        "cdc",
        description="how changes in Salesforce are noticed: change data capture with polls below it, or polls alone",
    )
    salesforce_poll_s: float | None = Field(
        None,
        gt=0,
        description="time between two polls of Salesforce; 300 below change data capture, 15 alone or with that away",
    )
    salesforce_late_s: float = Field(
        180.0,
        ge=0,
        description="how late a change event may come; until then a save that a poll saw waits for its origin",
    )
    salesforce_overlap_s: float = Field(120.0, ge=0, description="how far each poll looks back for late commits")
    salesforce_drift_at: str = Field(
        "02:00", pattern=r"^(([01]\d|2[0-3]):[0-5]\d|never)$",
        description="time of day (UTC) at which every event in Salesforce is compared with the log, or `never`",
    )  # fmt: skip
    salesforce_reserve_percent: float = Field(
        5.0, ge=0, le=100,
        description="share of the org's daily API requests kept for rooms: when less is left, only rooms are read",
    )  # fmt: skip
    integration_log_systems: str = Field(
        "Microsoft Calendar Sync,Microsoft Email Sync",
        description="External System of rows in the org's integration log: errors stand under each; empty: no rows",
    )
    directory_s: float = Field(600.0, gt=0, description="time between two reads of users, contacts and rooms")
    sweep_s: float = Field(60.0, gt=0, description="commands without an outcome for this long are sent again")
    http_timeout_s: float = Field(30.0, gt=0, description="longest wait for one answer of a service")
    graph_window_days: int = Field(1825, ge=1, description="widest calendarView window, in days")
    graph_page_size: int = Field(200, ge=1, le=999, description="rows asked for per delta page")
    graph_lists_first: bool = Field(
        True, description="list a mailbox's events before all its changes are read; false reads each event by its id"
    )

    webhook_url: Url = Field("", description="public https URL of this worker's webhook; empty: timer only")
    webhook_listen: str = Field("127.0.0.1:8920", pattern=r"^[^:]+:\d+$", description="address the webhook listens on")
    webhook_secret: SecretStr = Field(
        SecretStr(""), description="what clientState of change notifications is made from; else the client secret"
    )
    webhook_secret_file: Path | None = Field(None, description="the same in a file, read at the start")

    @property
    def poll_s(self) -> float:
        """Seconds between two polls of Salesforce."""
        if self.salesforce_poll_s is not None:
            return self.salesforce_poll_s
        return POLL_BELOW_CDC_S if self.salesforce_changes == "cdc" else POLL_ALONE_S


# Which variables a role cannot do without, beside one credential.
NEEDS: Final[dict[str, tuple[str, ...]]] = {
    "nothing": (),
    "broker": ("broker",),
    "exporter": ("broker", "metrics_port"),
    "graph": ("broker", "graph_tenant", "graph_client_id"),
    "salesforce": ("broker", "salesforce_url", "salesforce_client_id"),
    "services": ("broker", "graph_tenant", "graph_client_id", "salesforce_url", "salesforce_client_id"),
}


def load_config(need: str = "broker", environ: dict[str, str] | None = None) -> Config:
    """The configuration from the environment. Raises ConfigError that lists every problem at once.

    `need` names what the caller cannot do without: broker, graph, salesforce, or services for both.
    """
    environ = dict(os.environ if environ is None else environ)
    known = {PREFIX + name.upper() for name in Config.model_fields} | OTHER_VARIABLES
    problems = [
        f"{name}: unknown variable" + _nearest(name, known)
        for name in sorted(environ)
        if name.startswith(PREFIX) and name not in known
    ]
    values = credentials.inherited_proxy(environ) | {
        name: environ[PREFIX + name.upper()] for name in Config.model_fields if environ.get(PREFIX + name.upper())
    }
    try:
        config = Config.model_validate(values)
    except ValidationError as error:
        found = error.errors(include_input=False, include_url=False)
        problems += [f"{PREFIX}{str(problem['loc'][0]).upper()}: {problem['msg']}" for problem in found]
        defaults = {name: Config.model_fields[name].default for name in (str(one["loc"][0]) for one in found)}
        config = Config.model_validate(values | defaults)  # to find what else is wrong
    problems += [
        f"{PREFIX}{name.upper()}: missing ({Config.model_fields[name].description})"
        for name in NEEDS[need]
        if not values.get(name)
    ]
    problems += [*broker_access.problems(config), *credentials.problems(config, need), *_registry_problems(config)]
    if problems:
        raise ConfigError(problems, "Nothing was started.")
    return config


def _registry_problems(config: Config) -> Iterator[str]:
    """What is wrong with the way to the schema registry, before it is asked."""
    given = [
        name for name in ("username", "password", "password_file", "ca_file")
        if f"schema_registry_{name}" in config.model_fields_set
    ]  # fmt: skip
    if not config.schema_registry:
        yield from (
            f"{PREFIX}SCHEMA_REGISTRY_{name.upper()}: not used without {PREFIX}SCHEMA_REGISTRY" for name in given
        )
        return
    if "@" in urlsplit(config.schema_registry).netloc:
        yield f"{PREFIX}SCHEMA_REGISTRY: give user and password in {PREFIX}SCHEMA_REGISTRY_USERNAME and _PASSWORD_FILE"
    password = credentials.secret(config, "schema_registry_password")
    if bool(config.schema_registry_username) != bool(password):
        yield f"{PREFIX}SCHEMA_REGISTRY_USERNAME and {PREFIX}SCHEMA_REGISTRY_PASSWORD_FILE: give both or neither"
    elif password and password.trouble():
        yield password.trouble()


# Variables read elsewhere: by the test suite and by the development environment.
OTHER_VARIABLES: Final = frozenset({"CONCORD_SOAK_MINUTES", "CONCORD_SOAK_ROUNDS", "CONCORD_CA_FILE", "CONCORD_HOME"})


def _nearest(name: str, known: frozenset[str] | set[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    return f" (did you mean {close[0]}?)" if close else ""
