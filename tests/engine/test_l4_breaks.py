"""A side that breaks: what it said before is delivered, and its end is passed on then."""

from __future__ import annotations

import fcntl
import socket
import struct
import termios

import pytest
from support.engine import (
    Peer,
    Proxy,
    Rig,
    Upstream,
    cluster,
    head,
    request,
    settle,
    until,
)

UPGRADE = ("Connection: upgrade", "Upgrade: echo")
LARGE = 32 << 20  # more than all buffers on the way take
WAITING = bytes(range(256)) * 4096  # more than a reader's kernel takes, less than the proxy's does


async def hold(peer: Peer, up: Upstream) -> None:
    await until(lambda: peer.sock.fileno() < 0)


async def switch(peer: Peer, up: Upstream) -> None:
    await peer.read_request_head()
    await peer.send(head("HTTP/1.1 101 Ok", *UPGRADE))
    await hold(peer, up)


async def joined(
    rig: Rig, kind: str, idle_ms: int = 3_600_000, access_log: str = ""
) -> tuple[Peer, Peer, Proxy]:
    """Client, upstream's end and proxy of a session, or of an upgraded connection."""
    up = rig.upstream(hold if kind == "session" else switch, rcvbuf=16_384)
    if kind == "session":
        data = cluster(0, up.port, protocol="tcp")
        data["tcp_idle_timeout_ms"] = idle_ms
        proxy = rig.proxy(clusters=[data], tcp_cluster=0, routes=[], access_log=access_log)
    else:
        proxy = rig.proxy(up.port, options={"limits": {"upgrade-idle": idle_ms}})
    port = proxy.tcp_port if kind == "session" else proxy.port
    client = await rig.client(port, rcvbuf=16_384)
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


def unacknowledged(peer: Peer) -> int:
    """Bytes that the proxy's kernel has not yet."""
    held = fcntl.ioctl(peer.sock, termios.TIOCOUTQ, bytes(4))
    return int(struct.unpack("i", held)[0])


async def break_behind(proxy: Proxy, sender: Peer, data: bytes) -> None:
    """Send what waits in the proxy for a reader, then reset."""
    await sender.send(data)
    await until(lambda: unacknowledged(sender) == 0)
    await settle(proxy)
    sender.reset()
    await settle(proxy)


async def read_to_reset(peer: Peer) -> bytes:
    data = bytearray()
    with pytest.raises(ConnectionResetError):
        while piece := await peer.recv():
            data += piece
    return bytes(data)


@pytest.mark.parametrize("kind", ["session", "upgraded"])
async def test_bytes_that_wait_for_a_slow_client_outlive_the_upstream(rig: Rig, kind: str) -> None:
    client, server, proxy = await joined(rig, kind)
    await break_behind(proxy, server, WAITING)
    client.sock.send(b"unread")
    if kind == "session":
        assert await read_to_reset(client) == WAITING
    else:
        assert await client.recv_all() == WAITING
    await until(lambda: proxy.count("downstream") == 0)


@pytest.mark.parametrize("kind", ["session", "upgraded"])
async def test_bytes_that_wait_for_a_slow_upstream_outlive_the_client(rig: Rig, kind: str) -> None:
    client, server, proxy = await joined(rig, kind)
    await break_behind(proxy, client, WAITING)
    server.sock.send(b"unread")
    assert await server.recv_all() == WAITING
    await until(lambda: proxy.count("upstream") == 0)


@pytest.mark.parametrize("kind", ["session", "upgraded"])
async def test_bytes_that_wait_for_nobody_are_dropped_as_their_reader_breaks_too(
    rig: Rig, kind: str
) -> None:
    client, server, proxy = await joined(rig, kind)
    await break_behind(proxy, server, WAITING)
    client.reset()
    await until(lambda: proxy.count("downstream") == 0)


@pytest.mark.parametrize("kind", ["session", "upgraded"])
async def test_bytes_that_wait_for_a_client_that_takes_none_are_dropped_after_the_idle_time(
    rig: Rig, kind: str
) -> None:
    client, server, proxy = await joined(rig, kind, idle_ms=50, access_log="text")
    await break_behind(proxy, server, WAITING)
    await until(lambda: proxy.count("downstream") == 0)
    assert proxy.count("upstream") == 0
    if kind == "session":
        (line,) = proxy.log_lines()
        assert " UR " in line
        assert " upstream_remote_reset " in line  # why it ended, not when
        assert len(await read_to_reset(client)) < len(WAITING)


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
