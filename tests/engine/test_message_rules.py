"""RFC 9110 and 9112, sentence by sentence, on real sockets: what no other file asks."""

from __future__ import annotations

import json

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

KEPT = [
    *("Host", "Content-Length", "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host"),
    *("X-Request-Id", "Date", "Expect", "Forwarded", "Via", "X-Real-Ip", "X-Client-Ip"),
    *("X-Forwarded-Port", "X-Forwarded-Client-Cert", "X-Envoy-External-Address"),
    "True-Client-Ip",
]


@pytest.mark.parametrize("name", KEPT)
@pytest.mark.parametrize("spelled", ["%s", "close-not, %s ,x"])
async def test_field_is_not_removed_by_naming_it_in_connection(
    rig: Rig, name: str, spelled: str
) -> None:
    up = rig.upstream()
    proxy = rig.proxy(up.port)
    client = await rig.client(proxy.port)
    fields = [] if name in ("Host", "Content-Length") else [f"{name}: 1.2.3.4"]
    await client.send(
        request("POST", "/", *fields, f"Connection: {spelled % name.lower()}", body=b"abc")
    )
    assert (await client.read_response()).status == 200
    (seen,) = up.requests
    wanted = {"Host": "web", "Content-Length": "3"}.get(name, "1.2.3.4")
    assert seen.header(name.lower()) == wanted
    assert (seen.body, seen.header("connection")) == (b"abc", None)


@pytest.mark.parametrize("name", ["Content-Length", "Date"])
async def test_upstream_does_not_remove_what_frames_its_response(rig: Rig, name: str) -> None:
    date = "Date: Thu, 01 Jan 1970 00:00:00 GMT"
    up = rig.upstream(replies(response(b"abc", "200 OK", date, f"Connection: {name}, X", "X: 1")))
    proxy = rig.proxy(up.port)
    client = await rig.client(proxy.port)
    answered = await client.get()
    assert (answered.body, answered.header("content-length")) == (b"abc", "3")
    assert (f"Date: {answered.header('date')}", answered.header("x")) == (date, None)


async def test_lines_keep_their_order_case_and_number(rig: Rig) -> None:
    lines = ["B: 1", "a: 2", "X-mIxEd: a  b", "B: 3", "Accept:*/*", "Empty:", "a:\t4 "]
    kept = ["B: 1", "a: 2", "X-mIxEd: a  b", "B: 3", "Accept: */*", "Empty: ", "a: 4"]
    up = rig.upstream(replies(response(b"", "299 Odd  reason", *lines)))
    proxy = rig.proxy(up.port)
    client = await rig.client(proxy.port)
    answered = await client.get("/", *lines)
    assert answered.start == "HTTP/1.1 299 Odd  reason"
    for seen in (answered, up.requests[0]):
        assert [line for line in seen.head.decode().split("\r\n") if line in kept] == kept


async def test_every_informational_status_goes_on(rig: Rig) -> None:
    known = [status for status in range(100, 200) if status != 101]
    up = rig.upstream(
        replies(
            b"".join(head(f"HTTP/1.1 {status} Wait", f"X-N: {status}") for status in known)
            + response(b"done")
        )
    )
    proxy = rig.proxy(up.port)
    client = await rig.client(proxy.port)
    await client.send(request())
    for status in known:
        hint = await client.read_response()
        assert (hint.status, hint.header("x-n")) == (status, str(status))
    assert (await client.read_response()).body == b"done"


@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified", "200 OK"])
@pytest.mark.parametrize("coding", ["Content-Length: 5", "Transfer-Encoding: chunked"])
async def test_body_where_none_may_be_reaches_nobody(rig: Rig, status: str, coding: str) -> None:
    """Bytes behind a HEAD, 204 or 304 response are no response to the next request."""
    method = "HEAD" if status.startswith("200") else "GET"
    body = b"5\r\nhello\r\n0\r\n\r\n" if "chunked" in coding else b"hello"
    wrong = head(f"HTTP/1.1 {status}", coding) + body
    up = rig.upstream(replies(wrong, response(b"wrong connection")))
    proxy = rig.proxy(up.port)
    client = await rig.client(proxy.port)
    for count in (1, 2):
        await client.send(request(method, "/"))
        answered = await client.read_response(method)
        assert answered.status == int(status[:3])
        assert answered.header("transfer-encoding") is None
        assert len(up.peers) == count
    assert not client.unread


async def test_reset_content_is_framed_by_its_fields(rig: Rig) -> None:
    """RFC 9112 6.3 makes no exception for 205: what is behind it is a body, if it says so."""
    up = rig.upstream(replies(response(b"hello", "205 Reset Content"), response(b"next")))
    proxy = rig.proxy(up.port)
    client = await rig.client(proxy.port)
    assert (await client.get()).body == b"hello"
    assert (await client.get()).body == b"next"
    assert len(up.peers) == 1


