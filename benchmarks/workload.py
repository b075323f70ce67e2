"""What is asked of a peer: named workloads, each a way to drive one port for some seconds."""

from __future__ import annotations

import contextlib
import functools
import resource
from collections.abc import Iterator
from dataclasses import dataclass, field

from benchmarks import paced, wrk
from benchmarks.crowd import Crowd
from benchmarks.failure.fleet import Fleet
from benchmarks.peers.peer import Site
from benchmarks.scenes import Scene, churn, mesh, routes
from benchmarks.scenes.request import Request, write_requests
from benchmarks.upstream import Served, Source

HOST = "bench"  # the service name; meshproxy routes by it, the other peers ignore it
LOAD_SHARE = 0.5  # of `latency`: of what the peer just did in a closed loop
SLOW_RATE_PER_S = 300  # of `slowpod`: the two quick pods alone could do some 900
FAST_MS, SLOW_MS = 2, 20
GO_PEERS = frozenset({"traefik", "caddy"})


@dataclass
class Workload:
    """GETs of one path, as fast as they go. Another kind of load overrides `drive`."""

    name: str
    summary: str
    path: str = "/"
    headers: tuple[str, ...] = ()
    body_bytes: int = 128  # what upstream.c sends for the path
    scene: Scene = "plain"
    host: str = HOST
    skipped: frozenset[str] = frozenset()  # peers that are left out without --full
    figure: str = "cpu_us"  # what is compared
    extra_s: float = 0.0  # a round of it takes longer by

    def drive(self, site: Site, seconds: float, core: int) -> wrk.Load:
        return wrk.run(self.asked(site), seconds, site.connections, core)

    def warm(self, site: Site, seconds: float, core: int) -> None:
        if seconds:
            self.drive(site, seconds, core)

    def asked(self, site: Site) -> wrk.Asked:
        return wrk.Asked(self.url(site), (f"Host: {self.host}", *self.headers))

    def url(self, site: Site) -> str:
        return f"http://127.0.0.1:{site.port}{self.path}"

    @contextlib.contextmanager
    def beside(self, site: Site, core: int) -> Iterator[None]:
        """Whatever goes on while the load runs, on its core."""
        yield

    @contextlib.contextmanager
    def behind(self, shared: Source) -> Iterator[Source]:
        """What the peer stands in front of: the upstreams of the run, or others."""
        yield shared

    def slow_share(self, served: Served) -> float:
        """The share of requests that a slow upstream got; 0 when none is."""
        return 0.0


@dataclass
class Mixed(Workload):
    """Requests of a scene, in turn."""

    requests: list[Request] = field(default_factory=list)

    def asked(self, site: Site) -> wrk.Asked:
        path = site.directory / "requests.txt"
        if not path.exists():
            write_requests(path, self.requests)
        return wrk.Asked(self.url(site), script="requests.lua", requests=path)


class Upload(Workload):
    def asked(self, site: Site) -> wrk.Asked:
        return wrk.Asked(self.url(site), (f"Host: {self.host}",), script="upload.lua")


class Latency(Workload):
    """Half of what the peer can do, at a constant rate; the warm-up finds out how much that is."""

    rate_per_s = 0.0

    def warm(self, site: Site, seconds: float, core: int) -> None:
        load = super().drive(site, max(1.0, seconds), core)
        if not load.requests:
            raise wrk.LoadError("no request of the warm-up completed: half of nothing")
        self.rate_per_s = LOAD_SHARE * load.requests / load.seconds

    def drive(self, site: Site, seconds: float, core: int) -> wrk.Load:
        asked = paced.Asked(site.port, self.host, self.rate_per_s)
        return paced.run(asked, seconds, site.connections, core)


class SlowPod(Workload):
    """One pod ten times slower than the others, one request at a time in each."""

    def drive(self, site: Site, seconds: float, core: int) -> wrk.Load:
        asked = paced.Asked(site.port, self.host, SLOW_RATE_PER_S)
        return paced.run(asked, seconds, site.connections, core)

    @contextlib.contextmanager
    def behind(self, shared: Source) -> Iterator[Source]:
        pods = [("--workers", "1", "--work-ms", str(ms)) for ms in (SLOW_MS, FAST_MS, FAST_MS)]
        with Fleet(*pods) as fleet:
            yield fleet

    def slow_share(self, served: Served) -> float:
        return served.requests[0] / max(1, sum(served.requests))


class Idle(Workload):
    """Each connection carries one request and stays; the first ones only warm the peer."""

    connections = min(10_000, (resource.getrlimit(resource.RLIMIT_NOFILE)[1] - 2_400) // 2)
    first = 500

    @functools.cached_property
    def crowd(self) -> Crowd:
        return Crowd(self.host)

    def warm(self, site: Site, seconds: float, core: int) -> None:
        self.crowd.come(site.port, self.first)

    def drive(self, site: Site, seconds: float, core: int) -> wrk.Load:
        return self.crowd.come(site.port, self.connections)

    @contextlib.contextmanager
    def beside(self, site: Site, core: int) -> Iterator[None]:
        with contextlib.closing(self.crowd):
            yield


class Churn(Workload):
    @contextlib.contextmanager
    def beside(self, site: Site, core: int) -> Iterator[None]:
        folder = site.directory / "manifests"
        if not folder.exists():  # the floor: nothing to change
            yield
            return
        with churn.changing(folder, site.upstream_ports, core) as written:
            yield
        if not written:
            raise wrk.LoadError("no endpoint changed")


_ALL = (
    Workload("small", "keep-alive GET of 128 bytes"),
    Mixed(
        "varied",
        "the same, 1,000 different requests from wrk's script: what `routes` is compared with",
        requests=[Request(f"/?n={index:04}", (f"Host: {HOST}",)) for index in range(1000)],
        skipped=GO_PEERS | {"nginx", "haproxy", "haproxy28"},
    ),
    Mixed(
        "mesh",
        "the same with 50 rules, a 99/1 split, a hash policy, retries and an access log",
        path="/api/home",
        scene="mesh",
        requests=mesh.requests(HOST),
    ),
    Mixed(
        "routes",
        "the same with 10,000 virtual hosts and 10,000 endpoints",
        scene="routes",
        host="service-0",
        requests=routes.requests(),
        extra_s=4.0,  # to read 10,000 services
    ),
    Churn("churn", "the same while an endpoint changes 50 times a second", scene="churn"),
    Workload(
        "close",
        "GET of 128 bytes on a new connection each",
        headers=("Connection: close",),
        skipped=GO_PEERS,
    ),
    Workload("body64k", "keep-alive GET of 64 KiB", "/64k", body_bytes=65536, skipped=GO_PEERS),
    Workload("body1m", "keep-alive GET of 1 MiB", "/1m", body_bytes=1 << 20, skipped=GO_PEERS),
    Upload("upload", "keep-alive POST of 64 KiB", skipped=GO_PEERS),
    Workload("l4", "GET of 64 KiB through a TCP proxy", "/64k", body_bytes=65536, scene="tcp"),
    Latency(
        "latency",
        "GET of 128 bytes at a constant rate, half of what the peer can do",
        figure="p99_ms",
    ),
    SlowPod(
        "slowpod",
        f"{SLOW_RATE_PER_S} GETs a second to three pods, one of them ten times slower",
        figure="p99_ms",
        scene="slowpod",
    ),
    Idle(
        "idle",
        f"{Idle.connections:,} keep-alive connections that carried a GET each",
        figure="connection_bytes",
        skipped=GO_PEERS,
    ),
)
WORKLOADS = {workload.name: workload for workload in _ALL}
