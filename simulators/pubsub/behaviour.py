"""How the bus behaves where the real one varies, or where nothing is verified. Times are seconds of its clock."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class PubSubBehaviour:
    """Switches. Probabilities are drawn from the bus's random source."""

    merge: float = 0.25
    """Probability that equal changes of a transaction that follow each other share one event."""
    duplicate: float = 0.02
    """Probability that an event is published again soon: same event id and payload, another replay id."""
    gap: float = 0.0
    """Probability that an inner error turns a change event into a gap event."""
    diff: float = 0.5
    """Probability that a changed text of 1,000 characters or more is sent as a difference."""
    batch_events: int | None = None
    """Largest batch of one answer. None: any size that the request leaves room for, at random."""
    outstanding_max: int = 100
    """Events that a stream can have asked for and not got."""
    keepalive_s: float = 270.0
    """Longest silence while events are asked for."""
    idle_close_s: float = 70.0
    """How long a stream lives on that asks for nothing."""
    idle_close_code: str = ""
    """Unverified: the error that ends an idle stream; "" ends it with status OK."""
    publish_idle_s: float = 1800.0
    """How long a publishing stream lives on without a request (a proto comment says 70)."""
    retention_s: float = 72 * 3600.0
    """How long events and replay ids are kept."""
    deliveries_max: int = 25_000
    """Events delivered in any 24 hours, over all subscribers."""
    overflow_changes: int = 100_000
    """Changes of one transaction above which the rest of them is one overflow event per object."""
    payload_max: int = 1_000_000
    """Bytes of an event; a larger one becomes a gap event."""
    rights_refresh_s: float = 600.0
    """How soon a change in a user's rights reaches an open stream."""
    hidden_fields: frozenset[str] = frozenset()
    """Fields that field-level security hides: always null, though the schema lists them."""

    def calm(self) -> PubSubBehaviour:
        """The same without anything random: nothing merged or repeated, batches as large as asked for."""
        return replace(self, merge=0.0, duplicate=0.0, gap=0.0, diff=0.0, batch_events=self.outstanding_max)

    def rough(self) -> PubSubBehaviour:
        """The same with much merged, repeated and lost, in small batches."""
        return replace(self, merge=0.7, duplicate=0.2, gap=0.05, diff=1.0, batch_events=3)
