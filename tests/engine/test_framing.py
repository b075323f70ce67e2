"""Where messages end: HEAD, 204, 304, 1xx, until-close, HTTP/1.0, early responses, limits."""

from __future__ import annotations

import contextlib

import pytest
from support.engine import (
    Peer,
    Rig,
    Upstream,
    chunked,
    head,
    replies,
    request,
    response,
    until,
)


async def answer_heads(peer: Peer, up: Upstream) -> None:
    while (message := await peer.read_request()) is not None:
        up.requests.append(message)
        await peer.send(head("HTTP/1.1 200 OK", "Content-Length: 1000", "ETag: a"))


async def test_head_response_announces_its_length_and_has_no_body(rig: Rig) -> None:
    up = rig.upstream(answer_heads)
    proxy = rig.proxy(up.port)
    client = await rig.client(proxy.port)
    for _ in range(3):
        await client.send(request("HEAD", "/"))
        answered = await client.read_response("HEAD")
        assert answered.header("content-length") == "1000"
    assert len(up.peers) == 1


@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified"])
async def test_status_without_body_leaves_both_connections_usable(rig: Rig, status: str) -> None:
    bodiless = head(f"HTTP/1.1 {status}", "ETag: a")
    up = rig.upstream(replies(bodiless, bodiless, response(b"end")))
    proxy = rig.proxy(up.port)
    client = await rig.client(proxy.port)
    for _ in range(2):
        answered = await client.get()
        assert answered.status == int(status[:3])
        assert answered.header("transfer-encoding") is None
    assert (await client.get()).body == b"end"
    assert len(up.peers) == 1


async def test_not_modified_with_a_length_has_no_body(rig: Rig) -> None:
    up = rig.upstream(
        replies(head("HTTP/1.1 304 Not Modified", "Content-Length: 9"), response(b"end"))
    )
    proxy = rig.proxy(up.port)
    client = await rig.client(proxy.port)
    assert (await client.get()).header("content-length") == "9"
    assert (await client.get()).body == b"end"


@pytest.mark.parametrize("one_segment", [True, False])
async def test_informational_responses_are_forwarded_before_the_final_one(
    rig: Rig, one_segment: bool
) -> None:
    async def script(peer: Peer, up: Upstream) -> None:
        while (message := await peer.read_request()) is not None:
            up.requests.append(message)
            hints = head("HTTP/1.1 103 Early Hints", "Link: </style.css>")
            parts = [hints, hints, response(b"done")]
            for part in [b"".join(parts)] if one_segment else parts:
                events = proxy.count("events")
                await peer.send(part)
                await until(lambda seen=events: proxy.count("events") > seen)

    up = rig.upstream(script)
    proxy = rig.proxy(up.port)
    client = await rig.client(proxy.port)
    for _ in range(2):
        await client.send(request())
        hint = await client.read_response()
        assert (hint.status, hint.header("link")) == (103, "</style.css>")
        assert (await client.read_response()).status == 103
        assert (await client.read_response()).body == b"done"
    assert proxy.codes() == {(200, "-"): 2}


async def test_informational_response_is_kept_from_an_http10_client(rig: Rig) -> None:
    up = rig.upstream(replies(head("HTTP/1.1 103 Early Hints") + response(b"done")))
    proxy = rig.proxy(up.port)
    client = await rig.client(proxy.port)
    await client.send(request(version="1.0"))
    assert (await client.read_response()).body == b"done"


async def test_expect_100_continue_waits_for_the_upstream(rig: Rig) -> None:
    async def script(peer: Peer, up: Upstream) -> None:
        seen = await peer.recv_until(b"\r\n\r\n")
        assert b"Expect: 100-continue\r\n" in seen
        await peer.send(head("HTTP/1.1 100 Continue"))
        assert await peer.recv_exactly(5) == b"hello"
        await peer.send(response(b"got it"))

    up = rig.upstream(script)
    proxy = rig.proxy(up.port)
    client = await rig.client(proxy.port)
    await client.send(
        head("POST / HTTP/1.1", "Host: web", "Content-Length: 5", "Expect: 100-continue")
    )
    assert (await client.read_response()).status == 100
    await client.send(b"hello")
    assert (await client.read_response()).body == b"got it"


