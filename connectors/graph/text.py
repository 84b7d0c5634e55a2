"""Text as Exchange keeps it and as we compare it: clean plain text, html to text, and the Teams join block. Pure."""

from __future__ import annotations

import html
import re
from html.parser import HTMLParser
from typing import Any, Final

from schemas.join_block import RULE, own_text, without_ruled_part

# Characters of a body that we carry: Salesforce's Description takes no more.
BODY_LENGTH_MAX: Final = 32_000

# Controls without a place in text, and halves of surrogate pairs, which no UTF-8 encoder takes.
_CONTROLS: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_SURROGATES: Final = re.compile(r"[\ud800-\udfff]")
_LINE_END: Final = re.compile(r"\r\n|\r")

_OPENING_TAGS: Final = re.compile(r"(?:<(?!br\b|hr\b|img\b)[A-Za-z][^<>]*>\s*)+\Z", re.IGNORECASE)
_CLOSING_TAGS: Final = re.compile(r"(?:\s*</[A-Za-z][^<>]*>)+")
_INNER: Final = re.compile(r"<body\b[^>]*>(.*?)(?:</body\s*>|\Z)", re.IGNORECASE | re.DOTALL)

_BLOCK_TAGS: Final = frozenset(
    {"p", "div", "li", "tr", "table", "ul", "ol", "h1", "h2", "h3", "h4", "h5", "h6", "blockquote", "pre"}
)
_SILENT_TAGS: Final = frozenset({"head", "style", "script", "title"})


def clean(value: Any) -> str:
    """A text member as we hold it: `\\n` line ends, no controls but `\\n` and `\\t`, no outer white space.

    Anything that is not a text is "". A lone half of a surrogate pair becomes U+FFFD.
    """
    if not isinstance(value, str):
        return ""
    text = _CONTROLS.sub("", _LINE_END.sub("\n", value))
    return _SURROGATES.sub("\N{REPLACEMENT CHARACTER}", text).strip()


def clean_body(value: Any) -> str:
    """Like `clean`, cut at BODY_LENGTH_MAX characters."""
    return clean(value)[:BODY_LENGTH_MAX].rstrip()


class _TextBuilder(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self._silent = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _SILENT_TAGS:
            self._silent += 1
        elif tag == "br":
            self.parts.append("\n")
        elif tag in _BLOCK_TAGS:
            self._end_line()

    def handle_endtag(self, tag: str) -> None:
        if tag in _SILENT_TAGS:
            self._silent = max(0, self._silent - 1)
        elif tag in _BLOCK_TAGS:
            self._end_line()

    def handle_data(self, data: str) -> None:
        text = re.sub(r"[ \t\r\n\f]+", " ", data)
        if not self.parts or self.parts[-1].endswith("\n"):
            text = text.lstrip(" ")
        if text and not self._silent:
            self.parts.append(text)

    def _end_line(self) -> None:
        if self.parts and not self.parts[-1].endswith("\n"):
            self.parts.append("\n")


def html_to_text(document: str) -> str:
    """The text of an html body, for the case that Graph did not convert it as asked."""
    builder = _TextBuilder()
    builder.feed(document)
    builder.close()
    return "\n".join(line.rstrip(" ") for line in "".join(builder.parts).split("\n")).strip()


def join_block(document: str, join_url: str) -> str:
    """The part of an html body that holds the Teams meeting's join link, "" when the body does not hold it.

    It reaches from the line of underscores above the link to the one below, each with the tags around it; without
    such lines from the nearest `div` before the link to the end.
    """
    match = _INNER.search(document)
    inner = match.group(1) if match else document
    position = max(inner.find(join_url), inner.find(html.escape(join_url))) if join_url else -1
    if position < 0:
        return ""
    start = end = -1
    for found in re.finditer(RULE, inner):
        if found.end() <= position:
            start = found.start()
        elif end < 0 and found.start() > position:
            end = found.end()
    if start < 0:
        start = max(inner.rfind("<div", 0, position), inner.rfind("<a", 0, position), 0)
    else:
        opening = _OPENING_TAGS.search(inner[:start])
        start = opening.start() if opening else start
    if end < 0:
        return inner[start:].strip()
    closing = _CLOSING_TAGS.match(inner, end)
    return inner[start : closing.end() if closing else end].strip()


def without_join_block(text: str, join_url: str = "") -> str:
    """A plain-text body without its join block: the ruled part that holds the link, without a link to go by the first
    ruled part."""
    return own_text(text, join_url) if join_url and join_url in text else without_ruled_part(text)


def html_around(text: str, block: str) -> str:
    """An html body made of this plain text and, after it, a join block kept as it was."""
    lines = "<br>\n".join(html.escape(text, quote=False).split("\n"))
    return f"<div>{lines}</div>\n{block}"


def is_same_text(one: str, other: str) -> bool:
    """Whether two plain-text bodies say the same: white space apart, and apart from a join block in either."""
    if one.split() == other.split():
        return True
    if not (re.search(RULE, one) or re.search(RULE, other)):
        return False
    return without_join_block(one).split() == without_join_block(other).split()
