"""L4: bytes both ways, ends passed on one by one, balance per connection."""

from __future__ import annotations

import asyncio
import hashlib
import random

import pytest
from support.engine import Peer, Rig, Upstream, answer, cluster, request, until

MIB = 1 << 20


async def echo(peer: Peer, up: Upstream) -> None:
    while data := await peer.recv():
        await peer.send(data)


async def say_name(peer: Peer, up: Upstream) -> None:
    await peer.send(up.name.encode())
    await peer.recv_all()


async def digest_of(peer: Peer, size: int) -> str:
    digest = hashlib.blake2b()
    while size:
        data = await peer.recv(min(size, 262_144))
        assert data
        digest.update(data)
        size -= len(data)
    return digest.hexdigest()


async def test_bytes_cross_both_ways_at_once(rig: Rig) -> None:
    up_data, down_data = random.Random(1).randbytes(16 * MIB), random.Random(2).randbytes(16 * MIB)
    seen = []

    async def script(peer: Peer, up: Upstream) -> None:
        sender = peer.loop.create_task(peer.send(down_data))
        seen.append(await digest_of(peer, len(up_data)))
        await sender
        assert await peer.is_closed()

    up = rig.upstream(script)
    proxy = rig.tcp_proxy(up.port)
    client = await rig.client(proxy.tcp_port)
    sender = client.loop.create_task(client.send(up_data))
    assert await digest_of(client, len(down_data)) == hashlib.blake2b(down_data).hexdigest()
    await sender
    await until(lambda: seen)
    assert seen == [hashlib.blake2b(up_data).hexdigest()]
    counted = proxy.board.cluster(0)
    assert (counted["request_bytes"], counted["response_bytes"]) == (16 * MIB, 16 * MIB)


async def test_any_bytes_are_passed_as_they_are(rig: Rig) -> None:
    up = rig.upstream(echo)
    proxy = rig.tcp_proxy(up.port)
    client = await rig.client(proxy.tcp_port)
    for size in (1, 2, 4095, 4096, 4097, 65535, 65536, 65537, 262_144, 262_145):
        data = random.Random(size).randbytes(size)
        sender = client.loop.create_task(client.send(data))
        assert await client.recv_exactly(size) == data
        await sender


async def test_server_that_speaks_first_is_heard(rig: Rig) -> None:
    up = rig.upstream(say_name, "220 ready\r\n")
    proxy = rig.tcp_proxy(up.port)
    client = await rig.client(proxy.tcp_port)
    assert await client.recv_exactly(11) == b"220 ready\r\n"


async def test_client_half_close_reaches_the_upstream_and_the_answer_comes_back(rig: Rig) -> None:
    async def script(peer: Peer, up: Upstream) -> None:
        data = await peer.recv_all()
        await peer.send(data[::-1])

    up = rig.upstream(script)
    proxy = rig.tcp_proxy(up.port)
    client = await rig.client(proxy.tcp_port)
    await client.send(b"x" * 300_000 + b"end")
    client.half_close()
    assert await client.recv_all() == b"dne" + b"x" * 300_000
    await until(lambda: proxy.count("downstream") == 0)
    assert proxy.count("upstream") == 0


async def test_upstream_half_close_reaches_the_client_and_it_may_still_send(rig: Rig) -> None:
    seen = []

    async def script(peer: Peer, up: Upstream) -> None:
        await peer.send(b"y" * 300_000)
        peer.half_close()
        seen.append(await peer.recv_all())

    up = rig.upstream(script)
    proxy = rig.tcp_proxy(up.port)
    client = await rig.client(proxy.tcp_port)
    assert await client.recv_all() == b"y" * 300_000
    assert proxy.count("downstream") == 1
    await client.send(b"z" * 300_000)
    client.half_close()
    await until(lambda: seen)
    assert seen == [b"z" * 300_000]
    await until(lambda: proxy.count("downstream") == 0)


async def test_client_reset_closes_the_upstream_side(rig: Rig) -> None:
    up = rig.upstream(echo)
    proxy = rig.tcp_proxy(up.port)
    client = await rig.client(proxy.tcp_port)
    await client.send(b"hello")
    assert await client.recv_exactly(5) == b"hello"
    client.reset()
    await until(lambda: up.ended == 1)
    assert proxy.count("upstream") == proxy.count("downstream") == 0


async def test_upstream_reset_closes_the_client_side(rig: Rig) -> None:
    async def script(peer: Peer, up: Upstream) -> None:
        await peer.recv_exactly(5)
        peer.reset()

    up = rig.upstream(script)
    proxy = rig.tcp_proxy(up.port)
    client = await rig.client(proxy.tcp_port)
    await client.send(b"hello")
    assert await client.is_closed()
    assert proxy.count("upstream") == proxy.count("downstream") == 0


async def test_refused_connect_closes_the_client(rig: Rig) -> None:
    port = rig.refused_port()
    proxy = rig.tcp_proxy(port)
    for n in (1, 2):
        client = await rig.client(proxy.tcp_port)
        assert await client.is_closed()
        assert proxy.board.cluster(0)["cx_connect_fail"] == n
    assert proxy.endpoint(port)["cx_connect_fail"] == 2


async def test_connect_timeout_closes_the_client(rig: Rig) -> None:
    proxy = rig.tcp_proxy(rig.blackhole_port(), connect_timeout_ms=40)
    client = await rig.client(proxy.tcp_port)
    await client.send(b"hello")
    assert await client.is_closed()
    assert proxy.board.cluster(0)["cx_connect_fail"] == 1


