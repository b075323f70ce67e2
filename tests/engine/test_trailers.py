"""Trailers: passed on where they can be, filtered, whole; never where nobody asked for them."""

from __future__ import annotations

import pytest
from support.engine import (
    Peer,
    Rig,
    Upstream,
    cluster,
    head,
    replies,
    request,
    response,
    route,
    until,
)

CODED = "Transfer-Encoding: chunked"
CHUNKS = b"3\r\nabc\r\n0\r\n"
SUMS = b"X-Sum: 900150983cd24fb0\r\nGrpc-Status: 0\r\n"
FORBIDDEN = [
    *("Content-Length: 9", "Transfer-Encoding: chunked", "Host: evil", "Trailer: x", "TE: gzip"),
    *("Connection: close", "Keep-Alive: 1", "Upgrade: h2c", "Proxy-Connection: close"),
    *("Authorization: Basic eA==", "Proxy-Authorization: x", "Cookie: a=b", "Set-Cookie: a=b"),
    *("X-Forwarded-For: 10.0.0.1", "x-forwarded-proto: https", "X-REQUEST-ID: 1", "Via: 1.1 v"),
    *("Range: bytes=0-1", "If-Match: a", "Expect: 100-continue", "Cache-Control: no-store"),
    *("Content-Type: text/html", "Content-Encoding: gzip", "Location: /x", "Date: now"),
    *("x-envoy-retry-on: 5xx", "Access-Control-Allow-Origin: *", "Sec-Fetch-Site: none"),
]


def with_trailers(*fields: str, trailers: bytes = SUMS) -> bytes:
    return head("HTTP/1.1 200 OK", CODED, *fields) + CHUNKS + trailers + b"\r\n"


def posted(*fields: str, trailers: bytes = SUMS) -> bytes:
    return request("POST", "/", CODED, *fields) + CHUNKS + trailers + b"\r\n"


@pytest.mark.parametrize("te", [["TE: trailers"], ["TE: gzip;q=0.5, Trailers", "Connection: TE"]])
async def test_response_trailers_reach_a_client_that_takes_them(rig: Rig, te: list[str]) -> None:
    up = rig.upstream(replies(*[with_trailers("Trailer: X-Sum, Grpc-Status")] * 2))
    proxy = rig.proxy(up.port)
    client = await rig.client(proxy.port)
    for _ in range(2):
        answered = await client.get("/", *te)
        assert (answered.body, answered.trailers) == (b"abc", SUMS)
        assert answered.header("trailer") == "X-Sum, Grpc-Status"
    asked = up.requests[0]
    assert (asked.header("te"), asked.header("connection")) == ("trailers", "te")
    assert len(up.peers) == 1
    assert proxy.board.process()["trailers_dropped"] == 0


@pytest.mark.parametrize("te", [[], ["TE: gzip"], ["TE: trailers-not"], ["Connection: TE"]])
async def test_response_trailers_that_nobody_asked_for_are_dropped(
    rig: Rig, te: list[str]
) -> None:
    up = rig.upstream(replies(with_trailers("Trailer: X-Sum")))
    proxy = rig.proxy(up.port)
    client = await rig.client(proxy.port)
    answered = await client.get("/", *te)
    assert (answered.body, answered.trailers) == (b"abc", b"")
    assert answered.header("trailer") is None
    assert up.requests[0].header("te") is None
    assert proxy.board.process()["trailers_dropped"] == 2


@pytest.mark.parametrize("keep_alive", [True, False])
async def test_http10_client_gets_no_trailers(rig: Rig, keep_alive: bool) -> None:
    up = rig.upstream(replies(with_trailers()))
    proxy = rig.proxy(up.port)
    client = await rig.client(proxy.port)
    fields = ["TE: trailers", *(["Connection: keep-alive"] if keep_alive else [])]
    await client.send(request("GET", "/", *fields, version="1.0"))
    assert (await client.read_response()).body == b"abc"
    assert up.requests[0].header("te") is None


async def test_head_and_length_leave_no_room_for_trailers(rig: Rig) -> None:
    headed = head("HTTP/1.1 200 OK", CODED, "Trailer: X")
    up = rig.upstream(replies(headed, response(b"a", "200 OK", "Trailer: X")))
    proxy = rig.proxy(up.port)
    client = await rig.client(proxy.port)
    await client.send(request("HEAD", "/", "TE: trailers"))
    assert (await client.read_response("HEAD")).status == 200
    answered = await client.get("/", "TE: trailers")
    assert (answered.body, answered.header("trailer")) == (b"a", None)


