"""ARCHITECTURE.md says what the code says."""

from __future__ import annotations

from pathlib import Path

from schemas.topics import flow_markdown
from streams.reasons import REASONS

ROOT = Path(__file__).parents[2]


def test_the_flow_table_is_the_topic_table() -> None:
    """The table in ARCHITECTURE.md is `schemas.topics.flow_markdown()`."""
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    table = text.split("<!-- flow:begin -->")[1].split("<!-- flow:end -->")[0]
    assert table.strip() == flow_markdown().strip()


def test_every_folder_named_exists() -> None:
    """A folder or module that ARCHITECTURE.md names in code marks exists."""
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    named = {word for word in text.split("`") if word.endswith((".py", "/")) and " " not in word}
    missing = [name for name in named if not (ROOT / name).exists() and not list(ROOT.glob(f"[a-z]*/**/{name}"))]
    assert not missing, f"ARCHITECTURE.md names what is not there: {missing}"


def test_every_reason_is_a_sentence_with_a_rule() -> None:
    """Each reason code that a decision can carry reads as a sentence and names its rule."""
    for reason in REASONS.values():
        assert reason.text.endswith("."), reason.code
        assert reason.rule, reason.code
