"""What a simulator must do to be honest, as numbered in the references of the services: facts, in our own words.

`make contract` prints each point with its state. Tests name points with `@pytest.mark.honest("graph", 7)`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

SERVICES: Final[Mapping[str, str]] = {
    "graph": "Microsoft Graph",
    "salesforce": "Salesforce",
    "pubsub": "Pub/Sub API",
}
"""Names for people, by the first word of a mark."""

GRAPH: Final = (
    "Occurrences have seven members in delta and all of them in calendarView",
    "Series masters stand in delta and never in calendarView",
    "Events created or edited outside the window arrive as @removed",
    "A deleted or re-timed occurrence leaves no tombstone; its series is sent again",
    "Empty pages lead on, odata.maxpagesize is kept to, a round ends only with a deltaLink",
    "Tokens are opaque and bind window and options; delta refuses $select, $expand and $filter",
    "Delta tokens end on demand with 410 SyncStateNotFound and no Location",
    "Items are repeated within a round and replayed in later ones",
    "Times are UTC with seven digits unless Prefer asks otherwise, which Preference-Applied confirms",
    "All-day events float and meet windows as UTC days",
    "An unknown zone is refused with 400, in the header and in the body",
    "PATCH replaces all attendees; the mails that would go out are on record",
    "Create, update and delete mail the attendees, and nothing can stop it",
    "Each write gives a new changeKey and etag, sometimes one more a moment later",
    "A stale If-Match meets 412 ErrorIrresolvableConflict, now and then also a write without If-Match",
    "Bodies are stored as wrapped html; the Teams block is appended; without it the online meeting is dropped",
    "isOnlineMeeting is ignored silently where the calendar has no provider, and is never unset",
    "Extended properties are invisible unless expanded, in answers to writes as well",
    "A true retry with a transactionId gives the same event, another body gives 400",
    "A notification URL is validated by POST within 10 s, with the decoded token, before 201 is answered",
    "Notifications come late, twice, out of order, without data, updated after created; lifetimes have bounds",
    "Notifications without acknowledgement are retried, those of slow endpoints dropped, then `missed` is sent",
    "The fifth concurrent call of an app at a mailbox meets 429 with Retry-After, inside a batch its item alone",
    "A malformed id, a missing item, a mailbox that is none and one out of scope are told apart",
    "Answers come later; copies have an own id and answer, the same iCalUId, and stay, marked, when cancelled",
)

SALESFORCE: Final = (
    "PATCH and DELETE answer 204 without a body, an upsert 201 or 200 with one",
    "Collections answer 200 with mixed results; their errors say statusCode, and failed items have no id",
    "Times leave with milliseconds and +0000; LastModifiedDate and commitTimestamp are whole seconds",
    "query, queryAll and nextRecordsUrl are kept apart; the service chooses the page size",
    "Deleted and archived rows are hidden from query and GET and shown by queryAll with their flags",
    "Replication windows are cut to minutes and reach 30 and 15 days; coverage lags; the delete log is purged",
    "Each invited user has a child Event of his own that takes no other edits and has change events of its own",
    "EventRelation is refused on a child, fixed in its ends, and without the fields of Shared Activities",
    "Calendar is read-only; resources are only Accepted and only when free",
    "Event times agree, have an end or a duration, last at most a day or 14; all-day ends are inclusive",
    "Lengths, restricted picklists, unknown and read-only fields are refused by name; Description is no filter",
    "EventChangeEvent has no StartDateTime and no EndDateTime",
    "An UPDATE event nulls what did not change, has the bit of LastModifiedDate, and names real clears in nulledFields",
    "Bitmaps follow the schema that is served, the header at 0; the schema id changes in mid-stream at times",
    "One event a record and transaction, of the first type with the final values; merges; numbers with holes",
    "Commit numbers above 2^53, opaque replay ids of ten bytes with gaps, now and then an event twice",
    "Event streams without View All Data: an error on the single channel, silence on a shared one",
    "At most 100 events outstanding, keepalives with latest_replay_id, idle streams closed, num_requested 0 refused",
    "After 72 hours events are forgotten and their replay ids corrupted; a stream can be reset",
    "Deliveries are counted over all subscribers and cut; API calls are in Sforce-Limit-Info and cut with 403",
    "changeOrigin follows the API and the client header; own writes come back like any other",
    "Gap events for archiving and oversize, and an overflow event on demand",
    "Error codes stand in the gRPC trailer error-code",
    "Tokens end unannounced with a 401 as a JSON list; exp as number and text; no client credentials on shared hosts",
    "Row locks, 503, a 502 that is no JSON, lost answers, ENTITY_IS_DELETED; only If-Unmodified-Since on Event",
)

PUBSUB: Final = (
    "Services, messages and field numbers are the published ones, over plain and TLS connections",
    "accesstoken, instanceurl and tenantid are needed on every call; a bad token is UNAUTHENTICATED",
    "GetTopic names the schema of a topic; GetSchema gives it by an id that is the MD5 of its text",
    "Topics are case-sensitive; unknown ones are refused; the first request fixes topic and start",
    "LATEST, EARLIEST and CUSTOM, which begins behind its id; CUSTOM without an id is refused",
    "num_requested adds up; pending_num_requested says what may still follow; batches have any size",
    "A stream outlives its token; auth_refresh takes a good one and refuses a bad one",
    "Payloads are bare Avro data: unions with null first, the header and its members none",
    "A group event is parent, child and relation in this order under one transaction key",
    "Enriched fields come with UPDATE and DELETE, as they are at delivery, one record an event under one replay id",
    "Filters judge the record as it is; what they keep out costs no delivery",
    "Long texts may come as a difference named in diffFields; fields that are hidden stay null",
    "A managed subscription resumes from what was committed in its stream; stopping forgets it",
    "Publishing change events is refused, each mistake by its own code; a silent publish stream is swept",
)

POINTS: Final[Mapping[str, tuple[str, ...]]] = {"graph": GRAPH, "salesforce": SALESFORCE, "pubsub": PUBSUB}
"""Point n of a service is at n - 1."""
