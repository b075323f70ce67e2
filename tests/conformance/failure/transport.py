"""Connections that fail, answers that break off, and clients that go away."""

from __future__ import annotations

import asyncio

from conformance.failure.act import (
    CHUNK,
    HEAD,
    closes,
    garbles_after,
    ok,
    resets,
    resets_after,
    says,
    sends,
    stalls,
    stalls_after,
)
from conformance.failure.scenario import (
    BLACKHOLE,
    REFUSED,
    UNREADY,
    UP,
    Ask,
    Result,
    Scenario,
    in_turn,
)
from conformance.failure.stage import Side
from support.engine import connect

ONCE = {"retries": {"attempts": 0}}
TIMEOUT = {"timeout": "250ms", **ONCE}
CONNECT = {"connectionPool": {"tcp": {"connectTimeout": "150ms"}}}
BROKEN_CHUNK = b"zz\r\n"


async def any_order(side: Side) -> None:
    """Turns begin where chance has it, so it also has which ask is tried twice."""
    await in_turn(side)
    for result in side.results.values():
        result.attempts = []


async def client_leaves(side: Side) -> None:
    """Its upstream connection goes with it."""
    peer = await connect(side.proxy_port)
    await peer.send(side.scenario.asks[0].head(side.host, side.log_name(0)))
    await side.arrival(0)
    peer.close()
    upstream = side.pods[0].upstream
    assert upstream is not None
    async with asyncio.timeout(10):
        while not upstream.ended:
            await asyncio.sleep(0.01)
    side.facts["upstream connection ended"] = True
    side.results[0] = Result(attempts=side.turns[0].attempts)


SCENARIOS = (
    Scenario("connect_refused", pods=(REFUSED,), rule=ONCE),
    Scenario("connect_refused_default_retries", pods=(REFUSED,)),
    Scenario(
        "connect_refused_beside_a_good_pod", asks=(Ask(),) * 4, pods=(REFUSED, UP), play=any_order
    ),
    Scenario(
        "connect_refused_post",
        asks=(Ask(method="POST", body=b"x" * 9),) * 2,
        pods=(REFUSED, UP),
        play=any_order,
    ),
    Scenario("connect_timeout", pods=(BLACKHOLE,), rule=ONCE, policy=CONNECT),
    Scenario(
        "connect_timeout_retried",
        pods=(BLACKHOLE,),
        rule={"retries": {"attempts": 1, "retryOn": "connect-failure"}},
        policy=CONNECT,
    ),
    Scenario(
        "connect_timeout_behind_route_timeout",
        pods=(BLACKHOLE,),
        rule={"timeout": "200ms", **ONCE},
    ),
    Scenario("no_endpoint", pods=()),
    Scenario("no_ready_endpoint", pods=(UNREADY, UNREADY)),
    Scenario("one_ready_endpoint", asks=(Ask(),) * 3, pods=(UNREADY, UP)),
    Scenario("close_before_head", asks=(Ask((closes,)),), rule=ONCE),
    Scenario("close_before_head_post", asks=(Ask((closes,), "POST", b"abc"),), rule=ONCE),
    Scenario("close_before_head_default_retries", asks=(Ask((closes, ok)),)),
    Scenario("reset_before_head", asks=(Ask((resets,)),), rule=ONCE),
    Scenario("reset_before_head_default_retries", asks=(Ask((resets, ok)),)),
    Scenario("close_within_head", asks=(Ask((sends(b"HTTP/1.1 200 OK\r\nConte"),)),), rule=ONCE),
    Scenario(
        "reset_within_head", asks=(Ask((resets_after(b"HTTP/1.1 200 OK\r\nConte"),)),), rule=ONCE
    ),
    Scenario("close_within_body", asks=(Ask((sends(HEAD),)),), rule=ONCE),
    Scenario("close_within_chunks", asks=(Ask((sends(CHUNK),)),), rule=ONCE),
    Scenario("reset_within_body", asks=(Ask((resets_after(HEAD, waits=True),)),), rule=ONCE),
    Scenario("garbage", asks=(Ask((sends(b"\x00\x01\x02 nonsense\r\n\r\n"),)),), rule=ONCE),
    Scenario("garbage_default_retries", asks=(Ask((sends(b"nonsense\r\n\r\n"), ok)),)),
    Scenario("bad_status", asks=(Ask((sends(b"HTTP/1.1 abc OK\r\n\r\n"),)),), rule=ONCE),
    Scenario(
        "garbage_within_chunks", asks=(Ask((garbles_after(CHUNK, BROKEN_CHUNK),)),), rule=ONCE
    ),
    Scenario(
        "both_framings",
        asks=(
            Ask(
                (
                    sends(
                        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n"
                        b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
                    ),
                )
            ),
        ),
        rule=ONCE,
    ),
    Scenario(
        "unasked_upgrade",
        asks=(
            Ask((sends(b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"),)),
        ),
        rule=ONCE,
        differs="`101` that nobody asked for",
    ),
    Scenario(
        "bytes_behind_an_answer",
        asks=(
            Ask((sends(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK", True),)),
        )
        * 2,
        rule=ONCE,
    ),
    Scenario(
        "informational_first",
        asks=(
            Ask(
                (sends(b"HTTP/1.1 103 Hints\r\n\r\nHTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n"),)
            ),
        ),
        rule=ONCE,
    ),
    Scenario(
        "informational_then_close",
        asks=(Ask((sends(b"HTTP/1.1 103 Hints\r\nlink: a\r\n\r\n"),)),),
        rule=ONCE,
        differs="details of a close behind an informational answer",
    ),
    Scenario(
        "answer_until_close",
        asks=(Ask((sends(b"HTTP/1.0 200 OK\r\n\r\nto the end"),)),),
        rule=ONCE,
    ),
    Scenario("slow_head", asks=(Ask((stalls,)),), rule=TIMEOUT),
    Scenario(
        "slow_within_head", asks=(Ask((stalls_after(b"HTTP/1.1 200 OK\r\nCont"),)),), rule=TIMEOUT
    ),
    Scenario("slow_body", asks=(Ask((stalls_after(HEAD),)),), rule=TIMEOUT),
    Scenario("slow_chunks", asks=(Ask((stalls_after(CHUNK),)),), rule=TIMEOUT),
    Scenario("slow_head_of_a_post", asks=(Ask((stalls,), "POST", b"a" * 1000),), rule=TIMEOUT),
    Scenario(
        "early_answer",
        asks=(
            Ask((says(413, b"no", "Connection: close"),), "POST", b"a" * 500_000, is_early=True),
        ),
        rule=ONCE,
    ),
    Scenario(
        "early_close", asks=(Ask((closes,), "POST", b"a" * 2_000_000, is_early=True),), rule=ONCE
    ),
    Scenario("head_answered_with_503", asks=(Ask((says(503),), "HEAD"),), rule=ONCE),
    Scenario("answer_503_passes", asks=(Ask((says(503, b"mine"),)),)),
    Scenario("answer_429_passes", asks=(Ask((says(429, b"slow down", "Retry-After: 1"),)),)),
    Scenario("client_leaves", asks=(Ask((stalls,)),), play=client_leaves),
    Scenario(
        "fault_is_no_attempt",
        rule={
            "fault": {"abort": {"httpStatus": 503, "percentage": {"value": 100}}},
            "retries": {"attempts": 3, "retryOn": "5xx"},
        },
    ),
)
