"""A real engine on loopback sockets, driven step by step: no thread, no wait.

The loop here is the least that an engine asks of one. After each action of a client or an
upstream, `settle` lets the engine do all that it can do now; `wake` lets it look at its timers.
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
NARROW_BYTES = 4096  # of a socket's buffer: the kernel makes a few times as much of it
NARROW_SEGMENT = 536  # and makes a sender's buffer by the size of its segments
UPSTREAMS = ("main", "other", "copy", "raw")


class Timer:
    def __init__(self, callback: Callable[[], None] | None = None) -> None:
        self.callback = callback

    def cancel(self) -> None:
        self.callback = None


class StepLoop:
    """Callbacks of the engine, run by `settle`; a callback that failed is kept in `errors`."""

    def __init__(self) -> None:
        self.reader: Callable[[], None] | None = None
        self.poll = select.poll()
        self.soon: list[Callable[[], None]] = []
        self.errors: list[dict[str, Any]] = []
        self.timer = Timer()

    def add_reader(self, fd: int, callback: Callable[[], None]) -> None:
        self.reader = callback
        self.poll.register(fd, select.POLLIN)

    def remove_reader(self, fd: int) -> None:
        self.poll.unregister(fd)

    def call_soon(self, callback: Callable[[], None]) -> None:
        self.soon.append(callback)

    def call_later(self, delay: float, callback: Callable[[], None]) -> Timer:
        self.timer = Timer(callback)
        return self.timer

    def wake(self) -> None:
        """Call the engine as its timer would, due or not; else none fires."""
        callback, self.timer.callback = self.timer.callback, None
        if callback is not None:
            callback()

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
    """One end of a connection to the engine; `received` is all that came and was read."""

    def __init__(self, sock: socket.socket, kind: str = "main") -> None:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # a segment leaves at once
        self.sock = sock
        self.kind = kind  # of UPSTREAMS, or of where a client came in: "main" is HTTP
        self.is_reading = True
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
        while self.is_reading and self.sock.fileno() >= 0:
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
    """One proxy, its clients and the connections that it opened; `clear` ends a play.

    `is_narrow`: sockets that send to who does not read are full after some ten KiB.
    """

    def __init__(self, access_log: str = "", is_narrow: bool = False, **options: Any) -> None:
        self.loop = StepLoop()
        self.is_narrow = is_narrow
        self.proxy = Proxy(access_log, options, loop=self.loop)
        self.listeners = {kind: self._listen() for kind in UPSTREAMS}
        if is_narrow:
            for sock in self.proxy.listeners:  # what is accepted has it too
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, NARROW_BYTES)
        self.refusing = socket.socket()
        self.refusing.bind((LOCALHOST, 0))
        self.clients: list[Wire] = []
        self.upstreams: list[Wire] = []

    def _listen(self) -> socket.socket:
        sock = socket.socket()
        self._narrow(sock)
        sock.bind((LOCALHOST, 0))
        sock.listen(64)
        sock.setblocking(False)
        return sock

    def _narrow(self, sock: socket.socket) -> None:
        if self.is_narrow:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, NARROW_BYTES)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, NARROW_SEGMENT)

    @property
    def upstream_port(self) -> int:
        return self.port("main")

    def port(self, kind: str) -> int:
        """Where connections of that kind of upstream are accepted."""
        return int(self.listeners[kind].getsockname()[1])

    @property
    def refused_port(self) -> int:
        """It refuses connections: bound, so that nobody else gets it, and not listening."""
        return int(self.refusing.getsockname()[1])

    def connect(self, kind: str = "main") -> Wire:
        sock = socket.socket()
        self._narrow(sock)
        sock.connect((LOCALHOST, self.proxy.tcp_port if kind == "raw" else self.proxy.port))
        client = Wire(sock, kind)
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
            for kind, listener in self.listeners.items():
                with contextlib.suppress(BlockingIOError):
                    while True:
                        self.upstreams.append(Wire(listener.accept()[0], kind))
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
        self.end()

    def end(self) -> None:
        """Close the engine, whatever is open."""
        self.proxy.close()
        for wire in (*self.clients, *self.upstreams):
            wire.reset()
        for sock in (*self.listeners.values(), self.refusing):
            sock.close()
