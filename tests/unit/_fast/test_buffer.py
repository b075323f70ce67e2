"""Bytes held: what goes in comes out in order, and an empty buffer owns no memory."""

from __future__ import annotations

import random
from types import ModuleType


def test_buffer_gives_what_was_appended(probe: ModuleType) -> None:
    buffer = probe.Bytes()
    assert (buffer.held(), buffer.size()) == (b"", 0)
    buffer.append(b"abc")
    buffer.append(b"def")
    assert buffer.held() == b"abcdef"
    buffer.consume(2)
    assert buffer.held() == b"cdef"


def test_buffer_emptied_owns_no_memory(probe: ModuleType) -> None:
    buffer = probe.Bytes()
    buffer.append(b"a" * 100_000)
    buffer.consume(100_000)
    assert (buffer.held(), buffer.size()) == (b"", 0)
    buffer.append(b"b")
    buffer.clear()
    assert buffer.size() == 0


def test_buffer_consumed_beyond_its_end_is_empty(probe: ModuleType) -> None:
    buffer = probe.Bytes()
    buffer.append(b"abc")
    buffer.consume(10)
    assert buffer.held() == b""


def test_buffer_reuses_the_room_of_what_was_consumed(probe: ModuleType) -> None:
    buffer = probe.Bytes()
    buffer.append(b"a" * 1000)
    size = buffer.size()
    for _ in range(100):
        buffer.consume(500)
        buffer.append(b"b" * 500)
    assert buffer.size() == size


def test_buffer_equals_a_byte_string(probe: ModuleType) -> None:
    chance = random.Random(1)
    buffer, want = probe.Bytes(), b""
    for _ in range(3000):
        if chance.random() < 0.5:
            piece = chance.randbytes(chance.choice([0, 1, 7, 1023, 1024, 1025, 5000]))
            buffer.append(piece)
            want += piece
        else:
            width = chance.choice([0, 1, 100, 3000, 10**6])
            buffer.consume(width)
            want = want[width:]
        assert buffer.held() == want
