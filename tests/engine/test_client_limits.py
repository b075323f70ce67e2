"""What one client may ask: every `--limit`, what it answers, and what it counts."""

from __future__ import annotations

import asyncio
import json
import socket
from typing import Any

import pytest
from support.engine import (
    LOCALHOST,
    Peer,
    Proxy,
    Rig,
    Upstream,
    answer,
    chunked,
    head,
    request,
    response,
    until,
)

MIB = 1 << 20


def limited(rig: Rig, *ports: int, access_log: str = "text", **limits: int) -> Proxy:
    named = {name.replace("_", "-"): value for name, value in limits.items()}
    return rig.proxy(*ports, access_log=access_log, options={"limits": named})


def exceeded(proxy: Proxy) -> dict[str, int]:
    counts: dict[str, int] = proxy.board.process()["exceeded"]
    return {name: count for name, count in counts.items() if count}


@pytest.mark.parametrize(
    ("limit", "number", "data", "status", "detail", "said"),
    [
        ("request-line", 64, request("GET", "/" + "a" * 50), 414, "http1.uri_too_long",
         "URI Too Long: request-line is limited to 64 bytes, found 66 bytes"),
        ("request-line", 64, b"GET /" + b"a" * 80, 414, "http1.uri_too_long",
         "URI Too Long: request-line is limited to 64 bytes, found 85 bytes"),
        ("head", 1024, request("GET", "/", "X: " + "a" * 1024), 431, "http1.headers_too_large",
         "Request Header Fields Too Large: head is limited to 1024 bytes, found 1058 bytes"),
        ("headers", 2, request("GET", "/", "A: 1", "B: 2"), 431, "http1.too_many_headers",
         "Request Header Fields Too Large: headers is limited to 2, found 3"),
        ("headers", 100, request("GET", "/", *["A: 1"] * 100), 431, "http1.too_many_headers",
         "Request Header Fields Too Large: headers is limited to 100, found 101"),
        ("body", 10, request("POST", "/", body=b"a" * 11), 413, "request_payload_too_large",
         "Payload Too Large: body is limited to 10 bytes, found 11 bytes"),
    ],
)  # fmt: skip
async def test_head_beyond_a_limit_is_refused_before_a_route_is_asked(
    rig: Rig, limit: str, number: int, data: bytes, status: int, detail: str, said: str
) -> None:
    up = rig.upstream()
    proxy = limited(rig, up.port, **{limit: number})
    client = await rig.client(proxy.port)
    await client.send(data)
    refused = await client.read_response()
    assert (refused.status, refused.body.decode()) == (status, said)
    assert refused.header("connection") == "close"
    assert await client.recv_all() == b""
    assert up.requests == []
    assert exceeded(proxy) == {limit: 1}
    (line,) = proxy.log_lines()
    assert f" {status} DPE {detail} " in line


async def test_head_at_its_limits_is_served(rig: Rig) -> None:
    up = rig.upstream()
    line = request("GET", "/" + "a" * 49)
    proxy = limited(rig, up.port, request_line=64 + 1, headers=1, head=1024)
    client = await rig.client(proxy.port)
    await client.send(line)
    assert (await client.read_response()).status == 200


async def test_chunked_body_beyond_its_limit_is_refused_and_never_whole_upstream(rig: Rig) -> None:
    seen: list[bytes] = []

    async def script(peer: Peer, up: Upstream) -> None:
        await peer.recv_until(b"\r\n\r\n")
        seen.append(await peer.recv_all())

    up = rig.upstream(script)
    proxy = limited(rig, up.port, body=10)
    client = await rig.client(proxy.port)
    await client.send(
        request("POST", "/", "Transfer-Encoding: chunked") + chunked([b"abcdef"] * 2)
    )
    refused = await client.read_response()
    assert refused.status == 413
    assert refused.body == b"Payload Too Large: body is limited to 10 bytes, found 12 bytes"
    assert not any(b"0\r\n\r\n" in data for data in seen)
    assert exceeded(proxy) == {"body": 1}
    assert proxy.codes() == {(413, "DPE"): 1}


