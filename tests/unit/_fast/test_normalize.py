"""Paths in the form that is matched and sent, as Envoy was seen to make them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshproxy._fast.normalize import normalize
from meshproxy._fast.snapshot import Snapshot

BASE, MERGE, DECODE, SLASHES_ALONE, SLASHES = 1, 3, 7, 4, 5


@pytest.mark.parametrize(
    ("path", "normal"),
    [
        (b"/xa/%2e%2e/b", b"/b"),
        (b"/xa/../b", b"/b"),
        (b"/xa/.", b"/xa/"),
        (b"/xa/./", b"/xa/"),
        (b"/xa/b/..", b"/xa/"),
        (b"/xa//../b", b"/xa/b"),
        (b"/xa\\b", b"/xa/b"),
        (b"/xa/a;b/../c", b"/xa/c"),
        (b"/xa/%41%7e%2d%5f%2e", b"/xa/A~-_."),
        (b"/%2f%5c%25%20%3a%21%c3%a9", b"/%2f%5c%25%20%3a%21%c3%a9"),
        (b"/xa//b", b"/xa//b"),
        (b"//xa", b"//xa"),
        (b'/<>"{}|^`', b"/%3C%3E%22%7B%7D%7C%5E%60"),
        (b"/xa/%", b"/xa/%"),
        (b"/xa/%zz", b"/xa/%zz"),
        (b"/xa/%4", b"/xa/%4"),
        # what is decoded must not complete an escape for the upstream to decode
        (b"/a/%2%65%2%65/b", b"/a/%252e%252e/b"),
        (b"/%%32e", b"/%252e"),
        (b"/%%%41%41", b"/%%25AA"),
        (b"/%0%30", b"/%2500"),
        (b"/%a%2e", b"/%a."),
        (b"/..", b"/"),
        (b"/../../a", b"/a"),
        (b"/.a/..b/...", b"/.a/..b/..."),
        (b"/", b"/"),
    ],
)
def test_base_form_is_envoys(path: bytes, normal: bytes) -> None:
    assert normalize(path, BASE) == normal


@pytest.mark.parametrize(
    ("steps", "path", "normal"),
    [
        (0, b"/a/../b%41", b"/a/../b%41"),
        (MERGE, b"//a///b//", b"/a/b/"),
        (MERGE, b"/a%2Fb", b"/a%2Fb"),
        (DECODE, b"/a%2Fb%5Cc//d", b"/a/b/c/d"),
        (DECODE, b"/a%2F..%2Fb", b"/b"),
        (SLASHES, b"/a%2f%2F..%5cb", b"/a/b"),
        (SLASHES_ALONE, b"/a%2F..\\%5C%41%00%252f", b"/a/..\\/%41%00%252f"),
    ],
)
def test_other_steps_merge_and_decode_slashes(steps: int, path: bytes, normal: bytes) -> None:
    assert normalize(path, steps) == normal


def test_encoded_nul_is_refused() -> None:
    with pytest.raises(ValueError, match="NUL"):
        normalize(b"/a%00b")
    answer = Snapshot().decide(b"GET /a%00 HTTP/1.1\r\nHost: a\r\n\r\n")
    assert (answer["status"], answer["detail"]) == (400, "path_normalization_failed")


@given(
    st.lists(
        st.sampled_from(
            [b"/", b".", b"..", b"a", b"%2e", b"%2F", b"%", b"2", b"%32", b"%65", b"\\", b"|"]
        ),
        max_size=14,
    ),
    st.sampled_from([BASE, MERGE, DECODE, SLASHES]),
)
def test_normal_form_stays_as_it_is_and_climbs_nowhere(pieces: list[bytes], steps: int) -> None:
    once = normalize(b"/" + b"".join(pieces), steps)
    assert once.startswith(b"/")
    assert b"/../" not in once and b"/./" not in once and not once.endswith((b"/..", b"/."))
    assert normalize(once, steps) == once
