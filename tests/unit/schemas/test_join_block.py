"""The part of a plain-text body that Teams adds: found by its link between its lines of underscores."""

from __future__ import annotations

import pytest

from schemas.join_block import own_text

URL = "https://teams.example/1"
RULE = "_" * 40


@pytest.mark.parametrize(
    ("text", "own"),
    [
        ("Agenda", "Agenda"),
        (f"Agenda\n{RULE}\nJoin<{URL}>\n{RULE}", "Agenda"),
        (f"Agenda\n{RULE}\nJoin<{URL}>\n{RULE}\nAfter", "Agenda\n\nAfter"),
        (f"Agenda\n{RULE}\nJoin<{URL}> cut off", "Agenda"),
        (f"{RULE}\nmine\n{RULE}\n{RULE}\nJoin<{URL}>\n{RULE}", f"{RULE}\nmine\n{RULE}"),
        (f"{RULE}\nmine\n{RULE}", f"{RULE}\nmine\n{RULE}"),
        (f"Come to {URL}", f"Come to {URL}"),
        ("", ""),
    ],
)
def test_the_own_text_is_what_teams_did_not_add(text: str, own: str) -> None:
    """Nothing but the ruled part with the link goes."""
    assert own_text(text, URL) == own
    assert own_text(text, "") == text
