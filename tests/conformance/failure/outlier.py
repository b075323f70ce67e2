"""Ejection: which counter trips, how many may go, and when they come back (ISTIO 2.8, 3.8)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from conformance.failure.act import closes, ok, says, stalls
from conformance.failure.scenario import BLACKHOLE, REFUSED, UP, Ask, Play, Scenario
from conformance.failure.stage import ANSWER_S, Side

BUSY = says(503, b"busy")
ONCE = {"retries": {"attempts": 0}}
UH = "no healthy upstream"


def ejecting(percent: int = 100, **more: Any) -> dict[str, Any]:
    return {"outlierDetection": {"maxEjectionPercent": percent, **more}}


def splitting(server: int, local: int) -> dict[str, Any]:
    return ejecting(
        consecutive5xxErrors=server,
        splitExternalLocalOriginErrors=True,
        consecutiveLocalOriginFailures=local,
    )


def times(count: int) -> Play:
    """The first ask again and again; every answer is a fact."""

    async def play(side: Side) -> None:
        seen = []
        for _ in range(count):
            result = await side.ask(0)
            seen.append((result.status, result.body))
        side.facts["answers"] = seen

    return play


def counted(count: int) -> Play:
    """As above, where chance decides which pod is asked."""

    async def play(side: Side) -> None:
        seen = [(await side.ask(0)).status for _ in range(count)]
        side.facts["answers"] = sorted(seen)

    return play


def in_panic(count: int) -> Play:
    """As above; turns among all pods are not those among the healthy ones."""

    async def play(side: Side) -> None:
        await counted(count)(side)
        side.is_polled = True

    return play


async def returns(side: Side) -> None:
    """Until the pod is asked again."""
    side.facts["out"] = [(await side.ask(0)).body for _ in range(3)]
    began = time.monotonic()
    await _until(side, lambda body: body == b"ok")
    side.facts["not before its time"] = time.monotonic() - began > 0.3
    side.facts["stays"] = [(await side.ask(0)).body for _ in range(3)]
    side.is_polled = True


async def longer_each_time(side: Side) -> None:
    """The second ejection takes twice as long as the first."""
    await _until(side, lambda body: body == UH.encode())
    await _until(side, lambda body: body == b"busy")
    await _until(side, lambda body: body == UH.encode())
    began = time.monotonic()
    await _until(side, lambda body: body == b"busy")
    side.facts["twice as long"] = time.monotonic() - began > 0.75
    side.is_polled = True


async def _until(side: Side, wanted: Callable[[bytes], bool]) -> None:
    async with asyncio.timeout(ANSWER_S):
        while not wanted((await side.ask(0)).body):
            await asyncio.sleep(0.01)


SOON = {"interval": "100ms", "baseEjectionTime": "400ms"}
ALWAYS = (Ask((BUSY,)),)

SCENARIOS = (
    Scenario(
        "ejected_by_503", ALWAYS, rule=ONCE, policy=ejecting(consecutive5xxErrors=3), play=times(5)
    ),
    Scenario(
        "ejected_by_500",
        (Ask((says(500, b"broken"),)),),
        rule=ONCE,
        policy=ejecting(consecutive5xxErrors=3),
        play=times(5),
    ),
    Scenario("ejected_by_five_by_default", ALWAYS, rule=ONCE, policy=ejecting(), play=times(7)),
    Scenario(
        "not_ejected_by_404",
        (Ask((says(404, b"no"),)),),
        rule=ONCE,
        policy=ejecting(consecutive5xxErrors=2),
        play=times(5),
    ),
    Scenario(
        "success_resets_the_counter",
        (Ask((BUSY, BUSY, ok, BUSY, BUSY, says(404), BUSY, BUSY, BUSY, ok)),),
        rule=ONCE,
        policy=ejecting(consecutive5xxErrors=3),
        play=times(11),
    ),
    Scenario(
        "zero_turns_the_counter_off",
        ALWAYS,
        rule=ONCE,
        policy=ejecting(consecutive5xxErrors=0),
        play=times(9),
    ),
    Scenario(
        "gateway_errors_alone",
        (Ask((says(502), says(500), says(502), says(504), ok)),),
        rule=ONCE,
        policy=ejecting(consecutive5xxErrors=0, consecutiveGatewayErrors=2),
        play=times(6),
    ),
    Scenario(
        "gateway_errors_before_5xx",
        ALWAYS,
        rule=ONCE,
        policy=ejecting(consecutive5xxErrors=4, consecutiveGatewayErrors=2),
        play=times(4),
    ),
    Scenario(
        "gateway_errors_are_off_by_default",
        ALWAYS,
        rule=ONCE,
        policy=ejecting(consecutive5xxErrors=0, consecutiveGatewayErrors=0),
        play=times(7),
    ),
    Scenario(
        "ejected_by_closes",
        (Ask((closes,)),),
        rule=ONCE,
        policy=ejecting(consecutive5xxErrors=3),
        play=times(5),
    ),
    Scenario(
        "closes_are_gateway_errors",
        (Ask((closes,)),),
        rule=ONCE,
        policy=ejecting(consecutive5xxErrors=0, consecutiveGatewayErrors=2),
        play=times(4),
    ),
    Scenario(
        "ejected_by_refusal",
        pods=(REFUSED,),
        rule=ONCE,
        policy=ejecting(consecutive5xxErrors=2),
        play=times(4),
    ),
    Scenario(
        "ejected_by_timeouts",
        (Ask((stalls,)),),
        rule={"timeout": "150ms", **ONCE},
        policy=ejecting(consecutive5xxErrors=2),
        play=times(4),
    ),
    Scenario(
        "timeouts_while_connecting",
        pods=(BLACKHOLE,),
        rule={"timeout": "150ms", **ONCE},
        policy=ejecting(consecutive5xxErrors=2),
        play=times(4),
    ),
    Scenario(
        "timeouts_are_gateway_errors",
        (Ask((stalls,)),),
        rule={"timeout": "150ms", **ONCE},
        policy=ejecting(consecutive5xxErrors=0, consecutiveGatewayErrors=2),
        play=times(4),
    ),
    Scenario(
        "split_refusals",
        pods=(REFUSED,),
        rule=ONCE,
        policy=splitting(2, local=3),
        play=times(5),
    ),
    Scenario(
        "split_default_of_local_failures",
        pods=(REFUSED,),
        rule=ONCE,
        policy=ejecting(splitExternalLocalOriginErrors=True),
        play=times(7),
    ),
    Scenario(
        "split_closes",
        (Ask((closes,)),),
        rule=ONCE,
        policy=splitting(2, local=3),
        play=times(6),
    ),
    Scenario(
        "split_timeouts",
        (Ask((stalls,)),),
        rule={"timeout": "120ms", **ONCE},
        policy=splitting(2, local=3),
        play=times(5),
    ),
    Scenario(
        "split_answers",
        ALWAYS,
        rule=ONCE,
        policy=splitting(3, local=1),
        play=times(5),
    ),
    Scenario(
        "split_local_off",
        pods=(REFUSED,),
        rule=ONCE,
        policy=splitting(2, local=0),
        play=times(7),
    ),
    *(
        Scenario(
            f"at_most_{percent}_percent_of_{pods}",
            ALWAYS,
            (UP,) * pods,
            ONCE,
            ejecting(percent, consecutive5xxErrors=2),
            counted(16),
        )
        for percent, pods in (
            (10, 2),
            (49, 2),
            (50, 2),
            (33, 3),
            (34, 3),
            (67, 3),
            (100, 3),
            (10, 10),
        )
    ),
    Scenario(
        "percentage_left_out_is_ten",
        ALWAYS,
        (UP, UP),
        ONCE,
        {"outlierDetection": {"consecutive5xxErrors": 2}},
        counted(10),
    ),
    Scenario(
        "every_attempt_counts",
        ALWAYS,
        rule={"retries": {"attempts": 2, "retryOn": "5xx", "backoff": "2ms"}},
        policy=ejecting(consecutive5xxErrors=3),
        play=times(2),
    ),
    Scenario(
        "ejected_between_attempts",
        ALWAYS,
        # long enough for Envoy's main thread to tell its worker
        rule={"retries": {"attempts": 4, "retryOn": "5xx", "backoff": "300ms"}},
        policy=ejecting(consecutive5xxErrors=2),
        play=times(2),
    ),
    Scenario(
        "panic_below_min_health",
        ALWAYS,
        (UP, UP),
        ONCE,
        ejecting(consecutive5xxErrors=2, minHealthPercent=60),
        in_panic(12),
    ),
    Scenario(
        "no_panic_above_min_health",
        ALWAYS,
        (UP, UP),
        ONCE,
        ejecting(consecutive5xxErrors=2, minHealthPercent=40),
        in_panic(12),
    ),
    Scenario(
        "comes_back",
        (Ask((BUSY, BUSY, ok)),),
        rule=ONCE,
        policy=ejecting(consecutive5xxErrors=2, **SOON),
        play=returns,
    ),
    Scenario(
        "stays_out_longer_each_time",
        ALWAYS,
        rule=ONCE,
        policy=ejecting(consecutive5xxErrors=2, **SOON),
        play=longer_each_time,
    ),
)
