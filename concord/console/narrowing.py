"""What the pages of long lists share: whom and when they are narrowed to, and the links to newer and older rows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode

from concord.console.desk import in_force
from concord.console.pages import Visit
from concord.moments import moment
from concord.owners import addresses_of, owners_named
from schemas.errors import ConcordError
from schemas.settings import Settings

# Characters of a filter that are looked at.
TEXT_MAX = 200


@dataclass(frozen=True)
class Narrowing:
    """Whose rows and from when, as the form holds it (`since` and `until` in UTC) and as it is asked for."""

    settings: Settings
    user: str
    since_text: str
    until_text: str
    owners: tuple[str, ...] | None
    since: datetime | None
    until: datetime | None

    @property
    def names(self) -> dict[str, str]:
        """Addresses of users by whatever the log calls them."""
        return addresses_of(self.settings)

    @property
    def query(self) -> dict[str, str]:
        """The same as parts of a link."""
        return {"user": self.user, "since": self.since_text, "until": self.until_text}


def narrowing(visit: Visit) -> Narrowing:
    """What the query of a page says. Raises ConcordError for a time that is none."""
    settings = in_force(visit.desk.documents())
    user, since, until = (visit.query.one(name)[:TEXT_MAX] for name in ("user", "since", "until"))
    now = visit.site.now()
    return Narrowing(
        settings, user, since, until, owners_named(settings, user), moment(since, now) if since else None,
        moment(until, now) if until else None,
    )  # fmt: skip


def link(path: str, **parts: str) -> str:
    """An address with those parts that hold something."""
    held = {name: text for name, text in parts.items() if text}
    return f"{path}?{urlencode(held)}" if held else path


def place_text(*parts: int | str) -> str:
    """The place of a row in a list, as a link holds it."""
    return " ".join(map(str, parts))


def place_of(text: str, *kinds: type[int] | type[str]) -> list[int | str] | None:
    """The place that a link holds; None when it holds none. Raises ConcordError for what is no place."""
    if not text:
        return None
    parts = text.split(" ", len(kinds) - 1)
    try:
        found = [kind(part) for kind, part in zip(kinds, parts, strict=True)]
    except ValueError:
        raise ConcordError("There is no such place in the list.", "Begin with its first page.") from None
    if any(isinstance(part, int) and not 0 <= part < 1 << 62 for part in found):
        raise ConcordError("There is no such place in the list.", "Begin with its first page.")
    return found
