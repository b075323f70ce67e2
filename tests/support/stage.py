"""A real engine on loopback sockets, driven step by step: no thread, no wait.

The loop here is the least that an engine asks of one. After each action of a client or an
upstream, `settle` lets the engine do all that it can do now.
"""

from __future__ import annotations

import contextlib
import fcntl
import select
import socket
import struct
import sys
import termios
import time
from collections.abc import Callable
from typing import Any

from support.engine import LOCALHOST, Proxy

WAIT_S = 30.0
ROOM = bytearray(1 << 18)
RESET = struct.pack("ii", 1, 0)


class Timer:
    def cancel(self) -> None:
        """What is cancelled is forgotten: no timer of a play fires."""


class StepLoop:
    """Callbacks of the engine, run by `settle`; a callback that failed is kept in `errors`."""

    def __init__(self) -> None:
        self.reader: Callable[[], None] | None = None
        self.poll = select.poll()
        self.soon: list[Callable[[], None]] = []
        self.errors: list[dict[str, Any]] = []

    def add_reader(self, fd: int, callback: Callable[[], None]) -> None:
        self.reader = callback
        self.poll.register(fd, select.POLLIN)

    def remove_reader(self, fd: int) -> None:
        self.poll.unregister(fd)

    def call_soon(self, callback: Callable[[], None]) -> None:
        self.soon.append(callback)

    def call_later(self, delay: float, callback: Callable[[], None]) -> Timer:
        return Timer()

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        self.errors.append(context)

    def settle(self, wait_ms: int = 0) -> None:
        while True:
            if self.soon:
                self.soon.pop(0)()
            elif self.poll.poll(wait_ms):
                assert self.reader is not None
                self.reader()
                wait_ms = 0
            else:
                return


class Wire:
    """One end of a connection to the engine; `received` is all that came."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # a segment leaves at once
        self.sock = sock
        self.sent = bytearray()
        self.received = bytearray()
        self.is_open = True  # nothing ended it yet: no FIN, no RST, from neither side

    def send(self, data: bytes) -> None:
        """What the socket takes; the rest is not sent."""
        with contextlib.suppress(OSError):
            self.sent += data[: self.sock.send(data)]

    def is_delivered(self) -> bool:
        """Whether the other end's kernel has all that was sent."""
        if self.sock.fileno() < 0 or not self.is_open:
            return True
        queued = fcntl.ioctl(self.sock.fileno(), termios.TIOCOUTQ, bytes(4))
        return int.from_bytes(queued, sys.byteorder) == 0

    def read(self) -> None:
        while self.sock.fileno() >= 0:
            try:
                count = self.sock.recv_into(ROOM)
            except BlockingIOError:
                return
            except OSError:
                count = 0
            if not count:
                self.is_open = False
                return
            self.received += memoryview(ROOM)[:count]

    def half_close(self) -> None:
        self.is_open = False
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """Close with RST, which leaves no TIME_WAIT behind."""
        self.is_open = False
        if self.sock.fileno() >= 0:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            self.sock.close()


class Stage:
    """One proxy, its clients and the connections that it opened; `clear` ends a play."""

    def __init__(self, access_log: str = "", **options: Any) -> None:
        self.loop = StepLoop()
        self.proxy = Proxy(access_log, options, loop=self.loop)
        self.listener = socket.socket()
        self.listener.bind((LOCALHOST, 0))
        self.listener.listen(64)
        self.listener.setblocking(False)
        self.clients: list[Wire] = []
        self.upstreams: list[Wire] = []

    @property
    def upstream_port(self) -> int:
        return int(self.listener.getsockname()[1])

    def connect(self) -> Wire:
        client = Wire(socket.create_connection((LOCALHOST, self.proxy.port)))
        self.clients.append(client)
        return client

    def speak(self, wire: Wire, data: bytes) -> None:
        """Send from one end, and let the engine act on it."""
        wire.send(data)
        self.until(wire.is_delivered, "the bytes arrive")
        self.settle()

    def until(self, predicate: Callable[[], object], what: str) -> None:
        """Settle until it holds: the kernel delivers when it likes."""
        deadline = time.monotonic() + WAIT_S
        self.settle()
        while not predicate():
            assert time.monotonic() < deadline, f"never: {what}"
            self.settle(wait_ms=1)

    def settle(self, wait_ms: int = 0) -> None:
        """Until the engine has nothing to do and all that it sent is read."""
        while True:
            self.loop.settle(wait_ms)
            before = self.proxy.count("events")
            while True:
                try:
                    self.upstreams.append(Wire(self.listener.accept()[0]))
                except BlockingIOError:
                    break
            for wire in (*self.clients, *self.upstreams):
                wire.read()
            self.loop.settle()
            if self.proxy.count("events") == before:
                return

    def clear(self) -> None:
        """End every connection, and prove that the engine keeps nothing of them."""
        for wire in (*self.clients, *self.upstreams):
            wire.reset()
        deadline = time.monotonic() + WAIT_S
        self.settle()
        while self.left():
            assert time.monotonic() < deadline, f"left behind: {self.left()}"
            self.settle(wait_ms=5)
            for wire in self.upstreams:
                wire.reset()
        self.clients.clear()
        self.upstreams.clear()

    def left(self) -> dict[str, int]:
        counts = self.proxy.engine.counts()
        kept = {name: counts[name] for name in ("downstream", "upstream", "streams")}
        kept |= self.proxy.gauges()
        return {name: value for name, value in kept.items() if value}

    def close(self) -> None:
        self.clear()
        self.proxy.close()
        self.listener.close()
