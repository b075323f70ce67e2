"""What holds for the whole proxy and not per worker: turns, shares, requests in flight."""

from __future__ import annotations

import fcntl
import os
import signal
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import accumulate
from pathlib import Path

import httpx
from support import manifests
from support.proxy import MeshproxyRun, client_of_each_worker
from support.raw_client import RawClient
from support.upstream import Upstream
from support.wait import until, until_equal

WORKERS = 4
EACH = 300  # requests of each worker
WINDOW = 1000
SPLIT = """\
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: split}
spec:
  hosts: [split]
  http:
  - route:
    - {destination: {host: stable}, weight: 99}
    - {destination: {host: canary}, weight: 1}
"""


def rule(host: str, policy: str, limits: str = "{}") -> str:
    return f"""\
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: {host}}}
spec:
  host: {host}
  trafficPolicy: {{loadBalancer: {{simple: {policy}}}, connectionPool: {{http: {limits}}}}}
"""


def test_turns_and_shares_are_exact_over_all_workers(
    meshproxy_run: MeshproxyRun, upstreams: Callable[..., Upstream], tmp_path: Path
) -> None:
    ups = {name: upstreams(name) for name in ("a", "b", "c", "stable", "canary")}
    text = "---\n".join(
        [
            manifests.service("web", *(ups[name].port for name in "abc")),
            manifests.service("split", ups["stable"].port),
            manifests.service("stable", ups["stable"].port),
            manifests.service("canary", ups["canary"].port),
        ]
    )
    path = manifests.write(tmp_path, text + rule("web", "ROUND_ROBIN") + SPLIT)
    proxy = meshproxy_run(path, f"--workers={WORKERS}")
    with client_of_each_worker(proxy) as clients, ThreadPoolExecutor(WORKERS) as threads:
        arrived: list[str] = []

        def ask(client: RawClient, host: str) -> None:
            for _ in range(EACH):
                arrived.append(client.get(host).body.decode())

        for host, shares in (
            ("web", dict.fromkeys("abc", 1 / 3)),
            ("split", {"stable": 0.99, "canary": 0.01}),
        ):
            arrived.clear()
            list(threads.map(ask, clients.values(), [host] * WORKERS))
            assert len(arrived) == WORKERS * EACH
            for name, share in shares.items():
                seen = [0, *accumulate(int(got == name) for got in arrived)]
                assert abs(seen[-1] - share * WORKERS * EACH) < 1
                for start in range(len(arrived) - WINDOW + 1):
                    # At either edge an answer of each other worker may be on its way: up to
                    # 5/3 too many of a third at one, 8/3 too few at the other.
                    inside = seen[start + WINDOW] - seen[start]
                    assert abs(inside - share * WINDOW) < WORKERS + 0.5, (name, start)


def test_least_request_sees_all_workers_and_nothing_stays_of_a_killed_one(
    meshproxy_run: MeshproxyRun, upstreams: Callable[..., Upstream], tmp_path: Path
) -> None:
    ups = {name: upstreams(name) for name in "abc"}
    text = manifests.service("web", *(up.port for up in ups.values()))
    path = manifests.write(tmp_path, text + rule("web", "LEAST_REQUEST"))
    proxy = meshproxy_run(path, f"--workers={WORKERS}", "--admin=127.0.0.1:0")
    with proxy.admin() as admin, client_of_each_worker(proxy) as clients:
        (victim, held), *others = clients.items()
        for up in ups.values():
            up.hold()
        before = {name: len(up.requests) for name, up in ups.items()}
        held.send_get("web", "/held")
        busy = until(lambda: [n for n, up in ups.items() if len(up.requests) > before[n]])
        for name, up in ups.items():
            if name not in busy:
                up.release()
        seen = Counter(client.get("web").body.decode() for _, client in others for _ in range(20))
        assert set(seen) == set("abc") - set(busy)
        os.kill(victim, signal.SIGKILL)
        proxy.wait_line("killed by signal 9; a new one starts now")
        ups[busy[0]].release()
        assert set(in_flight(admin)) == {"0"}
        # All loads tie, and ties go by turn.
        seen = Counter(client.get("web").body.decode() for _, client in others for _ in range(20))
        assert seen == dict.fromkeys("abc", 20)


def test_answer_read_while_its_worker_stands_still_is_not_in_flight(
    meshproxy_run: MeshproxyRun, upstreams: Callable[..., Upstream], tmp_path: Path
) -> None:
    ups = {name: upstreams(name) for name in "abc"}
    text = manifests.service("web", *(up.port for up in ups.values()))
    path = manifests.write(tmp_path, text + rule("web", "LEAST_REQUEST", "{http2MaxRequests: 1}"))
    proxy = meshproxy_run(path, "--workers=2", "--admin=127.0.0.1:0")
    with proxy.admin() as admin, client_of_each_worker(proxy) as clients:
        (still, first), (_, second) = clients.items()
        stop_at_answer(first, still)
        try:
            first.get("web")
            until_equal(lambda: state_of(still), "T")
            assert set(in_flight(admin)) == {"0"}
            seen = Counter(second.get("web").body.decode() for _ in range(60))
        finally:
            os.kill(still, signal.SIGCONT)
        assert seen == dict.fromkeys("abc", 20)


def stop_at_answer(client: RawClient, pid: int) -> None:
    """Stop the process in the call that sends to this client: what arrives raises SIGSTOP."""
    fd = client.sock.fileno()
    fcntl.fcntl(fd, fcntl.F_SETOWN, pid)
    fcntl.fcntl(fd, fcntl.F_SETSIG, signal.SIGSTOP)
    fcntl.fcntl(fd, fcntl.F_SETFL, fcntl.fcntl(fd, fcntl.F_GETFL) | os.O_ASYNC)


def state_of(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0]


def in_flight(admin: httpx.Client) -> list[str]:
    """Requests in flight at each endpoint of each cluster."""
    clusters = admin.get("/clusters?format=json").json()["cluster_statuses"]
    hosts = [host for cluster in clusters for host in cluster["host_statuses"]]
    return [s["value"] for host in hosts for s in host["stats"] if s["name"] == "rq_active"]
