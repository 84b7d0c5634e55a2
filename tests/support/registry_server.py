"""A real schema registry, Apicurio, which serves Confluent's API: a Java process, its data in memory."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from concord.dev import free_port

FOLDER = Path(__file__).parents[2] / ".cache" / "thirdparty" / "registry"
JAVA_NEEDED = 21
FLAGS = ("-Xmx400m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
START_S = 120.0


def find_java() -> str | None:
    """A Java that is new enough, of those on this machine."""
    found = [shutil.which("java"), *map(str, Path("/usr/lib/jvm").glob("*/bin/java"))]
    for java in filter(None, found):
        said = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr
        version = re.search(r'version "(\d+)', said)
        if version and int(version[1]) >= JAVA_NEEDED:
            return java
    return None


def why_not() -> str:
    """Why there can be no registry here, "" when there can."""
    if not (FOLDER / "quarkus-run.jar").exists():
        return "no schema registry: make setup-extras installs it"
    return "" if find_java() else f"the schema registry needs Java {JAVA_NEEDED}"


@contextmanager
def running_registry() -> Iterator[str]:
    """The URL of its Confluent API, once it answers."""
    import httpx

    java, port = find_java(), free_port()
    assert java is not None
    settings = {
        "quarkus.http.host": "127.0.0.1", "quarkus.http.port": str(port), "apicurio.storage.kind": "sql",
        "apicurio.storage.sql.kind": "h2",
    }  # fmt: skip
    defined = [f"-D{name}={value}" for name, value in settings.items()]
    url = f"http://127.0.0.1:{port}/apis/ccompat/v7"
    with tempfile.TemporaryFile() as said:
        command = [java, *FLAGS, *defined, "-jar", "quarkus-run.jar"]
        program = subprocess.Popen(command, cwd=FOLDER, stdout=said, stderr=subprocess.STDOUT)
        try:
            deadline = time.monotonic() + START_S
            while True:
                try:
                    if httpx.get(f"{url}/subjects", trust_env=False, timeout=5.0).status_code == 200:
                        break
                except httpx.HTTPError:
                    pass
                if program.poll() is not None or time.monotonic() > deadline:
                    said.seek(0)
                    raise AssertionError(said.read()[-2000:].decode("utf-8", "replace"))
                time.sleep(0.2)
            yield url
        finally:
            program.kill()
            program.wait()
