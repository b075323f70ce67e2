"""Edits of the manifests while traffic runs."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

from support import manifests
from support.proxy import MeshproxyRun
from support.upstream import Upstream

ROUTE_TO_B = """\
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: web}
spec:
  hosts: [web]
  http:
  - route: [{destination: {host: b}}]
"""


def services(**ports: int) -> str:
    return "---\n".join(manifests.service(name, port) for name, port in ports.items())


def test_reload_an_edit_moves_the_next_request_of_an_open_connection(
    meshproxy_run: MeshproxyRun, upstreams: Callable[..., Upstream], tmp_path: Path
) -> None:
    a, b = upstreams("a"), upstreams("b")
    proxy = meshproxy_run(manifests.write(tmp_path, services(web=a.port, b=b.port)))
    with proxy.client() as client:
        assert client.get("web").body == b"a"
        manifests.write(tmp_path, services(web=a.port, b=b.port) + "---\n" + ROUTE_TO_B)
        proxy.wait_line("reloaded: generation 2, rejected objects: 0")
        assert client.get("web").body == b"b"


def test_reload_a_request_in_flight_ends_on_the_snapshot_it_began_with(
    meshproxy_run: MeshproxyRun, upstreams: Callable[..., Upstream], tmp_path: Path
) -> None:
    a, b = upstreams("a"), upstreams("b")
    proxy = meshproxy_run(manifests.write(tmp_path, services(web=a.port)))
    with proxy.client() as client:
        a.hold()
        client.send_get("web")
        a.wait_for_request()
        manifests.write(tmp_path, services(web=b.port))
        proxy.wait_line("reloaded: generation 2")
        a.release()
        assert client.read_response().body == b"a"
        assert client.get("web").body == b"b"


def test_reload_an_invalid_edit_keeps_the_last_good_object_and_takes_the_others(
    meshproxy_run: MeshproxyRun, upstreams: Callable[..., Upstream], tmp_path: Path
) -> None:
    a, b, c = upstreams("a"), upstreams("b"), upstreams("c")
    good = services(web=a.port, b=b.port) + "---\n" + ROUTE_TO_B
    proxy = meshproxy_run(manifests.write(tmp_path, good))
    broken = (
        services(web=a.port, b=c.port) + "---\n" + ROUTE_TO_B.replace("hosts: [web]", "hosts: 7")
    )
    manifests.write(tmp_path, broken)
    assert "VirtualService default/web" in proxy.wait_line(": error MP.*").string
    proxy.wait_line("reloaded: generation 2, rejected objects: 1")
    with proxy.client() as client:
        assert client.get("web").body == b"c"


def test_reload_unreadable_yaml_changes_nothing(
    meshproxy_run: MeshproxyRun, upstream: Upstream, tmp_path: Path
) -> None:
    proxy = meshproxy_run(manifests.write(tmp_path, services(web=upstream.port)))
    manifests.write(tmp_path, "kind: [")
    proxy.wait_line(": error MP")
    with proxy.client() as client:
        assert client.get("web").status == 200


def test_reload_hup_reads_again(
    meshproxy_run: MeshproxyRun, upstream: Upstream, tmp_path: Path
) -> None:
    proxy = meshproxy_run(manifests.write(tmp_path, services(web=upstream.port)))
    proxy.signal(signal.SIGHUP)
    proxy.wait_line("nothing changed for traffic: generation 1")
    with proxy.client() as client:
        assert client.get("web").status == 200
