from __future__ import annotations

import asyncio
import base64
import socket
import threading

import httpx
import pytest
from support.status import FixedStatus, cluster, endpoint
from support.wait import TIMEOUT_S

from meshproxy._fast.scoreboard import Scoreboard
from meshproxy.admin import build_app, serve_admin

NAME = "outbound|80|v1|nginx.default.svc.cluster.local"


class Client:
    """Calls the application in process."""

    def __init__(self, status: FixedStatus) -> None:
        self._app = build_app(status)

    def get(self, path: str) -> httpx.Response:
        return asyncio.run(self._request("GET", path))

    def post(self, path: str) -> httpx.Response:
        return asyncio.run(self._request("POST", path))

    async def _request(self, method: str, path: str) -> httpx.Response:
        transport = httpx.ASGITransport(self._app)
        async with httpx.AsyncClient(transport=transport, base_url="http://admin") as client:
            return await client.request(method, path)


@pytest.fixture
def status() -> FixedStatus:
    return FixedStatus(cluster(1, NAME, endpoint(1), endpoint(2, healthy=False)))


@pytest.fixture
def client(status: FixedStatus) -> Client:
    return Client(status)


def test_ready_follows_the_state(client: Client, status: FixedStatus) -> None:
    assert (client.get("/ready").status_code, client.get("/ready").text) == (200, "LIVE\n")
    status.is_ready = False
    assert (client.get("/ready").status_code, client.get("/ready").text) == (503, "DRAINING\n")


class SlowStatus(FixedStatus):
    """Its large pages are not done before somebody asked whether it is ready."""

    def __init__(self) -> None:
        self.was_asked = threading.Event()
        self.has_begun = threading.Event()
        super().__init__()
        self.was_asked.clear()
        self.has_begun.clear()

    @property
    def is_ready(self) -> bool:
        self.was_asked.set()
        return True

    @is_ready.setter
    def is_ready(self, value: bool) -> None: ...

    @property
    def scoreboard(self) -> Scoreboard:
        self.has_begun.set()
        assert self.was_asked.wait(TIMEOUT_S)
        return self._scoreboard

    @scoreboard.setter
    def scoreboard(self, value: Scoreboard) -> None:
        self._scoreboard = value


def test_ready_is_answered_while_a_large_page_is_made() -> None:
    app = build_app(SlowStatus())

    async def ask() -> list[int]:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://admin") as client:
            answers = [client.get(path) for path in ("/stats/prometheus", "/ready")]
            return [answer.status_code for answer in await asyncio.gather(*answers)]

    assert asyncio.run(ask()) == [200, 200]


def test_stop_while_a_large_page_is_made_is_told_and_leaves_no_task(
    caplog: pytest.LogCaptureFixture,
) -> None:
    status = SlowStatus()

    async def stop() -> int:
        with socket.create_server(("127.0.0.1", 0)) as sock:
            url = f"http://127.0.0.1:{sock.getsockname()[1]}/stats/prometheus"
            serving = asyncio.create_task(serve_admin(status, sock))
            async with httpx.AsyncClient(trust_env=False, timeout=TIMEOUT_S) as client:
                asked = asyncio.create_task(client.get(url))
                await asyncio.to_thread(status.has_begun.wait, TIMEOUT_S)
                serving.cancel()
                await asyncio.wait([serving])
                others = asyncio.all_tasks() - {asked, asyncio.current_task()}
                assert not any("run_asgi" in repr(task) for task in others)
                status.was_asked.set()
                return (await asked).status_code

    assert asyncio.run(stop()) == 503
    assert not caplog.records


def test_clusters_text_has_a_line_per_fact(client: Client) -> None:
    lines = client.get("/clusters").text.splitlines()
    assert f"{NAME}::10.0.0.1:8080::rq_total::0" in lines
    assert f"{NAME}::10.0.0.1:8080::pod::default/nginx-1" in lines
    assert f"{NAME}::10.0.0.1:8080::health_flags::healthy" in lines
    assert f"{NAME}::10.0.0.2:8080::health_flags::/failed_eds_health" in lines


def test_clusters_json_is_envoys(client: Client) -> None:
    (shown,) = client.get("/clusters?format=json").json()["cluster_statuses"]
    first, second = shown["host_statuses"]
    assert shown["name"] == NAME
    assert first["address"]["socket_address"] == {"address": "10.0.0.1", "port_value": 8080}
    assert first["pod"] == "default/nginx-1"
    assert {"name": "rq_active", "value": "0", "type": "GAUGE"} in first["stats"]
    health = {
        "eds_health_status": "UNHEALTHY",
        "failed_active_health_check": False,
        "failed_outlier_check": False,
    }
    assert second["health_status"] == health


def test_clusters_show_the_name_behind_an_address(client: Client, status: FixedStatus) -> None:
    named = {**endpoint(3), "dns_name": "api.test"}
    status.snapshot["clusters"][1] = cluster(1, NAME, endpoint(1), named)
    text = client.get("/clusters").text.splitlines()
    assert f"{NAME}::10.0.0.3:8080::hostname::api.test" in text
    assert f"{NAME}::10.0.0.1:8080::hostname::" in text
    (shown,) = client.get("/clusters?format=json").json()["cluster_statuses"]
    assert [item.get("hostname") for item in shown["host_statuses"]] == [None, "api.test"]


def test_config_dump_shows_bytes_as_base64(client: Client, status: FixedStatus) -> None:
    ring = bytes(range(16))
    shown = status.snapshot["clusters"][1]
    assert shown is not None
    shown["lb"] = {"policy": "RING_HASH", "tables": {0: (ring, b"")}}
    dumped = client.get("/config_dump").json()
    assert dumped["generation"] == 3
    assert base64.b64decode(dumped["clusters"]["1"]["lb"]["tables"]["0"][0]) == ring


def test_listeners_and_server_info(client: Client) -> None:
    assert client.get("/listeners").text == "0::127.0.0.1:8080\n1::[::1]:8081\n"
    listed = client.get("/listeners?format=json").json()["listener_statuses"]
    assert listed[1]["local_address"]["socket_address"] == {"address": "::1", "port_value": 8081}
    info = client.get("/server_info").json()
    assert (info["state"], info["workers"], info["generation"]) == ("LIVE", [4711], 3)


@pytest.mark.parametrize("path", ["/quitquitquit", "/drain_listeners"])
def test_changes_need_post(client: Client, status: FixedStatus, path: str) -> None:
    assert client.get(path).status_code == 405
    assert status.calls == []
    assert client.post(path).status_code == 200
    assert len(status.calls) == 1


def test_reads_refuse_post_and_unknown_paths_are_404(client: Client) -> None:
    assert client.post("/clusters").status_code == 405
    assert client.get("/nothing").status_code == 404


def test_index_names_every_path(client: Client) -> None:
    page = client.get("/").text
    for path in ("/ready", "/clusters", "/stats/prometheus", "/quitquitquit"):
        assert path in page