async def test_expect_100_continue_refused_by_upstream_ends_the_request(rig: Rig) -> None:
    async def script(peer: Peer, up: Upstream) -> None:
        await peer.recv_until(b"\r\n\r\n")
        await peer.send(response(b"too large", "413 Content Too Large"))
        assert await peer.is_closed()

    up = rig.upstream(script)
    proxy = rig.proxy(up.port)
    client = await rig.client(proxy.port)
    await client.send(
        head("POST / HTTP/1.1", "Host: web", "Content-Length: 5", "Expect: 100-continue")
    )
    refused = await client.read_response()
    assert (refused.status, refused.body) == (413, b"too large")
    assert refused.header("connection") == "close"
    assert await client.is_closed()


@pytest.mark.parametrize("body", [b"", b"x", b"y" * 200_000], ids=len)
async def test_until_close_response_becomes_chunked_for_http11(rig: Rig, body: bytes) -> None:
    up = rig.upstream(replies(head("HTTP/1.1 200 OK") + body))
    proxy = rig.proxy(up.port)
    client = await rig.client(proxy.port)
    for _ in range(2):
        answered = await client.get()
        assert answered.body == body
        assert answered.header("transfer-encoding") == "chunked"
        assert answered.header("connection") is None
    assert proxy.codes() == {(200, "-"): 2}


@pytest.mark.parametrize(
    "sent",
    [
        head("HTTP/1.1 200 OK") + b"body",
        head("HTTP/1.1 200 OK", "Transfer-Encoding: chunked") + chunked([b"bo", b"dy"]),
    ],
    ids=["until-close", "chunked"],
)
@pytest.mark.parametrize("keep_alive", [True, False])
async def test_unknown_length_is_delimited_by_close_for_http10(
    rig: Rig, sent: bytes, keep_alive: bool
) -> None:
    up = rig.upstream(replies(sent))
    proxy = rig.proxy(up.port)
    client = await rig.client(proxy.port)
    fields = ["Connection: keep-alive"] if keep_alive else []
    await client.send(request("GET", "/", *fields, version="1.0"))
    answered = await client.read_response()
    assert answered.body == b"body"
    assert answered.header("transfer-encoding") is None
    assert answered.header("connection") == "close"


async def test_http10_client_without_keep_alive_is_closed_after_one_response(rig: Rig) -> None:
    up = rig.upstream()
    proxy = rig.proxy(up.port)
    client = await rig.client(proxy.port)
    await client.send(request(version="1.0"))
    answered = await client.read_response()
    assert (answered.body, answered.header("connection")) == (b"upstream", "close")
    assert await client.is_closed()
    assert up.requests[0].start == "GET / HTTP/1.1"


async def test_http10_client_with_keep_alive_is_kept(rig: Rig) -> None:
    up = rig.upstream()
    proxy = rig.proxy(up.port)
    client = await rig.client(proxy.port)
    for _ in range(3):
        await client.send(request("GET", "/", "Connection: keep-alive", version="1.0"))
        answered = await client.read_response()
        assert (answered.body, answered.header("connection")) == (b"upstream", "keep-alive")
    assert len(up.peers) == 1


async def test_early_final_response_is_delivered_and_the_connection_closed(rig: Rig) -> None:
    async def script(peer: Peer, up: Upstream) -> None:
        await peer.recv_until(b"\r\n\r\n")
        await peer.send(response(b"no", "403 Forbidden"))
        await peer.recv_all()

    up = rig.upstream(script)
    proxy = rig.proxy(up.port)
    client = await rig.client(proxy.port)
    await client.send(head("POST / HTTP/1.1", "Host: web", "Content-Length: 1000000") + b"x" * 99)
    refused = await client.read_response()
    assert (refused.status, refused.body) == (403, b"no")
    assert refused.header("connection") == "close"
    # Still sending: the reply must not be lost to a reset.
    await client.send(b"x" * 100_000)
    assert await client.is_closed()
    await until(lambda: up.ended == 1)


async def test_early_response_survives_a_client_that_writes_everything_first(rig: Rig) -> None:
    async def script(peer: Peer, up: Upstream) -> None:
        await peer.recv_until(b"\r\n\r\n")
        await peer.send(response(b"no", "403 Forbidden"))
        await peer.recv_all()

    up = rig.upstream(script)
    proxy = rig.proxy(up.port)
    client = await rig.client(proxy.port)
    size = 32 << 20
    await client.send(head("POST / HTTP/1.1", "Host: web", f"Content-Length: {size}"))
    with contextlib.suppress(ConnectionError):
        await client.send(bytes(size))
    assert (await client.read_response()).status == 403


