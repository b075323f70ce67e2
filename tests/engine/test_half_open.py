"""A peer that vanishes without FIN or RST, in every state: a timer or the next byte finds it out.

What lets go of a client is its limit; of an upstream the route's timeout. Whoever sends to it
hears from its kernel that there is nobody, as when a machine comes back after a power cut.
"""

from __future__ import annotations

import socket

import pytest
from support.engine import (
    TCP_REPAIR,
    Peer,
    Proxy,
    Rig,
    Upstream,
    head,
    request,
    response,
    route,
    until,
)

POST = head("POST / HTTP/1.1", "Host: web", "Content-Length: 9")
CODED = head("POST / HTTP/1.1", "Host: web", "Transfer-Encoding: chunked")
UPGRADE = ["Connection: Upgrade", "Upgrade: websocket"]
SWITCH = head("HTTP/1.1 101 Switching Protocols", *UPGRADE)


@pytest.fixture(autouse=True)
def may_vanish() -> None:
    with socket.socket() as sock:
        try:
            sock.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, 1)
        except OSError as error:
            pytest.skip(f"TCP_REPAIR, which needs CAP_NET_ADMIN: {error}")


async def is_let_go(proxy: Proxy, up: Upstream | None = None) -> None:
    """Nothing of the client is left; an upstream whose request was cut hears it."""
    await until(lambda: proxy.board.process()["downstream_cx_active"] == 0, "the client's end")
    assert proxy.board.process()["downstream_rq_active"] == 0
    assert proxy.board.cluster(0)["rq_active"] == 0
    if up is not None:
        await until(lambda: up.ended == len(up.peers), "the upstream's end")


@pytest.mark.parametrize(
    ("limit", "sent", "reaches"),
    [
        ("first-byte", b"", False),
        ("head-time", b"GET / HT", False),
        ("head-time", request()[:-2], False),
        ("body-idle", POST, True),
        ("body-idle", POST + b"some", True),
        ("body-idle", CODED + b"5\r\nab", True),
        ("body-idle", CODED + b"2\r\nab\r\n0\r\nX-Sum: 1", True),
    ],
)
async def test_client_that_vanishes_while_it_sends_is_let_go(
    rig: Rig, limit: str, sent: bytes, reaches: bool
) -> None:
    up = rig.upstream()
    proxy = rig.proxy(up.port, options={"limits": {limit: 30}})
    client = await rig.client(proxy.port)
    await client.send(sent)
    if reaches:
        await until(lambda: up.peers, "the upstream's connection")
    client.vanish()
    await is_let_go(proxy, up)
    assert proxy.board.process()["exceeded"][limit] == 1


async def test_client_that_vanishes_between_requests_is_let_go(rig: Rig) -> None:
    up = rig.upstream()
    proxy = rig.proxy(up.port, options={"limits": {"keep-alive": 30}})
    client = await rig.client(proxy.port)
    assert (await client.get()).status == 200
    client.vanish()
    await is_let_go(proxy)


@pytest.mark.parametrize("size", [5, 30_000_000])
async def test_client_that_vanishes_before_its_response_is_let_go(rig: Rig, size: int) -> None:
    async def script(peer: Peer, up: Upstream) -> None:
        up.requests.append(await peer.next_request())
        await until(lambda: client.sock.fileno() < 0)
        await peer.send(response(bytes(size)))

    up = rig.upstream(script)
    proxy = rig.proxy(up.port)
    client = await rig.client(proxy.port)
    await client.send(request())
    await until(lambda: up.requests)
    client.vanish()
    await is_let_go(proxy, up)


async def test_upgraded_client_that_vanishes_is_let_go(rig: Rig) -> None:
    async def script(peer: Peer, up: Upstream) -> None:
        await peer.next_request()
        await peer.send(SWITCH)
        assert await peer.is_closed()

    up = rig.upstream(script)
    proxy = rig.proxy(up.port, options={"limits": {"upgrade-idle": 30}})
    client = await rig.client(proxy.port)
    await client.send(request("GET", "/", *UPGRADE))
    await client.recv_until(b"\r\n\r\n")
    client.vanish()
    await is_let_go(proxy, up)


async def vanish_after(peer: Peer, up: Upstream) -> None:
    """The first connection answers once and is gone; the others serve."""
    while (message := await peer.read_request()) is not None:
        up.requests.append(message)
        await peer.send(response(b"-"))
        if peer is up.peers[0]:
            return peer.vanish()


async def test_pooled_upstream_that_vanished_costs_a_repeatable_request_nothing(rig: Rig) -> None:
    up = rig.upstream(vanish_after)
    proxy = rig.proxy(up.port)
    client = await rig.client(proxy.port)
    for _ in range(2):
        assert (await client.get()).status == 200
    assert len(up.peers) == 2
    assert proxy.codes() == {(200, "-"): 2}


@pytest.mark.parametrize(
    ("said", "status", "flag"),
    [
        (b"", 504, "UT"),
        (b"HTTP/1.1 200", 504, "UT"),
        (head("HTTP/1.1 103 Early Hints"), 504, "UT"),
        (head("HTTP/1.1 200 OK", "Content-Length: 9") + b"some", 200, "UT"),
        (head("HTTP/1.1 200 OK", "Transfer-Encoding: chunked") + b"5\r\nab", 200, "UT"),
        (head("HTTP/1.1 200 OK") + b"some", 200, "UT"),
    ],
    ids=["silent", "status", "hints", "length", "chunk", "until-close"],
)
async def test_upstream_that_vanishes_in_its_response_meets_the_timeout(
    rig: Rig, said: bytes, status: int, flag: str
) -> None:
    async def script(peer: Peer, up: Upstream) -> None:
        await peer.next_request()
        if said:
            await peer.send(said)
        peer.vanish()

    up = rig.upstream(script)
    proxy = rig.proxy(up.port, routes=[route(timeout_ms=50)])
    client = await rig.client(proxy.port)
    await client.send(request())
    got = await client.recv_until(b"\r\n\r\n")
    if b" 103 " in got[:20]:
        got = await client.recv_until(b"\r\n\r\n")
    assert got.startswith(b"HTTP/1.1 %d " % status)
    if status == 200:
        assert not (await client.recv_all()).endswith(b"0\r\n\r\n")
    await until(lambda: proxy.board.cluster(0)["cx_active"] == 0, "the upstream's end")
    assert proxy.codes() == {(status, flag): 1}


async def test_upstream_that_vanishes_in_an_upload_is_found_by_its_next_byte(rig: Rig) -> None:
    async def script(peer: Peer, up: Upstream) -> None:
        await peer.recv_until(b"\r\n\r\n")
        peer.vanish()

    up = rig.upstream(script)
    proxy = rig.proxy(up.port)
    client = await rig.client(proxy.port)
    await client.send(POST)
    await until(lambda: up.ended)
    await client.send(b"some")
    assert (await client.read_response()).status == 503
    assert proxy.codes() == {(503, "UC"): 1}
