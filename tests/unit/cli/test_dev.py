"""`concord dev`: what a shell sources to reach what runs."""

from __future__ import annotations

import subprocess
from pathlib import Path

from concord.dev import write_env_file


def test_the_env_file_gives_a_shell_every_variable_and_nobody_else_may_read_it(tmp_path: Path) -> None:
    """Values arrive as they are, whatever stands in them."""
    path = tmp_path / "env"
    write_env_file(path, {"CONCORD_BROKER": "127.0.0.1:1", "CONCORD_GRAPH_CLIENT_SECRET": "a b'$c"})
    assert path.stat().st_mode & 0o777 == 0o600
    shell = f'. {path}; printf "%s|%s" "$CONCORD_BROKER" "$CONCORD_GRAPH_CLIENT_SECRET"'
    done = subprocess.run(["sh", "-c", shell], capture_output=True, text=True, check=True)
    assert done.stdout == "127.0.0.1:1|a b'$c"
