"""`run --health-checks on`: readinessProbes carried out on real pods, under traffic."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import httpx
from support import manifests
from support.proxy import MeshproxyRun, ProxyProcess
from support.upstream import Request, Upstream, response
from support.wait import until_equal

CLUSTER = "outbound|80||web.default.svc.cluster.local"


class Pod:
    """Serves, and says of itself whether it is ready."""

    def __init__(self, name: str, upstreams: Callable[..., Upstream]) -> None:
        self.name = name
        self.ready = "200 OK"
        self.upstream = upstreams(name, script=self._answer)

    async def _answer(self, request: Request, writer: asyncio.StreamWriter) -> None:
        status = self.ready if request.path == "/ready" else "200 OK"
        writer.write(response(self.name.encode(), status))

    def probes(self) -> int:
        return sum(item.path == "/ready" for item in self.upstream.requests)

    def manifest(self) -> str:
        return manifests.probed_pod(self.name, self.upstream.port)


def served(proxy: ProxyProcess, count: int = 12) -> set[bytes]:
    """Who answers; every answer must be good."""
    with proxy.client() as client:
        answers = [client.get("web") for _ in range(count)]
    assert {answer.status for answer in answers} == {200}
    return {answer.body for answer in answers}


def wait_until_served_by(proxy: ProxyProcess, *pods: Pod) -> None:
    """The workers have the new snapshot; until then the old one's answers are good ones too."""
    wanted = {pod.name.encode() for pod in pods}
    until_equal(lambda: served(proxy), wanted)


def counted(admin: httpx.Client, name: str) -> float:
    label = f'envoy_cluster_health_check_{name}{{envoy_cluster_name="{CLUSTER}"}}'
    lines = admin.get("/stats/prometheus").text.splitlines()
    return float(next(line for line in lines if line.startswith(label)).split()[-1])


def wait_for_probes(pod: Pod, count: int) -> None:
    wanted = pod.probes() + count
    while pod.probes() < wanted:
        pod.upstream.wait_for_request()


def test_pod_that_fails_its_probe_gets_no_traffic_until_it_passes_again(
    meshproxy_run: MeshproxyRun, upstreams: Callable[..., Upstream], tmp_path: Path
) -> None:
    a, b = Pod("a", upstreams), Pod("b", upstreams)
    path = manifests.write(tmp_path, manifests.PROBED_SERVICE + a.manifest() + b.manifest())
    proxy = meshproxy_run(path, "--health-checks=on", "--admin=127.0.0.1:0")
    admin = proxy.admin()
    assert served(proxy) == {b"a", b"b"}

    b.ready = "503 Busy"
    line = proxy.wait_line(r"health: default/b at 127.0.0.1:\d+ not ready: .*")
    assert line[0].endswith("GET /ready: answered 503, 1 time in a row")
    with admin:
        wait_until_served_by(proxy, a)
        flags = f"{CLUSTER}::127.0.0.1:{b.upstream.port}::health_flags::/failed_active_hc"
        assert flags in admin.get("/clusters").text
        wait_for_probes(a, 2)  # the second comes after the first was counted
        for name in ("attempt", "success", "failure"):
            assert counted(admin, name) >= 1, name

    b.ready = "200 OK"
    proxy.wait_line("health: default/b .* ready again")
    wait_until_served_by(proxy, a, b)


def test_pod_that_goes_is_not_probed_and_state_survives_reloads(
    meshproxy_run: MeshproxyRun, upstreams: Callable[..., Upstream], tmp_path: Path
) -> None:
    a, b, c = (Pod(name, upstreams) for name in "abc")
    b.ready = "503 Busy"
    text = manifests.PROBED_SERVICE + a.manifest() + b.manifest()
    proxy = meshproxy_run(manifests.write(tmp_path, text), "--health-checks=on")
    proxy.wait_line("health: default/b .* not ready")
    wait_until_served_by(proxy, a)
    manifests.write(tmp_path, text + c.manifest())
    proxy.wait_line("reloaded")
    wait_until_served_by(proxy, a, c)
    manifests.write(tmp_path, manifests.PROBED_SERVICE + a.manifest() + c.manifest())
    proxy.wait_line("reloaded")
    before = b.probes()
    wait_for_probes(a, 2)  # two periods
    assert b.probes() <= before + 1  # one may have been on its way


def test_probes_are_not_carried_out_unless_asked_for(
    meshproxy_run: MeshproxyRun, upstreams: Callable[..., Upstream], tmp_path: Path
) -> None:
    pod = Pod("a", upstreams)
    pod.ready = "503 Busy"
    proxy = meshproxy_run(manifests.write(tmp_path, manifests.PROBED_SERVICE + pod.manifest()))
    assert served(proxy) == {b"a"} and pod.probes() == 0