async def test_request_trailers_reach_the_upstream(rig: Rig) -> None:
    up = rig.upstream()
    proxy = rig.proxy(up.port)
    client = await rig.client(proxy.port)
    for _ in range(2):
        await client.send(posted("Trailer: X-Sum"))
        assert (await client.read_response()).status == 200
    assert [(m.body, m.trailers, m.header("trailer")) for m in up.requests] == [
        (b"abc", SUMS, "X-Sum")
    ] * 2


@pytest.mark.parametrize("line", FORBIDDEN)
async def test_trailer_that_belongs_into_the_head_is_dropped(rig: Rig, line: str) -> None:
    mixed = SUMS + line.encode() + b"\r\nX-Last:  1 \r\n"
    kept = SUMS + b"X-Last: 1\r\n"
    up = rig.upstream(replies(with_trailers(trailers=mixed)))
    proxy = rig.proxy(up.port)
    client = await rig.client(proxy.port)
    await client.send(posted("TE: trailers", trailers=mixed))
    assert (await client.read_response()).trailers == kept
    assert up.requests[0].trailers == kept
    assert proxy.board.process()["trailers_dropped"] == 2


async def test_trailers_are_dropped_where_connection_names_fields(rig: Rig) -> None:
    up = rig.upstream(replies(with_trailers("Connection: x-sum", "Trailer: X-Sum")))
    proxy = rig.proxy(up.port)
    client = await rig.client(proxy.port)
    await client.send(posted("TE: trailers", "Connection: TE, X-Sum", "Trailer: X-Sum"))
    answered = await client.read_response()
    assert (answered.trailers, answered.header("trailer")) == (b"", None)
    assert (up.requests[0].trailers, up.requests[0].header("trailer")) == (b"", None)


@pytest.mark.parametrize("size", [10, 4096, 15_000])
async def test_trailers_of_any_size_in_any_segments_arrive_whole(rig: Rig, size: int) -> None:
    lines = b"X-Big: " + b"v" * size + b"\r\n"
    up = rig.upstream(replies(with_trailers(trailers=lines)))
    proxy = rig.proxy(up.port)
    client = await rig.client(proxy.port)
    sent = posted("TE: trailers", trailers=lines)
    await client.dribble(sent[:-200])
    await client.send(sent[-200:])
    answered = await client.read_response()
    assert (answered.body, answered.trailers) == (b"abc", lines)
    assert up.requests[0].trailers == lines


@pytest.mark.parametrize(
    "lines", [b"X: " + b"v" * 16_400 + b"\r\n", b"x: 1\r\n" * 101, b"x y: 1\r\n", b"x: 1\n"]
)
async def test_trailers_beyond_bounds_or_grammar_are_refused(rig: Rig, lines: bytes) -> None:
    async def script(peer: Peer, up: Upstream) -> None:
        assert not (await peer.recv_all()).endswith(b"0\r\n\r\n")

    up = rig.upstream(script)
    proxy = rig.proxy(up.port)
    client = await rig.client(proxy.port)
    await client.send(posted(trailers=lines))
    assert (await client.read_response()).status == 400
    assert await client.is_closed()
    assert proxy.codes() == {(400, "DPE"): 1}


async def test_response_with_broken_trailers_looks_cut(rig: Rig) -> None:
    whole = with_trailers(trailers=b"x: 1\r\n" * 101)
    begin = whole.index(b"x: 1")

    async def script(peer: Peer, up: Upstream) -> None:
        await peer.read_request()
        await peer.send(whole[:begin])
        await until(lambda: client.unread)
        await peer.send(whole[begin:])

    proxy = rig.proxy(rig.upstream(script).port)
    client = await rig.client(proxy.port)
    await client.send(request("GET", "/", "TE: trailers"))
    assert not (await client.recv_all()).endswith(b"\r\n\r\n")
    assert proxy.codes() == {(200, "UPE"): 1}


async def test_request_that_is_tried_again_keeps_its_trailers(rig: Rig) -> None:
    retry = {
        **{"attempts": 2, "per_try_timeout_ms": 0, "retry_on": ["5xx"], "status_codes": []},
        **{"backoff_ms": 1, "avoid_previous": True, "remote_localities": False},
    }

    async def script(peer: Peer, up: Upstream) -> None:
        while (message := await peer.read_request()) is not None:
            up.requests.append(message)
            is_first = len(up.requests) == 1
            await peer.send(response(b"no", "503 No") if is_first else with_trailers())

    up = rig.upstream(script)
    proxy = rig.proxy(up.port)
    proxy.apply(cluster(0, up.port), routes=[route() | {"retry": retry}], full=True)
    client = await rig.client(proxy.port)
    await client.send(posted("TE: trailers"))
    assert (await client.read_response()).trailers == SUMS
    assert [(m.body, m.trailers) for m in up.requests] == [(b"abc", SUMS)] * 2
