from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections.abc import Callable, Iterator

import pytest
import uvloop

from meshproxy import wire

MESSAGES: list[wire.Message] = [
    {"type": "ready"},
    {"type": "update", "snapshot": {"clusters": {1: None, 2: {"ring": b"\x00\xff" * 40}}}},
    {"type": "applied", "generation": 7, "took_us": 12},
]
NewLoop = Callable[[], asyncio.AbstractEventLoop]
LOOPS = pytest.mark.parametrize(
    "new_loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"]
)
STREAM = b"".join(map(wire.encode, MESSAGES))


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    left, right = socket.socketpair()
    with left, right:
        left.settimeout(5)
        right.settimeout(5)
        yield left, right


def test_frame_reader_bytewise_and_split_everywhere_gives_the_same_messages() -> None:
    for cut in range(len(STREAM) + 1):
        reader = wire.FrameReader()
        assert reader.feed(STREAM[:cut]) + reader.feed(STREAM[cut:]) == MESSAGES
        assert reader.is_between_frames
    reader = wire.FrameReader()
    bytewise = [message for i in range(len(STREAM)) for message in reader.feed(STREAM[i : i + 1])]
    assert bytewise == MESSAGES


def test_frame_reader_oversized_length_is_refused_before_its_body() -> None:
    with pytest.raises(wire.WireError, match="exceeds"):
        wire.FrameReader().feed(struct.pack("<I", wire.MAX_FRAME_BYTES + 1))


@pytest.mark.parametrize("body", [b"", b"\xff", b"i\x01\x00\x00\x00", b"{"])
def test_frame_reader_body_that_is_no_message_is_refused(body: bytes) -> None:
    with pytest.raises(wire.WireError):
        wire.FrameReader().feed(struct.pack("<I", len(body)) + body)


def test_blocking_send_and_receive_carry_a_frame_larger_than_the_socket_buffer(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    left, right = pair
    big = {"type": "update", "blob": bytes(5_000_000)}
    sender = threading.Thread(target=wire.send, args=(left, big))
    sender.start()
    assert wire.receive(right) == big
    sender.join()


def test_receive_at_the_end_of_the_stream_is_none(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    left, right = pair
    wire.send(left, MESSAGES[0])
    left.close()
    assert wire.receive(right) == MESSAGES[0]
    assert wire.receive(right) is None


@pytest.mark.parametrize("kept", [1, 4, 5])
def test_receive_stream_that_ends_inside_a_frame_is_an_error(
    pair: tuple[socket.socket, socket.socket], kept: int
) -> None:
    left, right = pair
    left.sendall(wire.encode(MESSAGES[0])[:kept])
    left.close()
    with pytest.raises(wire.WireError, match="inside a frame"):
        wire.receive(right)


@LOOPS
def test_channel_both_ways_and_end(
    pair: tuple[socket.socket, socket.socket], new_loop: NewLoop
) -> None:
    async def talk() -> None:
        got: list[wire.Message] = []
        closed = asyncio.Event()
        channel = await wire.Channel.open(pair[0], got.append, closed.set)
        channel.send(MESSAGES[1])
        assert await asyncio.to_thread(wire.receive, pair[1]) == MESSAGES[1]
        await asyncio.to_thread(pair[1].sendall, STREAM)
        pair[1].close()
        await asyncio.wait_for(closed.wait(), 5)
        assert got == MESSAGES
        channel.send(MESSAGES[0])  # after the end: dropped, no error

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(talk())


@LOOPS
def test_channel_reader_that_stops_makes_it_unwritable_until_it_reads(
    pair: tuple[socket.socket, socket.socket], new_loop: NewLoop
) -> None:
    async def talk() -> None:
        writable = asyncio.Event()
        channel = await wire.Channel.open(pair[0], print, lambda: None, writable.set)
        blob = {"type": "update", "blob": bytes(1_000_000)}
        assert channel.is_writable
        channel.send(blob)
        assert not channel.is_writable
        assert await asyncio.to_thread(wire.receive, pair[1]) == blob
        await asyncio.wait_for(writable.wait(), 5)
        assert channel.is_writable
        channel.close()

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(talk())
