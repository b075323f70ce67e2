"""connectionPool settings at their edge (ISTIO 2.7, 3.10)."""

from __future__ import annotations

import asyncio
from typing import Any

from conformance.failure.act import holds, ok, says
from conformance.failure.scenario import BLACKHOLE, UP, Ask, Scenario
from conformance.failure.stage import ANSWER_S, Side

HELD = Ask((holds,))
ONCE = {"retries": {"attempts": 0}}


def pool(**http: Any) -> dict[str, Any]:
    """`connections` is tcp.maxConnections."""
    tcp = {"connectTimeout": "400ms"}
    if "connections" in http:
        tcp["maxConnections"] = http.pop("connections")
    return {"connectionPool": {"tcp": tcp, "http": http}}


async def second_beside_held(side: Side) -> None:
    """The last ask while the first is with its upstream."""
    first = side.start(0)
    await side.arrival(0)
    await side.ask(1)
    side.turns[0].is_released.set()
    await first


async def second_outwaits_held(side: Side) -> None:
    """The timeout of the first frees its connection for the second."""
    first = side.start(0)
    await side.arrival(0)
    await asyncio.sleep(0.15)
    await side.ask(1)
    await first


async def second_is_queued(side: Side) -> None:
    first = side.start(0)
    await side.arrival(0)
    second = side.start(1)
    done, _ = await asyncio.wait([second], timeout=0.2)
    side.facts["refused"] = bool(done)
    side.turns[0].is_released.set()
    await asyncio.gather(first, second)


async def third_beside_a_queue(side: Side) -> None:
    """The first holds the only connection; of two more one waits for it, one finds no room."""
    first = side.start(0)
    await side.arrival(0)
    others = [side.start(1), side.start(2)]
    done, waiting = await asyncio.wait(others, return_when=asyncio.FIRST_COMPLETED)
    side.facts["refused at once"] = len(done)
    side.turns[0].is_released.set()
    await asyncio.gather(first, *waiting)
    side.facts["statuses"] = sorted(task.result().status for task in others)
    side.results = {0: side.results[0]}


async def second_while_first_connects(side: Side) -> None:
    first = side.start(0)
    while True:
        await asyncio.sleep(0.05)  # nothing shows when a SYN was sent
        if (await side.ask(1)).status:
            break
    side.facts["first still waits"] = not first.done()
    await first


async def spaced(side: Side) -> None:
    for index in range(len(side.scenario.asks)):
        await side.ask(index)
        await asyncio.sleep(0.4)


async def until_idle_closes(side: Side) -> None:
    await side.ask(0)
    upstream = side.pods[0].upstream
    assert upstream is not None
    async with asyncio.timeout(ANSWER_S):
        while not upstream.ended:
            await asyncio.sleep(0.01)
    await side.ask(1)


async def repeated_beside_held(side: Side) -> None:
    """Overflow does not count as a failure of the pod."""
    first = side.start(0)
    await side.arrival(0)
    side.facts["refused"] = [(await side.ask(1)).status for _ in range(6)]
    side.turns[0].is_released.set()
    await first
    await side.ask(2)


async def at_once(side: Side) -> None:
    await asyncio.gather(*(side.start(index) for index in range(len(side.scenario.asks))))


SCENARIOS = (
    Scenario(
        "requests_at_their_limit",
        (HELD, Ask()),
        rule=ONCE,
        policy=pool(http2MaxRequests=1),
        play=second_beside_held,
    ),
    Scenario(
        "overflow_is_not_retried",
        (HELD, Ask()),
        rule={"retries": {"attempts": 3, "retryOn": "5xx,503,reset,connect-failure"}},
        policy=pool(http2MaxRequests=1),
        play=second_beside_held,
    ),
    Scenario(
        "overflow_of_a_post",
        (HELD, Ask(method="POST", body=b"a" * 9000)),
        rule=ONCE,
        policy=pool(http2MaxRequests=1),
        play=second_beside_held,
    ),
    Scenario(
        "overflow_of_a_head",
        (HELD, Ask(method="HEAD")),
        rule=ONCE,
        policy=pool(http2MaxRequests=1),
        play=second_beside_held,
    ),
    Scenario(
        "overflow_is_no_failure_of_the_pod",
        (HELD, Ask(), Ask()),
        rule=ONCE,
        policy={
            **pool(http2MaxRequests=1),
            "outlierDetection": {"consecutive5xxErrors": 2, "maxEjectionPercent": 100},
        },
        play=repeated_beside_held,
    ),
    Scenario(
        "queue_full_while_connecting",
        (Ask(), Ask()),
        (BLACKHOLE,),
        ONCE,
        pool(http1MaxPendingRequests=1),
        second_while_first_connects,
    ),
    Scenario(
        "queue_full_behind_the_only_connection",
        (HELD, Ask(), Ask()),
        rule=ONCE,
        policy=pool(connections=1, http1MaxPendingRequests=1),
        play=third_beside_a_queue,
        counts_connections=True,
    ),
    Scenario(
        "queued_until_route_timeout",
        (HELD, Ask()),
        rule={"timeout": "300ms", **ONCE},
        policy=pool(connections=1),
        play=second_outwaits_held,
    ),
    Scenario(
        "queued_behind_per_try_timeout",
        (HELD, Ask()),
        rule={
            "timeout": "600ms",
            "retries": {"attempts": 1, "retryOn": "5xx", "perTryTimeout": "200ms"},
        },
        policy=pool(connections=1),
        play=second_beside_held,
    ),
    Scenario(
        "queued_behind_a_failing_connect",
        (Ask(),) * 4,
        (BLACKHOLE,),
        ONCE,
        pool(connections=1),
        at_once,
    ),
    Scenario(
        "queued_requests_are_not_active",
        (HELD, Ask()),
        rule=ONCE,
        policy=pool(connections=1, http2MaxRequests=1),
        play=second_is_queued,
    ),
    Scenario(
        "one_connection_for_each_pod",
        (Ask(),) * 6,
        (UP, UP),
        ONCE,
        pool(connections=1),
        counts_connections=True,
    ),
    Scenario(
        "one_connection_serves_in_turn",
        (Ask(),) * 8,
        rule=ONCE,
        policy=pool(connections=1),
        play=at_once,
        counts_connections=True,
    ),
    Scenario(
        "one_request_for_each_connection",
        (Ask(),) * 5,
        policy=pool(maxRequestsPerConnection=1),
        counts_connections=True,
    ),
    Scenario(
        "three_requests_for_each_connection",
        (Ask(),) * 7,
        policy=pool(maxRequestsPerConnection=3),
        counts_connections=True,
    ),
    Scenario(
        "connection_closes_when_idle",
        (Ask(), Ask()),
        policy=pool(idleTimeout="200ms"),
        play=until_idle_closes,
        counts_connections=True,
    ),
    Scenario(
        "connection_ends_with_its_duration",
        (Ask(),) * 3,
        policy={"connectionPool": {"tcp": {"maxConnectionDuration": "200ms"}}},
        play=spaced,
        counts_connections=True,
    ),
    Scenario(
        "connection_is_kept",
        (Ask((says(503),)), Ask((ok,)), Ask((says(404),)), Ask(method="HEAD")),
        counts_connections=True,
    ),
)
