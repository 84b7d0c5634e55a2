"""A broker of this folder's own: the topics have fixed names, and other tests write to them as well."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from integration.cli.firm import Firm


@pytest.fixture(scope="package")
def firm() -> Iterator[Firm]:
    """One firm for the folder. Only test_writing and test_written_rows change it, and they run last: modules run in
    the order of their names."""
    from integration.cli.firm import firm_on_a_broker

    with firm_on_a_broker() as firm:
        yield firm
