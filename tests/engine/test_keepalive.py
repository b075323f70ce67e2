"""Keep-alive and pooling: connections of the two sides are not 1:1."""

from __future__ import annotations

import contextlib
import socket
from typing import Any

import pytest
from support.engine import Peer, Rig, Upstream, replies, request, response, route, until

OPENING = 2  # segments: SYN-ACK, and the acknowledgement of a first request


async def answer_or_hold(peer: Peer, up: Upstream) -> None:
    """Answers one request with its path, and closes without saying so; /held is the test's."""
    message = await peer.next_request()
    up.requests.append(message)
    if message.path == "/held":
        await peer.is_closed()
    else:
        await peer.send(response(message.path.encode()))


async def test_requests_on_one_connection_share_one_upstream_connection(rig: Rig) -> None:
    up = rig.upstream()
    proxy = rig.proxy(up.port)
    client = await rig.client(proxy.port)
    for i in range(50):
        assert (await client.get(f"/{i}")).body == b"upstream"
    assert [message.path for message in up.requests] == [f"/{i}" for i in range(50)]
    assert len(up.peers) == 1
    assert proxy.board.cluster(0)["cx_total"] == 1
    assert proxy.codes() == {(200, "-"): 50}


async def test_clients_one_after_another_share_one_upstream_connection(rig: Rig) -> None:
    up = rig.upstream()
    proxy = rig.proxy(up.port)
    for _ in range(10):
        client = await rig.client(proxy.port)
        assert (await client.get()).status == 200
        client.close()
    assert len(up.peers) == 1


async def test_clients_at_once_get_an_upstream_connection_each_and_leave_them_pooled(
    rig: Rig,
) -> None:
    up = rig.upstream()
    proxy = rig.proxy(up.port)
    clients = [await rig.client(proxy.port) for _ in range(10)]
    for _ in range(5):
        for client in clients:
            await client.send(request())
        for client in clients:
            assert (await client.read_response()).status == 200
    assert len(up.requests) == 50
    assert len(up.peers) <= 10
    assert proxy.count("upstream") == len(up.peers)


async def test_request_reaches_upstream_with_its_bytes_kept(rig: Rig) -> None:
    up = rig.upstream()
    proxy = rig.proxy(up.port)
    client = await rig.client(proxy.port)
    await client.send(request("GET", "/a?b=c", "X-Odd-CASE: Value  with spaces", "Accept: */*"))
    await client.read_response()
    seen = up.requests[0]
    assert seen.start == "GET /a?b=c HTTP/1.1"
    assert b"Host: web\r\nX-Odd-CASE: Value  with spaces\r\nAccept: */*\r\n" in seen.head
    assert seen.header("x-forwarded-proto") == "http"
    assert len(seen.header("x-request-id") or "") == 36


async def test_last_response_and_end_of_a_connection_come_in_one_segment(rig: Rig) -> None:
    proxy = rig.proxy(rig.upstream().port)
    received = set()
    for _ in range(5):  # a slow one is acknowledged once more
        client = await rig.client(proxy.port)
        await client.send(request("GET", "/", "Connection: close"))
        assert (await client.read_response()).body == b"upstream"
        assert await client.is_closed()
        received.add(segments_received(client.sock))
    assert min(received) == OPENING + 1


def segments_received(sock: socket.socket) -> int:
    """`tcpi_segs_in` of linux/tcp.h."""
    return int.from_bytes(
        sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 144)[140:], "little"
    )


async def test_connection_close_from_client_closes_it_and_keeps_the_upstream(rig: Rig) -> None:
    up = rig.upstream()
    proxy = rig.proxy(up.port)
    client = await rig.client(proxy.port)
    first = await client.get("/", "Connection: close")
    assert first.header("connection") == "close"
    assert await client.is_closed()
    assert up.requests[0].header("connection") is None
    again = await rig.client(proxy.port)
    await again.get()
    assert len(up.peers) == 1


async def test_client_that_says_more_as_its_last_response_leaves_gets_all_of_it(rig: Rig) -> None:
    body = b"x" * (4 << 20)
    answers: Any = {**route(), "direct_response": {"status": 200, "body": body}}
    proxy = rig.proxy(clusters=[], routes=[answers])
    client = await rig.client(proxy.port, rcvbuf=4096)
    await client.send(request("GET", "/", "Connection: close"))
    await until(lambda: proxy.board.process()["downstream_rq_total"] == 1)
    # Room for the rest and more bytes, in one event.
    got = bytearray()
    with contextlib.suppress(BlockingIOError):
        while True:
            got += client.sock.recv(65536)
    client.sock.send(b"GET / HTTP/1.1")
    got += await client.recv_all()
    assert bytes(got).partition(b"\r\n\r\n")[2] == body


