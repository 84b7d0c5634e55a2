"""The HTTP side: what each page answers, whatever asks."""

from __future__ import annotations

import json
import socket
from dataclasses import dataclass, field

import httpx
import pytest
from prometheus_client import CollectorRegistry

from concord.telemetry.names import HOLES
from concord.telemetry.probes import probes
from schemas.errors import ConfigError


@dataclass
class Patient:
    """Answers as it is told."""

    dead: list[str] = field(default_factory=list)
    busy: list[str] = field(default_factory=list)

    def why_not_alive(self) -> list[str]:
        """As told."""
        return self.dead

    def why_not_ready(self) -> list[str]:
        """As told."""
        return self.busy


def get(port: int, path: str) -> httpx.Response:
    """One page."""
    return httpx.get(f"http://127.0.0.1:{port}{path}", trust_env=False, timeout=10)


def test_the_three_pages() -> None:
    """Metrics in Prometheus's text; alive and ready as a status and as words."""
    registry = CollectorRegistry()
    HOLES.counter(registry).labels("sync.journal", "3").inc(2)
    patient = Patient()
    with probes("127.0.0.1", 0, patient, registry) as port:
        metrics = get(port, "/metrics?x=1")
        assert 'concord_guard_holes_total{partition="3",topic="sync.journal"} 2.0' in metrics.text
        assert metrics.headers["content-type"].startswith("text/plain")
        assert [get(port, path).status_code for path in ("/healthz", "/readyz", "/")] == [200, 200, 404]
        patient.busy = ["tables are being recovered, 7 changes to go"]
        answer = get(port, "/readyz")
        assert (answer.status_code, json.loads(answer.text)) == (503, {"ok": False, "why_not": patient.busy})
        assert get(port, "/healthz").status_code == 200
        patient.dead = ["nothing has moved for 61 s"]
        assert get(port, "/healthz").json()["why_not"] == patient.dead
    with pytest.raises(httpx.ConnectError):
        get(port, "/healthz")


def test_a_client_that_hangs_holds_nobody_up() -> None:
    """Each is answered by a thread of its own."""
    with probes("127.0.0.1", 0, Patient()) as port, socket.create_connection(("127.0.0.1", port)) as silent:
        silent.sendall(b"GET /heal")
        assert get(port, "/healthz").status_code == 200


def test_a_port_that_is_taken_is_one_clear_sentence() -> None:
    """It names the address and the variable to change."""
    with (
        probes("127.0.0.1", 0, Patient()) as port,
        pytest.raises(ConfigError, match=rf"127\.0\.0\.1:{port}.*CONCORD_METRICS_PORT"),
        probes("127.0.0.1", port, Patient()),
    ):
        pass
