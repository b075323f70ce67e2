"""What is asked of a peer: named workloads, each a way to drive one port for some seconds."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks import wrk

HOST = "bench"  # the service name; meshproxy routes by it, the other peers ignore it


@dataclass(frozen=True)
class Workload:
    """GETs of one path. Another kind of load is a subclass with its own `drive`."""

    name: str
    summary: str
    path: str = "/"
    headers: tuple[str, ...] = ()
    body_bytes: int = 128  # what upstream.c sends for the path

    def drive(self, port: int, seconds: float, connections: int, core: int) -> wrk.Load:
        url = f"http://127.0.0.1:{port}{self.path}"
        return wrk.run(url, (f"Host: {HOST}", *self.headers), seconds, connections, core)


_ALL = (
    Workload("small", "keep-alive GET of 128 bytes"),
    Workload("body64k", "keep-alive GET of 64 KiB", "/64k", body_bytes=64 * 1024),
    Workload("body1m", "keep-alive GET of 1 MiB", "/1m", body_bytes=1024 * 1024),
    Workload("close", "GET of 128 bytes on a new connection each", headers=("Connection: close",)),
)
WORKLOADS = {workload.name: workload for workload in _ALL}
