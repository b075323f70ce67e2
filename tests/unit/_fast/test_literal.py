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
        ("/a/[[:alpha:]]/items", b""),
        (r"caf\xe9s", b"caf"),
        (r"caf\351s", b"caf"),
        ("[é]ab", b"ab"),
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
        ("/[[:alpha:]]", b""),
        (r"/\xe9", b"/"),
        ("(", b""),
    ],
)
def test_leading_literal_ends_where_texts_may_differ(pattern: str, literal: bytes) -> None:
    assert leading_literal(pattern) == literal


# each with texts that it matches: what Python's parser reads as RE2 does, otherwise, or not at all
SAMPLES = [
    ("a", [b"a"]),
    ("]", [b"]"]),
    ("[a]", [b"a"]),
    ("[[]", [b"["]),
    ("[]a]", [b"]", b"a"]),
    ("[^]a]", [b":", b"\xc3"]),
    ("[[:alpha:]]", [b"a", b"Z"]),
    ("[[:^alpha:]]", [b"1"]),
    ("[^[:digit:]]", [b"a"]),
    (r"\xe9", [b"\xe9"]),
    (r"\x{e9}", [b"\xe9"]),
    (r"\351", [b"\xe9"]),
    (r"\141", [b"a"]),
    (r"\x61", [b"a"]),
    (r"\x{61}", [b"a"]),
    (r"\pL", [b"a", b"\xe9"]),
    (r"\PN", [b"a"]),
    (r"\C", [b"\xff"]),
    (r"\A", [b""]),
    (r"\z", [b""]),
    (r"\b", [b""]),
    ("^", [b""]),
    ("$", [b""]),
    ("é", ["é".encode()]),
    ("[é]", [b"\xc3", b"\xa9"]),
    ("é?", [b"\xc3", "é".encode()]),
    (r"\Qa.b\E", [b"a.b"]),
    ("a{,2}", [b"a{,2}"]),
    ("a{2}", [b"aa"]),
    ("a{0}", [b""]),
    ("a{", [b"a{"]),
    ("(?:a){1,2}?", [b"a", b"aa"]),
    ("a??", [b"", b"a"]),
    ("(?P<n>a)", [b"a"]),
    ("(?i:a)", [b"A"]),
    ("(?s:.)", [b"\n"]),
    ("(?U)a*", [b"", b"aa"]),
    ("(?:ab|ac)", [b"ab", b"ac"]),
    ("(?:|a)", [b"", b"a"]),
    ("a|", [b"a"]),
    ("(?i)a", [b"A"]),
    ("(a(?i)b)", [b"aB"]),
]


@given(st.lists(st.sampled_from(SAMPLES), min_size=1, max_size=6), st.data())
def test_whatever_re2_reads_matches_hold_both_literals(
    samples: list[tuple[str, list[bytes]]], data: st.DataObject
) -> None:
    pattern = "".join(piece for piece, _ in samples)
    text = b"".join(data.draw(st.sampled_from(texts)) for _, texts in samples)
    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    if re2.compile(pattern.encode(), options).fullmatch(text) is not None:
        assert required_literal(pattern) in text
        assert text.startswith(leading_literal(pattern))
