"""The part of a schema registry's REST API that is needed here, as Confluent documents it and others serve it."""

from __future__ import annotations

import json
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx

from concord import credentials
from concord.config import Config
from connectors.secret import Secret
from schemas.errors import AuthRejected, ConcordError, Refused, ServiceError, Unavailable

MEDIA_TYPE: Final = "application/vnd.schemaregistry.v1+json"
# Longest wait for an answer, in seconds. A worker that meets an unknown id stands still meanwhile.
TIMEOUT_S: Final = 3.0
# The registry's own codes for a schema or a setting that it does not have.
UNKNOWN: Final = frozenset({40401, 40402, 40403, 40408})


@dataclass(frozen=True)
class Registry:
    """A registry, and how to get in; `ca_file` None means the system's authorities."""

    url: str
    username: str = ""
    password: Secret = field(default_factory=lambda: Secret(""))
    ca_file: Path | None = None

    def require(self, subject: str, compatibility: str) -> None:
        """Have the registry accept only such versions of a subject. Raises ServiceError."""
        self._ask("PUT", f"/config/{subject}", {"compatibility": compatibility})

    def register(self, subject: str, schema: Any) -> int:
        """Register an Avro schema under a subject, unless it is; its id. Raises Refused when its versions so far forbid
        it, else ServiceError."""
        asked = {"schemaType": "AVRO", "schema": json.dumps(schema)}
        try:
            return self._id(self._ask("POST", f"/subjects/{subject}/versions", asked))
        except ServiceError as error:
            if error.status != 409:
                raise
            raise Refused(
                f"The schema registry refuses the schema of {subject}: it is not compatible with a version it has.",
                "Was the subject used by something else? Remove it there, or use another registry.", status=409,
            ) from error  # fmt: skip

    def schema(self, number: int) -> Any | None:
        """The schema with an id, None when there is none. Raises ServiceError."""
        try:
            answer = self._ask("GET", f"/schemas/ids/{number}")
            return json.loads(answer["schema"]) if answer.get("schemaType", "AVRO") == "AVRO" else None
        except (KeyError, TypeError, ValueError) as error:
            raise self._strange() from error
        except ServiceError as error:
            if error.status == 404:
                return None
            raise

    def _id(self, answer: Any) -> int:
        number = answer.get("id") if isinstance(answer, dict) else None
        if not isinstance(number, int) or not 0 <= number < 1 << 32:
            raise self._strange()
        return number

    def _ask(self, method: str, path: str, body: Any = None) -> Any:
        headers = {"Accept": MEDIA_TYPE, "Content-Type": MEDIA_TYPE}
        auth = (self.username, self.password.read()) if self.username else None
        try:
            verify = ssl.create_default_context(cafile=None if self.ca_file is None else str(self.ca_file))
        except (OSError, ValueError) as error:
            raise ConcordError(
                f"CONCORD_SCHEMA_REGISTRY_CA_FILE: {self.ca_file} cannot be used ({type(error).__name__})."
            ) from error
        try:
            with httpx.Client(timeout=TIMEOUT_S, trust_env=False, verify=verify, auth=auth) as http:
                answer = http.request(method, self.url + path, json=body, headers=headers)
        except httpx.HTTPError as error:
            raise Unavailable(
                f"The schema registry at {self.url} cannot be reached ({type(error).__name__}); check "
                "CONCORD_SCHEMA_REGISTRY."
            ) from error
        return self._read(answer)

    def _read(self, answer: httpx.Response) -> Any:
        status = answer.status_code
        try:
            content = answer.json()
        except ValueError:
            content = None
        if status in (401, 403):
            raise AuthRejected(
                f"The schema registry at {self.url} refuses us.",
                "Check CONCORD_SCHEMA_REGISTRY_USERNAME and its password, and what that user may do there.",
                status=status,
            )
        if status >= 500 or status == 429:
            raise Unavailable(f"The schema registry at {self.url} answered {status}.", status=status)
        if status == 404 and not (isinstance(content, dict) and content.get("error_code") in UNKNOWN):
            raise self._strange()
        if status >= 400:
            raise Refused(f"The schema registry at {self.url} answered {status}.", status=status)
        if not isinstance(content, dict):
            raise self._strange()
        return content

    def _strange(self) -> ServiceError:
        return Refused(
            f"What answers at {self.url} does not speak a schema registry's API.",
            "CONCORD_SCHEMA_REGISTRY is the address under which /subjects is found, e.g. https://registry:8081, or "
            "https://apicurio:8080/apis/ccompat/v7.",
        )


def registry_of(config: Config) -> Registry | None:
    """The registry that a configuration names, None when it names none."""
    if not config.schema_registry:
        return None
    return Registry(
        config.schema_registry, config.schema_registry_username,
        credentials.secret(config, "schema_registry_password"), config.schema_registry_ca_file,
    )  # fmt: skip
