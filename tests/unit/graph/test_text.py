"""Plain text, html and the Teams join block."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.graph.text import (
    BODY_LENGTH_MAX,
    clean,
    clean_body,
    html_around,
    html_to_text,
    is_same_text,
    join_block,
    without_join_block,
)

RULE = "_" * 80
URL = "https://teams.microsoft.com/l/meetup-join/19%3ameeting_x%40thread.v2/0?context=%7b%7d&tenant=1"
TEAMS_HTML = (
    "<html><head></head><body>\r\n<div>Agenda</div><br>\r\n"
    f'<div style="width:100%"><span style="color:#5F5F5F">{RULE}</span></div>\r\n'
    '<div class="me-email-text"><div>Microsoft Teams meeting</div>'
    f'<div><a href="{URL.replace("&", "&amp;")}">Join</a></div></div>\r\n'
    f'<div style="width:100%"><span>{RULE}</span></div>\r\n</body></html>'
)
TEAMS_TEXT = f"Agenda\n\n{RULE}\nMicrosoft Teams meeting\nJoin\n{RULE}"


@pytest.mark.parametrize(
    ("raw", "cleaned"),
    [
        (" a\r\nb\rc\n ", "a\nb\nc"),
        ("a\x00b\x07c\x1fd\x7fe\x9ff", "abcdef"),
        ("tab\tkept", "tab\tkept"),
        ("\u05e9\u05dc\u05d5\u05dd \u202ertl", "\u05e9\u05dc\u05d5\u05dd \u202ertl"),
        ("\U0001f469\u200d\U0001f4bb", "\U0001f469\u200d\U0001f4bb"),
        ("half \ud83d pair", "half \ufffd pair"),
        (None, ""),
        (7, ""),
        (["a"], ""),
    ],
)
def test_text_is_made_storable(raw: object, cleaned: str) -> None:
    """Line ends become one, controls go, scripts and emoji stay, and half a surrogate pair cannot break an encoder."""
    assert clean(raw) == cleaned


@given(st.text(alphabet=st.characters(), max_size=300))
def test_cleaning_is_done_once(text: str) -> None:
    """Cleaning cleaned text changes nothing, so what is compared twice is the same twice; it always encodes."""
    once = clean(text)
    assert clean(once) == once
    assert once.encode().decode() == once


def test_an_enormous_body_is_cut() -> None:
    """5 MB are cut at what Salesforce takes, without white space at the cut."""
    body = clean_body(("word " * 1_000_000) + "end")
    assert len(body) <= BODY_LENGTH_MAX
    assert body == body.rstrip()
    assert clean_body("x" * BODY_LENGTH_MAX) == "x" * BODY_LENGTH_MAX


def test_html_becomes_lines_of_text() -> None:
    """Blocks and breaks end lines, entities are read, styles and scripts are silent."""
    document = (
        "<html><head><style>p{}</style><title>no</title></head><body><p>One &amp; two</p><div>three<br>four</div>"
        "<script>no()</script><ul><li>five</li></ul></body></html>"
    )
    assert html_to_text(document) == "One & two\nthree\nfour\nfive"


@pytest.mark.parametrize("broken", ["<div><p>a", "</body></div>a", "<![CDATA[ a", "a<", "<a href='a", "&#xD800;a"])
def test_broken_html_is_read_as_far_as_it_goes(broken: str) -> None:
    """No html can make reading fail."""
    assert isinstance(clean(html_to_text(broken)), str)


def test_the_join_block_is_found_between_its_rules() -> None:
    """It holds the link and both lines of underscores with their tags, and nothing of the author's text."""
    block = join_block(TEAMS_HTML, URL)
    assert block.startswith('<div style="width:100%"><span style="color:#5F5F5F">___')
    assert block.endswith("___</span></div>")
    assert URL.replace("&", "&amp;") in block
    assert "Agenda" not in block


def test_a_join_block_without_rules_is_kept_from_its_element_on() -> None:
    """Clients that draw no lines still keep their link."""
    document = f"<body><p>Agenda</p><div><a href='{URL}'>Join</a></div></body>"
    assert join_block(document, URL) == f"<a href='{URL}'>Join</a></div>"


@pytest.mark.parametrize("url", ["", "https://teams.microsoft.com/other"])
def test_no_block_without_its_link(url: str) -> None:
    """A body that does not hold the link has no block to keep."""
    assert join_block(TEAMS_HTML, url) == ""


def test_the_authors_text_is_what_stands_outside_the_block() -> None:
    """A description that was read with the block is written back without it, text after it included."""
    assert without_join_block(TEAMS_TEXT) == "Agenda"
    assert without_join_block(f"{TEAMS_TEXT}\nAfter") == "Agenda\n\nAfter"
    assert without_join_block("no block") == "no block"
    assert without_join_block(f"cut off\n{RULE}\nMicrosoft Te") == "cut off"


def test_new_text_goes_around_the_kept_block() -> None:
    """The text is escaped, its lines stay lines, and the block follows as it was."""
    block = join_block(TEAMS_HTML, URL)
    document = html_around("1 < 2\nsecond", block)
    assert join_block(document, URL) == block
    assert html_to_text(document).startswith("1 < 2\nsecond\n")


def test_bodies_are_the_same_apart_from_white_space_and_the_block() -> None:
    """Exchange rewraps text and appends the block: neither is an edit. Words are."""
    assert is_same_text("a  b\n\nc", "a b\nc")
    assert is_same_text("Agenda", TEAMS_TEXT)
    assert is_same_text("", f"{RULE}\nJoin\n{RULE}")
    assert not is_same_text("Agenda 2", TEAMS_TEXT)
    assert not is_same_text("a", "b")
    assert not is_same_text("a", "")


@given(st.text(max_size=80), st.text(max_size=80))
def test_sameness_is_symmetric(one: str, other: str) -> None:
    """It does not matter which of two bodies is asked first."""
    assert is_same_text(one, other) == is_same_text(other, one)
    assert is_same_text(one, one)
