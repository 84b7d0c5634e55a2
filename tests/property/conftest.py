"""How hard the properties are tried: the same few cases each time, or with `CONCORD_PROPERTIES=deep` a long search."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, Phase, settings

_SLOW_IS_FINE = (HealthCheck.too_slow, HealthCheck.data_too_large)
settings.register_profile(
    "quick", max_examples=40, deadline=None, derandomize=True, suppress_health_check=_SLOW_IS_FINE,
    phases=(Phase.explicit, Phase.generate, Phase.shrink),
)  # fmt: skip
settings.register_profile("deep", max_examples=3000, deadline=None, suppress_health_check=_SLOW_IS_FINE)
settings.load_profile(os.environ.get("CONCORD_PROPERTIES", "quick"))
