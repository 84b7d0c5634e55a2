"""SOQL text to tokens."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from simulators.salesforce.soql.syntax import SoqlError, unexpected

_TOKEN: Final = re.compile(
    r"""
    (?P<space>\s+)
  | (?P<string>'(?:[^'\\]|\\.)*')
  | (?P<datetime>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d))
  | (?P<date>\d{4}-\d\d-\d\d(?![\dT]))
  | (?P<number>[+-]?(?:\d+\.\d*|\.?\d+)(?:[eE][+-]?\d+)?)
  | (?P<period>[A-Za-z]\w*:\d+)
  | (?P<word>[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)
  | (?P<sign><=|>=|!=|<>|[=<>(),])
    """,
    re.VERBOSE | re.DOTALL,
)
_ESCAPES: Final = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f", '"': '"', "'": "'", "\\": "\\"}
_ESCAPE: Final = re.compile(r"\\(?:u([0-9a-fA-F]{4})|(.))", re.DOTALL)


@dataclass(frozen=True)
class Token:
    """`kind` is string, datetime, date, number, period, word, sign or end; a string's text lacks its quotes."""

    kind: str
    text: str
    at: int

    def is_word(self, *words: str) -> bool:
        """Whether this is one of these keywords, whatever its case."""
        return self.kind == "word" and self.text.upper() in words

    def is_sign(self, *signs: str) -> bool:
        """Whether this is one of these signs."""
        return self.kind == "sign" and self.text in signs


def tokens_of(text: str) -> list[Token]:
    """All tokens, an `end` last. Raises SoqlError."""
    found: list[Token] = []
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            if text[at] == "'":
                raise SoqlError("MALFORMED_QUERY", "line 1: unterminated string literal", at)
            raise unexpected(text[at], at)
        kind = match.lastgroup or ""
        if kind == "string":
            found.append(Token(kind, match.group()[1:-1], at))
        elif kind != "space":
            found.append(Token(kind, match.group(), at))
        at = match.end()
    found.append(Token("end", "", len(text)))
    return found


def unescaped(raw: str, at: int) -> str:
    """The value of a string literal. Raises SoqlError for an escape that SOQL does not know."""

    def plain(match: re.Match[str]) -> str:
        code, letter = match.groups()
        if code:
            return chr(int(code, 16))
        if letter in _ESCAPES:
            return _ESCAPES[letter]
        if letter in "_%":
            return str(letter)
        raise SoqlError("MALFORMED_QUERY", f"Invalid string literal: illegal character sequence '\\{letter}'", at)

    return _ESCAPE.sub(plain, raw)


def like_pattern(raw: str, at: int) -> re.Pattern[str]:
    """The regular expression for the operand of LIKE: % any text, _ any character, both escapable, case ignored."""
    parts: list[str] = []
    place = 0
    while place < len(raw):
        letter = raw[place]
        if letter == "\\":
            match = _ESCAPE.match(raw, place)
            assert match is not None, "the tokenizer lets no lone backslash through"
            parts.append(re.escape(unescaped(match.group(), at)))
            place = match.end()
            continue
        parts.append({"%": ".*", "_": "."}.get(letter) or re.escape(letter))
        place += 1
    return re.compile("".join(parts), re.IGNORECASE | re.DOTALL)
