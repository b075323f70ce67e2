"""The literal that spares calls of RE2: never one that a match could lack."""

from __future__ import annotations

import pytest
import re2
from hypothesis import given
from hypothesis import strategies as st

from meshproxy._fast.literal import leading_literal, required_literal


@pytest.mark.parametrize(
    ("pattern", "literal"),
    [
        (r"^(.*?;)?\s*(debug=1)\s*(;.*)?$", b"debug=1"),
        ("/api/v1/.*", b"/api/v1/"),
        ("(abc)?def", b"def"),
        ("[ab]cd", b"cd"),
        ("a|bcd", b""),
        ("(?i)abc", b""),
        ("(?i:abc)def", b"def"),
        ("abc*", b"ab"),
        ("(", b""),
        (r"\Qa.b\E", b""),
        ("", b""),
    ],
)
def test_literal_is_the_longest_certain_run(pattern: str, literal: bytes) -> None:
    assert required_literal(pattern) == literal


PIECES = [
    "a",
    "b",
    "ab",
    ".",
    "[ab]",
    "(a|b)",
    "(ab)",
    "a?",
    "(ab)*",
    "b+",
    "a{2}",
    "(?:ba){1,2}",
    r"\.",
]


@given(st.lists(st.sampled_from(PIECES), max_size=8), st.text("ab.", max_size=24))
def test_literal_stands_in_every_text_that_matches(pieces: list[str], text: str) -> None:
    pattern = "".join(pieces)
    if re2.fullmatch(pattern, text) is not None:
        assert required_literal(pattern) in text.encode()


@given(st.lists(st.sampled_from(PIECES), max_size=8), st.text("ab.", max_size=24))
def test_every_text_that_matches_begins_with_the_leading_literal(
    pieces: list[str], text: str
) -> None:
    pattern = "".join(pieces)
    if re2.fullmatch(pattern, text) is not None:
        assert text.encode().startswith(leading_literal(pattern))


@pytest.mark.parametrize(
    ("pattern", "literal"),
    [
        ("/api/v1/.*", b"/api/v1/"),
        ("^/a$", b"/a"),
        ("ab?ab", b"a"),
        ("(abc)?def", b""),
        ("(/a|/b)c", b"/"),
        ("(?i)abc", b""),
        ("[/]a", b"/a"),
        ("(", b""),
    ],
)
def test_leading_literal_ends_where_texts_may_differ(pattern: str, literal: bytes) -> None:
    assert leading_literal(pattern) == literal
