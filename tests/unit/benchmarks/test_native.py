"""The C programs: the relay must lose no byte, the upstream must answer what it counts, the slow
client must stay slow."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import json
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks import native
from benchmarks.measure import free_port
from benchmarks.process import Process
from benchmarks.upstream import Upstreams

CORE = min(os.sched_getaffinity(0))

pytestmark = pytest.mark.skipif(native.compiler() is None, reason="no C compiler")


@pytest.fixture
def upstreams(tmp_path: Path) -> Iterator[Upstreams]:
    with Upstreams(3, CORE, tmp_path) as started:
        yield started


def _relay(tmp_path: Path, *ports: int) -> tuple[Process, int]:
    port = free_port()
    words = [str(native.program("floor")), str(port), *map(str, ports)]
    process = Process(words, CORE, tmp_path / "floor.log")
    for _ in range(500):
        process.check_alive()
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            break
        except ConnectionRefusedError:
            threading.Event().wait(0.01)
    return process, port


@pytest.mark.parametrize(("path", "size"), [("/", 128), ("/64k", 65536), ("/1m", 1048576)])
def test_upstream_serves_and_counts(upstreams: Upstreams, path: str, size: int) -> None:
    client = http.client.HTTPConnection("127.0.0.1", upstreams.ports[1], timeout=60)
    for _ in range(3):
        client.request("GET", path)
        assert len(client.getresponse().read()) == size
    client.close()
    served = upstreams.served()
    assert served.requests == (0, 3, 0)
    assert served.connections == (0, 1, 0)


def test_upstream_takes_uploads_and_pipelined_requests(upstreams: Upstreams) -> None:
    upload = b"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 3000000\r\n\r\n" + b"u" * 3_000_000
    get = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
    last = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    with socket.create_connection(("127.0.0.1", upstreams.ports[0]), 5) as client:
        client.sendall(upload + get + get + last)
        answer = b"".join(iter(lambda: client.recv(65536), b""))
    assert answer.count(b"HTTP/1.1 200 OK\r\n") == 4
    assert sum(upstreams.served().requests) == 4


def test_floor_relays_every_byte_both_ways_with_half_close(tmp_path: Path) -> None:
    payload = hashlib.shake_256(b"relay").digest(20_000_000)
    echoed = threading.Event()

    def echo(listener: socket.socket) -> None:
        server, _ = listener.accept()  # the readiness probe
        server.close()
        server, _ = listener.accept()
        with server:
            # Read all before answering: both directions must hold under back-pressure.
            received = b"".join(iter(lambda: server.recv(1 << 20), b""))
            server.sendall(received)
        echoed.set()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=echo, args=(listener,), daemon=True)
        thread.start()
        process, port = _relay(tmp_path, listener.getsockname()[1])
        with process, socket.create_connection(("127.0.0.1", port), 10) as client:
            client.sendall(payload)
            client.shutdown(socket.SHUT_WR)
            answer = b"".join(iter(lambda: client.recv(1 << 20), b""))
        thread.join(10)
    assert echoed.is_set()
    assert hashlib.sha256(answer).digest() == hashlib.sha256(payload).digest()


def test_floor_closes_the_client_when_no_upstream_listens(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        closed_port = listener.getsockname()[1]
    process, port = _relay(tmp_path, closed_port)
    with process, socket.create_connection(("127.0.0.1", port), 5) as client:
        client.settimeout(5)
        with contextlib.suppress(ConnectionResetError):
            assert client.recv(1) == b""


def _until(client: socket.socket, end: bytes) -> bytes:
    received = b""
    while not received.endswith(end):
        more = client.recv(4096)
        assert more, f"ended after {received!r}"
        received += more
    return received


@pytest.mark.parametrize(
    ("kind", "head", "drop"),
    [
        ("headers", b"GET / HTTP/1.1\r\nHost: x\r\n", b"X-Slow: and slower\r\n"),
        ("body", b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n", b"slow and "),
    ],
)
def test_drip_sends_a_little_at_a_time_and_comes_back_when_ended(
    tmp_path: Path, kind: str, head: bytes, drop: bytes
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, contextlib.ExitStack() as stack:
        listener.settimeout(10)

        def accept() -> socket.socket:
            client = stack.enter_context(listener.accept()[0])
            client.settimeout(10)
            assert _until(client, drop + drop) == head + drop + drop
            return client

        port = listener.getsockname()[1]
        words = [str(native.program("drip")), str(port), "2", "1000", "0.05", kind, "x"]
        process = stack.enter_context(Process(words, CORE, tmp_path / "drip.log"))
        accept()
        ended = accept()
        ended.sendall(b"HTTP/1.1 408 Request Timeout\r\n\r\n")
        ended.close()
        accept()
        process.stop()
        first, last = process.log.read_text().splitlines()
    assert first == "open"
    told = json.loads(last)
    assert told.pop("drops") >= 6
    assert told == {"opened": 3, "failed": 0, "ended_by_proxy": 1}
