"""Who sent a request: X-Forwarded-*, X-Request-Id, x-envoy-*; in a mesh and at its edge."""

from __future__ import annotations

import json

import pytest
from support.engine import Rig, request, route

from meshproxy.snapshot.model import HeaderEditsData

STRANGER = (
    "X-Forwarded-For: 1.1.1.1, 2.2.2.2",
    "X-Forwarded-Proto: https",
    "X-Request-Id: mine",
    "X-Envoy-Internal: true",
    "X-Forwarded-Host: shop.example",
    "X-Forwarded-Client-Cert: By=spiffe://a",
    "X-Envoy-Original-Path: /admin",
    "X-Envoy-External-Address: 9.9.9.9",
    "X-Envoy-Max-Retries: 9",
    "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    "X-Forwarded-For: 3.3.3.3",
)


async def test_sidecar_passes_on_what_the_workload_says(rig: Rig) -> None:
    seen = await rig.sent(*STRANGER)
    assert seen.values("x-forwarded-for") == ["1.1.1.1, 2.2.2.2", "3.3.3.3"]
    assert seen.header("x-forwarded-proto") == "https"
    assert seen.header("x-request-id") == "mine"
    assert seen.header("x-envoy-original-path") == "/admin"
    assert seen.header("x-envoy-internal") is None
    assert seen.header("x-envoy-max-retries") is None
    assert seen.header("x-forwarded-host") == "shop.example"
    assert seen.header("x-forwarded-client-cert") == "By=spiffe://a"
    assert seen.header("traceparent") is not None


@pytest.mark.parametrize(
    ("hops", "proto", "client"),
    [
        (0, "http", "127.0.0.1"),
        (1, "https", "3.3.3.3"),
        (2, "https", "2.2.2.2"),
        (9, "https", "127.0.0.1"),
    ],
)
async def test_edge_says_who_the_stranger_is(rig: Rig, hops: int, proto: str, client: str) -> None:
    seen = await rig.sent(*STRANGER, use_remote_address=True, xff_num_trusted_hops=hops)
    assert seen.header("x-forwarded-for") == "1.1.1.1, 2.2.2.2, 3.3.3.3, 127.0.0.1"
    assert seen.header("x-forwarded-proto") == proto
    assert seen.header("x-forwarded-host") == ("shop.example" if hops else None)
    assert seen.header("x-forwarded-client-cert") == ("By=spiffe://a" if hops else None)
    assert seen.header("x-envoy-external-address") == client
    assert len(seen.header("x-request-id") or "") == 36
    assert seen.header("x-envoy-internal") is None
    assert seen.header("x-envoy-original-path") is None
    assert seen.header("x-envoy-max-retries") is None
    assert seen.header("traceparent") is not None
    assert seen.header("host") == "web"


async def test_edge_names_the_peer_where_a_proxy_in_front_named_no_address(rig: Rig) -> None:
    options = {"use_remote_address": True, "xff_num_trusted_hops": 1}
    seen = await rig.sent("X-Forwarded-For: 1.1.1.1, unknown", **options)
    assert seen.header("x-envoy-external-address") == "127.0.0.1"
    assert seen.header("x-forwarded-for") == "1.1.1.1, unknown, 127.0.0.1"


async def test_edge_keeps_order_and_case_of_all_else(rig: Rig) -> None:
    up = rig.upstream()
    proxy = rig.proxy(up.port, options={"use_remote_address": True})
    client = await rig.client(proxy.port)
    await client.send(request("POST", "/a?b", "X-B: 2", "x-A:1", "X-B: 3", body=b"body"))
    assert (await client.read_response()).status == 200
    (seen,) = up.requests
    assert seen.body == b"body"
    assert b"Host: web\r\nX-B: 2\r\nx-A: 1\r\nX-B: 3\r\nContent-Length: 4\r\n" in seen.head


async def test_edge_head_that_grows_beyond_its_headers_is_refused(rig: Rig) -> None:
    up = rig.upstream()
    proxy = rig.proxy(up.port, options={"use_remote_address": True})
    client = await rig.client(proxy.port)
    assert (await client.get("/", *["A: 1"] * 98)).status == 431
    assert up.requests == []


@pytest.mark.parametrize("options", [{}, {"use_remote_address": True, "xff_num_trusted_hops": 1}])
async def test_connection_cannot_remove_who_sent_it(rig: Rig, options: dict[str, object]) -> None:
    named = (
        "Connection: x-forwarded-for, x-forwarded-proto, x-forwarded-host, x-request-id, host,"
        " x-gone"
    )
    more = ("X-Forwarded-For: 1.1.1.1", "X-Forwarded-Host: a", "X-Gone: 1", "X-Request-Id: mine")
    seen = await rig.sent(named, *more, **options)
    assert (seen.header("x-forwarded-for") or "").startswith("1.1.1.1")
    assert seen.header("x-forwarded-host") == "a"
    assert seen.header("x-request-id")
    assert (seen.header("host"), seen.header("x-gone")) == ("web", None)


