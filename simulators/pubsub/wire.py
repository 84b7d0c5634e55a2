"""Between the messages of the wire and what the bus knows. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from simulators.pubsub.event_log import StoredEvent
from simulators.pubsub.managed import ManagedFetch
from simulators.pubsub.messages import COMMIT_ERROR, FetchResponse, ManagedFetchResponse, ReplayPreset
from simulators.pubsub.streams import Batch, Fetch


def fetch_of(request: Any) -> Fetch:
    """A FetchRequest."""
    preset = ReplayPreset.values_by_number.get(request.replay_preset)
    return Fetch(
        topic=request.topic_name,
        preset="" if preset is None else preset.name,
        replay_id=request.replay_id,
        count=request.num_requested,
        auth_refresh=request.auth_refresh,
    )


def managed_fetch_of(request: Any) -> ManagedFetch:
    """A ManagedFetchRequest."""
    commit = None
    if request.HasField("commit_replay_id_request"):
        asked = request.commit_replay_id_request
        commit = (asked.commit_request_id, asked.replay_id)
    return ManagedFetch(
        subscription_id=request.subscription_id,
        developer_name=request.developer_name,
        count=request.num_requested,
        auth_refresh=request.auth_refresh,
        commit=commit,
    )


def fetch_response(batch: Batch, rpc_id: str) -> Any:
    """A batch as a FetchResponse."""
    answer = FetchResponse(rpc_id=rpc_id, latest_replay_id=batch.latest_replay_id, pending_num_requested=batch.pending)
    _add_events(answer, batch.events)
    return answer


def managed_fetch_response(batch: Batch, rpc_id: str) -> Any:
    """A batch as a ManagedFetchResponse, with the answer to a commit where it has one."""
    answer = ManagedFetchResponse(
        rpc_id=rpc_id, latest_replay_id=batch.latest_replay_id, pending_num_requested=batch.pending
    )
    _add_events(answer, batch.events)
    reply = batch.commit
    if reply is not None:
        answer.commit_response.commit_request_id = reply.request_id
        answer.commit_response.replay_id = reply.replay_id
        answer.commit_response.process_time = reply.process_time_ms
        if reply.error:
            answer.commit_response.error.code = COMMIT_ERROR
            answer.commit_response.error.msg = reply.error
    return answer


def _add_events(answer: Any, events: Sequence[tuple[StoredEvent, bytes]]) -> None:
    for event, replay in events:
        added = answer.events.add(replay_id=replay)
        added.event.id = event.event_id
        added.event.schema_id = event.schema_id
        added.event.payload = event.payload
