"""The upstreams that every peer stands in front of: one C process, several ports."""

from __future__ import annotations

import http.client
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from benchmarks import native
from benchmarks.process import Process, StartError

START_S = 5.0


@dataclass(frozen=True)
class Served:
    """What the upstreams have answered, in total or between two moments."""

    requests: tuple[int, ...]  # per port
    connections: tuple[int, ...]  # per port; only those that carried a request

    def since(self, before: Served) -> Served:
        return Served(
            tuple(a - b for a, b in zip(self.requests, before.requests, strict=True)),
            tuple(a - b for a, b in zip(self.connections, before.connections, strict=True)),
        )

    @property
    def max_over_mean(self) -> float:
        total = sum(self.requests)
        return max(self.requests) * len(self.requests) / total if total else 0.0


class Source(Protocol):
    """What peers stand in front of."""

    @property
    def ports(self) -> tuple[int, ...]: ...

    def served(self) -> Served: ...


class Upstreams:
    """Started upstreams; `ports` once inside the `with` block."""

    def __init__(self, count: int, core: int, directory: Path) -> None:
        self._process = Process(
            [str(native.program("upstream")), str(count)], core, directory / "upstream.log"
        )
        self._count = count
        self.ports: tuple[int, ...] = ()

    def __enter__(self) -> Upstreams:
        deadline = time.monotonic() + START_S
        while len(self.ports) < self._count:
            self._process.check_alive()
            if time.monotonic() > deadline:
                self._process.stop()
                raise StartError("the upstreams did not open their ports")
            line = self._process.log.read_text()
            if line.endswith("\n"):
                self.ports = tuple(int(port) for port in line.split())
            time.sleep(0.005)
        return self

    def __exit__(self, *exc: object) -> None:
        self._process.stop()

    def served(self) -> Served:
        connection = http.client.HTTPConnection("127.0.0.1", self.ports[0], timeout=5)
        try:
            connection.request("GET", "/stats")
            rows = json.loads(connection.getresponse().read())
        finally:
            connection.close()
        return Served(
            tuple(row["requests"] for row in rows), tuple(row["connections"] for row in rows)
        )