async def test_body_at_its_limit_is_served(rig: Rig) -> None:
    up = rig.upstream()
    proxy = limited(rig, up.port, body=12)
    client = await rig.client(proxy.port)
    await client.send(
        request("POST", "/", "Transfer-Encoding: chunked") + chunked([b"abcdef"] * 2)
    )
    assert (await client.read_response()).status == 200
    await client.send(request("POST", "/", body=b"a" * 12))
    assert (await client.read_response()).status == 200


@pytest.mark.parametrize(
    ("limit", "sent"), [("first-byte", b""), ("keep-alive", request()), ("head-time", b"GET / H")]
)
async def test_silent_client_is_let_go(rig: Rig, limit: str, sent: bytes) -> None:
    up = rig.upstream()
    proxy = limited(rig, up.port, **{limit: 30})
    client = await rig.client(proxy.port)
    await client.send(sent)
    got = await client.recv_all()
    if limit == "head-time":
        assert got.startswith(b"HTTP/1.1 408 Request Timeout\r\n")
        assert b"request header timeout: head-time is limited to 30 ms, found " in got
    else:
        assert (got == b"") == (limit == "first-byte")
    assert exceeded(proxy) == {limit: 1}


async def test_dribbled_head_is_timed_as_a_whole(rig: Rig) -> None:
    up = rig.upstream()
    proxy = limited(rig, up.port, head_time=60)
    client = await rig.client(proxy.port)
    reader = asyncio.create_task(client.recv_all())
    while not reader.done():
        try:
            await client.send(b"GET / HTTP/1.1\r\nX: a"[: 1 + len(client.unread)] or b"a")
        except ConnectionError:
            break
        await asyncio.sleep(0.005)
    assert (await reader).startswith(b"HTTP/1.1 408 ")


async def test_body_that_stops_coming_is_a_timeout(rig: Rig) -> None:
    async def script(peer: Peer, up: Upstream) -> None:
        await peer.recv_all()

    up = rig.upstream(script)
    proxy = limited(rig, up.port, body_idle=30)
    client = await rig.client(proxy.port)
    await client.send(request("POST", "/", "Content-Length: 10") + b"abc")
    refused = await client.read_response()
    assert refused.status == 408
    assert refused.body.startswith(b"stream timeout: body-idle is limited to 30 ms, found ")
    assert await client.recv_all() == b""
    assert proxy.codes() == {(408, "SI"): 1}
    assert exceeded(proxy) == {"body-idle": 1}
    await until(lambda: up.ended == 1)


async def test_slow_upstream_is_not_the_clients_idle_body(rig: Rig) -> None:
    async def script(peer: Peer, up: Upstream) -> None:
        await asyncio.sleep(0.2)
        await answer(peer, up)

    up = rig.upstream(script, rcvbuf=4096)
    proxy = limited(rig, up.port, body_idle=30)
    client = await rig.client(proxy.port)
    await client.send(request("POST", "/", body=b"a" * 4 * MIB))
    assert (await client.read_response()).status == 200
    assert exceeded(proxy) == {}


async def test_client_that_left_while_its_body_is_not_read_is_let_go(rig: Rig) -> None:
    limits = {"body-idle": 30, "pending": 4096}
    port = rig.blackhole_port()
    proxy = rig.proxy(port, connect_timeout_ms=3_600_000, options={"limits": limits})
    client = await rig.client(proxy.port)
    await client.send(request("POST", "/", "Content-Length: 1000000") + b"a" * 8192)
    client.half_close()
    assert (await client.read_response()).status == 408
    assert await client.recv_all() == b""
    assert exceeded(proxy) == {"body-idle": 1}


