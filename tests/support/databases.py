"""Databases for the read models: an SQLite file, and a PostgreSQL server of the test's own where one is installed."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from sqlalchemy import create_engine, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import OperationalError

# Who runs the server when the tests run as root, as whom PostgreSQL refuses to run: the user of Debian's package.
SERVER_USER: Final = "postgres"
READY_S: Final = 60.0


def postgres_tools() -> Path | None:
    """The folder with initdb and postgres, None where PostgreSQL is not installed."""
    places = [Path(found).resolve().parent for found in [shutil.which("initdb")] if found]
    places += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((place for place in places if (place / "initdb").exists() and (place / "postgres").exists()), None)


def _as_server_user() -> list[str]:
    return ["setpriv", f"--reuid={SERVER_USER}", f"--regid={SERVER_USER}", "--clear-groups"] if os.getuid() == 0 else []


@contextmanager
def postgres_server(tools: Path) -> Iterator[URL]:
    """A server that listens on a socket in a folder of its own and forgets everything at the end."""
    with tempfile.TemporaryDirectory(prefix="concord-pg-", ignore_cleanup_errors=True) as folder:
        if os.getuid() == 0:
            shutil.chown(folder, SERVER_USER, SERVER_USER)
        data = Path(folder) / "data"
        user = _as_server_user()
        made = [
            *user,
            str(tools / "initdb"),
            "-D",
            str(data),
            "-A",
            "trust",
            "-U",
            "concord",
            "-E",
            "UTF8",
            "--no-sync",
        ]
        subprocess.run(made, check=True, capture_output=True, cwd="/")
        options = ["-k", folder, "-c", "listen_addresses=", "-c", "fsync=off", "-c", "shared_buffers=16MB"]
        server = subprocess.Popen(
            [*user, str(tools / "postgres"), "-D", str(data), *options],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/",
        )  # fmt: skip
        try:
            url = URL.create("postgresql+psycopg", "concord", database="postgres", query={"host": folder})
            _wait(url)
            yield url
        finally:
            server.send_signal(signal.SIGINT)  # ends at once what is connected; SIGTERM would wait
            server.wait(timeout=30)


def _wait(url: URL) -> None:
    deadline = time.monotonic() + READY_S
    while True:
        engine = create_engine(url)
        try:
            with engine.connect():
                return
        except OperationalError:
            assert time.monotonic() < deadline, "PostgreSQL did not start"
            time.sleep(0.05)
        finally:
            engine.dispose()


def new_database(server: URL) -> URL:
    """An empty database of a server."""
    name = f"t{uuid.uuid4().hex[:12]}"
    engine = create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    engine.dispose()
    return server.set(database=name)
