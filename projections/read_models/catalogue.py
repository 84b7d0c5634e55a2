"""Every read model, by name."""

from __future__ import annotations

from typing import Final

from projections.read_models import conflicts, freshness, held, mails, run_log, story
from projections.read_models.model import ReadModel

MODELS: Final[tuple[ReadModel, ...]] = (
    run_log.MODEL, story.MODEL, mails.MODEL, conflicts.MODEL, held.MODEL, freshness.MODEL
)  # fmt: skip
BY_NAME: Final[dict[str, ReadModel]] = {model.name: model for model in MODELS}