@pytest.mark.parametrize(("first_byte", "stream_time"), [(20, 0), (60_000, 0), (60_000, 50_000)])
async def test_client_that_does_not_read_its_response_is_let_go(
    rig: Rig, first_byte: int, stream_time: int
) -> None:
    """However far ahead the timer of a silent connection stood."""

    async def script(peer: Peer, up: Upstream) -> None:
        await peer.next_request()
        await peer.send(response(b"x" * 32 * MIB))

    up = rig.upstream(script)
    proxy = limited(rig, up.port, body_idle=30, first_byte=first_byte, stream_time=stream_time)
    client = await rig.client(proxy.port, rcvbuf=4096)
    await client.send(request())
    await until(lambda: proxy.engine.active == 0)
    assert exceeded(proxy) == {"body-idle": 1}
    assert proxy.codes() == {(200, "SI"): 1}


async def test_client_that_reads_slowly_keeps_its_response(rig: Rig) -> None:
    """It takes less than makes the kernel say that more can be sent."""

    async def script(peer: Peer, up: Upstream) -> None:
        await peer.next_request()
        await peer.send(response(b"x" * 32 * MIB))

    up = rig.upstream(script)
    proxy = limited(rig, up.port, body_idle=400)
    client = await rig.client(proxy.port, rcvbuf=4096)
    await client.send(request())
    for _ in range(80):
        await client.recv(2048)
        await asyncio.sleep(0.02)
    assert exceeded(proxy) == {}
    assert proxy.engine.active == 1
    await until(lambda: proxy.engine.active == 0)  # it reads no more
    assert exceeded(proxy) == {"body-idle": 1}


async def test_stream_has_a_longest_time(rig: Rig) -> None:
    async def script(peer: Peer, up: Upstream) -> None:
        await peer.recv_all()

    up = rig.upstream(script)
    proxy = limited(rig, up.port, stream_time=30)
    client = await rig.client(proxy.port)
    await client.send(request())
    late = await client.read_response()
    assert late.status == 408
    assert late.body.startswith(b"downstream duration timeout: stream-time is limited to 30 ms")
    assert proxy.codes() == {(408, "DT"): 1}


async def test_stream_that_never_ends_is_cut_at_its_longest_time(rig: Rig) -> None:
    async def script(peer: Peer, up: Upstream) -> None:
        await peer.next_request()
        await peer.send(head("HTTP/1.1 200 OK") + b"tick")
        await peer.recv_all()

    up = rig.upstream(script)
    proxy = limited(rig, up.port, stream_time=50)
    client = await rig.client(proxy.port)
    await client.send(request())
    assert not (await client.recv_all()).endswith(b"0\r\n\r\n")
    assert proxy.codes() == {(200, "DT"): 1}


async def test_client_that_reads_no_more_of_a_response_cut_at_its_longest_time_is_let_go(
    rig: Rig,
) -> None:
    async def script(peer: Peer, up: Upstream) -> None:
        await peer.next_request()
        await peer.send(response(b"x" * 32 * MIB))

    up = rig.upstream(script)
    # The time to fill both sockets comes before the first, and a stall twice the second after it.
    proxy = limited(rig, up.port, stream_time=400, body_idle=300)
    client = await rig.client(proxy.port, rcvbuf=4096)
    await client.send(request())
    await until(lambda: proxy.codes() == {(200, "DT"): 1})
    await until(lambda: proxy.engine.active == 0)
    assert exceeded(proxy) == {"stream-time": 1, "body-idle": 1}


async def test_connection_says_close_at_its_last_request(rig: Rig) -> None:
    up = rig.upstream()
    proxy = limited(rig, up.port, requests_per_connection=2)
    client = await rig.client(proxy.port)
    assert [(await client.get()).header("connection") for _ in range(2)] == [None, "close"]
    assert await client.is_closed()


@pytest.mark.parametrize("limit", ["connections", "connections-per-source"])
async def test_connection_over_the_limit_is_closed_at_once(rig: Rig, limit: str) -> None:
    up = rig.upstream()
    proxy = limited(rig, up.port, **{limit: 2})
    held = [await rig.client(proxy.port) for _ in range(2)]
    for client in held:
        assert (await client.get()).status == 200
    over = await rig.client(proxy.port)
    assert await over.is_closed()
    assert exceeded(proxy) == {limit: 1}
    held[0].close()
    await until(lambda: proxy.engine.active == 1)
    assert (await (await rig.client(proxy.port)).get()).status == 200