@pytest.mark.parametrize(
    ("line", "status", "detail"),
    [
        ("OPTIONS * HTTP/1.1", 404, "absolute_path_rejected"),
        ("GET * HTTP/1.1", 400, "http1.codec_error"),
        ("CONNECT web:80 HTTP/1.1", 501, "connect_not_supported"),
        ("GET web:80 HTTP/1.1", 400, "http1.codec_error"),
        ("GET ftp://web/ HTTP/1.1", 400, "http1.codec_error"),
        ("GET http:///a HTTP/1.1", 400, "invalid_host_header"),
        ("GET http://user@web/ HTTP/1.1", 400, "invalid_host_header"),
        ("GET http://web:65536/ HTTP/1.1", 400, "invalid_host_header"),
        ("GET /a#b HTTP/1.1", 400, "path_normalization_failed"),
        ("PRI * HTTP/2.0", 505, "http1.unsupported_version"),
        ("GET / HTTP/0.9", 505, "http1.unsupported_version"),
        ("GET / HTTP/1.2", 505, "http1.unsupported_version"),
        ("GET / http/1.1", 400, "http1.codec_error"),
        ("GET /", 400, "http1.codec_error"),
    ],
)
async def test_target_that_is_not_served_says_which(
    rig: Rig, line: str, status: int, detail: str
) -> None:
    up = rig.upstream()
    proxy = rig.proxy(up.port, access_log="json")
    client = await rig.client(proxy.port)
    await client.send(head(line, "Host: web"))
    assert (await client.read_response()).status == status
    assert await client.is_closed()
    await until(proxy.log_lines)
    logged = [json.loads(text) for text in proxy.log_lines()]
    assert [one["response_code_details"] for one in logged] == [detail]
    assert up.requests == []


@pytest.mark.parametrize(
    ("target", "sent"),
    [
        ("http://web", "/"),
        ("HTTP://web/a/b?c=/d", "/a/b?c=/d"),
        ("http://web?q", "/?q"),
        ("http://web:80/", "/"),
    ],
)
async def test_absolute_form_takes_the_place_of_host(rig: Rig, target: str, sent: str) -> None:
    up = rig.upstream()
    proxy = rig.proxy(up.port)
    client = await rig.client(proxy.port)
    await client.send(request("GET", target, host="elsewhere"))
    assert (await client.read_response()).status == 200
    (seen,) = up.requests
    assert (seen.path, seen.header("host")) == (sent, target.split("/")[2].partition("?")[0])


async def test_expectation_of_an_http10_client_is_not_answered_with_100(rig: Rig) -> None:
    async def script(peer: Peer, up: Upstream) -> None:
        await peer.recv_until(b"\r\n\r\n")
        await peer.send(head("HTTP/1.1 100 Continue"))
        assert await peer.recv_exactly(3) == b"abc"
        await peer.send(response(b"got it"))

    up = rig.upstream(script)
    proxy = rig.proxy(up.port)
    client = await rig.client(proxy.port)
    await client.send(request("PUT", "/", "Expect: 100-continue", body=b"abc", version="1.0"))
    assert (await client.read_response()).body == b"got it"


async def test_expectation_that_failed_leaves_the_unsent_body_unread(rig: Rig) -> None:
    """The body that the client may still send is not taken for a request."""

    async def script(peer: Peer, up: Upstream) -> None:
        while (message := await peer.read_request_head()) is not None:
            up.requests.append(message)
            await peer.send(response(b"no", "417 Expectation Failed"))

    up = rig.upstream(script)
    proxy = rig.proxy(up.port)
    client = await rig.client(proxy.port)
    inner = request("GET", "/inner")
    await client.send(
        head(
            "PUT /a HTTP/1.1", "Host: web", "Expect: 100-continue", f"Content-Length: {len(inner)}"
        )
    )
    refused = await client.read_response()
    assert (refused.status, refused.header("connection")) == (417, "close")
    await client.send(inner)
    assert await client.is_closed()
    assert [message.path for message in up.requests] == ["/a"]


@pytest.mark.parametrize(
    "bad",
    [
        request("GET", "/bad", "X : 1"),
        request("POST", "/bad", "Content-Length: 1", "Content-Length: 2"),
        request("GET", "/bad", host="a:65536"),
        b"\x00\r\n\r\n",
    ],
)
async def test_pipeline_is_served_up_to_a_bad_request_and_no_further(rig: Rig, bad: bytes) -> None:
    up = rig.upstream()
    proxy = rig.proxy(up.port)
    client = await rig.client(proxy.port)
    body = request("POST", "/b", "Transfer-Encoding: chunked") + chunked([b"abc"])
    await client.send(request("GET", "/a") + body + bad + request("GET", "/c"))
    assert [(await client.read_response()).status for _ in range(3)] == [200, 200, 400]
    assert await client.is_closed()
    assert [message.path for message in up.requests] == ["/a", "/b"]
