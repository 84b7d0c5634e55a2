"""What a role loads when it starts: the libraries of its own service, not those of the other."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("roles", "needless"),
    [
        (("reconcile", "graph_source", "graph_sink"), {"grpc", "simple_salesforce", "zeep"}),
        (("salesforce_source", "salesforce_sink"), {"msal"}),
    ],
)
def test_roles_load_no_library_of_the_other_service(roles: tuple[str, ...], needless: set[str]) -> None:
    """In a fresh interpreter, as `concord` starts them: loading is most of what a start costs."""
    modules = [f"concord.roles.{role}" for role in roles]
    code = f"import sys, concord.cli, {', '.join(modules)}; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert set(modules) <= set(loaded)
    assert needless.intersection(loaded) == set()
