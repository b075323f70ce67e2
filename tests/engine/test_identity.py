"""Who sent a request: X-Forwarded-*, X-Request-Id, x-envoy-*; in a mesh and at its edge."""

from __future__ import annotations

import pytest
from support.engine import Message, Rig, request, route

from meshproxy.snapshot.model import HeaderEditsData

STRANGER = (
    "X-Forwarded-For: 1.1.1.1, 2.2.2.2",
    "X-Forwarded-Proto: https",
    "X-Request-Id: mine",
    "X-Envoy-Internal: true",
    "X-Envoy-Original-Path: /admin",
    "X-Envoy-External-Address: 9.9.9.9",
    "X-Envoy-Max-Retries: 9",
    "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    "X-Forwarded-For: 3.3.3.3",
)


async def sent(rig: Rig, *fields: str, **options: object) -> Message:
    up = rig.upstream()
    proxy = rig.proxy(up.port, options=options)
    client = await rig.client(proxy.port)
    assert (await client.get("/", *fields)).status == 200
    return up.requests[0]


def values(message: Message, name: str) -> list[str]:
    return [value for known, value in message.fields if known == name]


async def test_sidecar_passes_on_what_the_workload_says(rig: Rig) -> None:
    seen = await sent(rig, *STRANGER)
    assert values(seen, "x-forwarded-for") == ["1.1.1.1, 2.2.2.2", "3.3.3.3"]
    assert seen.header("x-forwarded-proto") == "https"
    assert seen.header("x-request-id") == "mine"
    assert seen.header("x-envoy-original-path") == "/admin"
    assert seen.header("x-envoy-max-retries") is None
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
    seen = await sent(rig, *STRANGER, use_remote_address=True, xff_num_trusted_hops=hops)
    assert seen.header("x-forwarded-for") == "1.1.1.1, 2.2.2.2, 3.3.3.3, 127.0.0.1"
    assert seen.header("x-forwarded-proto") == proto
    assert seen.header("x-envoy-external-address") == client
    assert len(seen.header("x-request-id") or "") == 36
    assert seen.header("x-envoy-internal") is None
    assert seen.header("x-envoy-original-path") is None
    assert seen.header("x-envoy-max-retries") is None
    assert seen.header("traceparent") is not None
    assert seen.header("host") == "web"


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


@pytest.mark.parametrize("options", [{}, {"use_remote_address": True}])
async def test_connection_cannot_remove_who_sent_it(rig: Rig, options: dict[str, object]) -> None:
    named = (
        "Connection: x-forwarded-for, x-forwarded-proto, x-forwarded-host, x-request-id, host,"
        " x-gone"
    )
    more = ("X-Forwarded-For: 1.1.1.1", "X-Forwarded-Host: a", "X-Gone: 1", "X-Request-Id: mine")
    seen = await sent(rig, named, *more, **options)
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
