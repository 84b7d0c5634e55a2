"""How the service behaves where the real one varies or where nothing is verified."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Behaviour:
    """Switches. Probabilities are drawn from the simulator's random source; times are seconds of its clock."""

    page_rows: int | None = None
    """Rows of a query page. None: the service chooses, at most the batch size asked for and at least 200."""
    replication_hold: float = 0.2
    """Probability that getUpdated and getDeleted cover less than asked, as under a long transaction."""
    replication_hold_s: int = 120
    """How far coverage may then end before the window's end."""
    delete_log_rows_max: int = 50_000
    """Rows of the delete log above which the two-hourly purge drops the oldest."""
    archive_every_s: int = 86_400
    """Interval of the archiving job; 0 switches it off."""
    archive_after_days: int = 365
    reminders_fire: bool = False
    """Whether IsReminderSet turns false when the reminder's time has come, as documented."""
    locator_s: int = 2 * 86_400
    """Lifetime of a query locator."""
    trims_text: bool = True
    """Unverified: whether text is stored without outer white space."""
    relation_touches_event: bool = False
    """Unverified: whether a change of an EventRelation moves the event's LastModifiedDate and SystemModstamp."""
    unchanged_update_is_logged: bool = True
    """Unverified: whether an update that changes nothing still moves LastModifiedDate and makes a change event."""
    children_copy_custom_fields: bool = True
    """Unverified: whether an invitee's copy carries the custom fields (unique ones never do)."""
    private_refuses_invitees: bool = True
    """Unverified: whether the ban on contact and lead links of private events covers invitees."""
    owner_may_be_invited: bool = False
    """Unverified: whether the owner of an event can be an invitee of it."""
    move_keeps_duration: bool = True
    """Unverified: whether an update of the start alone keeps the duration (else it keeps the end)."""
    all_day_has_activity_datetime: bool = False
    """Unverified: whether ActivityDateTime of an all-day event is midnight instead of null."""
    collections_name_client: bool = True
    """Unverified: whether `client=` of Sforce-Call-Options reaches changeOrigin from composite and collections."""
    bulk_wait_s: float = 0.0
    """Longest time until a bulk job runs; with 0 it runs before the next request is answered."""
    limits_stale_s: int = 300
    """Age that the figures of `/limits` may have."""

    def calm(self) -> Behaviour:
        """The same without anything random: pages of the size asked for, full coverage."""
        return replace(self, page_rows=self.page_rows or 2000, replication_hold=0.0, limits_stale_s=0)

    def rough(self) -> Behaviour:
        """The same with small pages and coverage that often lags."""
        return replace(self, page_rows=7, replication_hold=0.6)
