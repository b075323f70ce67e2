"""Snapshots change under load: a request ends on the one it began with."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from support.engine import (
    Peer,
    Proxy,
    Rig,
    Upstream,
    answer,
    cluster,
    head,
    request,
    response,
    route,
    until,
)


class Gate:
    """An upstream script that answers /held only when the gate opens."""

    def __init__(self) -> None:
        self.open = asyncio.Event()

    async def __call__(self, peer: Peer, up: Upstream) -> None:
        while (message := await peer.read_request()) is not None:
            up.requests.append(message)
            if message.path == "/held":
                await self.open.wait()
            await peer.send(response(up.name.encode()))


async def take(client: Peer, n: int) -> list[bytes]:
    return [(await client.get()).body for _ in range(n)]


async def test_removed_endpoint_finishes_its_request_and_closes_its_idle_connections(
    rig: Rig,
) -> None:
    gate = Gate()
    old, new = rig.upstream(gate, "old"), rig.upstream(answer, "new")
    proxy = rig.proxy(old.port)
    held, idle = await rig.client(proxy.port), await rig.client(proxy.port)
    await held.send(request("GET", "/held"))
    await until(lambda: old.requests)
    await idle.get()
    assert proxy.endpoint(old.port)["cx_active"] == 2
    proxy.apply(cluster(0, new.port))
    await until(lambda: old.ended == 1)
    assert await take(idle, 3) == [b"new"] * 3
    gate.open.set()
    assert (await held.read_response()).body == b"old"
    await until(lambda: old.ended == 2)
    assert proxy.endpoint(old.port)["cx_active"] == 0
    assert await take(held, 2) == [b"new"] * 2


async def test_removed_endpoint_that_streams_a_body_streams_it_to_the_end(rig: Rig) -> None:
    gate = asyncio.Event()

    async def script(peer: Peer, up: Upstream) -> None:
        await peer.read_request()
        await peer.send(head("HTTP/1.1 200 OK", "Content-Length: 200000") + b"a" * 100_000)
        await gate.wait()
        await peer.send(b"b" * 100_000)
        assert await peer.is_closed()

    old, new = rig.upstream(script), rig.upstream()
    proxy = rig.proxy(old.port)
    client = await rig.client(proxy.port)
    await client.send(request())
    await client.recv_until(b"\r\n\r\n")
    proxy.apply(cluster(0, new.port))
    proxy.apply(cluster(0), removed=[])
    proxy.apply(routes=[], removed=[0])
    gate.set()
    assert await client.recv_exactly(200_000) == b"a" * 100_000 + b"b" * 100_000
    await until(lambda: old.ended == 1)


async def test_added_endpoint_gets_its_share_at_once(rig: Rig) -> None:
    ups = [rig.upstream(answer, name) for name in "abc"]
    proxy = rig.proxy(ups[0].port)
    client = await rig.client(proxy.port)
    assert set(await take(client, 6)) == {b"a"}
    proxy.apply(cluster(0, *(up.port for up in ups)))
    assert sorted(await take(client, 30)) == [b"a"] * 10 + [b"b"] * 10 + [b"c"] * 10
    # The kept endpoint keeps its connection.
    assert len(ups[0].peers) == 1


async def test_unready_endpoint_gets_no_new_request_and_comes_back_with_its_pool(
    rig: Rig,
) -> None:
    gate = Gate()
    a, b = rig.upstream(gate, "a"), rig.upstream(answer, "b")
    proxy = rig.proxy(a.port)
    held = await rig.client(proxy.port)
    client = await rig.client(proxy.port)
    await held.send(request("GET", "/held"))
    await until(lambda: a.requests)
    proxy.apply(cluster(0, a.port, b.port, unready=[a.port]))
    assert set(await take(client, 10)) == {b"b"}
    gate.open.set()
    assert (await held.read_response()).body == b"a"
    proxy.apply(cluster(0, a.port, b.port))
    assert set(await take(client, 10)) == {b"a", b"b"}
    assert len(a.peers) == 1


async def test_endpoint_that_leaves_and_returns_is_used_again(rig: Rig) -> None:
    a, b = rig.upstream(answer, "a"), rig.upstream(answer, "b")
    proxy = rig.proxy(a.port)
    client = await rig.client(proxy.port)
    for _ in range(5):
        assert set(await take(client, 2)) == {b"a"}
        proxy.apply(cluster(0, b.port))
        assert set(await take(client, 2)) == {b"b"}
        proxy.apply(cluster(0, a.port))
    await until(lambda: b.ended == len(b.peers))
    assert proxy.count("upstream") <= 1


async def test_endpoint_that_returns_while_its_old_request_runs_counts_both(rig: Rig) -> None:
    gate = Gate()
    a, b = rig.upstream(gate, "a"), rig.upstream(answer, "b")
    proxy = rig.proxy(a.port)
    held, client = await rig.client(proxy.port), await rig.client(proxy.port)
    await held.send(request("GET", "/held"))
    await until(lambda: a.requests)
    proxy.apply(cluster(0, b.port))
    proxy.apply(cluster(0, a.port))
    assert await take(client, 2) == [b"a", b"a"]
    assert proxy.endpoint(a.port)["rq_active"] == 1
    gate.open.set()
    assert (await held.read_response()).body == b"a"
    assert proxy.endpoint(a.port)["rq_active"] == 0
    assert proxy.endpoint(a.port)["rq_total"] == 3


async def test_cluster_removed_while_a_request_runs_ends_it_well(rig: Rig) -> None:
    gate = Gate()
    up = rig.upstream(gate)
    proxy = rig.proxy(up.port)
    held, client = await rig.client(proxy.port), await rig.client(proxy.port)
    await held.send(request("GET", "/held"))
    await until(lambda: up.requests)
    proxy.apply(removed=[0])
    refused = await client.get()
    assert (refused.status, refused.header("connection")) == (503, None)
    assert proxy.board.process()["no_cluster"] == 1
    gate.open.set()
    assert (await held.read_response()).status == 200
    await until(lambda: up.ended == 1)
    proxy.apply(cluster(0, up.port))
    assert (await client.get()).status == 200


async def test_cluster_removed_while_a_request_connects_ends_it_as_it_began(rig: Rig) -> None:
    proxy = rig.proxy(rig.blackhole_port(), connect_timeout_ms=50)
    client = await rig.client(proxy.port)
    await client.send(request())
    await until(lambda: proxy.count("streams") == 1)
    proxy.apply(removed=[0], routes=[])
    assert (await client.read_response()).status == 503
    assert (await client.get()).status == 404
    assert proxy.codes() == {(503, "UF"): 1}


async def test_delta_leaves_other_clusters_and_their_connections_alone(rig: Rig) -> None:
    a, b = rig.upstream(answer, "a"), rig.upstream(answer, "b")
    proxy = rig.proxy(
        clusters=[cluster(0, a.port), cluster(1, b.port)],
        routes=[route((1, 1), prefix="/b"), route((0, 1))],
    )
    client = await rig.client(proxy.port)
    assert (await client.get("/b")).body == b"b"
    for _ in range(10):
        proxy.apply(cluster(0, a.port))
        assert (await client.get("/b")).body == b"b"
        assert (await client.get("/a")).body == b"a"
    assert (len(a.peers), len(b.peers)) == (1, 1)
    assert proxy.engine.generation == 11


async def test_full_snapshot_removes_what_it_does_not_name(rig: Rig) -> None:
    a, b = rig.upstream(answer, "a"), rig.upstream(answer, "b")
    proxy = rig.proxy(
        clusters=[cluster(0, a.port), cluster(1, b.port)],
        routes=[route((1, 1), prefix="/b"), route((0, 1))],
    )
    client = await rig.client(proxy.port)
    await client.get("/a")
    await client.get("/b")
    proxy.apply(cluster(0, a.port), routes=[route((0, 1))], full=True)
    await until(lambda: b.ended == 1)
    assert (await client.get("/b")).body == b"a"
    assert len(a.peers) == 1


async def test_route_changes_apply_to_the_next_request_of_a_connection(rig: Rig) -> None:
    a, b = rig.upstream(answer, "a"), rig.upstream(answer, "b")
    proxy = rig.proxy(clusters=[cluster(0, a.port), cluster(1, b.port)], routes=[route((0, 1))])
    client = await rig.client(proxy.port)
    for target in (0, 1) * 5:
        proxy.apply(routes=[route((target, 1))])
        assert await take(client, 2) == [b"ab"[target : target + 1]] * 2


async def test_connection_of_a_bound_listener_finds_its_service_when_that_is_back(
    rig: Rig,
) -> None:
    up = rig.upstream()
    proxy = rig.proxy(up.port)

    def bind(protocol: str, host_id: int, hosts: dict[int, Any]) -> None:
        listener = {"id": 0, "protocol": protocol, "virtual_host": host_id, "cluster": -1}
        proxy.generation += 1
        proxy.engine.apply(
            {
                "generation": proxy.generation,
                "full": False,
                "clusters": {},
                "virtual_hosts": hosts,
                "domains": None,
                "listeners": [listener],
            }
        )

    bind("http", 0, {})
    client = await rig.client(proxy.port)
    assert (await client.get()).status == 200
    bind("tcp", -1, {0: None})
    assert (await client.get()).status == 404
    bind("http", 1, {1: {"id": 1, "name": "web:80", "routes": [route()]}})
    assert (await client.get()).status == 200


async def test_malformed_update_changes_nothing(rig: Rig) -> None:
    up = rig.upstream()
    proxy = rig.proxy(up.port)
    client = await rig.client(proxy.port)
    await client.get()
    bad = cluster(0, 9)
    bad["endpoints"][0]["address"] = "not-an-address"
    with pytest.raises(ValueError, match="IP literal"):
        proxy.apply(bad)
    assert proxy.engine.generation == 1
    assert (await client.get()).status == 200
    assert len(up.peers) == 1


async def swap_many_times(proxy: Proxy, ups: list[Upstream], done: asyncio.Event) -> None:
    turn = 0
    while not done.is_set():
        turn += 1
        keep = [up.port for i, up in enumerate(ups) if (turn >> i) & 1] or [ups[0].port]
        down = keep[1:2] if turn % 3 == 0 else []
        proxy.apply(cluster(0, *keep, unready=down))
        await asyncio.sleep(0)


async def test_swaps_under_load_lose_no_request(rig: Rig) -> None:
    ups = [rig.upstream(answer, name) for name in "abcd"]
    proxy = rig.proxy(*(up.port for up in ups))
    clients = [await rig.client(proxy.port) for _ in range(16)]
    done = asyncio.Event()
    swapper = asyncio.get_running_loop().create_task(swap_many_times(proxy, ups, done))

    async def load(client: Peer) -> None:
        for _ in range(100):
            assert (await client.get()).status == 200

    await asyncio.gather(*map(load, clients))
    done.set()
    await swapper
    assert proxy.codes() == {(200, "-"): 1600}
    assert proxy.generation > 100
    assert sum(len(up.requests) for up in ups) == 1600