@pytest.mark.parametrize(
    ("fields", "hops", "client"),
    [
        (["X-Forwarded-For: 1.1.1.1, 2.2.2.2"], 0, "2.2.2.2"),
        (["X-Forwarded-For: 1.1.1.1, 2.2.2.2"], 1, "1.1.1.1"),
        (["X-Forwarded-For: 1.1.1.1", "X-Forwarded-For: 2.2.2.2"], 1, "1.1.1.1"),
        (["X-Forwarded-For: 1.1.1.1, 2.2.2.2"], 2, "127.0.0.1"),
        (["X-Forwarded-For: nonsense"], 0, "127.0.0.1"),
        ([], 1, "127.0.0.1"),
    ],
)
async def test_trusted_hops_say_who_the_client_is(
    rig: Rig, fields: list[str], hops: int, client: str
) -> None:
    up = rig.upstream()
    variable = ("DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT", "", "", -1)
    edits: HeaderEditsData = {"remove": [], "set": [("x-client", [variable])], "add": []}
    proxy = rig.proxy(
        up.port,
        options={"xff_num_trusted_hops": hops},
        routes=[{**route(), "request_edits": [edits]}],
    )
    assert (await (await rig.client(proxy.port)).get("/", *fields)).status == 200
    assert up.requests[0].header("x-client") == client


@pytest.mark.parametrize(
    ("mode", "path"),
    [
        ("none", "/a//b/../%2Fc%41"),
        ("base", "/a//%2FcA"),
        ("merge_slashes", "/a/%2FcA"),
        ("decode_and_merge_slashes", "/a/cA"),
    ],
)
async def test_path_is_sent_as_it_was_matched(rig: Rig, mode: str, path: str) -> None:
    up = rig.upstream()
    proxy = rig.proxy(up.port, options={"path_normalization": mode}, routes=[route(prefix=path)])
    assert (await (await rig.client(proxy.port)).get("/a//b/../%2Fc%41")).status == 200
    assert up.requests[0].path == path


SLASHES = "path_with_escaped_slashes_action"


@pytest.mark.parametrize(
    ("options", "path", "sent_as"),
    [
        ({SLASHES: "keep_unchanged"}, "/a%2Fb%5cc", "/a%2Fb%5cc"),
        (
            {SLASHES: "keep_unchanged", "path_normalization": "decode_and_merge_slashes"},
            "/a%2F/b//c",
            "/a%2F/b/c",
        ),
        ({SLASHES: "unescape_and_forward"}, "/a%2F%2fb%5Cc?d=%2F", "/a//b/c?d=%2F"),
        ({SLASHES: "unescape_and_forward"}, "/a%2F..%2Fb", "/b"),
        ({SLASHES: "unescape_and_forward", "path_normalization": "none"}, "/%2F..%41", "//..%41"),
        (
            {SLASHES: "unescape_and_forward", "path_normalization": "merge_slashes"},
            "/a%2F%2Fb",
            "/a/b",
        ),
        ({SLASHES: "reject_request"}, "/a%25b?c=%2F", "/a%25b?c=%2F"),
        ({SLASHES: "reject_request", "path_normalization": "none"}, "/a%41/.", "/a%41/."),
        ({SLASHES: "unescape_and_redirect"}, "/a/b%41", "/a/bA"),
    ],
)
async def test_escaped_slash_is_kept_or_decoded_before_the_match(
    rig: Rig, options: dict[str, object], path: str, sent_as: str
) -> None:
    up = rig.upstream()
    routes = [route(prefix=sent_as.partition("?")[0])]
    proxy = rig.proxy(up.port, options=options, routes=routes)
    assert (await (await rig.client(proxy.port)).get(path)).status == 200
    assert up.requests[0].path == sent_as


@pytest.mark.parametrize("mode", ["none", "base"])
@pytest.mark.parametrize("path", ["/a%2fb", "/a%5Cb/..", "/%2F"])
async def test_escaped_slash_is_refused(rig: Rig, mode: str, path: str) -> None:
    up = rig.upstream()
    options = {SLASHES: "reject_request", "path_normalization": mode}
    proxy = rig.proxy(up.port, options=options)
    assert (await (await rig.client(proxy.port)).get(path)).status == 400
    assert up.requests == []


