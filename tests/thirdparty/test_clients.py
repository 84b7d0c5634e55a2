"""Clients that other people wrote, unmodified, each in a process of its own against `concord simulators`.

`make setup-extras` installs them; where they are missing these tests do not run and say so.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).parent
EXTRAS = HERE.parents[1] / ".cache" / "thirdparty"
PYTHON = EXTRAS / "bin" / "python"
MODULES = HERE / "node" / "node_modules"
INSTALL = "make setup-extras installs it"
LIMIT_S = 150

# Each script prints what it has done; the last line says that it came to its end.
PYTHON_CLIENTS = {
    "aio": "bulk, deleted",
    "graph_sdk": "changes",
    "o365": "pages",
    "simple": "errors",
}
NODE_CLIENTS = {"graph": "patched, cancelled, refused", "jsforce": "errors, deleted", "pubsub": "replayed"}


@pytest.fixture(scope="module")
def environment() -> Iterator[dict[str, str]]:
    """What the simulators print, over the environment of this process."""
    command = [sys.executable, "-m", "concord", "simulators", "--port-base", "0", "--print-env"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as program:
        try:
            assert program.stdout is not None
            printed: dict[str, str] = {}
            while "CONCORD_CA_FILE" not in printed:
                name, _, value = program.stdout.readline().strip().partition("=")
                assert name, "the simulators did not start"
                printed[name] = value
            trust = dict.fromkeys(
                ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS"), printed["CONCORD_CA_FILE"]
            )
            yield {**os.environ, **printed, **trust, "NO_PROXY": "*"}
        finally:
            program.terminate()


def run(command: list[str], environment: dict[str, str]) -> list[str]:
    """What a script printed."""
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr[-4000:]}"
    return done.stdout.splitlines()


@pytest.mark.skipif(not PYTHON.exists(), reason=f"no other Python clients: {INSTALL}")
@pytest.mark.parametrize(("client", "last"), PYTHON_CLIENTS.items(), ids=list(PYTHON_CLIENTS))
def test_python_client(client: str, last: str, environment: dict[str, str]) -> None:
    """Every step of the script, and every assertion in it."""
    assert run([str(PYTHON), str(HERE / "python" / f"{client}.py")], environment)[-1] == last


@pytest.mark.skipif(shutil.which("node") is None or not MODULES.exists(), reason=f"no JavaScript clients: {INSTALL}")
@pytest.mark.parametrize(("client", "last"), NODE_CLIENTS.items(), ids=list(NODE_CLIENTS))
def test_javascript_client(client: str, last: str, environment: dict[str, str]) -> None:
    """Every step of the script, and every assertion in it."""
    assert run(["node", str(HERE / "node" / f"{client}.mjs")], environment)[-1] == last
