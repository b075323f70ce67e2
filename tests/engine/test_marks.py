"""What the proxy says of itself in heads that it sends: traceparent, Via, X-Forwarded-Host."""

from __future__ import annotations

import re

import pytest
from support.engine import Rig, head, replies, request, response, route

from meshproxy.snapshot.model import HeaderEditsData

TRACE_ID, SPAN_ID = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
VALID = f"00-{TRACE_ID}-{SPAN_ID}-01"
BEGIN = {"traceparent": "begin"}
_NEW = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-0[01]")


@pytest.mark.parametrize(
    "value",
    [
        VALID,
        VALID.removesuffix("01") + "ff",  # flags nobody knows yet (3.2.2.5)
        f"01-{TRACE_ID}-{SPAN_ID}-01",
        f"cc-{TRACE_ID}-{SPAN_ID}-01-what-the-future-will-be-like",
    ],
)
async def test_valid_traceparent_is_passed_on_as_it_came(rig: Rig, value: str) -> None:
    fields = (f"traceparent: {value}", "tracestate: a=1")
    seen = await rig.sent(*fields, traceparent="begin")
    assert (seen.values("traceparent"), seen.values("tracestate")) == ([value], ["a=1"])


@pytest.mark.parametrize(
    "fields",
    [
        [],
        ["traceparent:"],
        [f"traceparent: {VALID}", f"traceparent: {VALID}"],
        [f"traceparent: {VALID}-extra"],
        [f"traceparent: {VALID}0"],
        [f"traceparent: {VALID[:-1]}"],
        [f"traceparent: {VALID.upper()}"],
        [f"traceparent: ff-{TRACE_ID}-{SPAN_ID}-01"],
        [f"traceparent: cc-{TRACE_ID}-{SPAN_ID}-01.later"],
        [f"traceparent: 00-{'0' * 32}-{SPAN_ID}-01"],
        [f"traceparent: 00-{TRACE_ID}-{'0' * 16}-01"],
        [f"traceparent: 00-{TRACE_ID}-{SPAN_ID}-0g"],
        [f"traceparent: 00_{TRACE_ID}-{SPAN_ID}-01"],
        [f"traceparent: {VALID}", "Connection: traceparent"],
    ],
)
async def test_trace_is_begun_where_no_valid_one_came(rig: Rig, fields: list[str]) -> None:
    seen = await rig.sent(*fields, "tracestate: a=1", traceparent="begin")
    (trace,) = seen.values("traceparent")
    assert _NEW.fullmatch(trace) and trace.endswith("01")
    assert TRACE_ID not in trace
    assert seen.values("tracestate") == []


async def test_invalid_traceparent_is_passed_on_unless_asked_to_begin(rig: Rig) -> None:
    seen = await rig.sent("traceparent: nonsense", "tracestate: a=1")
    assert seen.values("traceparent") == ["nonsense"]
    assert seen.values("tracestate") == ["a=1"]


async def test_each_trace_is_another_and_none_is_sampled_at_zero_percent(rig: Rig) -> None:
    up = rig.upstream()
    proxy = rig.proxy(up.port, options={**BEGIN, "trace_sampling": 0.0})
    client = await rig.client(proxy.port)
    for _ in range(8):
        assert (await client.get("/")).status == 200
    traces = [seen.header("traceparent") or "" for seen in up.requests]
    assert len({trace[3:35] for trace in traces}) == len({trace[36:52] for trace in traces}) == 8
    assert {trace[53:] for trace in traces} == {"00"}


@pytest.mark.parametrize(("hops", "is_kept"), [(0, False), (1, True)])
async def test_stranger_may_not_say_which_trace_it_is_part_of(
    rig: Rig, hops: int, is_kept: bool
) -> None:
    options = {"use_remote_address": True, "xff_num_trusted_hops": hops, **BEGIN}
    seen = await rig.sent(f"traceparent: {VALID}", "tracestate: a=1", **options)
    (trace,) = seen.values("traceparent")
    assert _NEW.fullmatch(trace)
    assert (trace == VALID, seen.values("tracestate") == ["a=1"]) == (is_kept, is_kept)


async def test_rule_may_replace_what_the_proxy_says(rig: Rig) -> None:
    up = rig.upstream()
    edits: HeaderEditsData = {
        "remove": ["via"],
        "set": [("traceparent", [VALID])],
        "add": [],
    }
    routes = [{**route(), "request_edits": [edits]}]
    proxy = rig.proxy(up.port, options={**BEGIN, "via": "edge"}, routes=routes)
    assert (await (await rig.client(proxy.port)).get("/")).status == 200
    assert up.requests[0].values("traceparent") == [VALID]
    assert up.requests[0].values("via") == []


async def test_via_is_appended_both_ways(rig: Rig) -> None:
    up = rig.upstream(replies(response(b"ok", "200 OK", "Via: 1.1 cache", "VIA: 1.0 old")))
    proxy = rig.proxy(up.port, options={"via": "edge-1"})
    client = await rig.client(proxy.port)
    answer = await client.get("/", "Via: 1.0 fred", "via: 1.1 nowhere.com:80")
    assert answer.header("via") == "1.1 cache, 1.0 old, 1.1 edge-1"
    assert up.requests[0].header("via") == "1.0 fred, 1.1 nowhere.com:80, 1.1 edge-1"


async def test_via_says_the_version_that_came_and_nothing_on_own_answers(rig: Rig) -> None:
    up = rig.upstream(replies(response(b"ok", version="1.0")))
    proxy = rig.proxy(up.port, options={"via": "edge"}, routes=[route(prefix="/a")])
    client = await rig.client(proxy.port)
    assert (await client.get("/b")).header("via") is None
    await client.send(request("GET", "/a", "Connection: keep-alive", version="1.0"))
    assert (await client.read_response()).header("via") == "1.0 edge"
    assert up.requests[0].header("via") == "1.0 edge"


async def test_via_and_trace_are_off_by_default(rig: Rig) -> None:
    seen = await rig.sent()
    assert not {"via", "traceparent", "x-forwarded-host"} & {name for name, _ in seen.fields}


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ([], "web"),
        (["X-Forwarded-Host: shop.example"], "shop.example,web"),
        (["X-Forwarded-Host: a, b", "X-Forwarded-Host: c"], "a, b,c,web"),
        (["X-Forwarded-Host: shop.example, web"], "shop.example, web"),
    ],
)
async def test_host_before_its_rewrite_is_told(rig: Rig, fields: list[str], told: str) -> None:
    up = rig.upstream()
    rewrite = {"kind": "none", "length": 0, "pattern": "", "value": "", "authority": "inner"}
    routes = [{**route(), "rewrite": rewrite}]
    proxy = rig.proxy(up.port, options={"x_forwarded_host": True}, routes=routes)
    assert (await (await rig.client(proxy.port)).get("/", *fields)).status == 200
    (seen,) = up.requests
    assert (seen.header("host"), seen.header("x-forwarded-host")) == ("inner", told)


async def test_host_that_stays_is_not_told(rig: Rig) -> None:
    seen = await rig.sent(x_forwarded_host=True)
    assert seen.header("x-forwarded-host") is None
    assert head("GET / HTTP/1.1", "Host: web").split(b"\r\n")[1] in seen.head
