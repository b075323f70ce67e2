"""connectionPool on real sockets, beyond what parity with Envoy shows from outside."""

from __future__ import annotations

import socket
from typing import Any

import pytest
from support.engine import (
    Peer,
    Rig,
    Upstream,
    cluster,
    head,
    request,
    response,
    route,
    until,
    upstream_socket,
)

PPM = 1_000_000
RETRY: Any = {
    "attempts": 1,
    "per_try_timeout_ms": 0,
    "retry_on": ["5xx"],
    "status_codes": [],
    "avoid_previous": False,
    "remote_localities": False,
    "is_default": False,
}
NONE = dict.fromkeys(
    (
        *("max_connections", "max_pending", "max_requests", "max_requests_per_connection"),
        *("max_retries", "max_connection_ms", "retry_budget_percent", "retry_budget_least"),
    ),
    0,
)


def limited(port: int, idle_timeout_ms: int = 3_600_000, **limits: int) -> Any:
    data: Any = cluster(0, port, idle_timeout_ms=idle_timeout_ms)
    data["limits"] = {**NONE, **limits}
    return data


async def held(peer: Peer, up: Upstream) -> None:
    while (message := await peer.read_request()) is not None:
        up.requests.append(message)
        await until(lambda: up.name == "go")
        await peer.send(response(b"held"))


async def test_queue_is_served_in_order_and_its_overflow_is_counted(rig: Rig) -> None:
    up = rig.upstream(held)
    proxy = rig.proxy(clusters=[limited(up.port, max_connections=1, max_pending=3)])
    clients = [await rig.client(proxy.port) for _ in range(6)]
    await clients[0].send(request("GET", "/0"))
    await until(lambda: up.requests)
    for number in (1, 2, 3):
        await clients[number].send(request("GET", f"/{number}"))
        await until(lambda n=number: proxy.board.cluster(0)["rq_pending"] == n)
    for client in clients[4:]:
        refused = await client.get()
        assert (refused.status, refused.header("x-envoy-overloaded")) == (503, "true")
    up.name = "go"
    for client in clients[:4]:
        assert (await client.read_response()).status == 200
    assert [message.path for message in up.requests] == ["/0", "/1", "/2", "/3"]
    assert proxy.board.cluster(0)["rq_overflow"] == 2
    assert proxy.codes() == {(200, "-"): 4, (503, "UO"): 2}


async def test_waiting_request_leaves_the_queue_with_its_timeout(rig: Rig) -> None:
    up = rig.upstream(held)
    proxy = rig.proxy(
        clusters=[limited(up.port, max_connections=1)],
        routes=[route(name="slow", prefix="/slow"), route(timeout_ms=50)],
    )
    first, second = await rig.client(proxy.port), await rig.client(proxy.port)
    await first.send(request("GET", "/slow"))
    await until(lambda: up.requests)
    assert (await second.get("/waits")).status == 504
    assert proxy.board.cluster(0)["rq_pending"] == 0
    up.name = "go"
    assert (await first.read_response()).status == 200
    assert [message.path for message in up.requests] == ["/slow"]
    assert proxy.codes() == {(504, "UT"): 1, (200, "-"): 1}


async def test_client_that_leaves_gives_its_connection_to_who_waits(rig: Rig) -> None:
    up = rig.upstream(held)
    proxy = rig.proxy(clusters=[limited(up.port, max_connections=1)])
    first, second = await rig.client(proxy.port), await rig.client(proxy.port)
    await first.send(request("GET", "/gone"))
    await until(lambda: up.requests)
    await second.send(request("GET", "/next"))
    await until(lambda: proxy.board.cluster(0)["rq_pending"] == 1)
    first.close()
    up.name = "go"
    assert (await second.read_response()).body == b"held"
    assert [message.path for message in up.requests] == ["/gone", "/next"]


async def test_connection_that_ends_with_its_response_makes_room_for_who_waits(rig: Rig) -> None:
    async def script(peer: Peer, up: Upstream) -> None:
        up.requests.append(await peer.next_request())
        await until(lambda: up.name == "go")
        await peer.send(response(b"last"))  # the end is there with the response

    up = rig.upstream(script)
    proxy = rig.proxy(clusters=[limited(up.port, max_connections=1)])
    first, second = await rig.client(proxy.port), await rig.client(proxy.port)
    await first.send(request("GET", "/first"))
    await until(lambda: up.requests)
    await second.send(request("GET", "/second"))
    await until(lambda: proxy.board.cluster(0)["rq_pending"] == 1)
    up.name = "go"
    assert (await first.read_response()).body == b"last"
    assert (await second.read_response()).body == b"last"


async def test_request_that_needs_a_fresh_connection_gets_it_when_the_only_one_is_free(
    rig: Rig,
) -> None:
    async def script(peer: Peer, up: Upstream) -> None:
        while (message := await peer.read_request()) is not None:
            up.requests.append(message)
            if len(up.requests) == 2:
                await until(lambda: proxy.board.cluster(0)["rq_pending"] == 1)
                return  # without an answer: sent again, on a connection that served nobody
            await peer.send(response(message.path.encode()))

    up = rig.upstream(script)
    proxy = rig.proxy(clusters=[limited(up.port, max_connections=1)])
    first, second = await rig.client(proxy.port), await rig.client(proxy.port)
    assert (await first.get("/before")).body == b"/before"
    await first.send(request("GET", "/again"))
    await until(lambda: len(up.requests) == 2)
    assert (await second.get("/between")).body == b"/between"
    assert (await first.read_response()).body == b"/again"
    assert [m.path for m in up.requests] == ["/before", "/again", "/between", "/again"]


