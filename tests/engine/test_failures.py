"""What a client is told when an upstream fails, and what the proxy remembers of it."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from support.engine import (
    UNREACHABLE,
    Peer,
    Rig,
    Upstream,
    chunked,
    cluster,
    head,
    replies,
    request,
    response,
    route,
    until,
)

from meshproxy.snapshot.model import HeaderEditsData

RESET = "upstream connect error or disconnect/reset before headers. reset reason: "


async def reset_after_head(peer: Peer, up: Upstream) -> None:
    up.requests.append(await peer.next_request())
    peer.reset()


async def close_after_head(peer: Peer, up: Upstream) -> None:
    up.requests.append(await peer.next_request())


async def test_refused_connect_is_503_uf(rig: Rig) -> None:
    proxy = rig.proxy(rig.refused_port())
    client = await rig.client(proxy.port)
    for _ in range(3):
        answered = await client.get()
        assert answered.status == 503
        assert answered.body == (RESET + "remote connection failure").encode()
    assert proxy.codes() == {(503, "UF"): 3}
    assert proxy.board.cluster(0)["cx_connect_fail"] == 3


async def test_refused_connect_with_a_body_still_coming_is_answered_and_closed(rig: Rig) -> None:
    proxy = rig.proxy(rig.refused_port())
    client = await rig.client(proxy.port)
    await client.send(head("POST / HTTP/1.1", "Host: web", "Content-Length: 100000") + b"x" * 10)
    answered = await client.read_response()
    assert (answered.status, answered.header("connection")) == (503, "close")
    await client.send(b"x" * 50_000)
    assert await client.is_closed()


async def test_connect_that_fails_at_once_is_503_uf(rig: Rig) -> None:
    proxy = rig.proxy(80, address=UNREACHABLE)
    client = await rig.client(proxy.port)
    await client.send(request() * 20)
    for _ in range(20):
        answered = await client.read_response()
        assert answered.status == 503
        assert answered.body == (RESET + "local connection failure").encode()
    assert proxy.codes() == {(503, "UF"): 20}
    assert proxy.count("upstream") == 0


async def test_connect_timeout_is_503_uf(rig: Rig) -> None:
    proxy = rig.proxy(rig.blackhole_port(), connect_timeout_ms=50)
    client = await rig.client(proxy.port)
    for _ in range(2):
        answered = await client.get()
        assert answered.status == 503
        assert answered.body == (RESET + "connection timeout").encode()
    assert proxy.codes() == {(503, "UF"): 2}
    assert proxy.count("upstream") == 0


async def test_connect_of_a_client_that_left_fails_nobody_else(rig: Rig) -> None:
    port = rig.blackhole_port()
    proxy = rig.proxy(port, connect_timeout_ms=40)
    gone, client = await rig.client(proxy.port), await rig.client(proxy.port)
    await gone.send(request())
    await until(lambda: proxy.count("streams") == 1)
    gone.close()
    await until(lambda: proxy.count("streams") == 0)
    proxy.apply(cluster(0, port, connect_timeout_ms=60_000))
    await client.send(request())
    await until(lambda: proxy.board.cluster(0)["cx_connect_fail"] == 1)
    assert proxy.count("streams") == 1
    assert proxy.codes() == {(0, "DC"): 1}


@pytest.mark.parametrize("script", [close_after_head, reset_after_head])
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_upstream_gone_before_the_response_is_503_uc(
    rig: Rig, script: object, method: str
) -> None:
    up = rig.upstream(script)  # type: ignore[arg-type]
    proxy = rig.proxy(up.port)
    client = await rig.client(proxy.port)
    for n in (1, 2):
        await client.send(request(method, "/", body=b"abc" if method == "POST" else None))
        answered = await client.read_response()
        assert answered.status == 503
        assert answered.body == (RESET + "connection termination").encode()
        # A fresh connection that dies is no stale one: nothing is sent twice.
        assert len(up.requests) == n
    assert proxy.codes() == {(503, "UC"): 2}
    assert proxy.endpoint(up.port)["rq_error"] == 2


async def test_upstream_gone_inside_its_head_is_502_upe(rig: Rig) -> None:
    up = rig.upstream(replies(b"HTTP/1.1 200 OK\r\nContent-Le"))
    proxy = rig.proxy(up.port)
    client = await rig.client(proxy.port)
    assert (await client.get()).status == 502
    assert proxy.codes() == {(502, "UPE"): 1}
    assert len(up.requests) == 1


async def test_upstream_killed_while_the_request_comes_is_503_uc(rig: Rig) -> None:
    async def script(peer: Peer, up: Upstream) -> None:
        await peer.recv_until(b"\r\n\r\n")
        await peer.recv_exactly(1000)
        peer.reset()

    up = rig.upstream(script)
    proxy = rig.proxy(up.port)
    client = await rig.client(proxy.port)
    await client.send(head("POST / HTTP/1.1", "Host: web", "Content-Length: 100000"))
    await client.send(b"x" * 1000)
    answered = await client.read_response()
    assert (answered.status, answered.header("connection")) == (503, "close")
    await client.send(b"x" * 1000)
    assert await client.is_closed()
    assert proxy.codes() == {(503, "UC"): 1}


@pytest.mark.parametrize(
    ("sent", "seen"),
    [
        (head("HTTP/1.1 200 OK", "Content-Length: 1000") + b"abc", b"abc"),
        (
            head("HTTP/1.1 200 OK", "Transfer-Encoding: chunked") + b"3\r\nabc\r\n",
            b"3\r\nabc\r\n",
        ),
    ],
    ids=["length", "chunked"],
)
@pytest.mark.parametrize("how", ["close", "reset"])
async def test_upstream_gone_inside_the_body_truncates_without_a_clean_end(
    rig: Rig, sent: bytes, seen: bytes, how: str
) -> None:
    async def script(peer: Peer, up: Upstream) -> None:
        await peer.read_request()
        await peer.send(sent)
        await until(lambda: client.unread.endswith(seen))
        if how == "reset":
            peer.reset()

    up = rig.upstream(script)
    proxy = rig.proxy(up.port)
    client = await rig.client(proxy.port)
    await client.send(request())
    # Whole, yet not the end that its framing announces.
    assert (await client.recv_all()).endswith(b"\r\n\r\n" + seen)
    assert proxy.codes() == {(200, "UPE"): 1}


async def test_until_close_response_cut_by_a_reset_has_no_clean_end(rig: Rig) -> None:
    async def script(peer: Peer, up: Upstream) -> None:
        await peer.read_request()
        await peer.send(head("HTTP/1.1 200 OK") + b"abc")
        await until(lambda: client.unread.endswith(b"abc\r\n"))
        peer.reset()

    up = rig.upstream(script)
    proxy = rig.proxy(up.port)
    client = await rig.client(proxy.port)
    await client.send(request())
    assert (await client.recv_all()).endswith(b"3\r\nabc\r\n")
    assert proxy.codes() == {(200, "UC"): 1}


@pytest.mark.parametrize(
    "sent",
    [
        b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n",
        b"\x00\x01\x02\x03 garbage without end\n",
        b"HTTP/1.1 2OO OK\r\n\r\n",
        b"HTTP/2 200\r\n\r\n",
        head("HTTP/1.1 200 OK", "Content-Length: 1", "Transfer-Encoding: chunked") + b"x",
        head("HTTP/1.1 200 OK", "Content-Length: 1", "Content-Length: 2") + b"x",
        head("HTTP/1.1 200 OK", "Content-Length: -1"),
        head("HTTP/1.1 101 Switching Protocols", "Upgrade: x"),
        head("HTTP/1.1 200 OK", "X-Big: " + "b" * 70_000),
        head("HTTP/1.1 200 OK", *[f"X-{i}: 1" for i in range(101)]),
    ],
    ids=["ssh", "binary", "status", "h2", "cl-te", "cl-cl", "negative", "101", "big", "many"],
)
async def test_response_that_is_no_http_is_502_upe(rig: Rig, sent: bytes) -> None:
    up = rig.upstream(replies(sent))
    proxy = rig.proxy(up.port)
    client = await rig.client(proxy.port)
    for _ in range(2):
        answered = await client.get()
        assert answered.status == 502
        assert answered.body == (RESET + "protocol error").encode()
    assert proxy.codes() == {(502, "UPE"): 2}
    assert len(up.peers) == 2


CHUNKED = head("HTTP/1.1 200 OK", "Transfer-Encoding: chunked")


@pytest.mark.parametrize(
    "sent",
    [b"zz\r\n", b"3\r\nabc\r\nzz\r\n", b"3\r\nabcd", b"3\r\nabc\r\n0\r\nx\r\n\r\n"],
    ids=["first", "later", "end", "trailer"],
)
async def test_response_that_breaks_before_any_of_it_left_is_502_upe(
    rig: Rig, sent: bytes
) -> None:
    proxy = rig.proxy(rig.upstream(replies(CHUNKED + sent)).port, access_log="json")
    client = await rig.client(proxy.port)
    for _ in range(2):
        answered = await client.get()
        assert answered.status == 502
        assert answered.body == (RESET + "protocol error").encode()
    assert proxy.codes() == {(502, "UPE"): 2}
    sent_bytes = [json.loads(line)["bytes_sent"] for line in proxy.log_lines()]
    assert sent_bytes == [len(answered.body)] * 2


def retrying_resets(backoff_ms: int) -> Any:
    retry = {
        **{"attempts": 2, "per_try_timeout_ms": 0, "retry_on": ["reset"], "status_codes": []},
        **{"backoff_ms": backoff_ms, "avoid_previous": True, "remote_localities": False},
    }
    return {**route(), "retry": retry}


async def break_once(peer: Peer, up: Upstream) -> None:
    while (message := await peer.read_request()) is not None:
        up.requests.append(message)
        broken = CHUNKED + b"3\r\nabc\r\nzz"
        await peer.send(broken if len(up.requests) == 1 else response(b"ok"))


async def test_response_that_breaks_is_tried_again_as_a_reset(rig: Rig) -> None:
    up = rig.upstream(break_once)
    proxy = rig.proxy(up.port, routes=[retrying_resets(1)], access_log="json")
    assert (await (await rig.client(proxy.port)).get()).body == b"ok"
    assert proxy.codes() == {(200, "-"): 1}
    assert json.loads(proxy.log_lines()[0])["bytes_sent"] == 2


async def test_client_gone_before_a_broken_response_is_tried_again_got_none_of_it(
    rig: Rig,
) -> None:
    up = rig.upstream(break_once)
    proxy = rig.proxy(up.port, routes=[retrying_resets(10**9)], access_log="json")
    client = await rig.client(proxy.port)
    await client.send(request())
    await until(lambda: proxy.board.cluster(0)["rq_retry"] == 1)
    client.close()
    await until(lambda: proxy.codes() == {(0, "DC"): 1})
    assert json.loads(proxy.log_lines()[0])["bytes_sent"] == 0


async def test_response_that_breaks_behind_what_has_left_is_cut(rig: Rig) -> None:
    async def script(peer: Peer, up: Upstream) -> None:
        await peer.read_request()
        await peer.send(CHUNKED + b"3\r\nabc\r\n")
        await until(lambda: client.unread)
        await peer.send(b"zz\r\n")

    proxy = rig.proxy(rig.upstream(script).port)
    client = await rig.client(proxy.port)
    await client.send(request())
    assert (await client.recv_all()).endswith(b"\r\n\r\n3\r\nabc\r\n")
    assert proxy.codes() == {(200, "UPE"): 1}


async def test_response_that_breaks_behind_more_than_one_send_takes_is_cut(rig: Rig) -> None:
    async def script(peer: Peer, up: Upstream) -> None:
        for data in (wide, CHUNKED + b"1\r\nx\r\n" * 30_000 + b"zz\r\n"):
            await peer.read_request()
            await peer.send(data)

    wide = response(b"x" * (4 << 20))  # the kernel learns to take much at once
    proxy = rig.proxy(rig.upstream(script).port)
    client = await rig.client(proxy.port)
    await client.get()
    await client.send(request())
    seen = await client.recv_all()
    assert seen.startswith(b"HTTP/1.1 200 OK\r\n") and seen.endswith(b"1\r\nx\r\n")
    assert seen.count(b"HTTP/1.1") == 1
    assert proxy.codes() == {(200, "-"): 1, (200, "UPE"): 1}


@pytest.mark.parametrize(
    ("sent", "status", "flags"),
    [(response(b"ok"), 500, "LR"), (b"no HTTP\r\n\r\n", 502, "UPE")],
    ids=["answered", "failed"],
)
async def test_head_that_its_rule_makes_too_large_is_an_error_and_not_silence(
    rig: Rig, sent: bytes, status: int, flags: str
) -> None:
    copies: HeaderEditsData = {
        "remove": [],
        "set": [],
        "add": [(f"x-{i}", [("REQ", "x-big", "", -1)]) for i in range(2)],
    }
    proxy = rig.proxy(
        rig.upstream(replies(sent)).port, routes=[{**route(), "response_edits": [copies]}]
    )
    client = await rig.client(proxy.port)
    for count in (1, 2):
        answered = await client.get("/", f"X-Big: {'a' * 50_000}")
        assert (answered.status, answered.header("x-1")) == (status, None)
        assert proxy.codes() == {(status, flags): count}


async def stale(peer: Peer, up: Upstream) -> None:
    """The first connection answers once and dies on its second request; the others serve on."""
    number = len(up.peers)
    while (message := await peer.read_request()) is not None:
        up.requests.append(message)
        if number == 1 and len(up.requests) == 2:
            return
        await peer.send(response(b"ok"))


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"])
async def test_stale_connection_is_replaced_once_for_a_repeatable_request(
    rig: Rig, method: str
) -> None:
    up = rig.upstream(stale)
    proxy = rig.proxy(up.port)
    client = await rig.client(proxy.port)
    await client.get()
    await client.send(request(method, "/again"))
    assert (await client.read_response(method)).status == 200
    assert [message.path for message in up.requests] == ["/", "/again", "/again"]
    assert up.requests[1].head == up.requests[2].head
    assert proxy.board.cluster(0)["rq_replayed"] == 1
    assert proxy.codes() == {(200, "-"): 2}


async def test_stale_connection_fails_a_post(rig: Rig) -> None:
    up = rig.upstream(stale)
    proxy = rig.proxy(up.port)
    client = await rig.client(proxy.port)
    await client.get()
    await client.send(request("POST", "/once", body=b"x"))
    assert (await client.read_response()).status == 503
    await client.send(request("POST", "/next"))
    assert (await client.read_response()).status == 200
    assert [message.path for message in up.requests] == ["/", "/once", "/next"]
    assert proxy.codes() == {(200, "-"): 2, (503, "UC"): 1}


async def test_stale_connection_is_not_replayed_twice(rig: Rig) -> None:
    async def script(peer: Peer, up: Upstream) -> None:
        while (message := await peer.read_request()) is not None:
            up.requests.append(message)
            if message.path == "/again":
                return
            await peer.send(response(b"ok"))

    up = rig.upstream(script)
    proxy = rig.proxy(up.port)
    client = await rig.client(proxy.port)
    await client.get()
    assert (await client.get("/again")).status == 503
    assert len(up.requests) == 3
    assert proxy.codes() == {(200, "-"): 1, (503, "UC"): 1}


@pytest.mark.parametrize(
    ("sent", "status"),
    [(b"HTTP/1.1 2", 502), (head("HTTP/1.1 103 Early Hints"), 503)],
    ids=["partial", "informational"],
)
async def test_reused_connection_that_began_to_answer_is_not_replayed(
    rig: Rig, sent: bytes, status: int
) -> None:
    async def script(peer: Peer, up: Upstream) -> None:
        up.requests.append(await peer.next_request())
        await peer.send(response(b"ok"))
        up.requests.append(await peer.next_request())
        await peer.send(sent)

    up = rig.upstream(script)
    proxy = rig.proxy(up.port)
    client = await rig.client(proxy.port)
    await client.get()
    answered = await client.get("/again")
    if answered.status == 103:
        answered = await client.read_response()
    assert answered.status == status
    assert len(up.requests) == 2


async def test_replay_to_an_upstream_that_is_gone_is_503_uf(rig: Rig) -> None:
    async def script(peer: Peer, up: Upstream) -> None:
        await peer.read_request()
        await peer.send(response(b"ok"))
        await peer.read_request()
        up.sock.close()

    up = rig.upstream(script)
    proxy = rig.proxy(up.port)
    client = await rig.client(proxy.port)
    await client.get()
    for task in up.tasks:
        if "_accept" in repr(task):
            task.cancel()
    assert (await client.get("/again")).status == 503
    assert proxy.codes() == {(200, "-"): 1, (503, "UF"): 1}


async def test_route_timeout_is_504_ut_and_the_connection_is_not_reused(rig: Rig) -> None:
    async def script(peer: Peer, up: Upstream) -> None:
        await peer.read_request()
        assert await peer.is_closed()

    up = rig.upstream(script)
    proxy = rig.proxy(up.port, routes=[route(timeout_ms=40)])
    client = await rig.client(proxy.port)
    for n in (1, 2):
        answered = await client.get()
        assert (answered.status, answered.body) == (504, b"upstream request timeout")
        assert answered.header("connection") is None
        await until(lambda n=n: up.ended == n)
    assert proxy.codes() == {(504, "UT"): 2}
    assert proxy.endpoint(up.port)["rq_timeout"] == 2


async def test_route_timeout_inside_the_body_truncates_it(rig: Rig) -> None:
    async def script(peer: Peer, up: Upstream) -> None:
        await peer.read_request()
        await peer.send(head("HTTP/1.1 200 OK", "Content-Length: 100") + b"abc")
        assert await peer.is_closed()

    up = rig.upstream(script)
    proxy = rig.proxy(up.port, routes=[route(timeout_ms=300)])
    client = await rig.client(proxy.port)
    await client.send(request())
    assert (await client.recv_all()).endswith(b"\r\n\r\nabc")
    assert proxy.codes() == {(200, "UT"): 1}
    await until(lambda: up.ended == 1)


async def test_route_timeout_while_connecting_is_504_ut(rig: Rig) -> None:
    proxy = rig.proxy(rig.blackhole_port(), routes=[route(timeout_ms=40)])
    client = await rig.client(proxy.port)
    assert (await client.get()).status == 504
    assert proxy.codes() == {(504, "UT"): 1}


async def test_response_before_the_timeout_disarms_it(rig: Rig) -> None:
    up = rig.upstream()
    proxy = rig.proxy(up.port, routes=[route(timeout_ms=400, prefix="/fast"), route()])
    client = await rig.client(proxy.port)
    for _ in range(5):
        assert (await client.get("/fast")).status == 200
    slow = await rig.client(proxy.port)
    slow_proxy = rig.proxy(rig.blackhole_port(), routes=[route(timeout_ms=450)])
    clock = await rig.client(slow_proxy.port)
    assert (await clock.get()).status == 504
    assert (await slow.get()).status == 200
    assert (await client.get("/fast")).status == 200
    assert proxy.codes() == {(200, "-"): 7}


async def test_no_route_is_404_nr(rig: Rig) -> None:
    proxy = rig.proxy(rig.refused_port(), domain="known")
    client = await rig.client(proxy.port)
    answered = await client.get(host="unknown")
    assert (answered.status, answered.body) == (404, b"")
    assert answered.header("connection") is None
    process = proxy.board.process()
    assert process["no_route"] == 1
    assert process["downstream_rq_xx"][4] == 1


async def test_unknown_cluster_is_503_nc(rig: Rig) -> None:
    proxy = rig.proxy(clusters=[], routes=[route((-1, 1))])
    client = await rig.client(proxy.port)
    answered = await client.get()
    assert (answered.status, answered.body) == (503, b"")
    assert proxy.board.process()["no_cluster"] == 1


@pytest.mark.parametrize("ports", [[], [9]], ids=["empty", "unready"])
async def test_no_healthy_endpoint_is_503_uh(rig: Rig, ports: list[int]) -> None:
    proxy = rig.proxy(clusters=[cluster(0, *ports, unready=ports)])
    client = await rig.client(proxy.port)
    answered = await client.get()
    assert (answered.status, answered.body) == (503, b"no healthy upstream")
    assert proxy.codes() == {(503, "UH"): 1}


async def test_local_reply_to_head_has_a_length_and_no_body(rig: Rig) -> None:
    proxy = rig.proxy(clusters=[cluster(0)])
    client = await rig.client(proxy.port)
    for _ in range(2):
        await client.send(request("HEAD"))
        answered = await client.read_response("HEAD")
        assert (answered.status, answered.header("content-length")) == (503, "19")


async def test_upstream_that_answers_and_closes_during_the_upload_is_heard(rig: Rig) -> None:
    async def script(peer: Peer, up: Upstream) -> None:
        await peer.recv_until(b"\r\n\r\n")
        await peer.send(response(b"too large", "413 Content Too Large", "Connection: close"))

    up = rig.upstream(script)
    proxy = rig.proxy(up.port)
    client = await rig.client(proxy.port)
    await client.send(request("POST", "/", "Transfer-Encoding: chunked") + b"5\r\nhello\r\n")
    assert (await client.read_response()).status == 413
    rest = chunked([b"x" * 1000] * 20)
    await client.send(rest)
    assert await client.is_closed()


async def test_others_are_untouched_while_one_upstream_fails(rig: Rig) -> None:
    bad = rig.upstream(reset_after_head)
    good = rig.upstream()
    clusters = [cluster(0, bad.port), cluster(1, good.port)]
    proxy = rig.proxy(clusters=clusters, routes=[route((0, 1), prefix="/bad"), route((1, 1))])
    one, other = await rig.client(proxy.port), await rig.client(proxy.port)
    for _ in range(20):
        await one.send(request("GET", "/bad"))
        await other.send(request("GET", "/"))
        assert (await other.read_response()).status == 200
        assert (await one.read_response()).status == 503
    assert proxy.codes(1) == {(200, "-"): 20}
    assert proxy.codes(0) == {(503, "UC"): 20}


@pytest.mark.parametrize("size", [5, 9000], ids=["copied", "borrowed"])
async def test_what_a_malformed_response_left_behind_reaches_no_other_request(
    rig: Rig, size: int
) -> None:
    """The good chunk in front of the bad one was about to leave when the response failed."""
    gate = asyncio.Event()
    got: list[bytes] = []

    async def malformed(peer: Peer, up: Upstream) -> None:
        await peer.read_request()
        await peer.send(head("HTTP/1.1 200 OK", "Transfer-Encoding: chunked") + b"1\r\n!\r\n")
        await gate.wait()
        await peer.send(b"%x\r\n%b\r\nbad\r\n" % (size, b"s" * size))

    async def collect(peer: Peer, up: Upstream) -> None:
        await peer.recv_until(b"\r\n\r\n")
        while data := await peer.recv():
            got.append(data)

    bad, good = rig.upstream(malformed), rig.upstream(collect)
    clusters = [cluster(0, bad.port), cluster(1, good.port)]
    proxy = rig.proxy(clusters=clusters, routes=[route((0, 1), prefix="/bad"), route((1, 1))])
    uploads, asks = await rig.client(proxy.port), await rig.client(proxy.port)
    await uploads.send(head("POST / HTTP/1.1", "Host: web", "Content-Length: 4") + b"ab")
    await until(lambda: b"".join(got) == b"ab")
    await asks.send(request("GET", "/bad"))
    await asks.recv_until(b"!")
    gate.set()
    await asks.recv_all()
    await uploads.send(b"cd")
    await until(lambda: len(b"".join(got)) >= 4)
    assert b"".join(got) == b"abcd"


@pytest.mark.parametrize("framing", ["Transfer-Encoding: chunked", "Connection: close"])
async def test_response_that_breaks_is_a_reset_where_its_end_would_be_the_connections(
    rig: Rig, framing: str
) -> None:
    """A client of HTTP/1.0 could not tell it from a whole one."""

    async def script(peer: Peer, up: Upstream) -> None:
        await peer.next_request()
        await peer.send(head("HTTP/1.1 200 OK", framing) + b"5\r\nfirst\r\n")
        await until(lambda: up.name == "go")
        peer.reset()

    up = rig.upstream(script)
    proxy = rig.proxy(up.port)
    client = await rig.client(proxy.port)
    await client.send(request(version="1.0"))
    await client.recv_until(b"first")
    up.name = "go"
    with pytest.raises(ConnectionResetError):
        while await client.recv():
            pass
