"""Frames between the control process and its workers: u32 length, then a marshal'ed dict.

Law: both ends are the same build on the same machine, joined by a socketpair that nobody else
holds, so `marshal` is safe and needs no version. Frames arrive whole and in order, or not at all.
The messages themselves are listed in ARCHITECTURE.md, "Control protocol".
"""

from __future__ import annotations

import asyncio
import marshal
import socket
import struct
from collections.abc import Callable
from typing import Any, cast

Message = dict[str, Any]

MAX_FRAME_BYTES = 256 * 1024 * 1024  # 100x a snapshot of 10,000 virtual hosts

_LENGTH = struct.Struct("<I")


class WireError(Exception):
    """A frame that is too large, cut short or not a message."""


def encode(message: Message) -> bytes:
    """Make one frame."""
    body = marshal.dumps(message)
    if len(body) > MAX_FRAME_BYTES:
        raise WireError(f"a frame of {len(body)} bytes exceeds {MAX_FRAME_BYTES}")
    return _LENGTH.pack(len(body)) + body


def send(sock: socket.socket, message: Message) -> None:
    """Write one frame to a blocking socket."""
    sock.sendall(encode(message))


def receive(sock: socket.socket) -> Message | None:
    """Read one frame from a blocking socket; None at the end of the stream."""
    header = _receive_exactly(sock, _LENGTH.size)
    if not header:
        return None
    if len(header) == _LENGTH.size:
        length = _checked_length(header)
        body = _receive_exactly(sock, length)
        if len(body) == length:
            return _decode(body)
    raise WireError("the stream ended inside a frame")


class FrameReader:
    """Cuts a byte stream that arrives in arbitrary pieces into messages."""

    def __init__(self) -> None:
        self._pending = bytearray()
        self._needed = _LENGTH.size  # bytes until the next step can be taken

    def feed(self, data: bytes) -> list[Message]:
        """Take the next piece, return the messages it completes."""
        pending = self._pending
        pending += data
        messages: list[Message] = []
        start = 0
        while len(pending) - start >= self._needed:
            length = _checked_length(pending[start : start + _LENGTH.size])
            end = start + _LENGTH.size + length
            if len(pending) < end:
                self._needed = end - start
                break
            with memoryview(pending) as view:
                messages.append(_decode(view[start + _LENGTH.size : end]))
            start = end
            self._needed = _LENGTH.size
        del pending[:start]
        return messages

    @property
    def is_between_frames(self) -> bool:
        return not self._pending


class Channel(asyncio.Protocol):
    """One end of the socketpair inside an event loop.

    `send` never waits. When the other end does not read, `is_writable` turns False: a caller that
    can merge what it has to say should hold it back until `on_writable`.
    """

    def __init__(
        self,
        on_message: Callable[[Message], None],
        on_close: Callable[[], None],
        on_writable: Callable[[], None] | None = None,
    ) -> None:
        self.is_writable = True
        self._on_message = on_message
        self._on_close = on_close
        self._on_writable = on_writable
        self._reader = FrameReader()
        self._transport: asyncio.Transport | None = None

    @classmethod
    async def open(
        cls,
        sock: socket.socket,
        on_message: Callable[[Message], None],
        on_close: Callable[[], None],
        on_writable: Callable[[], None] | None = None,
    ) -> Channel:
        """Take over a connected socket."""
        channel = cls(on_message, on_close, on_writable)
        sock.setblocking(False)
        await asyncio.get_running_loop().create_unix_connection(lambda: channel, sock=sock)
        return channel

    def send(self, message: Message) -> None:
        self.send_frame(encode(message))

    def send_frame(self, frame: bytes) -> None:
        """Send what `encode` made: one encoding serves all workers."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(frame)

    def close(self) -> None:
        """Close once everything sent has left."""
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are not subclasses of asyncio's
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        for message in self._reader.feed(data):
            self._on_message(message)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._on_close()

    def pause_writing(self) -> None:
        self.is_writable = False

    def resume_writing(self) -> None:
        self.is_writable = True
        if self._on_writable is not None:
            self._on_writable()


def _checked_length(header: bytes | bytearray) -> int:
    length: int = _LENGTH.unpack(header)[0]
    if length > MAX_FRAME_BYTES:
        raise WireError(f"a frame of {length} bytes exceeds {MAX_FRAME_BYTES}")
    return length


def _decode(body: bytes | bytearray | memoryview) -> Message:
    try:
        message = marshal.loads(body)
    except (EOFError, ValueError, TypeError) as error:
        raise WireError(f"not a message: {error}") from error
    if not isinstance(message, dict):
        raise WireError("a message is a dict")
    return message


def _receive_exactly(sock: socket.socket, size: int) -> bytes | bytearray:
    """Returns fewer than `size` bytes only at the end of the stream."""
    data = bytearray()
    while len(data) < size:
        piece = sock.recv(min(size - len(data), 1 << 20))
        if not piece:
            break
        data += piece
    return data
