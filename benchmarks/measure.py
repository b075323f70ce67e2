"""One round: start a peer, warm it, drive it, and read what it cost."""

from __future__ import annotations

import http.client
import os
import socket
import time
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import procfs
from benchmarks.peers import Peer
from benchmarks.peers.peer import Site
from benchmarks.process import Process, StartError
from benchmarks.upstream import Source
from benchmarks.workload import Workload
from benchmarks.wrk import Load, LoadError

READY_S = 45.0  # Envoy with 10,000 clusters, on a busy machine
PEER_PORTS = range(20000, 32000)  # below Linux's ephemeral ports: no client socket sits on one


@dataclass(frozen=True)
class Settings:
    """What is the same for every round of a run."""

    seconds: float
    warmup_seconds: float
    connections: int
    load_core: int
    proxy_core: int


@dataclass
class Round:
    """The figures of one peer in one round. Microseconds are per completed request."""

    peer: str
    workload: str
    number: int
    command: str = ""
    errors: list[str] = field(default_factory=list)
    requests: int = 0
    requests_per_s: float = 0.0
    cpu_us: float = 0.0
    cpu_user_us: float = 0.0
    cpu_system_us: float = 0.0
    worker_cpu_us: float = 0.0  # the busiest process alone
    mb_per_cpu_s: float = 0.0
    p50_ms: float = 0.0
    p90_ms: float = 0.0
    p99_ms: float = 0.0
    p999_ms: float = 0.0
    max_ms: float = 0.0
    rss_mb: float = 0.0
    pss_mb: float = 0.0
    ready_ms: float = 0.0  # from exec to the first proxied response
    proxy_core_busy: float = 0.0  # share of the round the peer kept its core busy
    load_core_busy: float = 0.0
    foreign: float = 0.0  # share of the proxy's core that others took
    upstream_connections: int = 0  # that carried a request of this round
    upstream_max_over_mean: float = 0.0
    slow_share: float = 0.0  # of requests that went to a slow upstream
    connection_bytes: float = 0.0  # memory (PSS) that the round added, per connection left open
    processes: list[dict[str, object]] = field(default_factory=list)

    @property
    def is_valid(self) -> bool:
        return not self.errors


def measure(
    peer: Peer,
    workload: Workload,
    number: int,
    shared: Source,
    settings: Settings,
    run: Path,
) -> Round:
    """Return a round; whatever goes wrong in it is in its `errors`, never raised."""
    result = Round(peer.name, workload.name, number)
    directory = run / f"{workload.name}-{number}-{peer.name}"
    directory.mkdir()
    try:
        with workload.behind(shared) as upstreams:
            ports, scene = upstreams.ports, workload.scene
            site = Site(directory, free_port(), ports, settings.connections, scene)
            command = peer.command(site)
            result.command = " ".join(command)
            log = run / f"{directory.name}.log"
            began = time.monotonic()
            with Process(command, settings.proxy_core, log) as process:
                _wait_ready(process, site.port, workload)
                result.ready_ms = (time.monotonic() - began) * 1e3
                workload.warm(site, settings.warmup_seconds, settings.load_core)
                process.check_alive()  # what answered may have been another run's peer
                with workload.beside(site, settings.load_core):
                    _drive(result, process, workload, site, upstreams, settings)
    except (StartError, LoadError, OSError) as error:
        result.errors.append(str(error))
    return result


def free_port() -> int:
    """Return a port that nobody listens on, and that another run does not try at the same time."""
    first = os.getpid() % len(PEER_PORTS)
    for port in (*PEER_PORTS[first:], *PEER_PORTS[:first]):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise StartError(f"no free port from {PEER_PORTS.start} to {PEER_PORTS.stop}")


