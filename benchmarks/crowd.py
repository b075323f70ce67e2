"""Many keep-alive connections at once, each with a request behind it."""

from __future__ import annotations

import resource
import socket
import time

from benchmarks.wrk import Load, LoadError

SPARE = 200  # descriptors of this process for everything else
TIMEOUT_S = 10.0


class Crowd:
    """Connections that stay open until closed."""

    def __init__(self, host: str) -> None:
        self._request = f"GET / HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()
        self._sockets: list[socket.socket] = []

    def come(self, port: int, count: int) -> Load:
        """Bring the crowd to `count`, one after the other; newcomers wait for their answer."""
        _raise_limit(count + SPARE)
        began, received = time.monotonic(), 0
        newcomers = count - len(self._sockets)
        for _ in range(newcomers):
            one = socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_S)
            self._sockets.append(one)
            one.sendall(self._request)
            answer = one.recv(4096)
            if b" 200 " not in answer[:15]:
                raise LoadError(f"an idle connection got {answer[:40]!r}")
            received += len(answer)
        return Load(newcomers, received, time.monotonic() - began)

    def close(self) -> None:
        for one in self._sockets:
            one.close()
        self._sockets.clear()


def _raise_limit(needed: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < needed:
        raise LoadError(f"{needed} descriptors are needed, {hard} allowed (ulimit -n)")
    if soft < needed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
