"""Refusals of the Pub/Sub API: a code that goes into the trailer `error-code`, a gRPC status, a message."""

from __future__ import annotations

from typing import Final

PREFIX: Final = "sfdc.platform.eventbus.grpc."
"""What every error code begins with on the wire."""

STATUSES: Final = {
    "service.auth.error": "UNAUTHENTICATED",
    "service.unavailable": "UNAVAILABLE",
    "topic.api.unavailable": "UNAVAILABLE",
    "schema.api.unavailable": "UNAVAILABLE",
    "subscription.internal.error": "INTERNAL",
    "topic.not.found": "NOT_FOUND",
    "topic.meta.permission": "PERMISSION_DENIED",
    "subscription.topic.cannot.subscribe": "PERMISSION_DENIED",
    "subscription.fetch.replayid.corrupted": "INVALID_ARGUMENT",
    "subscription.fetch.replayid.validation.failed": "INVALID_ARGUMENT",
    "subscription.fetch.requested.events.invalid": "INVALID_ARGUMENT",
    "subscription.fetch.topic.mismatch": "INVALID_ARGUMENT",
    # Unverified from here: the reference names the codes, not their statuses.
    "service.auth.headers.invalid": "UNAUTHENTICATED",
    "service.auth.refresh.invalid": "UNAUTHENTICATED",
    "concurrent.client.limit.exceeded": "RESOURCE_EXHAUSTED",
    "service.protection.triggered": "RESOURCE_EXHAUSTED",
    "service.protection.stream.limit.triggered": "RESOURCE_EXHAUSTED",
    "service.tenant.license": "PERMISSION_DENIED",
    "topic.validation.empty": "INVALID_ARGUMENT",
    "schema.validation.failed": "INVALID_ARGUMENT",
    "schema.meta.permission": "NOT_FOUND",
    "subscription.limit.exceeded": "RESOURCE_EXHAUSTED",
    "subscription.fetch.request.invalid": "INVALID_ARGUMENT",
    "subscription.fetch.overflow": "INVALID_ARGUMENT",
    "subscription.fetch.replay.repeated": "INTERNAL",
    "publish.topic.validation.empty": "INVALID_ARGUMENT",
    "publish.event.count.invalid": "INVALID_ARGUMENT",
    "publish.topic.mismatch": "INVALID_ARGUMENT",
    "publish.auth.refresh.invalid": "INVALID_ARGUMENT",
    "publish.stream.sweeper.timeout": "ABORTED",
    "managed.subscription.already.active": "FAILED_PRECONDITION",
    "managed.subscription.config.stopped": "FAILED_PRECONDITION",
    "managed.subscription.config.deleted": "NOT_FOUND",
    "managed.subscription.developer.name.not.found": "NOT_FOUND",
    "managed.subscription.subscription.id.not.found": "NOT_FOUND",
    "managed.subscription.subscription.id.invalid": "INVALID_ARGUMENT",
    "managed.subscription.id.or.developer.name.empty": "INVALID_ARGUMENT",
    "managed.subscription.fetch.request.events.invalid": "INVALID_ARGUMENT",
    "managed.subscription.fetch.request.invalid": "INVALID_ARGUMENT",
    "managed.subscription.fetch.request.commit.request.restricted": "INVALID_ARGUMENT",
    "managed.subscription.fetch.request.auth.request.restricted": "INVALID_ARGUMENT",
}
"""gRPC status names by error code without its prefix."""


class PubSubError(Exception):
    """A refusal: of one call, or the end of a stream. `code` comes without the prefix and is one of STATUSES."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message

    @property
    def status(self) -> str:
        """The name of the gRPC status."""
        return STATUSES[self.code]

    @property
    def error_code(self) -> str:
        """The code as the trailer carries it."""
        return PREFIX + self.code


def corrupted(why: str = "The Replay ID validation failed. Ensure that the Replay ID is valid.") -> PubSubError:
    """A replay id that was never given out, is too old, or belongs to a stream before a reset."""
    return PubSubError("subscription.fetch.replayid.corrupted", why)


def topic_not_found(name: str) -> PubSubError:
    """A topic that the org does not have. Names are case-sensitive."""
    return PubSubError("topic.not.found", f"Topic {name} does not exist")
