"""The end of a connection: its last response arrives, whatever the client still says."""

from __future__ import annotations

import socket

import pytest
from support.engine import (
    Message,
    Peer,
    Rig,
    Upstream,
    chunked,
    head,
    request,
    response,
    settle,
    until,
    upstream_socket,
)

BODY = bytes(range(256)) * 512


async def take_head(peer: Peer, up: Upstream) -> None:
    """The rest is the test's."""
    up.requests.append(Message(await peer.recv_until(b"\r\n\r\n")))
    await until(lambda: peer.sock.fileno() < 0)


async def test_last_response_is_whole_when_more_input_comes_at_its_end(rig: Rig) -> None:
    up = rig.upstream(take_head)
    client = await rig.client(rig.proxy(up.port).port)
    await client.send(request("GET", "/", "Connection: close"))
    await until(lambda: up.requests)
    # for the proxy one batch of events, in this order
    up.peers[0].sock.send(response(b"last"))
    client.sock.send(b"\r\n")
    assert (await client.read_response()).body == b"last"
    assert await client.is_closed()


async def test_response_reaches_a_client_whose_ended_request_is_not_read(rig: Rig) -> None:
    up = rig.upstream(take_head, rcvbuf=4096)
    proxy = rig.proxy(up.port)
    client = await rig.client(proxy.port)
    await client.send(head("POST / HTTP/1.1", "Host: web", "Transfer-Encoding: chunked"))
    await until(lambda: up.requests)
    with upstream_socket(up.port) as narrow:
        narrow.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    await client.send(b"10000\r\n" + bytes(65536) + b"\r\n")
    await settle(proxy)
    await client.send(chunked([bytes(1024)]))
    client.half_close()
    await settle(proxy)
    up.peers[0].sock.send(response(b"too large", "413 Content Too Large"))
    assert (await client.read_response()).body == b"too large"
    assert await client.is_closed()


@pytest.mark.parametrize("is_draining", [False, True])
async def test_client_that_asks_ahead_gets_all_of_the_last_response(
    rig: Rig, is_draining: bool
) -> None:
    up = rig.upstream(take_head)
    proxy = rig.proxy(up.port)
    client = await rig.client(proxy.port, rcvbuf=4096)
    await client.send(request("GET", "/", *([] if is_draining else ["Connection: close"])) * 2)
    await until(lambda: up.requests)
    if is_draining:
        proxy.engine.drain()
    up.peers[0].sock.send(response(BODY))
    await settle(proxy)
    await client.send(request())
    assert (await client.read_response()).body == BODY
    assert await client.is_closed()
