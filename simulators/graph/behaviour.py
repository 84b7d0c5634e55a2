"""How the simulated service behaves where the real one varies: delays, duplicates, second thoughts, unknown rules."""

from __future__ import annotations

from dataclasses import dataclass, field, replace


@dataclass(frozen=True)
class DeltaBehaviour:
    """calendarView/delta. Probabilities are per page or per item, drawn from the simulator's random source."""

    empty_page: float = 0.05
    """A page with no items and a nextLink, also as the first one."""
    duplicate_item: float = 0.02
    """An item that stands twice in the same page."""
    replay: float = 0.02
    """A round that starts with up to `replay_span` changes the caller has had before."""
    replay_span: int = 5
    lag_s_max: float = 0.0
    """Longest time in seconds until a change shows in delta."""
    page_size: int = 50
    """Items per page when the request names no odata.maxpagesize."""
    series_removal_names_instances: bool = False
    """Unverified: whether deleting a series also sends `@removed` for each instance that lay in the window."""


@dataclass(frozen=True)
class NotificationBehaviour:
    """Change notifications. Times in seconds of the simulator's clock."""

    delay_s_min: float = 0.2
    delay_s_max: float = 2.0
    late: float = 0.02
    """Probability that a notification takes up to `late_s_max` instead."""
    late_s_max: float = 30.0
    duplicate: float = 0.05
    """Probability that a notification is sent twice."""
    created_then_updated: float = 0.8
    """Probability that a `created` is followed by an `updated` about the same event."""
    items_per_post_max: int = 20
    lost: float = 0.0
    """Probability that a notification is lost and `missed` is sent to the lifecycle URL instead."""
    ack_timeout_s: float = 3.0
    retry_first_s: float = 10.0
    retry_for_s: float = 4 * 3600.0
    slow_answer_s: float = 2.9
    """An answer that takes longer counts as slow."""
    slow_share: float = 0.10
    drop_share: float = 0.15
    health_window_s: float = 600.0
    health_answers_min: int = 10
    """Fewer answers in the window than this say nothing about an endpoint's health."""
    slow_delay_s: float = 10.0
    identical_refused: bool = False
    """Whether a second subscription to the same changes of the same resource at the same address answers 409."""
    lifecycle_by_clock: bool = True
    """Whether reauthorizationRequired is sent by itself when a subscription nears its end."""


@dataclass(frozen=True)
class Behaviour:
    """Everything that can be switched. The defaults leave out what would make an honest client fail at random."""

    delta: DeltaBehaviour = field(default_factory=DeltaBehaviour)
    notifications: NotificationBehaviour = field(default_factory=NotificationBehaviour)
    second_bump: float = 0.0
    """Probability that the service changes the changeKey again `second_bump_s` after a write."""
    second_bump_s: float = 1.0
    transient_conflict: float = 0.0
    """Probability of a 412 on a PATCH or DELETE that carries no If-Match."""
    batch_throttling: float = 0.0
    """Probability of an item-level 429 for the fifth and later parallel items of a batch at one mailbox."""
    batch_shuffle: float = 0.0
    """Probability that the answers of a batch come in another order than its requests."""
    room_answer_s: float = 3.0
    """Time a room takes to answer an invitation."""
    attendee_answer_s: float = 1.0
    """Time until an attendee's answer shows on the organizer's copy."""
    join_url_s: float = 0.0
    """Time until an online meeting has its join URL and its block in the body."""
    private_changes_mail: bool = False
    """Unverified: whether a PATCH of organizer-private members (categories, showAs, reminder ...) mails attendees."""
    delete_checks_version: bool = True
    """Unverified: whether DELETE honours If-Match."""
    subject_length_max: int | None = None
    """Unverified: longest subject accepted; None takes any length."""
    concurrency_max: int = 4
    requests_max: int = 10_000
    requests_window_s: float = 600.0
    retry_after_s: float = 5.0
    body_bytes_max: int = 4 * 1024 * 1024
    token_lifetime_s: int = 3599

    def calm(self) -> Behaviour:
        """The same without anything random: no empty pages, duplicates, replays, lateness or second bumps."""
        return replace(
            self,
            delta=replace(self.delta, empty_page=0.0, duplicate_item=0.0, replay=0.0, lag_s_max=0.0),
            notifications=replace(self.notifications, late=0.0, duplicate=0.0, created_then_updated=1.0, lost=0.0),
            second_bump=0.0,
            transient_conflict=0.0,
            batch_throttling=0.0,
            batch_shuffle=0.0,
        )

    def rough(self) -> Behaviour:
        """The same with every wart the references report, often enough that a short run meets all of them."""
        return replace(
            self,
            delta=replace(self.delta, empty_page=0.2, duplicate_item=0.1, replay=0.2, lag_s_max=3.0),
            notifications=replace(self.notifications, late=0.1, duplicate=0.2, created_then_updated=0.8, lost=0.02),
            second_bump=0.3,
            transient_conflict=0.05,
            batch_throttling=0.13,
            join_url_s=2.0,
        )
