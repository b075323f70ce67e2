"""A worker that dies: the others serve on, and a new one takes its place."""

from __future__ import annotations

import os
import select
import signal
from pathlib import Path

import httpx
import pytest
from support import manifests
from support.proxy import MeshproxyRun, ProxyProcess, client_of_each_worker, holds
from support.upstream import Upstream
from support.wait import TIMEOUT_S, until, until_equal


def test_worker_killed_leaves_requests_of_the_others_untouched_and_is_replaced(
    meshproxy_run: MeshproxyRun, upstream: Upstream, tmp_path: Path
) -> None:
    path = manifests.write(tmp_path, manifests.service("web", upstream.port))
    proxy = meshproxy_run(path, "--workers=2", "--admin=127.0.0.1:0")
    with proxy.admin() as admin, client_of_each_worker(proxy) as clients:
        (victim, lost), (survivor, kept) = clients.items()
        upstream.hold()
        kept.send_get("web", "/held")
        lost.send_get("web", "/lost")
        while {request.path for request in upstream.requests[-2:]} != {"/held", "/lost"}:
            upstream.wait_for_request()
        os.kill(victim, signal.SIGKILL)
        proxy.wait_line("killed by signal 9; a new one starts now")
        with pytest.raises(ConnectionError):
            lost.read_response()
        upstream.release()
        assert kept.read_response().status == 200
        new = wait_for_new_worker(proxy, victim, survivor)
        assert new not in (victim, survivor)
        info = admin.get("/server_info").json()
        assert info["worker_restarts"] == 1
        # the survivor may have sent its answer and not have counted it yet
        until_equal(lambda: active(admin), "0")


def active(admin: httpx.Client) -> str:
    """Requests in flight at the one endpoint."""
    (cluster,) = admin.get("/clusters?format=json").json()["cluster_statuses"]
    stats = {item["name"]: item["value"] for item in cluster["host_statuses"][0]["stats"]}
    return str(stats["rq_active"])


def wait_for_new_worker(proxy: ProxyProcess, victim: int, survivor: int) -> int:
    """The pid of the replacement once it has answered a request."""

    def answering() -> int:
        with proxy.client() as client:
            assert client.get("web").status == 200
            new = set(proxy.workers()) - {victim, survivor}
            return next((pid for pid in new if holds(pid, client)), 0)

    os.kill(survivor, signal.SIGSTOP)  # nobody else may answer
    try:
        return until(answering)
    finally:
        os.kill(survivor, signal.SIGCONT)


def test_worker_the_only_one_killed_is_replaced_and_queued_connections_are_served(
    meshproxy_run: MeshproxyRun, upstream: Upstream, tmp_path: Path
) -> None:
    path = manifests.write(tmp_path, manifests.service("web", upstream.port))
    proxy = meshproxy_run(path)
    (victim,) = proxy.workers()
    os.kill(victim, signal.SIGKILL)
    with proxy.client() as client:
        assert client.get("web").status == 200
    assert proxy.workers() != [victim]


def test_worker_killed_gives_back_the_seats_of_its_connections(
    meshproxy_run: MeshproxyRun, upstream: Upstream, tmp_path: Path
) -> None:
    path = manifests.write(tmp_path, manifests.service("web", upstream.port))
    proxy = meshproxy_run(path, "--limit=connections=2", "--limit=connections-per-source=2")
    (victim,) = proxy.workers()
    fill_all_seats(proxy)
    os.kill(victim, signal.SIGKILL)
    proxy.wait_line("killed by signal 9; a new one starts now")
    fill_all_seats(proxy)


def fill_all_seats(proxy: ProxyProcess) -> None:
    """Two are served, a third is not."""
    with proxy.client() as first, proxy.client() as second:
        assert first.get("web").status == second.get("web").status == 200
        with proxy.client() as third, pytest.raises(ConnectionError):
            third.get("web")


def test_worker_drains_and_exits_when_the_control_process_is_gone(
    meshproxy_run: MeshproxyRun, upstream: Upstream, tmp_path: Path
) -> None:
    path = manifests.write(tmp_path, manifests.service("web", upstream.port))
    proxy = meshproxy_run(path)
    (worker,) = proxy.workers()
    pidfd = os.pidfd_open(worker)
    with proxy.client() as client:
        upstream.hold()
        client.send_get("web")
        upstream.wait_for_request()
        proxy.process.kill()
        proxy.process.wait(TIMEOUT_S)
        upstream.release()
        assert client.read_response().status == 200
    assert select.select([pidfd], [], [], TIMEOUT_S)[0], "the worker outlived its control process"
    os.close(pidfd)


def test_worker_that_dies_at_once_again_and_again_is_started_with_a_delay(
    meshproxy_run: MeshproxyRun, upstream: Upstream, tmp_path: Path
) -> None:
    path = manifests.write(tmp_path, manifests.service("web", upstream.port))
    proxy = meshproxy_run(path)
    delays = []
    for _ in range(4):
        (victim,) = until(proxy.workers)  # as soon as it is there: it must not get old
        os.kill(victim, signal.SIGKILL)
        delays.append(proxy.wait_line(r"a new one starts (now|in .+ s)")[1])
    with proxy.client() as client:
        assert client.get("web").status == 200
    assert delays[0] == "now"
    assert delays[-1] != "now"


def test_configuration_gives_way_to_requests_and_no_new_worker_does(
    meshproxy_run: MeshproxyRun, upstream: Upstream, tmp_path: Path
) -> None:
    mine = os.getpriority(os.PRIO_PROCESS, 0)
    path = manifests.write(tmp_path, manifests.service("web", upstream.port))
    proxy = meshproxy_run(path, "--workers=1")
    until(lambda: os.getpriority(os.PRIO_PROCESS, proxy.process.pid) > mine)
    (victim,) = proxy.workers()
    os.kill(victim, signal.SIGKILL)
    proxy.wait_line("killed by signal 9; a new one starts now")
    until(lambda: proxy.workers() not in ([], [victim]))
    (new,) = proxy.workers()
    assert os.getpriority(os.PRIO_PROCESS, new) == mine
