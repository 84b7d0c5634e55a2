"""Kafka's classes as Java keeps them between runs (class data sharing): a quarter less work for each format and start.

The archive stands beside the jars. The first format of a data folder writes it; a JVM that cannot use it says nothing
and goes without. For the `concord.broker*` modules only.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

# Quiet about archives, and no objection of a JVM that has none.
QUIET: Final = ("-XX:+IgnoreUnrecognizedVMOptions", "-Xlog:cds=off", "-Xlog:cds+dynamic=off")


def archive_of(jars: Path) -> Path:
    """Where the archive of these jars for this machine's Java stands, or would: another Java cannot use it."""
    java = Path(shutil.which("java") or "java").resolve()
    with contextlib.suppress(OSError):
        about = java.stat()
        mark = hashlib.sha256(f"{java} {about.st_size} {about.st_mtime_ns}".encode()).hexdigest()[:12]
        return jars / f"classes-{mark}.jsa"
    return jars / "classes.jsa"


def using_archive(jars: Path) -> tuple[str, ...]:
    """Flags for a JVM that runs from these jars."""
    archive = archive_of(jars)
    return (*QUIET, f"-XX:SharedArchiveFile={archive}") if archive.exists() else QUIET


@contextmanager
def writing_archive(jars: Path) -> Iterator[tuple[str, ...]]:
    """Flags for a JVM that writes the archive when it ends, where there is none yet. Kept unless the block raises.

    Several may write at once: each writes its own, and the last stays.
    """
    archive = archive_of(jars)
    if archive.exists() or not os.access(jars, os.W_OK):
        yield using_archive(jars)
        return
    with tempfile.TemporaryDirectory(prefix="classes-", dir=jars) as folder:
        written = Path(folder) / archive.name
        yield (*QUIET, f"-XX:ArchiveClassesAtExit={written}")
        with contextlib.suppress(OSError):
            written.replace(archive)