@pytest.mark.parametrize("limit", ["connections", "connections-per-source"])
async def test_connections_are_counted_over_all_workers(rig: Rig, limit: str) -> None:
    up = rig.upstream()
    proxy = rig.proxy(up.port, workers=3, options={"limits": {limit: 3}})
    held = [await rig.client(port) for port in (proxy.ports[0], proxy.ports[0], proxy.ports[1])]
    await until(lambda: proxy.board.process()["downstream_cx_total"] == 3)
    for port in proxy.ports:
        assert await (await rig.client(port)).is_closed()
    assert exceeded(proxy) == {limit: 3}
    held[0].close()
    await until(lambda: proxy.board.process()["downstream_cx_active"] == 2)
    held.append(await rig.client(proxy.ports[2]))
    await until(lambda: proxy.board.process()["downstream_cx_total"] == 4)
    assert await (await rig.client(proxy.ports[0])).is_closed()


async def test_connections_per_source_are_told_apart(rig: Rig) -> None:
    up = rig.upstream()
    proxy = limited(rig, up.port, **{"connections-per-source": 1})
    held = [
        socket.create_connection((LOCALHOST, proxy.port), source_address=(f"127.0.0.{i}", 0))
        for i in range(2, 40)
    ]
    await until(lambda: proxy.board.process()["downstream_cx_total"] == 38)
    assert exceeded(proxy) == {}
    for source in held:
        source.close()


async def test_connections_per_source_count_each_address_and_l4_too(rig: Rig) -> None:
    up = rig.upstream()
    proxy = rig.tcp_proxy(up.port, options={"limits": {"connections-per-source": 1}})
    first = await rig.client(proxy.tcp_port)
    assert (await first.get()).status == 200
    assert await (await rig.client(proxy.tcp_port)).is_closed()
    first.close()
    await until(lambda: proxy.engine.active == 0)
    assert (await (await rig.client(proxy.tcp_port)).get()).status == 200


async def test_more_pipelined_requests_than_allowed_end_the_connection(rig: Rig) -> None:
    up = rig.upstream()
    proxy = limited(rig, up.port, pipelined=3)
    client = await rig.client(proxy.port)
    await client.send(request() * 4)
    assert [(await client.read_response()).status for _ in range(4)] == [200] * 4
    await client.send(request() * 5)
    assert [(await client.read_response()).status for _ in range(5)] == [200] * 4 + [429]
    assert await client.is_closed()
    assert exceeded(proxy) == {"pipelined": 1}


async def test_little_memory_sheds_requests_and_serves_again(rig: Rig) -> None:
    up = rig.upstream()
    proxy = limited(rig, up.port, memory=4096)
    client = await rig.client(proxy.port)
    await client.send(request())
    shed = await client.read_response()
    assert (shed.status, shed.body) == (503, b"overloaded")
    assert await client.is_closed()
    assert up.requests == []
    (line,) = proxy.log_lines()
    assert " 503 OM overload " in line
    assert exceeded(proxy) == {"memory": 1}


async def test_enough_memory_sheds_nothing(rig: Rig) -> None:
    up = rig.upstream()
    proxy = limited(rig, up.port, memory=1 << 40)
    assert (await (await rig.client(proxy.port)).get()).status == 200


@pytest.mark.parametrize(
    "limits", [{"nonsense": 1}, {"head": 100}, {"headers": 101}, {"keep-alive": 0}]
)
async def test_engine_refuses_a_limit_that_cannot_be(rig: Rig, limits: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=next(iter(limits))):
        rig.proxy(1, options={"limits": limits})