@pytest.mark.parametrize("field", ["Connection: close", "connection: Close, x-other"])
async def test_connection_close_from_upstream_is_not_reused_and_not_passed_on(
    rig: Rig, field: str
) -> None:
    up = rig.upstream(replies(response(b"one", "200 OK", field)))
    proxy = rig.proxy(up.port)
    client = await rig.client(proxy.port)
    for n in range(1, 4):
        answer = await client.get()
        assert (answer.body, answer.header("connection")) == (b"one", None)
        assert len(up.peers) == n


async def test_http10_upstream_without_keep_alive_is_not_reused(rig: Rig) -> None:
    up = rig.upstream(replies(response(b"one", version="1.0"), response(b"two", version="1.0")))
    proxy = rig.proxy(up.port)
    client = await rig.client(proxy.port)
    assert (await client.get()).body == b"one"
    assert (await client.get()).body == b"one"
    assert len(up.peers) == 2


async def test_http10_upstream_with_keep_alive_is_reused(rig: Rig) -> None:
    kept = response(b"one", "200 OK", "Connection: keep-alive", version="1.0")
    up = rig.upstream(replies(kept, kept))
    proxy = rig.proxy(up.port)
    client = await rig.client(proxy.port)
    await client.get()
    await client.get()
    assert len(up.peers) == 1


async def test_upstream_closing_its_idle_connection_is_noticed_before_the_next_request(
    rig: Rig,
) -> None:
    up = rig.upstream(replies(response(b"one")))
    proxy = rig.proxy(up.port)
    client = await rig.client(proxy.port)
    await client.get()
    await until(lambda: proxy.count("upstream") == 0)
    assert (await client.get()).body == b"one"
    assert proxy.board.cluster(0)["rq_replayed"] == 0


async def test_bytes_behind_a_response_close_the_upstream_connection(rig: Rig) -> None:
    up = rig.upstream(replies(response(b"one") + b"HTTP/1.1 200 OK\r\n\r\n", response(b"two")))
    proxy = rig.proxy(up.port)
    client = await rig.client(proxy.port)
    assert (await client.get()).body == b"one"
    assert (await client.get()).body == b"one"
    assert len(up.peers) == 2


async def test_response_without_a_request_closes_the_idle_upstream_connection(rig: Rig) -> None:
    async def script(peer: Peer, up: Upstream) -> None:
        up.requests.append(await peer.next_request())
        await peer.send(response(b"one"))
        await until(lambda: len(up.requests) > 1 or proxy.count("streams") == 0)
        await peer.send(response(b"stray"))
        assert await peer.is_closed()

    up = rig.upstream(script)
    proxy = rig.proxy(up.port)
    client = await rig.client(proxy.port)
    assert (await client.get()).body == b"one"
    await until(lambda: up.ended == 1)
    assert proxy.count("upstream") == 0
    assert (await client.get()).body == b"one"


async def test_idle_timeout_closes_the_pooled_connection(rig: Rig) -> None:
    up = rig.upstream()
    proxy = rig.proxy(up.port, idle_timeout_ms=30)
    client = await rig.client(proxy.port)
    await client.get()
    await until(lambda: up.ended == 1)
    assert proxy.count("upstream") == 0
    assert (await client.get()).status == 200


async def test_connection_that_closes_behind_its_response_gets_no_waiting_request(
    rig: Rig,
) -> None:
    """FIN came with the response; a request that waits for a connection must not be put on it."""
    up = rig.upstream(answer_or_hold)
    proxy = rig.proxy(up.port)
    first, second = await rig.client(proxy.port), await rig.client(proxy.port)
    await second.get()
    await until(lambda: proxy.count("upstream") == 0)
    await first.send(request("GET", "/held"))
    await until(lambda: len(up.requests) == 2)
    # Both before the engine runs again: the new request is seen first, then the end of the other.
    await second.send(request("POST", "/next", body=b"x"))
    await up.peers[1].send(response(b"first"))
    up.peers[1].half_close()
    assert (await first.read_response()).body == b"first"
    assert (await second.read_response()).body == b"/next"
    assert proxy.codes() == {(200, "-"): 3}
