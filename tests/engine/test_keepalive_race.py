"""A pod closes a kept-alive connection just as it is used again, and no client need know."""

from __future__ import annotations

import asyncio
import contextlib
import random
import select
import socket

import pytest
from support.engine import Peer, Proxy, Rig, Upstream, head, request, response, until

IDLE_S = 0.05
REQUESTS = 400
CLIENTS = 20


async def answer(peer: Peer, up: Upstream) -> None:
    """The first connection is the test's after one answer."""
    while (message := await peer.read_request()) is not None:
        up.requests.append(message)
        await peer.send(response(message.body or b"-"))
        if peer is up.peers[0]:
            await asyncio.Event().wait()


async def raced(rig: Rig, close: str, *sent: bytes) -> tuple[Proxy, Upstream, Peer]:
    """The client's request is read by the proxy before the end of the idle connection is."""
    up = rig.upstream(answer)
    proxy = rig.proxy(up.port)
    client = await rig.client(proxy.port)
    assert (await client.get()).status == 200
    up.requests.clear()
    # One after the other in one step of the loop: the proxy's batch has both, the request first.
    client.sock.send(sent[0])
    peer = up.peers[0]
    peer.reset() if close == "reset" else peer.close()
    for more in sent[1:]:
        await asyncio.sleep(0)
        await client.send(more)
    return proxy, up, client


@pytest.mark.parametrize("close", ["close", "reset"])
@pytest.mark.parametrize(
    "sent",
    [
        (request("GET", "/"),),
        (request("POST", "/", body=b"once"),),
        (request("PATCH", "/", body=b"x" * 50_000),),
        (
            head("POST / HTTP/1.1", "Host: web", "Transfer-Encoding: chunked") + b"4\r\nonce\r\n",
            b"4\r\nmore\r\n0\r\n\r\n",
        ),
    ],
    ids=["get", "post", "patch", "chunked"],
)
async def test_request_that_met_a_closed_connection_is_sent_on_a_fresh_one(
    rig: Rig, close: str, sent: tuple[bytes, ...]
) -> None:
    proxy, up, client = await raced(rig, close, *sent)
    assert (await client.read_response()).status == 200
    assert len(up.requests) == 1
    assert len(up.peers) == 2
    assert proxy.codes() == {(200, "-"): 2}


async def test_keep_alive_timeout_of_the_answer_is_honoured(rig: Rig) -> None:
    """The proxy closes first: the pod would only have waited."""

    async def script(peer: Peer, up: Upstream) -> None:
        await peer.next_request()
        await peer.send(response(b"ok", "200 OK", "Keep-Alive: max=9, timeout=1"))
        assert await peer.is_closed()

    up = rig.upstream(script)
    proxy = rig.proxy(up.port)
    client = await rig.client(proxy.port)
    answered = await client.get()
    assert answered.header("keep-alive") is None
    await until(lambda: up.ended == 1)
    assert proxy.count("upstream") == 0


async def impatient(peer: Peer, up: Upstream) -> None:
    while await has_more(peer):
        message = await peer.next_request()
        await peer.send(response(message.body or b"-"))


async def has_more(peer: Peer) -> bool:
    """Wait for bytes as long as the pod does; those that are there at the end are in time."""
    loop, came = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(peer.sock, came.set)
    try:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(IDLE_S):
                await came.wait()
    finally:
        loop.remove_reader(peer.sock)
    return bool(select.select([peer.sock], [], [], 0)[0])


async def test_idle_age_is_learnt_and_connections_retire_before_it(rig: Rig) -> None:
    up = rig.upstream(impatient)
    proxy = rig.proxy(up.port)
    client = await rig.client(proxy.port)
    for closes in range(1, 4):
        await client.get()
        await until(lambda n=closes: up.ended == n)
        await until(lambda: proxy.count("upstream") == 0)
    retired = 0
    while not retired:
        await client.get()
        await asyncio.sleep(IDLE_S * 0.94)
        await client.get()
        retired = proxy.board.cluster(0)["cx_aged"]
    assert proxy.codes() == {(200, "-"): proxy.codes()[200, "-"]}


async def test_restart_teaches_no_idle_age(rig: Rig) -> None:
    """Connections that idled side by side and close at once are one close."""
    restart = asyncio.Event()

    async def script(peer: Peer, up: Upstream) -> None:
        is_old = not restart.is_set()
        while (message := await peer.read_request()) is not None:
            up.requests.append(message)
            await until(lambda: len(up.requests) >= len(clients))
            await peer.send(response(b"ok"))
            if is_old:
                await restart.wait()
                return

    up = rig.upstream(script)
    proxy = rig.proxy(up.port)
    clients = [await rig.client(proxy.port) for _ in range(8)]
    for client in clients:
        await client.send(request())
    for client in clients:
        await client.read_response()
    opened = len(up.peers)
    assert opened == len(clients)
    restart.set()
    await until(lambda: proxy.count("upstream") == 0)
    for _ in range(50):
        assert (await clients[0].get()).status == 200
    assert len(up.peers) == opened + 1
    assert proxy.board.cluster(0)["cx_aged"] == 0


async def test_trickle_over_connections_that_close_when_idle_has_no_errors(rig: Rig) -> None:
    """Gaps about as long as the pod's patience."""

    up = rig.upstream(impatient)
    proxy = rig.proxy(up.port)
    chance = random.Random(7)
    statuses: list[int] = []

    async def trickle(client: Peer) -> None:
        for number in range(REQUESTS // CLIENTS):
            await asyncio.sleep(IDLE_S * chance.uniform(0.9, 1.1))
            if number % 2:
                await client.send(request("POST", "/", body=b"b" * 100))
            else:
                await client.send(request())
            statuses.append((await client.read_response()).status)

    clients = [await rig.client(proxy.port) for _ in range(CLIENTS)]
    await asyncio.gather(*(trickle(client) for client in clients))
    assert statuses == [200] * REQUESTS


async def test_post_to_an_endpoint_that_takes_no_new_connection_uses_the_one_that_idles(
    rig: Rig,
) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setblocking(False)
    proxy = rig.proxy(listener.getsockname()[1])
    client = await rig.client(proxy.port)
    await client.send(request())
    accepted, _ = await client.loop.sock_accept(listener)
    server = Peer(accepted)
    await server.next_request()
    await server.send(response(b"first"))
    assert (await client.read_response()).body == b"first"
    await asyncio.sleep(0.03)  # old enough to be in doubt
    listener.close()  # as a server does that ends gracefully
    await client.send(request("POST", "/", body=b"abc"))
    assert (await server.next_request()).body == b"abc"
    await server.send(response(b"second"))
    assert (await client.read_response()).body == b"second"
    server.close()