@pytest.mark.parametrize(
    ("accept", "is_json"),
    [
        ("application/json", True),
        ("text/html, application/problem+json;q=0.9", True),
        ("*/*", False),
        ("text/plain", False),
    ],
)
@pytest.mark.parametrize("kind", ["no endpoint", "no route"])
async def test_reply_is_json_when_accept_asks(
    rig: Rig, accept: str, is_json: bool, kind: str
) -> None:
    proxy = rig.proxy(clusters=None, routes=[] if kind == "no route" else None)
    client = await rig.client(proxy.port)
    reply = await client.get("/", f"Accept: {accept}")
    detail, flags, status = (
        ("route_not_found", "NR", 404)
        if kind == "no route"
        else ("no_healthy_upstream", "UH", 503)
    )
    assert reply.status == status
    if is_json:
        said: dict[str, Any] = json.loads(reply.body)
        assert reply.header("content-type") == "application/json"
        assert said.pop("message")
        assert said == {"status": status, "flags": flags, "detail": detail}
    else:
        assert reply.body == (b"" if kind == "no route" else b"no healthy upstream")
        assert reply.header("content-type") == ("text/plain" if reply.body else None)


JSON = "Accept: application/json"
REFUSED = {
    "fields": (request("GET", "/", JSON, "X : 1"), 400, "http1.codec_error"),
    "framing": (request("GET", "/", JSON, "Content-Length: x"), 400, "http1.inconsistent_framing"),
    "host": (request("GET", "/", JSON, host="a:65536"), 400, "invalid_host_header"),
    "no host": (b"GET / HTTP/1.1\r\n" + JSON.encode() + b"\r\n\r\n", 400, "missing_host_header"),
    "coding": (
        request("GET", "/", JSON, "Transfer-Encoding: x"),
        501,
        "http1.invalid_transfer_encoding",
    ),
    "connect": (request("CONNECT", "web:80", JSON), 501, "connect_not_supported"),
    "count": (request("GET", "/", JSON, *["x: 1"] * 100), 431, "http1.too_many_headers"),
    "path": (request("GET", "/a%00", JSON), 400, "path_normalization_failed"),
}


@pytest.mark.parametrize("kind", REFUSED)
async def test_refusal_of_a_head_is_json_when_accept_was_read(rig: Rig, kind: str) -> None:
    sent, status, detail = REFUSED[kind]
    proxy = rig.proxy()
    client = await rig.client(proxy.port)
    await client.send(sent)
    reply = await client.read_response()
    said: dict[str, Any] = json.loads(reply.body)
    assert reply.header("content-type") == "application/json"
    assert said.pop("message")
    assert said == {"status": status, "flags": "DPE", "detail": detail}
    assert await client.is_closed()


@pytest.mark.parametrize(
    "sent",
    [
        request("GET", "/", "X : 1", JSON),  # the bad line comes first: nothing behind it is read
        b"GET /\r\n" + JSON.encode() + b"\r\n\r\n",
        request("GET", "/", JSON, version="2.0"),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ],
)
async def test_refusal_before_accept_was_read_is_text(rig: Rig, sent: bytes) -> None:
    """Nor is the Accept of the request before believed."""
    up = rig.upstream()
    proxy = rig.proxy(up.port)
    client = await rig.client(proxy.port)
    assert (await client.get("/", JSON)).status == 200
    await client.send(sent)
    reply = await client.read_response()
    assert reply.status == (505 if b"HTTP/2.0" in sent else 400)
    assert reply.header("content-type") == "text/plain"
    assert reply.body in (b"Bad Request", b"HTTP Version Not Supported")


async def test_head_that_comes_too_late_is_refused_as_its_accept_asks(rig: Rig) -> None:
    up = rig.upstream()
    client = await rig.client(limited(rig, up.port, **{"head-time": 30}).port)
    await client.send(request("GET", "/", JSON)[:-2])
    reply = await client.read_response()
    assert (reply.status, json.loads(reply.body)["detail"]) == (408, "request_header_timeout")


async def test_refused_head_request_gets_no_body(rig: Rig) -> None:
    proxy = rig.proxy()
    client = await rig.client(proxy.port)
    await client.send(request("HEAD", "/", host="a:1:2"))
    assert (await client.read_response("HEAD")).status == 400
    assert await client.recv_all() == b""
