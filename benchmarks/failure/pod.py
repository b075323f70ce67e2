"""A pod as a process: answers GET and POST, and ends as servers end.

On TERM it accepts no more, closes what idles (with FIN, or with RST when --abrupt), finishes what
it has begun and says `Connection: close` to it. A connection that it has just accepted has half a
second for its first request, as with Go's Shutdown: it may be in the socket already.
--idle-ms is its patience with idle connections.
GET /served says how many it has answered.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import signal
import socket
import struct
import sys

BODY = b"x" * 128
LINGER_NONE = struct.pack("ii", 1, 0)
FIRST_REQUEST_S = 0.5


class Pod:
    def __init__(self, arguments: argparse.Namespace) -> None:
        self.work_s = arguments.work_ms / 1000
        self.idle_s = arguments.idle_ms / 1000
        self.workers = asyncio.Semaphore(arguments.workers)
        self.tasks: set[asyncio.Task[None]] = set()
        self.is_abrupt = arguments.abrupt
        self.is_ending = False
        self.served = 0
        self.connections: set[Connection] = set()
        self.is_done = asyncio.Event()
        self.loop = asyncio.get_running_loop()
        self.listener = socket.create_server(("127.0.0.1", arguments.port), backlog=1024)
        self.listener.setblocking(False)
        self.loop.add_reader(self.listener, self.accept)
        self.loop.add_signal_handler(signal.SIGTERM, self.end)

    def accept(self) -> None:
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.connections.add(Connection(self, sock))

    def end(self) -> None:
        self.is_ending = True
        self.listener.listen(0)  # nobody comes in between what follows
        self.accept()
        self.loop.remove_reader(self.listener)
        self.listener.close()
        for connection in list(self.connections):
            if connection.is_new:
                self.loop.call_later(FIRST_REQUEST_S, connection.close)
            elif not connection.is_busy:
                connection.close(self.is_abrupt)
        self.check_done()

    def check_done(self) -> None:
        if self.is_ending and not self.connections:
            self.is_done.set()


class Connection:
    def __init__(self, pod: Pod, sock: socket.socket) -> None:
        self.pod = pod
        self.sock = sock
        self.held = b""
        self.is_busy = False
        self.is_new = True  # no byte came yet
        self.patience: asyncio.TimerHandle | None = None
        pod.loop.add_reader(sock, self.read)
        self.wait()

    def wait(self) -> None:
        if self.pod.idle_s:
            self.patience = self.pod.loop.call_later(self.pod.idle_s, self.close)

    def read(self) -> None:
        try:
            data = self.sock.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.close()
            return
        self.is_new = False
        self.held += data
        if not self.is_busy:
            self.take()

    def take(self) -> None:
        """One request, when it is whole."""
        head, end, rest = self.held.partition(b"\r\n\r\n")
        if not end:
            return
        length = 0
        for line in head.lower().split(b"\r\n")[1:]:
            if line.startswith(b"content-length:"):
                length = int(line.partition(b":")[2])
        if len(rest) < length:
            return
        self.held = rest[length:]
        if head.startswith(b"GET /served "):
            self.sock.send(_answer(b"%d" % self.pod.served))
            return
        self.is_busy = True
        if self.patience is not None:
            self.patience.cancel()
        if self.pod.work_s:
            task = self.pod.loop.create_task(self.work())
            self.pod.tasks.add(task)
            task.add_done_callback(self.pod.tasks.discard)
        else:
            self.answer()

    async def work(self) -> None:
        async with self.pod.workers:
            await asyncio.sleep(self.pod.work_s)
        self.answer()

    def answer(self) -> None:
        last = b"Connection: close\r\n" if self.pod.is_ending else b""
        with contextlib.suppress(OSError):  # the client may be gone
            self.sock.send(_answer(BODY, last))
        self.pod.served += 1
        self.is_busy = False
        if self.pod.is_ending:
            self.close()
        elif self.held:
            self.take()
        else:
            self.wait()

    def close(self, is_abrupt: bool = False) -> None:
        if self not in self.pod.connections:
            return
        self.pod.connections.discard(self)
        if self.patience is not None:
            self.patience.cancel()
        self.pod.loop.remove_reader(self.sock)
        if is_abrupt:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NONE)
        self.sock.close()
        self.pod.check_done()


def _answer(body: bytes, last: bytes = b"") -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n%b\r\n%b" % (len(body), last, body)


async def serve(arguments: argparse.Namespace) -> None:
    pod = Pod(arguments)
    print(pod.listener.getsockname()[1], flush=True)
    await pod.is_done.wait()
    print(pod.served, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--work-ms", type=float, default=0)
    parser.add_argument("--workers", type=int, default=1000, help="requests worked on at once")
    parser.add_argument("--idle-ms", type=float, default=0)
    parser.add_argument("--abrupt", action="store_true")
    asyncio.run(serve(parser.parse_args()))


if __name__ == "__main__":
    sys.exit(main())