@pytest.mark.parametrize(
    ("path", "location"),
    [
        ("/a%2Fb?c=%2F", "/a/b?c=%2F"),
        ("/x%2F..%2Fb/./c", "/b/c"),
        ("/%2Fevil.example/a", "http://web//evil.example/a"),
    ],
)
async def test_escaped_slash_redirects_within_this_host(
    rig: Rig, path: str, location: str
) -> None:
    up = rig.upstream()
    proxy = rig.proxy(up.port, options={SLASHES: "unescape_and_redirect"}, access_log="text")
    answer = await (await rig.client(proxy.port)).get(path)
    assert (answer.status, answer.header("location"), answer.body) == (307, location, b"")
    assert up.requests == []
    assert " 307 - path_normalization_failed " in proxy.log_lines()[0]


async def test_escaped_slash_redirects_and_the_connection_serves_on(rig: Rig) -> None:
    up = rig.upstream()
    proxy = rig.proxy(up.port, options={SLASHES: "unescape_and_redirect"})
    client = await rig.client(proxy.port)
    await client.send(request("GET", "/a%2Fb") + request("HEAD", "/c%5Cd") + request("GET", "/e"))
    answers = [await client.read_response(method) for method in ("GET", "HEAD", "GET")]
    assert [each.header("location") for each in answers] == ["/a/b", "/c/d", None]
    assert [each.header("connection") for each in answers] == [None, None, None]
    assert [each.path for each in up.requests] == ["/e"]


@pytest.mark.parametrize(
    "fields", [("Connection: close",), ("Content-Length: 3",), ("Transfer-Encoding: chunked",)]
)
async def test_escaped_slash_redirect_ends_what_cannot_serve_on(
    rig: Rig, fields: tuple[str, ...]
) -> None:
    up = rig.upstream()
    proxy = rig.proxy(up.port, options={SLASHES: "unescape_and_redirect"})
    client = await rig.client(proxy.port)
    answer = await client.get("/a%2Fb", *fields)
    assert (answer.status, answer.header("connection")) == (307, "close")
    assert await client.is_closed()


async def test_escaped_slash_redirect_at_an_edge_believes_no_stranger(rig: Rig) -> None:
    up = rig.upstream()
    options = {SLASHES: "unescape_and_redirect", "use_remote_address": True}
    proxy = rig.proxy(up.port, options=options, access_log="text")
    client = await rig.client(proxy.port)
    answer = await client.get("/%2Fweb/a", "X-Forwarded-Proto: https", "X-Forwarded-For: 9.9.9.9")
    assert answer.header("location") == "http://web//web/a"
    assert " - - - 127.0.0.1:" in proxy.log_lines()[0]


@pytest.mark.parametrize(
    ("options", "fields", "client"),
    [
        ({}, [], "127.0.0.1:PORT"),
        ({}, ["X-Forwarded-For: 1.1.1.1, 2.2.2.2"], "2.2.2.2:0"),
        ({}, ["X-Forwarded-For: 2001:db8::1"], "[2001:db8::1]:0"),
        ({}, ["X-Forwarded-For: unknown"], "127.0.0.1:PORT"),
        ({"xff_num_trusted_hops": 1}, ["X-Forwarded-For: 1.1.1.1, 2.2.2.2"], "1.1.1.1:0"),
        ({"use_remote_address": True}, ["X-Forwarded-For: 1.1.1.1"], "127.0.0.1:PORT"),
        (
            {"use_remote_address": True, "xff_num_trusted_hops": 1},
            ["X-Forwarded-For: 1.1.1.1, 2.2.2.2"],
            "2.2.2.2:0",
        ),
        ({"use_remote_address": True, "xff_num_trusted_hops": 1}, [], "127.0.0.1:PORT"),
    ],
)
async def test_log_names_the_client_that_is_believed(
    rig: Rig, options: dict[str, object], fields: list[str], client: str
) -> None:
    up = rig.upstream()
    proxy = rig.proxy(up.port, options=options, access_log="json")
    peer = await rig.client(proxy.port)
    assert (await peer.get("/", *fields)).status == 200
    (line,) = [json.loads(line) for line in proxy.log_lines()]
    port = peer.sock.getsockname()[1]
    assert line["downstream_remote_address"] == client.replace("PORT", str(port))


@pytest.mark.parametrize(
    ("target", "path"),
    [("http://web", "/"), ("http://web?a=b", "/?a=b"), ("http://web/c?a", "/c?a"), ("/", "/")],
)
async def test_log_has_the_path_of_an_absolute_form(rig: Rig, target: str, path: str) -> None:
    up = rig.upstream()
    proxy = rig.proxy(up.port, access_log="text")
    assert (await (await rig.client(proxy.port)).get(target)).status == 200
    assert up.requests[0].path == path
    assert f'"GET {path} HTTP/1.1"' in proxy.log_lines()[0]
