"""TERM, INT, USR1 and USR2 against a running proxy (HUP: test_run_reload)."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from support import manifests
from support.proxy import MeshproxyRun, ProxyProcess
from support.raw_client import RawClient
from support.upstream import Upstream
from support.wait import TIMEOUT_S, until


@pytest.fixture
def proxy(meshproxy_run: MeshproxyRun, upstream: Upstream, tmp_path: Path) -> ProxyProcess:
    path = manifests.write(tmp_path, manifests.service("web", upstream.port))
    return meshproxy_run(path, "--drain-time=30s", "--admin=127.0.0.1:0")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stop_finishes_the_request_in_flight_and_exits_0(
    proxy: ProxyProcess, upstream: Upstream, number: signal.Signals
) -> None:
    with proxy.admin() as admin, proxy.client() as busy, proxy.client() as idle:
        assert idle.get("web").status == 200
        upstream.wait_for_request()
        upstream.hold()
        busy.send_get("web")
        upstream.wait_for_request()
        assert admin.get("/ready").status_code == 200
        proxy.signal(number)
        assert idle.is_closed()
        assert admin.get("/ready").status_code == 503
        with pytest.raises(ConnectionRefusedError):
            proxy.client()
        upstream.release()
        answer = busy.read_response()
        assert (answer.status, answer.body) == (200, b"upstream")
        assert answer.headers["connection"] == "close"
        assert busy.is_closed()
    assert proxy.wait() == 0
    assert "Traceback" not in proxy.stderr


def test_stop_of_the_whole_group_restarts_no_worker(
    proxy: ProxyProcess, upstream: Upstream
) -> None:
    (worker,) = proxy.workers()
    with proxy.client() as busy:
        assert busy.get("web").status == 200
        upstream.wait_for_request()
        upstream.hold()
        busy.send_get("web")
        upstream.wait_for_request()
        os.kill(worker, signal.SIGTERM)  # as systemd does, before or after the control process
        with proxy.client() as fresh:
            upstream.release()
            assert fresh.get("web").status == 200
            assert "connection" not in busy.read_response().headers
        proxy.signal(signal.SIGTERM)
    assert proxy.wait() == 0
    assert "ERROR" not in proxy.stderr


def test_stop_twice_ends_now(proxy: ProxyProcess, upstream: Upstream) -> None:
    with proxy.client() as busy, proxy.client() as idle:
        assert idle.get("web").status == 200
        upstream.wait_for_request()
        upstream.hold()
        busy.send_get("web")
        upstream.wait_for_request()
        proxy.signal(signal.SIGTERM)
        assert idle.is_closed()
        proxy.signal(signal.SIGTERM)
        assert proxy.wait() == 128 + signal.SIGTERM
        with pytest.raises(ConnectionError):
            busy.read_response()
    assert "Traceback" not in proxy.stderr


def test_stop_request_that_outlives_the_drain_time_is_cut_and_the_exit_is_0(
    meshproxy_run: MeshproxyRun, upstream: Upstream, tmp_path: Path
) -> None:
    path = manifests.write(tmp_path, manifests.service("web", upstream.port))
    proxy = meshproxy_run(path, "--drain-time=50ms")
    with proxy.client() as busy:
        upstream.hold()
        busy.send_get("web")
        upstream.wait_for_request()
        proxy.signal(signal.SIGTERM)
        assert proxy.wait() == 0
        with pytest.raises(ConnectionError):
            busy.read_response()


def test_quitquitquit_is_term(proxy: ProxyProcess) -> None:
    with proxy.admin() as admin:
        assert admin.get("/quitquitquit").status_code == 405
        assert admin.post("/quitquitquit").status_code == 200
    assert proxy.wait() == 0


def test_drain_listeners_stops_traffic_and_keeps_the_admin(proxy: ProxyProcess) -> None:
    with proxy.admin() as admin, proxy.client() as idle:
        assert idle.get("web").status == 200
        assert admin.post("/drain_listeners").status_code == 200
        assert idle.is_closed()
        assert admin.get("/ready").status_code == 503
    proxy.signal(signal.SIGTERM)
    assert proxy.wait() == 0


def test_usr1_reopens_the_access_log(
    meshproxy_run: MeshproxyRun, upstream: Upstream, tmp_path: Path
) -> None:
    log = tmp_path / "access.log"
    path = manifests.write(tmp_path, manifests.service("web", upstream.port))
    proxy = meshproxy_run(path, f"--access-log={log}")
    with proxy.client() as client:
        assert client.get("web", "/before").status == 200
        rotated = log.rename(tmp_path / "access.log.1")
        proxy.signal(signal.SIGUSR1)
        until(lambda: client.get("web", "/between").status == 200 and log.exists())
        assert client.get("web", "/after").status == 200
    proxy.signal(signal.SIGTERM)
    assert proxy.wait() == 0
    assert "/before" in rotated.read_text()
    assert "/after" in log.read_text()
    assert "/before" not in log.read_text()


def test_usr2_replaces_the_process_and_loses_no_connection(
    proxy: ProxyProcess, upstream: Upstream
) -> None:
    with proxy.client() as busy:
        upstream.hold()
        busy.send_get("web", "/held")
        upstream.wait_for_request()
        proxy.signal(signal.SIGUSR2)
        successor = int(proxy.wait_line(r"replacing the binary: pid (\d+) starts")[1])
        pidfd = os.pidfd_open(successor)
        try:
            proxy.wait_line("^ready: listening")
            upstream.release()
            assert busy.read_response().status == 200
            # from here on, only the successor: the process before has let go of the socket
            assert proxy.process.wait(TIMEOUT_S) == 0
            for _ in range(5):
                with RawClient(proxy.port) as client:
                    assert client.get("web").status == 200
        finally:
            signal.pidfd_send_signal(pidfd, signal.SIGTERM)
            os.close(pidfd)


def test_usr2_successor_that_cannot_start_leaves_the_old_one_serving(
    meshproxy_run: MeshproxyRun, upstream: Upstream, tmp_path: Path
) -> None:
    path = manifests.write(tmp_path, manifests.service("web", upstream.port))
    proxy = meshproxy_run(path)
    path.unlink()
    proxy.signal(signal.SIGUSR2)
    proxy.wait_line("did not get ready; this process goes on")
    with proxy.client() as client:
        assert client.get("web").status == 200