async def test_response_that_outlives_an_early_start_keeps_its_bytes(rig: Rig) -> None:
    """The response begins before the request ends, and ends after it."""

    async def script(peer: Peer, up: Upstream) -> None:
        await peer.recv_until(b"\r\n\r\n")
        await peer.send(head("HTTP/1.1 200 OK", "Content-Length: 6") + b"abc")
        assert await peer.recv_exactly(4) == b"body"
        await peer.send(b"def")
        assert (await peer.recv_all()) == b""

    up = rig.upstream(script)
    proxy = rig.proxy(up.port)
    client = await rig.client(proxy.port)
    await client.send(head("POST / HTTP/1.1", "Host: web", "Content-Length: 4"))
    started = await client.recv_until(b"\r\n\r\n")
    assert b"\r\nconnection: close\r\n" in started
    assert await client.recv_exactly(3) == b"abc"
    await client.send(b"body")
    assert await client.recv_exactly(3) == b"def"
    assert await client.is_closed()


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\nHost: web\r\n\r\n", 414),
        (request("GET", "/", "X-Big: " + "b" * 70_000), 431),
        (request("GET", "/", *[f"X-{i}: 1" for i in range(101)]), 431),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\nHost: web\n\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\n", 400),
        (request("GET", "/", "Content-Length: 1", "Transfer-Encoding: chunked"), 400),
        (request("POST", "/", "Transfer-Encoding: gzip, chunked"), 501),
        (request(version="2.0"), 505),
        (request("CONNECT", "web:443"), 501),
    ],
    ids=["uri", "head", "count", "host", "lf", "tls", "framing", "coding", "version", "connect"],
)
async def test_unacceptable_request_is_answered_and_the_connection_closed(
    rig: Rig, sent: bytes, status: int
) -> None:
    up = rig.upstream()
    proxy = rig.proxy(up.port)
    client = await rig.client(proxy.port)
    await client.send(sent)
    refused = await client.read_response()
    assert refused.status == status
    assert refused.header("connection") == "close"
    assert await client.is_closed()
    assert up.requests == []
    assert proxy.board.process()["codec_error"] == 1


async def test_broken_chunk_in_a_request_reaches_nobody_as_a_whole_request(rig: Rig) -> None:
    async def script(peer: Peer, up: Upstream) -> None:
        seen = await peer.recv_all()
        assert not seen.endswith(b"0\r\n\r\n")

    up = rig.upstream(script)
    proxy = rig.proxy(up.port)
    client = await rig.client(proxy.port)
    await client.send(request("POST", "/", "Transfer-Encoding: chunked") + b"3\r\nabc\r\nzz\r\n")
    refused = await client.read_response()
    assert (refused.status, refused.header("connection")) == (400, "close")
    assert await client.is_closed()
    assert proxy.codes() == {(400, "DPE"): 1}


async def test_absolute_form_request_is_sent_in_origin_form(rig: Rig) -> None:
    up = rig.upstream()
    proxy = rig.proxy(up.port)
    client = await rig.client(proxy.port)
    await client.send(request("GET", "http://web.default:80/a?b", host="other"))
    assert (await client.read_response()).status == 200
    assert up.requests[0].start == "GET /a?b HTTP/1.1"
    assert up.requests[0].header("host") == "web.default:80"


async def test_hop_by_hop_fields_stay_on_their_hop(rig: Rig) -> None:
    up = rig.upstream(
        replies(response(b"", "200 OK", "Keep-Alive: timeout=5", "Connection: x-own", "X-Own: 1"))
    )
    proxy = rig.proxy(up.port)
    client = await rig.client(proxy.port)
    answered = await client.get("/", "Connection: x-mine", "X-Mine: 1", "TE: gzip", "Trailer: x")
    names = {name for name, _ in answered.fields} | {name for name, _ in up.requests[0].fields}
    assert names.isdisjoint({"connection", "keep-alive", "x-own", "x-mine", "te", "trailer"})
