"""Clients that go away: their request ends, its upstream connection closes, all else goes on."""

from __future__ import annotations

import asyncio

import pytest
from support.engine import Peer, Rig, Upstream, head, request, response, until


@pytest.mark.parametrize("how", ["close", "reset"])
async def test_client_gone_before_the_response_closes_the_upstream_connection(
    rig: Rig, how: str
) -> None:
    async def script(peer: Peer, up: Upstream) -> None:
        while (message := await peer.read_request()) is not None:
            up.requests.append(message)
            if message.path == "/held":
                assert await peer.is_closed()
                return
            await peer.send(response(b"ok"))

    up = rig.upstream(script)
    proxy = rig.proxy(up.port)
    other = await rig.client(proxy.port)
    client = await rig.client(proxy.port)
    await client.send(request("GET", "/held"))
    await until(lambda: len(up.requests) == 1)
    assert (await other.get()).status == 200
    getattr(client, how)()
    await until(lambda: up.ended == 1)
    assert (await other.get()).status == 200
    assert proxy.codes() == {(200, "-"): 2, (0, "DC"): 1}
    assert len(up.peers) == 2


@pytest.mark.parametrize("how", ["close", "reset"])
async def test_client_gone_inside_the_response_closes_the_upstream_connection(
    rig: Rig, how: str
) -> None:
    async def script(peer: Peer, up: Upstream) -> None:
        await peer.read_request()
        await peer.send(head("HTTP/1.1 201 Created", "Content-Length: 100") + b"abc")
        assert await peer.is_closed()

    up = rig.upstream(script)
    proxy = rig.proxy(up.port)
    client = await rig.client(proxy.port)
    await client.send(request())
    await client.recv_until(b"abc")
    getattr(client, how)()
    await until(lambda: up.ended == 1)
    assert proxy.codes() == {(201, "DC"): 1}
    assert proxy.endpoint(up.port)["rq_active"] == 0


async def test_client_gone_inside_its_request_body_closes_the_upstream_connection(
    rig: Rig,
) -> None:
    async def script(peer: Peer, up: Upstream) -> None:
        await peer.recv_until(b"\r\n\r\n")
        up.requests.append(None)  # type: ignore[arg-type]
        assert await peer.recv_all() == b"x" * 10

    up = rig.upstream(script)
    proxy = rig.proxy(up.port)
    client = await rig.client(proxy.port)
    await client.send(head("POST / HTTP/1.1", "Host: web", "Content-Length: 99") + b"x" * 10)
    await until(lambda: up.requests)
    client.close()
    await until(lambda: up.ended == 1)
    assert proxy.codes() == {(0, "DC"): 1}


async def test_client_gone_inside_its_request_head_is_no_request(rig: Rig) -> None:
    proxy = rig.proxy(rig.refused_port())
    client = await rig.client(proxy.port)
    await client.send(b"GET / HTTP/1.1\r\nHo")
    await until(lambda: proxy.count("downstream") == 1)
    client.close()
    await until(lambda: proxy.count("downstream") == 0)
    assert proxy.board.process()["downstream_rq_total"] == 0
    assert proxy.board.process()["codec_error"] == 0


async def test_client_gone_while_connecting_leaves_no_request_waiting(rig: Rig) -> None:
    proxy = rig.proxy(rig.blackhole_port(), connect_timeout_ms=60)
    client = await rig.client(proxy.port)
    await client.send(request())
    await until(lambda: proxy.count("streams") == 1)
    client.close()
    await until(lambda: proxy.count("streams") == 0)
    assert proxy.codes() == {(0, "DC"): 1}
    await until(lambda: proxy.count("upstream") == 0)


async def test_request_and_end_of_stream_in_one_go_are_answered(rig: Rig) -> None:
    """A client that sends all it has and shuts its side: the reply is already on its way."""
    up = rig.upstream()
    proxy = rig.proxy(up.port)
    client = await rig.client(proxy.port)
    await client.get()
    await client.send(request("GET", "/", "Connection: close"))
    client.half_close()
    assert (await client.read_response()).status == 200
    assert await client.is_closed()


async def test_pipelined_requests_die_with_their_client(rig: Rig) -> None:
    async def script(peer: Peer, up: Upstream) -> None:
        while (message := await peer.read_request()) is not None:
            up.requests.append(message)
            assert await peer.is_closed()
            return

    up = rig.upstream(script)
    proxy = rig.proxy(up.port)
    client = await rig.client(proxy.port)
    await client.send(request() * 100)
    await until(lambda: up.requests)
    client.reset()
    await until(lambda: up.ended == 1)
    assert len(up.requests) == 1
    assert proxy.codes() == {(0, "DC"): 1}


async def test_many_clients_abort_at_once_and_the_rest_is_served(rig: Rig) -> None:
    gate = asyncio.Event()

    async def script(peer: Peer, up: Upstream) -> None:
        while (message := await peer.read_request()) is not None:
            up.requests.append(message)
            if message.path == "/held":
                await gate.wait()
            await peer.send(response(b"ok"))

    up = rig.upstream(script)
    proxy = rig.proxy(up.port)
    clients = [await rig.client(proxy.port) for _ in range(60)]
    for client in clients:
        await client.send(request("GET", "/held"))
    await until(lambda: len(up.requests) == 60)
    for client in clients[::2]:
        client.reset()
    await until(lambda: proxy.count("streams") == 30)
    gate.set()
    for client in clients[1::2]:
        assert (await client.read_response()).body == b"ok"
    assert proxy.codes() == {(200, "-"): 30, (0, "DC"): 30}
