"""`meshproxy run`: manifests in, balanced requests out."""

from __future__ import annotations

import contextlib
import os
import signal
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from support import manifests
from support.ipv6 import needs_ipv6
from support.proxy import MeshproxyRun, ProxyProcess, run_command
from support.raw_client import RawClient
from support.upstream import Upstream


def test_run_balances_requests_of_one_connection_over_the_pods(
    meshproxy_run: MeshproxyRun, upstreams: Callable[..., Upstream], tmp_path: Path
) -> None:
    pods = [upstreams(name) for name in "abc"]
    path = manifests.write(tmp_path, manifests.service("web", *(pod.port for pod in pods)))
    proxy = meshproxy_run(path)
    with proxy.client() as client:
        answers = Counter(client.get("web").body for _ in range(30))
    assert answers == {b"a": 10, b"b": 10, b"c": 10}


def test_run_reads_every_file_of_a_folder(upstream: Upstream, tmp_path: Path) -> None:
    manifests.write(tmp_path, manifests.service("web", upstream.port))
    proxy = ProxyProcess("-f", str(tmp_path), "--listen=127.0.0.1:0", "--admin=off")
    try:
        with proxy.wait_ready().client() as client:
            assert client.get("web.default.svc.cluster.local").status == 200
    finally:
        proxy.stop()


def test_run_every_listener_is_named_in_the_ready_line(
    meshproxy_run: MeshproxyRun, upstreams: Callable[..., Upstream], tmp_path: Path
) -> None:
    web, api = upstreams("web"), upstreams("api")
    text = manifests.service("web", web.port) + "---\n" + manifests.service("api", api.port)
    proxy = meshproxy_run(
        manifests.write(tmp_path, text),
        "--listen=127.0.0.1:0",
        "--listen=127.0.0.1:0=api.default:80",
    )
    assert len(proxy.ports) == 2
    with proxy.client(1) as client:
        assert client.get("whatever").body == b"api"
    with proxy.client(0) as client:
        assert client.get("web").body == b"web"
        assert client.get("whatever").status == 404


@pytest.mark.parametrize("workers", [1, 2])
def test_run_workers_are_as_many_as_asked_for(
    meshproxy_run: MeshproxyRun, upstream: Upstream, tmp_path: Path, workers: int
) -> None:
    path = manifests.write(tmp_path, manifests.service("web", upstream.port))
    proxy = meshproxy_run(path, f"--workers={workers}")
    assert len(proxy.workers()) == workers
    for _ in range(4):
        with proxy.client() as client:
            assert client.get("web").status == 200


def test_run_worker_imports_nothing_but_the_engine(
    meshproxy_run: MeshproxyRun, upstream: Upstream, tmp_path: Path
) -> None:
    proxy = meshproxy_run(manifests.write(tmp_path, manifests.service("web", upstream.port)))
    (worker,) = proxy.workers()
    mapped = Path(f"/proc/{worker}/maps").read_text()
    assert "_fast/engine" in mapped
    for name in ("pydantic", "yaml", "httptools"):
        assert f"/{name}" not in mapped


def test_run_access_log_goes_to_the_file(
    meshproxy_run: MeshproxyRun, upstream: Upstream, tmp_path: Path
) -> None:
    log = tmp_path / "access.log"
    path = manifests.write(tmp_path, manifests.service("web", upstream.port))
    proxy = meshproxy_run(path, f"--access-log={log}")
    with proxy.client() as client:
        assert client.get("web", "/logged").status == 200
    proxy.signal(signal.SIGTERM)
    assert proxy.wait() == 0
    assert '"GET /logged HTTP/1.1" 200 - ' in log.read_text()


def test_run_flags_come_from_the_environment_and_a_flag_beats_it(
    meshproxy_run: MeshproxyRun, upstream: Upstream, tmp_path: Path
) -> None:
    path = manifests.write(tmp_path, manifests.service("web", upstream.port))
    proxy = meshproxy_run(path, "--workers=1", MESHPROXY_WORKERS="2", MESHPROXY_NAMESPACE="other")
    assert len(proxy.workers()) == 1
    with proxy.client() as client:
        assert client.get("web.other").status == 200
        assert client.get("web.default").status == 404


def test_run_no_descriptor_leaks_into_workers(
    meshproxy_run: MeshproxyRun, upstream: Upstream, tmp_path: Path
) -> None:
    path = manifests.write(tmp_path, manifests.service("web", upstream.port))
    read_end, write_end = os.pipe()
    os.set_inheritable(write_end, True)
    proxy = meshproxy_run(path, "--admin=127.0.0.1:0")
    (worker,) = proxy.workers()
    fds = [os.readlink(f"/proc/{worker}/fd/{fd}") for fd in os.listdir(f"/proc/{worker}/fd")]
    pipe = os.readlink(f"/proc/self/fd/{write_end}")
    os.close(read_end)
    os.close(write_end)
    assert pipe not in fds
    listening = [fd for fd in fds if fd.startswith("socket:")]
    # the channel, the listener, and the loop's own wake-up pair
    assert len(listening) <= 4, fds


@needs_ipv6
def test_run_listens_on_ipv6(
    meshproxy_run: MeshproxyRun, upstream: Upstream, tmp_path: Path
) -> None:
    path = manifests.write(tmp_path, manifests.service("web", upstream.port))
    proxy = meshproxy_run(path, "--listen=[::1]:0")
    with RawClient(proxy.port, "::1") as client:
        assert client.get("web").status == 200


def test_run_tcp_listener_balances_connections_not_requests(
    meshproxy_run: MeshproxyRun, upstreams: Callable[..., Upstream], tmp_path: Path
) -> None:
    pods = [upstreams(name) for name in "ab"]
    path = manifests.write(tmp_path, manifests.service("web", *(pod.port for pod in pods)))
    proxy = meshproxy_run(path, "--listen=127.0.0.1:0=web.default:80/tcp")
    seen: Counter[bytes] = Counter()
    with contextlib.ExitStack() as held:  # one that closes is in flight until its worker sees it
        for _ in range(4):
            client = held.enter_context(proxy.client())
            (name,) = {client.get("anything").body for _ in range(5)}
            seen[name] += 1
    assert seen == {b"a": 2, b"b": 2}


def test_run_reads_standard_input(upstream: Upstream) -> None:
    text = manifests.service("web", upstream.port)
    proxy = ProxyProcess("-f", "-", "--listen=127.0.0.1:0", "--admin=off", stdin=text)
    try:
        with proxy.wait_ready().client() as client:
            assert client.get("web").status == 200
        proxy.signal(signal.SIGUSR2)
        proxy.wait_line("cannot replace the binary: the configuration came from standard input")
    finally:
        proxy.stop()


def test_run_limits_come_from_flag_and_environment(
    meshproxy_run: MeshproxyRun, upstream: Upstream, tmp_path: Path
) -> None:
    path = manifests.write(tmp_path, manifests.service("web", upstream.port))
    flags = ("--limit=request-line=64B", "--limit=headers=3")
    proxy = meshproxy_run(path, *flags)
    with proxy.client() as client:
        assert client.get("web", "/" + "a" * 80).status == 414
    proxy = meshproxy_run(path, MESHPROXY_LIMIT="request-line=64B headers=3")
    with proxy.client() as client:
        assert client.get("web", "/" + "a" * 80).status == 414
    refused = run_command("run", "-f", str(path), "--limit=head=1MiB")
    assert refused.returncode == 2
    assert "head: expected 1024 B to 61440 B, found 1048576 B" in refused.stderr
