"""Memory does not grow with the number of requests: neither Python objects nor the process."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.engine import request
from support.raw_client import RawClient

from benchmarks import native

ROOT = Path(__file__).resolve().parents[2]
CONNECTIONS = 8
BATCH = 50
WARM_UP = 4_000

# The engine alone in its process. Each line on standard input asks for one measurement.
ENGINE = """
import asyncio, gc, json, os, resource, sys
from pathlib import Path
sys.path.insert(0, "tests")
import uvloop
from support.engine import Proxy, cluster, route

async def main():
    settings = json.loads(sys.argv[1])
    proxy = Proxy()
    clusters = [cluster(0, settings["port"], policy=settings["policy"])]
    hashed = [("header", "x-user")] if settings["policy"] == "RING_HASH" else []
    routes = [
        route(prefix="/elsewhere"),
        route(timeout_ms=settings["timeout_ms"], hash_policies=hashed),
    ]
    proxy.apply(*clusters, routes=routes, full=True)
    if settings["log"]:
        proxy.engine.set_access_log(os.open(os.devnull, os.O_WRONLY), settings["log"])
    print(proxy.port, flush=True)
    lines = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    while await lines.readline():
        gc.collect()
        rss = int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() // 1024
        total = proxy.board.process()["downstream_rq_total"]
        print(sys.getallocatedblocks(), rss, total, flush=True)
    proxy.engine.close()

uvloop.run(main())
"""


class EngineProcess:
    def __init__(self, **settings: object) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", ENGINE, json.dumps(settings)],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.port = int(self._line()[0])

    def measure(self) -> tuple[int, int, int]:
        """Allocated blocks, resident KiB, requests served."""
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        blocks, rss, total = self._line()
        return int(blocks), int(rss), int(total)

    def end(self) -> int:
        try:
            self.process.communicate(timeout=60)
        finally:
            self.process.kill()
        return self.process.returncode

    def _line(self) -> list[str]:
        assert self.process.stdout is not None
        return self.process.stdout.readline().split()


@contextmanager
def fast_upstream() -> Iterator[int]:
    process = subprocess.Popen([native.program("upstream"), "1"], stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        yield int(process.stdout.readline())
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def load(clients: list[RawClient], total: int, sent: bytes, mark: bytes) -> None:
    """Pipelines batches on every connection; `mark` occurs once in each response."""
    batch = sent * BATCH
    rounds = total // (BATCH * len(clients))
    for _ in range(rounds):
        for client in clients:
            client.sock.sendall(batch)
        for client in clients:
            seen = 0
            tail = b""
            while seen < BATCH:
                data = client.sock.recv(262_144)
                assert data
                tail = tail[-len(mark) + 1 :] + data
                seen += tail.count(mark)


def grow(
    engine: EngineProcess, total: int, sent: bytes, mark: bytes = b"\r\n\r\n"
) -> tuple[int, int]:
    clients = [RawClient(engine.port) for _ in range(CONNECTIONS)]
    load(clients, WARM_UP, sent, mark)
    blocks, rss, served = engine.measure()
    load(clients, total, sent, mark)
    after_blocks, after_rss, after_served = engine.measure()
    assert after_served - served == total
    for client in clients:
        client.close()
    return after_blocks - blocks, after_rss - rss


@pytest.mark.parametrize(
    ("total", "settings"),
    [
        (100_000, {}),
        (20_000, {"log": "text", "timeout_ms": 15_000, "policy": "LEAST_REQUEST"}),
        (20_000, {"log": "json", "policy": "RING_HASH"}),
    ],
    ids=["plain", "log-timeout-least", "json-hash"],
)
def test_allocated_blocks_do_not_grow_with_proxied_requests(
    total: int, settings: dict[str, object]
) -> None:
    plain: dict[str, object] = {"log": "", "timeout_ms": 0, "policy": "ROUND_ROBIN"}
    with fast_upstream() as port:
        engine = EngineProcess(**{**plain, **settings, "port": port})
        sent = request("GET", "/", "X-User: alice", "User-Agent: test")
        blocks, rss = grow(engine, total, sent)
        assert engine.end() == 0
    assert blocks < 50
    assert rss < 1024


def test_allocated_blocks_do_not_grow_with_failed_connects() -> None:
    settings = {"port": 9, "log": "", "timeout_ms": 0, "policy": "ROUND_ROBIN"}
    engine = EngineProcess(**settings)
    blocks, rss = grow(engine, 20_000, request("GET", "/elsewhere"), b"reset reason")
    assert engine.end() == 0
    assert blocks < 50
    assert rss < 1024


def test_idle_connections_cost_little() -> None:
    """An idle connection owns its object and its table entries, no buffer."""
    count = 4_000
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with fast_upstream() as port, contextlib.ExitStack() as stack:
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 2 * count)), hard))
        stack.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        engine = EngineProcess(port=port, log="", timeout_ms=0, policy="ROUND_ROBIN")
        # The first round, one connection after another, only warms up.
        for keeps in (False, True):
            blocks, rss, _ = engine.measure()
            for _ in range(count):
                client = RawClient(engine.port)
                assert client.get("web").status == 200
                if keeps:
                    stack.callback(client.close)
                else:
                    client.close()
        more_blocks, more_rss, _ = engine.measure()
        stack.close()
        assert engine.end() == 0
    assert (more_blocks - blocks) / count < 3
    assert (more_rss - rss) * 1024 / count < 512


def test_allocated_blocks_do_not_grow_with_connections() -> None:
    with fast_upstream() as port:
        engine = EngineProcess(port=port, log="text", timeout_ms=0, policy="ROUND_ROBIN")
        good, bad = request("GET", "/", "Connection: close"), b"bad\r\n\r\n"
        readings = []
        for _ in range(3):
            for i in range(600):
                with RawClient(engine.port) as client:
                    client.send((good, bad, request() + good[:10], b"")[i % 4])
                    if i % 4 < 2:
                        assert client.read_response().status == (400 if i % 4 else 200)
                        assert client.is_closed()
            readings.append(engine.measure())
        assert engine.end() == 0
    assert readings[2][0] - readings[1][0] < 50
    assert readings[2][1] - readings[1][1] < 1024
