"""What is asked of a peer: named workloads, each a way to drive one port for some seconds."""

from __future__ import annotations

import contextlib
import functools
import resource
from collections.abc import Iterator
from dataclasses import dataclass, field

from benchmarks import h2load, wrk
from benchmarks.crowd import Crowd
from benchmarks.peers.peer import Site
from benchmarks.scenes import Scene, churn, mesh, routes
from benchmarks.scenes.request import Request, write_requests

HOST = "bench"  # the service name; meshproxy routes by it, the other peers ignore it
RATE_PER_S = 10_000  # of `latency`: less than half of what the slowest compiled peer reaches


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

    def drive(self, site: Site, seconds: float, core: int) -> wrk.Load:
        return wrk.run(self.asked(site), seconds, site.connections, core)

    def warm(self, site: Site, seconds: float, core: int) -> None:
        self.drive(site, seconds, core)

    def asked(self, site: Site) -> wrk.Asked:
        return wrk.Asked(self.url(site), (f"Host: {self.host}", *self.headers))

    def url(self, site: Site) -> str:
        return f"http://127.0.0.1:{site.port}{self.path}"

    @contextlib.contextmanager
    def beside(self, site: Site) -> Iterator[None]:
        """Whatever goes on while the load runs."""
        yield


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
    """A fixed rate, so that a slow peer is asked as much as a quick one."""

    def drive(self, site: Site, seconds: float, core: int) -> wrk.Load:
        log = site.directory / "h2load.log"
        asked = h2load.Asked(self.url(site), self.host, RATE_PER_S, log)
        return h2load.run(asked, seconds, site.connections, core)


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
    def beside(self, site: Site) -> Iterator[None]:
        with contextlib.closing(self.crowd):
            yield


class Churn(Workload):
    @contextlib.contextmanager
    def beside(self, site: Site) -> Iterator[None]:
        folder = site.directory / "manifests"
        if not folder.exists():  # the floor: nothing to change
            yield
            return
        with churn.changing(folder, site.upstream_ports) as written:
            yield
        if not written:
            raise wrk.LoadError("no endpoint changed")


_ALL = (
    Workload("small", "keep-alive GET of 128 bytes"),
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
    ),
    Churn("churn", "the same while an endpoint changes 50 times a second", scene="churn"),
    Workload("close", "GET of 128 bytes on a new connection each", headers=("Connection: close",)),
    Workload("body64k", "keep-alive GET of 64 KiB", "/64k", body_bytes=64 * 1024),
    Workload("body1m", "keep-alive GET of 1 MiB", "/1m", body_bytes=1024 * 1024),
    Upload("upload", "keep-alive POST of 64 KiB"),
    Workload("l4", "GET of 64 KiB through a TCP proxy", "/64k", body_bytes=65536, scene="tcp"),
    Latency("latency", f"GET of 128 bytes, {RATE_PER_S:,} a second"),
    Idle("idle", f"{Idle.connections:,} keep-alive connections that carried a GET each"),
)
WORKLOADS = {workload.name: workload for workload in _ALL}
