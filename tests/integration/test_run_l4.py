"""`meshproxy run` on connections: tcp rules, affinity over workers, metrics."""

from __future__ import annotations

import json
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import manifests
from support.proxy import MeshproxyRun, run_command
from support.wait import TIMEOUT_S, until_equal

from meshproxy import Mesh


class Named:
    """A server that says its name and waits for the end."""

    def __init__(self, name: str) -> None:
        self.name = name.encode()
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port: int = self.listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                peer, _ = self.listener.accept()
            except OSError:
                return
            peer.sendall(self.name)
            peer.close()


@pytest.fixture
def servers() -> Iterator[list[Named]]:
    made = [Named(name) for name in "abc"]
    yield made
    for server in made:
        server.listener.shutdown(socket.SHUT_RDWR)
        server.listener.close()


def served_by(port: int, source: str = "127.0.0.1") -> str:
    with socket.create_connection(("127.0.0.1", port), TIMEOUT_S, (source, 0)) as sock:
        return sock.recv(1).decode()


def redis(servers: list[Named], more: str = "") -> str:
    """A Service of the servers, the first of version v1, the others of v2."""
    text = manifests.service("redis", port=6379, kind="redis").replace(
        "spec:\n", f"spec:\n{more}", 1
    )
    for index, server in enumerate(servers):
        pod = (
            f"apiVersion: v1\nkind: Pod\nmetadata: {{name: redis-{index},"
            f" labels: {{version: v{min(index, 1) + 1}}}}}\nstatus: {{podIP: 127.0.0.1}}\n"
        )
        text += "---\n" + manifests.endpoint_slice("redis", index, server.port, "redis")
        text += "---\n" + pod
    return text


RULES = """\
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: redis}
spec:
  host: redis
  trafficPolicy: {loadBalancer: {simple: ROUND_ROBIN}}
  subsets: [{name: v1, labels: {version: v1}}, {name: v2, labels: {version: v2}}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: redis}
spec:
  hosts: [redis]
  tcp:
  - match: [{port: 1}]
    route: [{destination: {host: redis}}]
  - match: [{port: 6379, sourceLabels: {app: me}}]
    route:
    - {destination: {host: redis, subset: v1}, weight: 90}
    - {destination: {host: redis, subset: v2}, weight: 10}
"""
BOUND = "--listen=127.0.0.1:0=redis:6379"


def test_tcp_rule_splits_connections_exactly_over_all_workers(
    meshproxy_run: MeshproxyRun, servers: list[Named], tmp_path: Path
) -> None:
    path = manifests.write(tmp_path, redis(servers) + RULES)
    proxy = meshproxy_run(path, BOUND, "--labels=app=me", "--workers=2", "--admin=127.0.0.1:0")
    admin = proxy.admin()
    assert Counter(served_by(proxy.port) for _ in range(100)) == {"a": 90, "b": 5, "c": 5}
    manifests.write(tmp_path, redis(servers) + RULES.replace("90", "0").replace("10}", "100}"))
    proxy.wait_line("reloaded")
    assert Counter(served_by(proxy.port) for _ in range(20)) == {"b": 10, "c": 10}
    closed: list[str] = []

    def count_closed() -> float:
        metrics = admin.get("/stats/prometheus").text
        closed[:] = [
            line for line in metrics.splitlines() if "tcp_connections_closed_total{" in line
        ]
        return sum(float(line.rpartition(" ")[2]) for line in closed)

    with admin:  # the client's end is closed before the worker has seen it
        until_equal(count_closed, 120.0)
    assert all('response_flags="-"' in line for line in closed)


def test_tcp_rule_for_other_callers_leaves_the_service_as_it_is(
    meshproxy_run: MeshproxyRun, servers: list[Named], tmp_path: Path
) -> None:
    proxy = meshproxy_run(manifests.write(tmp_path, redis(servers) + RULES), BOUND)
    assert Counter(served_by(proxy.port) for _ in range(30)) == {"a": 10, "b": 10, "c": 10}


