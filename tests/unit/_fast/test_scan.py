"""The byte scanners against their definitions, for every byte."""

from __future__ import annotations

import collections
import string
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st
from property.profile import bounded

ALNUM = string.ascii_letters + string.digits
TOKEN = (ALNUM + "!#$%&'*+-.^_`|~").encode()
HOST = (ALNUM + "-._~%!$&'()*+;=:[]").encode()  # RFC 3986 3.2.2; "," joins values, so not that
TARGET = bytes(range(0x21, 0x7F)).replace(b"#", b"")


@pytest.mark.parametrize("name", ["TOKEN", "TARGET", "HOST"])
def test_class_holds_exactly_its_bytes(probe: ModuleType, name: str) -> None:
    cls = getattr(probe, name)
    members = bytes(code for code in range(256) if probe.span_of(bytes([code]), cls) == 1)
    assert set(members) == set({"TOKEN": TOKEN, "TARGET": TARGET, "HOST": HOST}[name])


def test_span_stops_at_the_first_other_byte(probe: ModuleType) -> None:
    assert probe.span_of(b"abc def", probe.TOKEN) == 3
    assert probe.span_of(b"", probe.TOKEN) == 0
    assert probe.span_of(b"abc", probe.TOKEN) == 3


@pytest.mark.parametrize("width", [1, 2, 15, 16, 17, 31, 33, 64, 100])
def test_value_ok_sees_a_bad_byte_anywhere(probe: ModuleType, width: int) -> None:
    bad = {*range(0x20), 0x7F} - {0x09}
    for code in range(256):
        for at in {0, width // 2, width - 1}:
            data = bytearray(b"a" * width)
            data[at] = code
            assert probe.value_ok(bytes(data)) is (code not in bad)
    assert probe.value_ok(b"") is True


@pytest.mark.parametrize("width", [1, 2, 7, 8, 9, 15, 16, 17, 24, 31, 32, 33, 50])
def test_is_plain_sees_a_byte_to_escape_anywhere(probe: ModuleType, width: int) -> None:
    bad = {*range(0x20), *range(0x7F, 0x100), ord('"'), ord("\\")}
    for code in range(256):
        for at in range(width):
            for around in (b" ", b"~", b"!", b"#"):  # what stands beside the refused ones
                data = bytearray(around * width)
                data[at] = code
                assert probe.is_plain(bytes(data)) is (code not in bad)
    assert probe.is_plain(b"") is True


def test_lower_changes_letters_alone(probe: ModuleType) -> None:
    for code in range(256):
        assert probe.lower(code) == bytes([code]).lower()[0]


def test_same_text_has_no_case_for_letters_alone(probe: ModuleType) -> None:
    assert probe.same_text(b"Content-Length", b"cONTENT-lENGTH")
    assert not probe.same_text(b"[", b"{")
    assert not probe.same_text(b"@", b"`")
    assert not probe.same_text(b"\xc9", b"\xe9")


def test_find_gives_the_first_or_the_length(probe: ModuleType) -> None:
    assert probe.find(b"a\nb\n", 10) == 1
    assert probe.find(b"abc", 10) == 3
    assert probe.find(b"", 10) == 0


@pytest.mark.parametrize("value", [0, 1, 9, 10, 99, 100, 2**32, 2**63, 2**64 - 1])
def test_decimal(probe: ModuleType, value: int) -> None:
    assert probe.decimal(value) == str(value).encode()


@bounded(300)
@given(name=st.binary(max_size=70), other=st.binary(max_size=70))
def test_host_hash_has_no_case(probe: ModuleType, name: bytes, other: bytes) -> None:
    assert probe.host_hash(name.upper()) == probe.host_hash(name.lower())
    if len(name) != len(other) or bytes(c | 0x20 for c in name) != bytes(c | 0x20 for c in other):
        assert probe.host_hash(name) != probe.host_hash(other)


@pytest.mark.parametrize(
    "form", [b"%d", b"a%d", b"service-%d", b"%d.example", b"service-%d.shop.svc.cluster.local"]
)
def test_host_hash_spreads_names_that_differ_by_a_digit(probe: ModuleType, form: bytes) -> None:
    names = [form % number for number in range(10_000)]
    slots = collections.Counter(probe.host_hash(name) % 32_768 for name in names)
    assert len(slots) > 8_400  # 10,000 balls into 32,768 bins leave 8,614 of them with one or more
    assert max(slots.values()) <= 6
