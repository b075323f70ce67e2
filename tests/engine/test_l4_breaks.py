"""A side that breaks: what it said before is delivered, and its end is passed on then."""

from __future__ import annotations

import socket

import pytest
from support.engine import Peer, Proxy, Rig, Upstream, head, request, settle, until

UPGRADE = ("Connection: upgrade", "Upgrade: echo")
LARGE = 32 << 20  # more than all buffers on the way take


async def hold(peer: Peer, up: Upstream) -> None:
    await until(lambda: peer.sock.fileno() < 0)


async def switch(peer: Peer, up: Upstream) -> None:
    await peer.read_request_head()
    await peer.send(head("HTTP/1.1 101 Ok", *UPGRADE))
    await hold(peer, up)


async def joined(rig: Rig, kind: str) -> tuple[Peer, Peer, Proxy]:
    """Client, upstream's end and proxy of a session, or of an upgraded connection."""
    up = rig.upstream(hold if kind == "session" else switch, rcvbuf=16_384)
    proxy = rig.tcp_proxy(up.port) if kind == "session" else rig.proxy(up.port)
    client = await rig.client(proxy.tcp_port if kind == "session" else proxy.port)
    if kind == "upgraded":
        await client.send(request("GET", "/", *UPGRADE))
        assert (await client.read_response()).status == 101
    await client.send(b"hello")
    await until(lambda: up.peers)
    await until(lambda: proxy.count("upstream") == 1)
    await up.peers[0].recv_until(b"hello")
    return client, up.peers[0], proxy


@pytest.mark.parametrize("kind", ["session", "upgraded"])
async def test_last_words_of_an_upstream_that_breaks_reach_a_client_that_still_sends(
    rig: Rig, kind: str
) -> None:
    client, server, proxy = await joined(rig, kind)
    client.sock.send(b"more")  # seen first, and found undeliverable
    server.sock.send(b"550 go away\r\n")
    server.reset()
    assert await client.recv_all() == b"550 go away\r\n"
    await until(lambda: proxy.count("downstream") == 0)


@pytest.mark.parametrize("kind", ["session", "upgraded"])
async def test_last_words_of_a_client_that_breaks_reach_an_upstream_that_still_sends(
    rig: Rig, kind: str
) -> None:
    client, server, proxy = await joined(rig, kind)
    server.sock.send(b"more")
    client.sock.send(b"QUIT\r\n")
    client.reset()
    assert await server.recv_all() == b"QUIT\r\n"
    await until(lambda: proxy.count("upstream") == 0)


@pytest.mark.parametrize("kind", ["session", "upgraded"])
async def test_last_words_of_an_upstream_that_breaks_with_bytes_on_their_way_to_it(
    rig: Rig, kind: str
) -> None:
    client, server, proxy = await joined(rig, kind)
    sender = client.loop.create_task(client.send(b"x" * LARGE))
    await settle(proxy)
    assert not sender.done()
    server.sock.send(b"550 go away\r\n")
    server.reset()
    assert await client.recv_all() == b"550 go away\r\n"
    with pytest.raises(ConnectionError):
        await sender


async def test_bytes_behind_an_urgent_one_are_passed_on(rig: Rig) -> None:
    client, server, _ = await joined(rig, "session")
    client.sock.send(b"before")
    client.sock.send(b"!", socket.MSG_OOB)
    client.sock.send(b"after")
    assert await server.recv_exactly(11) == b"beforeafter"
    server.sock.send(b"x" * 100_000)
    server.sock.send(b"!", socket.MSG_OOB)
    server.sock.send(b"after")
    assert await client.recv_exactly(100_005) == b"x" * 100_000 + b"after"
    server.close()
