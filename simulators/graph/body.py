"""Event bodies: the html document Exchange stores, its plain-text view, the preview and the online-meeting block."""

from __future__ import annotations

import html
import re
from functools import lru_cache
from html.parser import HTMLParser
from typing import Final

PREVIEW_LENGTH: Final = 255
_HEAD: Final = (
    '<html>\r\n<head>\r\n<meta http-equiv="Content-Type" content="text/html; charset=utf-8">\r\n</head>\r\n<body>\r\n'
)
_TAIL: Final = "\r\n</body>\r\n</html>\r\n"
_BODY: Final = re.compile(r"<body\b[^>]*>(.*?)(?:</body\s*>|$)", re.IGNORECASE | re.DOTALL)
_SHELL: Final = re.compile(r"</?(?:html|head|meta|!doctype)\b[^>]*>", re.IGNORECASE)
_NEWLINE: Final = re.compile(r"\r\n|\r|\n")
_BLOCKS: Final = frozenset(
    {"p", "div", "li", "tr", "table", "ul", "ol", "h1", "h2", "h3", "h4", "h5", "h6", "blockquote", "pre"}
)
_SILENT: Final = frozenset({"head", "style", "script", "title"})
_RULE: Final = "_" * 80


def stored_html(content: str, content_type: str) -> str:
    """The document Exchange keeps for a body sent as `html` or `text`: wrapped, line ends CRLF. Empty stays empty."""
    if content_type == "text":
        content = html.escape(content, quote=False)
        inner = "<br>\r\n".join(_NEWLINE.split(content))
        inner = f'<div class="PlainText">{inner}</div>' if content else ""
    else:
        inner = inner_html(content)
    if not inner:
        return ""
    return _HEAD + _NEWLINE.sub("\r\n", inner) + _TAIL


def inner_html(document: str) -> str:
    """What stands between the body tags of a document; a fragment is returned without surrounding white space."""
    match = _BODY.search(document)
    return (match.group(1) if match else _SHELL.sub("", document)).strip()


class _TextBuilder(HTMLParser):
    """Turns html into lines of text: blocks and breaks end lines, a run of white space is one space."""

    def __init__(self, with_links: bool) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self._silent = 0
        self._with_links = with_links
        self._link: tuple[str, int] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _SILENT:
            self._silent += 1
        elif tag == "br":
            self.parts.append("\n")
        elif tag == "a" and self._with_links:
            self._link = (dict(attrs).get("href") or "", len(self.parts))
        elif tag in _BLOCKS:
            self._end_line()

    def handle_endtag(self, tag: str) -> None:
        if tag in _SILENT:
            self._silent = max(0, self._silent - 1)
        elif tag == "a" and self._link is not None:
            address, start = self._link
            self._link = None
            if address and "".join(self.parts[start:]).strip() != address:
                self.parts.append(f"<{address}>")
        elif tag in _BLOCKS:
            self._end_line()

    def handle_data(self, data: str) -> None:
        if self._silent:
            return
        text = re.sub(r"[ \t\r\n\f]+", " ", data)
        if not self.parts or self.parts[-1].endswith("\n"):
            text = text.lstrip(" ")
        if text:
            self.parts.append(text)

    def _end_line(self) -> None:
        if self.parts and not self.parts[-1].endswith("\n"):
            self.parts.append("\n")


@lru_cache(maxsize=4096)
def plain_text(document: str, with_links: bool = True) -> str:
    """The text view of a stored body, lines ended by CRLF; a link's address follows its text in angle brackets."""
    builder = _TextBuilder(with_links)
    builder.feed(document)
    builder.close()
    lines = [line.rstrip(" ") for line in "".join(builder.parts).strip().split("\n")]
    return "\r\n".join(lines)


def preview(document: str) -> str:
    """The bodyPreview of a stored body."""
    return plain_text(document, with_links=False)[:PREVIEW_LENGTH]


def with_join_block(document: str, join_url: str, conference_id: str) -> str:
    """The stored body with the online-meeting block appended after the author's part."""
    link = html.escape(join_url, quote=True)
    block = (
        f'<br>\r\n<div style="width:100%"><span style="white-space:nowrap; color:#5F5F5F">{_RULE}</span></div>\r\n'
        '<div class="me-email-text" style="color:#252424">\r\n'
        '<div style="font-size:24px">Microsoft Teams</div>\r\n'
        f'<div><a class="me-email-headline" href="{link}">Join on your computer or phone</a></div>\r\n'
        f"<div>Conference ID: {conference_id}</div>\r\n"
        f'</div>\r\n<div style="width:100%"><span style="white-space:nowrap; color:#5F5F5F">{_RULE}</span></div>'
    )
    return _HEAD + inner_html(document) + "\r\n" + block + _TAIL


def has_join_block(document: str, join_url: str) -> bool:
    """Whether the body still holds the online-meeting block: it is recognised by its join link."""
    return join_url in document or html.escape(join_url, quote=True) in document