def test_session_affinity_holds_over_all_workers(
    meshproxy_run: MeshproxyRun, servers: list[Named], tmp_path: Path
) -> None:
    text = redis(servers, "  sessionAffinity: ClientIP\n")
    proxy = meshproxy_run(manifests.write(tmp_path, text), BOUND, "--workers=2")
    homes = {f"127.0.0.{n}": served_by(proxy.port, f"127.0.0.{n}") for n in range(2, 62)}
    # 60 sources and none of them at one of three: 3 * (2/3) ** 60, about 1e-10
    assert set(homes.values()) == {"a", "b", "c"}
    for source, home in homes.items():
        assert [served_by(proxy.port, source) for _ in range(2)] == [home] * 2


def test_forced_tcp_listener_keeps_clients_of_an_http_port_as_kube_proxy_does(
    meshproxy_run: MeshproxyRun, servers: list[Named], tmp_path: Path
) -> None:
    text = manifests.service("web", *(server.port for server in servers)).replace(
        "spec:\n", "spec:\n  sessionAffinity: ClientIP\n", 1
    )
    path = manifests.write(tmp_path, text)
    proxy = meshproxy_run(path, "--listen=127.0.0.1:0=web:80/tcp")
    assert len({served_by(proxy.port) for _ in range(10)}) == 1


def test_explain_tells_the_sequence_that_a_proxy_then_serves(
    meshproxy_run: MeshproxyRun, servers: list[Named], tmp_path: Path
) -> None:
    path = manifests.write(tmp_path, redis(servers) + RULES)
    mesh = Mesh.from_files([path], source_labels={"app": "me"})
    names = {f"127.0.0.1:{server.port}": server.name.decode() for server in servers}
    told = [names[str(mesh.connect("tcp://redis:6379", seed).endpoint)] for seed in range(40)]
    proxy = meshproxy_run(path, BOUND, "--labels=app=me")
    assert [served_by(proxy.port) for _ in range(40)] == told


def test_explain_names_rule_split_cluster_and_endpoint_of_a_connection(
    meshproxy_run: MeshproxyRun, servers: list[Named], tmp_path: Path
) -> None:
    path = manifests.write(tmp_path, redis(servers) + RULES)
    asked = ("explain", "-f", str(path), "--labels=app=me", "tcp://redis")
    told = json.loads(run_command(*asked, "-o", "json").stdout)
    v1, v2 = (f"outbound|6379|{name}|redis.default.svc.cluster.local" for name in ("v1", "v2"))
    assert (told["outcome"], told["virtual_service"], told["rule"]) == (
        "routed",
        "default/redis",
        1,
    )
    assert told["split"] == [{"cluster": v1, "weight": 90}, {"cluster": v2, "weight": 10}]
    assert (told["cluster"], told["endpoint"]) == (v1, f"127.0.0.1:{servers[0].port}")
    text = run_command(*asked).stdout
    assert text.startswith(f"tcp://redis -> 127.0.0.1:{servers[0].port} (default/redis-0)\n")
    assert "spec.tcp[1] of default/redis" in text
    other = json.loads(run_command(*asked[:3], "tcp://redis", "-o", "json").stdout)
    assert (other["rule"], len(other["split"])) == (None, 1)
    assert run_command(*asked[:3], "tcp://nobody:1").returncode == 2
    proxy = meshproxy_run(path, BOUND, "--labels=app=me", "--admin=127.0.0.1:0")
    with proxy.admin() as admin:
        live = admin.get("/explain", params={"url": "tcp://redis:6379", "format": "json"}).json()
        assert (live["cluster"], live["split_turn"]) == (v1, 0)
        served_by(proxy.port)
        live = admin.get("/explain", params={"url": "tcp://redis:6379", "format": "json"}).json()
        assert live["split_turn"] == 1
        assert "spec.tcp[1]" in admin.get("/explain", params={"url": "tcp://redis"}).text
        unbound = admin.get("/explain", params={"url": "tcp://other:1"})
        assert unbound.status_code == 400
        assert "bound to (tcp://redis.default.svc.cluster.local:6379), found" in unbound.text