async def test_upgraded_connection_that_ends_makes_room_for_who_waits(rig: Rig) -> None:
    upgrade = ("Connection: upgrade", "Upgrade: echo")

    async def script(peer: Peer, up: Upstream) -> None:
        while (message := await peer.read_request()) is not None:
            if message.path == "/upgraded":
                await peer.send(head("HTTP/1.1 101 Ok", *upgrade))
                await peer.recv_all()
                return
            await peer.send(response(b"served"))

    up = rig.upstream(script)
    proxy = rig.proxy(clusters=[limited(up.port, max_connections=1)])
    first, second = await rig.client(proxy.port), await rig.client(proxy.port)
    await first.send(request("GET", "/upgraded", *upgrade))
    assert (await first.read_response()).status == 101
    await second.send(request("GET", "/waits"))
    await until(lambda: proxy.board.cluster(0)["rq_pending"] == 1)
    first.close()
    assert (await second.read_response()).body == b"served"


async def test_connection_closes_when_it_idled_for_its_timeout(rig: Rig) -> None:
    up = rig.upstream()
    proxy = rig.proxy(clusters=[limited(up.port, idle_timeout_ms=40)])
    client = await rig.client(proxy.port)
    await client.get()
    await until(lambda: up.ended == 1)
    assert proxy.count("upstream") == 0


async def test_idle_connection_ends_with_its_longest_duration(rig: Rig) -> None:
    up = rig.upstream()
    proxy = rig.proxy(clusters=[limited(up.port, max_connection_ms=40)])
    client = await rig.client(proxy.port)
    await client.get()
    await until(lambda: up.ended == 1)


async def test_changed_limits_hold_for_connections_that_were_there_before(rig: Rig) -> None:
    up = rig.upstream()
    proxy = rig.proxy(clusters=[limited(up.port)])
    client = await rig.client(proxy.port)
    for _ in range(2):
        await client.get()
    assert len(up.peers) == 1
    proxy.apply(limited(up.port, max_requests_per_connection=1))
    for _ in range(3):
        await client.get()
    assert len(up.peers) == 3


@pytest.mark.parametrize("limit", ["idle_timeout_ms", "max_connection_ms"])
@pytest.mark.parametrize("is_busy", [False, True])
async def test_shorter_life_of_connections_holds_for_those_that_were_there_before(
    rig: Rig, limit: str, is_busy: bool
) -> None:
    up = rig.upstream(held, "" if is_busy else "go")
    proxy = rig.proxy(clusters=[limited(up.port)])
    client = await rig.client(proxy.port)
    await client.send(request())
    await until(lambda: up.requests)
    if not is_busy:
        await client.read_response()
    proxy.apply(limited(up.port, **{limit: 40}))
    up.name = "go"
    await until(lambda: up.ended == 1)
    if is_busy:
        assert (await client.read_response()).status == 200


async def test_request_in_a_backoff_takes_no_place_of_the_active_ones(rig: Rig) -> None:
    async def script(peer: Peer, up: Upstream) -> None:
        while (message := await peer.read_request()) is not None:
            await peer.send(response(b"", "503 No" if message.path == "/fails" else "200 OK"))

    up = rig.upstream(script)
    fails = route(prefix="/fails")
    fails["retry"] = {**RETRY, "backoff_ms": 3_600_000}
    proxy = rig.proxy(clusters=[limited(up.port, max_requests=1)], routes=[fails, route()])
    first, second = await rig.client(proxy.port), await rig.client(proxy.port)
    await first.send(request("GET", "/fails"))
    await until(lambda: proxy.board.cluster(0)["rq_retry"] == 1)
    assert proxy.board.cluster(0)["rq_active"] == 0
    assert (await second.get("/works")).status == 200


async def test_retry_of_a_request_that_was_retried_counts_once(rig: Rig) -> None:
    async def script(peer: Peer, up: Upstream) -> None:
        while (message := await peer.read_request()) is not None:
            up.requests.append(message)
            await peer.send(response(b"", "503 No"))

    up = rig.upstream(script)
    retried = route()
    retried["retry"] = {**RETRY, "attempts": 3, "backoff_ms": 1}
    proxy = rig.proxy(clusters=[limited(up.port, max_retries=1)], routes=[retried])
    client = await rig.client(proxy.port)
    assert (await client.get()).status == 503
    assert len(up.requests) == 4
    assert proxy.codes() == {(503, "URX"): 1}
    assert proxy.board.cluster(0)["rq_retry_overflow"] == 0


async def test_delayed_requests_take_no_place_of_the_active_ones(rig: Rig) -> None:
    up = rig.upstream()
    slow = route(prefix="/slow")
    slow["fault"] = {"delay_ms": 40, "delay_ppm": PPM, "abort_status": 0, "abort_ppm": 0}
    still = route(prefix="/still")
    still["fault"] = {**slow["fault"], "delay_ms": 3_600_000}
    proxy = rig.proxy(clusters=[limited(up.port, max_requests=1)], routes=[slow, still])
    first, second = await rig.client(proxy.port), await rig.client(proxy.port)
    await first.send(request("GET", "/still"))
    await until(lambda: proxy.count("streams") == 1)
    assert (await second.get("/slow")).status == 200


async def test_tcp_keepalive_is_set_on_upstream_connections(rig: Rig) -> None:
    up = rig.upstream()
    data = limited(up.port)
    data["tcp_keepalive"] = {"probes": 4, "time_s": 77, "interval_s": 11}
    proxy = rig.proxy(clusters=[data])
    client = await rig.client(proxy.port)
    await client.get()
    with upstream_socket(up.port) as sock:
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT) == 4
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 77
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL) == 11
