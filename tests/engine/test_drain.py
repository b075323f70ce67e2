"""Draining: what is in flight or on its way is served, and told that it is the last."""

from __future__ import annotations

import socket

from support.engine import Peer, Rig, request


async def test_close_idle_serves_a_request_that_is_on_its_way(rig: Rig) -> None:
    up = rig.upstream()
    proxy = rig.proxy(up.port)
    client = await rig.client(proxy.port)
    await client.get()
    proxy.engine.drain()
    client.sock.sendall(request())
    proxy.engine.close_idle()
    answered = await client.read_response()
    assert (answered.status, answered.header("connection")) == (200, "close")


async def test_drain_takes_connections_that_wait_to_be_accepted(rig: Rig) -> None:
    up = rig.upstream()
    proxy = rig.proxy(up.port)
    sock = socket.create_connection(("127.0.0.1", proxy.port))
    client = Peer(sock)
    rig.clients.append(client)
    proxy.engine.drain()
    assert proxy.engine.active == 1
    answered = await client.get()
    assert (answered.status, answered.header("connection")) == (200, "close")