async def test_client_gone_while_connecting_leaves_nothing(rig: Rig) -> None:
    proxy = rig.tcp_proxy(rig.blackhole_port(), connect_timeout_ms=60)
    client = await rig.client(proxy.tcp_port)
    await until(lambda: proxy.count("downstream") == 1)
    client.reset()
    await until(lambda: proxy.count("downstream") == 0)


@pytest.mark.parametrize("tcp_cluster", [-1, 0])
async def test_without_an_endpoint_the_client_is_closed(rig: Rig, tcp_cluster: int) -> None:
    proxy = rig.proxy(protocol="tcp", tcp_cluster=tcp_cluster, routes=[])
    client = await rig.client(proxy.tcp_port)
    assert await client.is_closed()


@pytest.mark.parametrize("policy", ["ROUND_ROBIN", "LEAST_REQUEST"])
async def test_balance_is_per_connection(rig: Rig, policy: str) -> None:
    ups = [rig.upstream(say_name, name) for name in "abc"]
    proxy = rig.tcp_proxy(*(up.port for up in ups), policy=policy)
    clients = [await rig.client(proxy.tcp_port) for _ in range(12)]
    seen = [await client.recv_exactly(1) for client in clients]
    assert sorted(seen) == [b"a"] * 4 + [b"b"] * 4 + [b"c"] * 4
    assert [proxy.endpoint(up.port)["rq_active"] for up in ups] == [4, 4, 4]


async def test_reader_that_waits_stops_the_writer(rig: Rig) -> None:
    gate = asyncio.Event()
    total = 64 * MIB
    seen = [0]

    async def script(peer: Peer, up: Upstream) -> None:
        await gate.wait()
        while data := await peer.recv(MIB):
            seen[0] += len(data)

    up = rig.upstream(script, rcvbuf=16_384)
    proxy = rig.tcp_proxy(up.port)
    client = await rig.client(proxy.tcp_port)
    sent = [0]

    async def send() -> None:
        while sent[0] < total:
            await client.send(b"x" * 65536)
            sent[0] += 65536
        client.half_close()

    sender = client.loop.create_task(send())
    state = (-1, -1)
    while state != (state := (sent[0], proxy.count("events"))):
        for _ in range(300):
            await asyncio.sleep(0)
    assert sent[0] < total // 2
    gate.set()
    await sender
    await until(lambda: up.ended == 1)
    assert seen == [total]


async def test_sessions_outlive_a_swap_that_removes_their_endpoint(rig: Rig) -> None:
    old, new = rig.upstream(echo, "old"), rig.upstream(say_name, "new")
    proxy = rig.tcp_proxy(old.port)
    client = await rig.client(proxy.tcp_port)
    await client.send(b"one")
    assert await client.recv_exactly(3) == b"one"
    proxy.apply(cluster(0, new.port, protocol="tcp"))
    await client.send(b"two")
    assert await client.recv_exactly(3) == b"two"
    fresh = await rig.client(proxy.tcp_port)
    assert await fresh.recv_exactly(3) == b"new"


async def test_session_without_bytes_ends_after_its_idle_time(rig: Rig) -> None:
    async def hold(peer: Peer, up: Upstream) -> None:
        await peer.recv_all()

    up = rig.upstream(hold)
    data = cluster(0, up.port, protocol="tcp")
    data["tcp_idle_timeout_ms"] = 80
    proxy = rig.proxy(clusters=[data], tcp_cluster=0, routes=[])
    client = await rig.client(proxy.tcp_port)
    assert await client.is_closed()
    await until(lambda: up.ended == 1)


async def test_endpoint_that_refuses_connections_is_ejected(rig: Rig) -> None:
    up = rig.upstream(answer)
    refused = rig.refused_port()
    data = cluster(0, up.port, refused, protocol="tcp")
    data["outlier"] = {
        "consecutive_5xx": 2,
        "consecutive_gateway": 0,
        "consecutive_local": 5,
        "split_local": False,
        "interval_ms": 10_000,
        "base_ejection_ms": 30_000,
        "max_ejection_percent": 50,
    }
    proxy = rig.proxy(clusters=[data], tcp_cluster=0, routes=[])
    events: list[object] = []
    proxy.engine.on_health_event(events.append)
    for _ in range(12):
        client = await rig.client(proxy.tcp_port)
        await client.send(request())
        await client.is_closed()
    assert proxy.endpoint(refused)["cx_connect_fail"] == 2
    assert len(events) == 1


async def test_sessions_beyond_the_limit_are_closed_at_once(rig: Rig) -> None:
    async def hold(peer: Peer, up: Upstream) -> None:
        await peer.recv_all()

    up = rig.upstream(hold)
    data = cluster(0, up.port, protocol="tcp")
    data["limits"] = {
        "max_connections": 2,
        "max_pending": 0,
        "max_requests": 0,
        "max_requests_per_connection": 0,
        "max_retries": 0,
        "max_connection_ms": 0,
        "retry_budget_percent": 0,
        "retry_budget_least": 0,
    }
    proxy = rig.proxy(clusters=[data], tcp_cluster=0, routes=[])
    for _ in range(2):
        await rig.client(proxy.tcp_port)
    await until(lambda: len(up.peers) == 2)
    third = await rig.client(proxy.tcp_port)
    assert await third.is_closed()
    assert proxy.board.cluster(0)["cx_overflow"] == 1
