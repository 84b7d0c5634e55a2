"""The error tree. Every error says what is wrong (`what`) and what a person can do (`fix`).

ConcordError
├── ConfigError        settings or environment: every problem at once, nothing was started
├── UnreadableRecord   bytes on a topic that no known schema reads (-> sync.quarantine)
├── ServiceError       a service answered, but not with what was asked
│   ├── Throttled      wait `wait_s`, then the same request again
│   ├── AuthRejected   credentials or permission: a person must act
│   ├── ResyncNeeded   a cursor died: read the window again, delete nothing because of it
│   ├── Refused        this request can never succeed; `code` is the service's own word for it
│   ├── Stale          the item changed since it was read (412)
│   ├── Gone           the item does not exist (any more)
│   └── Unavailable    5xx or connection lost; `was_sent` says whether the effect may have happened
└── SyncHalted         a brake stopped work on purpose
"""

from __future__ import annotations


class ConcordError(Exception):
    """Base of all errors that a person may read."""

    def __init__(self, what: str, fix: str = "") -> None:
        super().__init__(what if not fix else f"{what} {fix}")
        self.what = what
        self.fix = fix


class ConfigError(ConcordError):
    """Settings or environment are wrong. `problems` lists each; nothing was started."""

    def __init__(self, problems: list[str], fix: str = "") -> None:
        super().__init__("; ".join(problems) + ".", fix)
        self.problems = problems


class UnreadableRecord(ConcordError):
    """Bytes that no known schema reads. The record goes to `sync.quarantine` untouched."""


class ServiceError(ConcordError):
    """A service answered something other than what was asked. `code` is its own error code."""

    def __init__(self, what: str, fix: str = "", *, code: str = "", status: int = 0) -> None:
        super().__init__(what, fix)
        self.code = code
        self.status = status


class Throttled(ServiceError):
    """Too many requests: wait `wait_s` seconds, then send the same request again."""

    def __init__(self, what: str, wait_s: float, *, code: str = "", status: int = 429) -> None:
        super().__init__(what, code=code, status=status)
        self.wait_s = wait_s


class AuthRejected(ServiceError):
    """Credentials or permissions were refused. Retrying does not help until a person acts."""


class ResyncNeeded(ServiceError):
    """A cursor is no longer valid: read the whole window again. Nothing may be deleted because of it."""


class Refused(ServiceError):
    """The service will never accept this request as it is."""


class Stale(ServiceError):
    """The item changed since the version that the write was based on (412)."""


class Gone(ServiceError):
    """The item does not exist, or does not exist any more."""


class Unavailable(ServiceError):
    """5xx or a broken connection. `was_sent` is True when the request may have taken effect."""

    def __init__(self, what: str, *, was_sent: bool = True, code: str = "", status: int = 0) -> None:
        super().__init__(what, code=code, status=status)
        self.was_sent = was_sent


class SyncHalted(ConcordError):
    """A brake stopped work on purpose; a person decides how it goes on."""