def _wait_ready(process: Process, port: int, workload: Workload) -> None:
    deadline = time.monotonic() + READY_S
    seen = "no connection"
    while time.monotonic() < deadline:
        process.check_alive()
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
        try:
            connection.request("GET", workload.path, headers={"Host": workload.host})
            response = connection.getresponse()
            if response.status == 200 and len(response.read()) == workload.body_bytes:
                return
            seen = f"status {response.status}"
        except (OSError, http.client.HTTPException) as error:
            seen = str(error) or type(error).__name__
        finally:
            connection.close()
        time.sleep(0.005)
    raise StartError(f"not ready within {READY_S:g} s ({seen}): {process.tail()}")


def _drive(
    result: Round,
    process: Process,
    workload: Workload,
    site: Site,
    upstreams: Source,
    settings: Settings,
) -> None:
    pids = procfs.tree(process.pid)
    served_before = upstreams.served()
    cores_before = procfs.core(settings.proxy_core), procfs.core(settings.load_core)
    _, pss_before = procfs.memory(pids)
    cpu_before = procfs.cpu(pids)
    began = time.monotonic()
    load = workload.drive(site, settings.seconds, settings.load_core)
    wall_s = time.monotonic() - began
    if procfs.tree(process.pid) != pids:
        raise StartError(f"a process of the peer ended or was replaced: {process.tail()}")
    cpu_after = procfs.cpu(pids)
    cores = procfs.core(settings.proxy_core), procfs.core(settings.load_core)
    served = upstreams.served().since(served_before)

    result.rss_mb, result.pss_mb = (bytes_ / 1e6 for bytes_ in procfs.memory(pids))
    result.connection_bytes = (result.pss_mb * 1e6 - pss_before) / max(1, load.requests)
    result.upstream_connections = sum(served.connections)
    result.upstream_max_over_mean = served.max_over_mean
    result.slow_share = workload.slow_share(served)
    _account_load(result, load)
    _account_cpu(result, load, cpu_before, cpu_after)
    cpu_s = result.cpu_us * load.requests / 1e6
    result.proxy_core_busy = cpu_s / wall_s
    result.load_core_busy = (cores[1].busy_s - cores_before[1].busy_s) / wall_s
    other_s = cores[0].busy_s - cores_before[0].busy_s - cpu_s
    stolen_s = cores[0].steal_s - cores_before[0].steal_s
    result.foreign = max(0.0, other_s + stolen_s) / wall_s
    result.errors += problems(load, workload, sum(served.requests))
    if not load.requests:
        result.errors.append(f"the peer says: {process.tail()}")


def _account_load(result: Round, load: Load) -> None:
    result.requests = load.requests
    result.requests_per_s = load.requests / load.seconds
    for name in ("p50_ms", "p90_ms", "p99_ms", "p999_ms", "max_ms"):
        setattr(result, name, getattr(load, name))


def _account_cpu(
    result: Round, load: Load, before: list[procfs.ProcessCpu], after: list[procfs.ProcessCpu]
) -> None:
    per_request = 1e6 / max(1, load.requests)
    for old, new in zip(before, after, strict=True):
        user_us = (new.user_s - old.user_s) * per_request
        system_us = (new.system_s - old.system_s) * per_request
        result.cpu_user_us += user_us
        result.cpu_system_us += system_us
        result.worker_cpu_us = max(result.worker_cpu_us, user_us + system_us)
        result.processes.append(
            {"pid": new.pid, "name": new.name, "user_us": user_us, "system_us": system_us}
        )
    result.cpu_us = result.cpu_user_us + result.cpu_system_us
    if result.cpu_us:
        result.mb_per_cpu_s = load.bytes / 1e6 / (result.cpu_us * load.requests / 1e6)


def problems(load: Load, workload: Workload, served: int) -> list[str]:
    """Return why the figures must not be trusted; empty when they may."""
    found = [f"{count} {kind} errors" for kind, count in load.errors.items()]
    if not load.requests:
        found.append("no request completed")
    elif load.bytes < load.requests * workload.body_bytes:
        found.append(f"responses are shorter than {workload.body_bytes} bytes")
    if served < load.requests:
        found.append(f"{load.requests} responses, but the upstreams served {served}")
    return found
