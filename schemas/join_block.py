"""The part of a plain-text body that Teams adds to a meeting: between two lines of underscores, with the join link."""

from __future__ import annotations

import re
from typing import Final

# The line of underscores that Teams puts above and below its join block (80 of them; older clients use fewer).
RULE: Final = r"_{20,}"
_LINE: Final = re.compile(rf"^[ \t]*{RULE}[ \t]*$", re.MULTILINE)
_RULED: Final = re.compile(rf"^[ \t]*{RULE}[ \t]*$(?:.*^[ \t]*{RULE}[ \t]*$|.*\Z)", re.MULTILINE | re.DOTALL)


def without_ruled_part(text: str) -> str:
    """The text without the lines between (and with) its two lines of underscores."""
    return _closed(_RULED.sub("\n", text, count=1))


def own_text(text: str, join_url: str) -> str:
    """The text without the ruled part that holds this link; as it is when there is no such part."""
    position = text.find(join_url) if join_url else -1
    if position < 0:
        return text
    above = [line.start() for line in _LINE.finditer(text, 0, position)]
    below = _LINE.search(text, position)
    if not above:
        return text
    return _closed(text[: above[-1]] + (text[below.end() :] if below is not None else ""))


def _closed(text: str) -> str:
    return re.sub(r"\n{3,}", "\n\n", text).strip()
