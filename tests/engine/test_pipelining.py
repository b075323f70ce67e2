"""Pipelined requests are answered one by one, in order, in bounded memory."""

from __future__ import annotations

import asyncio
import resource
import sys
from pathlib import Path

import pytest
from support.engine import Peer, Rig, Upstream, chunked, request, response, route, until


def rss_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


async def answer_with_path(peer: Peer, up: Upstream) -> None:
    while (message := await peer.read_request()) is not None:
        up.requests.append(message)
        await peer.send(response(message.path.encode() + message.body))


@pytest.mark.parametrize("count", [2, 50, 1000])
async def test_pipelined_requests_are_answered_in_order(rig: Rig, count: int) -> None:
    up = rig.upstream(answer_with_path)
    proxy = rig.proxy(up.port)
    client = await rig.client(proxy.port)
    await client.send(b"".join(request("GET", f"/{i}") for i in range(count)))
    for i in range(count):
        assert (await client.read_response()).body == f"/{i}".encode()
    assert len(up.peers) == 1


async def test_pipelined_requests_with_bodies_are_answered_in_order(rig: Rig) -> None:
    up = rig.upstream(answer_with_path)
    proxy = rig.proxy(up.port)
    client = await rig.client(proxy.port)
    sent = bytearray()
    wanted = []
    for i in range(60):
        data = bytes([65 + i % 26]) * (i * 97)
        if i % 3 == 0:
            sent += request("POST", f"/{i}", body=data)
        elif i % 3 == 1:
            split = [data[:7], data[7:]] if len(data) > 7 else [data]
            sent += request("POST", f"/{i}", "Transfer-Encoding: chunked")
            sent += chunked(piece for piece in split if piece)
        else:
            data = b""
            sent += request("GET", f"/{i}")
        wanted.append(f"/{i}".encode() + data)
    await client.send(bytes(sent))
    for body in wanted:
        assert (await client.read_response()).body == body


async def test_pipelined_requests_are_sent_up_one_at_a_time(rig: Rig) -> None:
    async def script(peer: Peer, up: Upstream) -> None:
        for _ in range(3):
            message = await peer.read_request()
            assert message is not None
            assert not peer.unread
            await peer.send(response(message.path.encode()))

    up = rig.upstream(script)
    proxy = rig.proxy(up.port)
    client = await rig.client(proxy.port)
    await client.send(request("GET", "/a") + request("GET", "/b") + request("GET", "/c"))
    assert [(await client.read_response()).body for _ in range(3)] == [b"/a", b"/b", b"/c"]


@pytest.mark.parametrize("before", [0, 1, 20])
async def test_bad_request_behind_good_ones_ends_the_connection_at_it(
    rig: Rig, before: int
) -> None:
    up = rig.upstream(answer_with_path)
    proxy = rig.proxy(up.port)
    client = await rig.client(proxy.port)
    good = b"".join(request("GET", f"/{i}") for i in range(before))
    bad = b"GET / HTTP/1.1\r\nHost : web\r\n\r\n"
    await client.send(good + bad + request("GET", "/never"))
    for i in range(before):
        assert (await client.read_response()).body == f"/{i}".encode()
    refused = await client.read_response()
    assert refused.status == 400
    assert refused.header("connection") == "close"
    assert await client.is_closed()
    assert len(up.requests) == before
    assert proxy.board.process()["codec_error"] == 1


async def test_pipelined_local_replies_neither_recurse_nor_grow(rig: Rig) -> None:
    proxy = rig.proxy(rig.refused_port(), routes=[route(prefix="/known")])
    client = await rig.client(proxy.port)
    one = request("GET", "/unknown")
    limit = sys.getrecursionlimit()

    async def round_trip() -> None:
        sender = client.loop.create_task(client.send(one * 5000))
        for _ in range(5000):
            assert (await client.read_response()).status == 404
        await sender

    await round_trip()
    blocks = sys.getallocatedblocks()
    for _ in range(2):
        await round_trip()
    assert sys.getallocatedblocks() - blocks < 500
    assert sys.getrecursionlimit() == limit
    assert proxy.board.process()["no_route"] == 15_000


async def test_pipelined_local_replies_to_a_reader_that_waits_are_bounded(rig: Rig) -> None:
    """The proxy stops reading requests while their replies cannot leave."""
    proxy = rig.proxy(rig.refused_port(), routes=[route(prefix="/known")])
    client = await rig.client(proxy.port, rcvbuf=4096)
    one = request("GET", "/unknown")
    total = 40_000
    sender = client.loop.create_task(client.send(one * total))
    served = -1
    while served != proxy.board.process()["no_route"]:
        served = proxy.board.process()["no_route"]
        events = proxy.count("events")
        for _ in range(200):
            await until(lambda: True)
        if proxy.count("events") == events and not sender.done():
            break
    assert served < total
    for _ in range(total):
        assert (await client.read_response()).status == 404
    await sender
    assert proxy.board.process()["no_route"] == total


async def test_pipelined_mix_of_proxied_and_local_replies_stays_in_order(rig: Rig) -> None:
    up = rig.upstream(answer_with_path)
    proxy = rig.proxy(up.port, routes=[route(prefix="/known")])
    client = await rig.client(proxy.port)
    paths = [("/known" if i % 3 else "/unknown") + f"/{i}" for i in range(300)]
    await client.send(b"".join(request("GET", path) for path in paths))
    for path in paths:
        answered = await client.read_response()
        if path.startswith("/known"):
            assert (answered.status, answered.body) == (200, path.encode())
        else:
            assert answered.status == 404


async def test_pipelined_replies_larger_than_their_requests_wait_for_the_reader(rig: Rig) -> None:
    """A client that asks ten thousand times for 100 kB and reads none takes one reply."""
    body = bytes(100_000)
    direct = {**route(), "direct_response": {"status": 200, "body": body}}
    direct |= {"clusters": [], "cluster_names": []}
    proxy = rig.proxy(clusters=[], routes=[direct])  # type: ignore[list-item]
    client = await rig.client(proxy.port, rcvbuf=4096)
    before = rss_bytes()
    sender = client.loop.create_task(client.send(request() * 10_000))
    await client.recv_until(b"\r\n\r\n")
    events = -1
    while events != (events := proxy.count("events")):
        for _ in range(300):
            await asyncio.sleep(0)
    assert rss_bytes() - before < 8 << 20
    assert await client.recv_exactly(len(body)) == body
    for _ in range(20):
        assert (await client.read_response()).body == body
    client.reset()
    await asyncio.gather(sender, return_exceptions=True)
