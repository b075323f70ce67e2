"""The scanners of head lines: their definitions, and that every build of them agrees."""

from __future__ import annotations

import random
import string
from types import ModuleType

import pytest

PLAIN = (string.ascii_letters + string.digits + "-.").encode()
VALUE = bytes({*range(0x20, 0x100), 0x09} - {0x7F})
TARGET = bytes(range(0x21, 0x7F)).replace(b"#", b"")


def run(data: bytes, at: int, members: bytes) -> int:
    while at < len(data) and data[at] in members:
        at += 1
    return at


def defined(data: bytes, at: int, end: int) -> tuple[int, int, int, bool]:
    colon = run(data, at, PLAIN)
    name = colon - at if data[colon : colon + 1] == b":" else 0
    return name, run(data, at, VALUE), run(data, at, TARGET), run(data[:end], at, PLAIN) == end


@pytest.mark.parametrize("width", [1, 2, 15, 16, 17, 18, 31, 32, 33, 47, 48, 49, 64])
def test_any_byte_at_any_place_is_judged_by_the_definition(probe: ModuleType, width: int) -> None:
    for code in range(256):
        for at in range(width):
            data = bytearray(b"a" * width)
            data[at] = code
            for start in {0, at // 2, at}:
                expected = defined(bytes(data), start, width)
                assert probe.line_scans(bytes(data), start, width) == (expected, expected)


def test_lines_of_every_length_are_judged_by_the_definition(probe: ModuleType) -> None:
    draw = random.Random(7)
    alphabet = b"aZ9-.: \t\r\n#\x7f\x80\xff_"
    for _ in range(20_000):
        data = bytes(draw.choices(alphabet, k=draw.randrange(70)))
        at = draw.randrange(len(data) + 1)
        end = draw.randrange(at, len(data) + 1)
        expected = defined(data, at, end)
        assert probe.line_scans(data, at, end) == (expected, expected), (data, at, end)
