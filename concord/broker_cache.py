"""The jars of Apache Kafka in the user's cache: fetched once through Maven, shared by all runs, checked at each use."""

from __future__ import annotations

import fcntl
import hashlib
import json
import shutil
import subprocess
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from concord.broker_settings import KAFKA_VERSION, BrokerError, kafka_files

# Longest wait for Maven, in seconds: 54 MB at 2 Mbit/s take four minutes.
DOWNLOAD_DEADLINE_S = 600.0

MANIFEST = "manifest.json"


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock file `path` alone; a second run waits until the first has finished. Released if we die."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def kafka_jars(cache: Path) -> Path:
    """The folder with Kafka's jars, downloaded when it is absent, incomplete or made from another pom.xml.

    Raises BrokerError with Maven's own last words when the download fails.
    """
    pom = kafka_files() / "pom.xml"
    home = cache / f"kafka-{KAFKA_VERSION}"
    with locked(cache / f"kafka-{KAFKA_VERSION}.lock"):
        if not is_complete(home, pom):
            _download(home, pom)
    return home


def has_kafka_jars(cache: Path) -> bool:
    """Whether `kafka_jars` would find everything without a download."""
    return is_complete(cache / f"kafka-{KAFKA_VERSION}", kafka_files() / "pom.xml")


def is_complete(home: Path, pom: Path) -> bool:
    """Whether `home` holds every jar that its manifest lists, in full, and was made from this pom.xml."""
    try:
        manifest = json.loads((home / MANIFEST).read_text(encoding="utf-8"))
        return bool(
            manifest["pom"] == _digest(pom)
            and manifest["jars"]
            and all((home / name).stat().st_size == size for name, size in manifest["jars"].items())
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


def _download(home: Path, pom: Path) -> None:
    """Fetch into a folder beside `home` and rename: a run that is cut short leaves nothing that looks whole."""
    partial = Path(tempfile.mkdtemp(prefix=f"{home.name}-partial-", dir=home.parent))
    try:
        _copy_dependencies(pom, partial)
        jars = sorted(partial.glob("*.jar"))
        broken = [jar.name for jar in jars if not zipfile.is_zipfile(jar)]
        if broken or not jars:
            raise BrokerError(
                f"Maven delivered unusable jars: {', '.join(broken) or 'none at all'}.",
                "Remove org/apache/kafka from Maven's local repository and try again.",
            )
        manifest = {"pom": _digest(pom), "jars": {jar.name: jar.stat().st_size for jar in jars}}
        (partial / MANIFEST).write_text(json.dumps(manifest, indent=1), encoding="utf-8")
        if home.exists():
            shutil.rmtree(home)
        partial.rename(home)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _copy_dependencies(pom: Path, target: Path) -> None:
    command = [
        "mvn",
        "--batch-mode",
        "--quiet",
        "--file",
        str(pom),
        "dependency:copy-dependencies",
        "-DincludeScope=runtime",
        f"-DoutputDirectory={target}",
    ]
    try:
        # The command is a fixed list; only two paths of our own go into it.
        done = subprocess.run(  # noqa: S603
            command, capture_output=True, text=True, timeout=DOWNLOAD_DEADLINE_S, check=False, stdin=subprocess.DEVNULL
        )
    except subprocess.TimeoutExpired:
        raise BrokerError(
            f"Maven did not finish downloading Kafka within {DOWNLOAD_DEADLINE_S:.0f} s.", "Check the network."
        ) from None
    if done.returncode != 0:
        said = "\n".join((done.stdout + done.stderr).strip().splitlines()[-15:])
        raise BrokerError(
            f"Maven could not download Apache Kafka {KAFKA_VERSION}.",
            f"Check the network and Maven's settings, or set CONCORD_BROKER. Maven said:\n{said}",
        )


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
