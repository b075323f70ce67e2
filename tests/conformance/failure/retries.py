"""What is tried again, how often, where, and what the client gets when nothing helped."""

from __future__ import annotations

import asyncio
from typing import Any

from conformance.failure.act import (
    HEAD,
    closes,
    garbles_after,
    ok,
    resets,
    says,
    sends,
    stalls,
    stalls_after,
)
from conformance.failure.scenario import REFUSED, UP, Ask, Scenario
from conformance.failure.stage import Side

# Each value meets all of these once; the attempt after it is answered.
FAILURES = (
    Ask((says(500), ok)),
    Ask((says(501), ok)),
    Ask((says(502), ok)),
    Ask((says(503), ok)),
    Ask((says(504), ok)),
    Ask((says(404), ok)),
    Ask((says(409), ok)),
    Ask((says(425), ok)),
    Ask((says(429), ok)),
    Ask((says(429, b"", "x-envoy-ratelimited: true"), ok)),
    Ask((says(503, b"", "x-envoy-ratelimited: true"), ok)),
    Ask((closes, ok)),
    Ask((resets, ok)),
    Ask((sends(b"nonsense\r\n\r\n"), ok)),
    Ask((says(200, b"", "grpc-status: 1"), ok)),
    Ask((says(200, b"", "grpc-status: 4"), ok)),
    Ask((says(200, b"", "grpc-status: 8"), ok)),
    Ask((says(200, b"", "grpc-status: 13"), ok)),
    Ask((says(200, b"", "grpc-status: 14"), ok)),
    Ask((says(503), ok), "HEAD"),
    Ask((says(503), ok), "POST", b"abc"),
    Ask((closes, ok), "POST", b"abc"),
)
VALUES = (
    *("5xx", "gateway-error", "reset", "reset-before-request", "connect-failure"),
    *("envoy-ratelimited", "retriable-4xx", "refused-stream", "retriable-status-codes"),
    *("cancelled", "deadline-exceeded", "internal", "resource-exhausted", "unavailable"),
    *("503", "404,429", "5xx,retriable-4xx", "gateway-error,connect-failure,refused-stream"),
)


def retries(attempts: int, on: str = "5xx", **more: Any) -> dict[str, Any]:
    return {"retries": {"attempts": attempts, "retryOn": on, "backoff": "2ms", **more}}


async def second_while_first_waits(side: Side) -> None:
    """The first ask fails and waits in its backoff until its timeout; then the second fails."""
    first = side.start(0)
    await side.arrival(0)
    await side.ask(1)
    await first


async def all_at_once(side: Side) -> None:
    await asyncio.gather(*(side.start(index) for index in range(len(side.scenario.asks))))


def fill(times: int) -> tuple[Ask, ...]:
    return (Ask((says(503, b"busy"),)),) * times


STALLS_503 = stalls_after(HEAD.replace(b"200", b"503"))
LONG_BACKOFF = {"timeout": "400ms", **retries(3, backoff="600s")}
# No kept-alive connection, so none is closed under a request.
FRESH = {"connectionPool": {"http": {"maxRequestsPerConnection": 1}}}
BUDGET = {"retryBudget": {"percent": 20, "minRetryConcurrency": 1}}

SCENARIOS = (
    *(
        Scenario(
            f"retry_on_{value.replace(',', '_').replace('-', '_')}",
            FAILURES,
            rule=retries(2, value),
            policy=FRESH,
        )
        for value in VALUES
    ),
    Scenario("retry_on_default", FAILURES, policy=FRESH),
    *(
        Scenario(
            f"per_try_timeout_on_{value.replace('-', '_')}",
            (Ask((stalls, ok)),),
            rule=retries(1, value, perTryTimeout="200ms"),
        )
        for value in ("5xx", "reset", "connect-failure", "gateway-error", "reset-before-request")
    ),
    Scenario("refused_by_all_on_5xx", (Ask(),), pods=(REFUSED, REFUSED), rule=retries(3, "5xx")),
    Scenario(
        "refused_on_retriable_4xx", (Ask(),), pods=(REFUSED,), rule=retries(2, "retriable-4xx")
    ),
    Scenario("used_up_by_503", (Ask((says(503, b"last"),)),), rule=retries(2)),
    Scenario("used_up_by_503_head", (Ask((says(503, b"last"),), "HEAD"),), rule=retries(2)),
    Scenario("used_up_by_close", (Ask((closes,)),), rule=retries(2)),
    Scenario("used_up_by_reset", (Ask((resets,)),), rule=retries(2)),
    Scenario("used_up_by_garbage", (Ask((sends(b"nonsense\r\n\r\n"),)),), rule=retries(1)),
    Scenario(
        "used_up_by_per_try_timeout", (Ask((stalls,)),), rule=retries(1, perTryTimeout="150ms")
    ),
    Scenario(
        "per_try_timeout_of_the_only_try",
        (Ask((stalls,)),),
        rule={"retries": {"attempts": 1, "retryOn": "connect-failure", "perTryTimeout": "150ms"}},
    ),
    Scenario(
        "last_failure_differs",
        (Ask((says(503), closes, says(500, b"c"))),),
        rule=retries(2),
        policy=FRESH,
    ),
    Scenario("not_retriable_after_one", (Ask((says(503), says(404, b"gone"))),), rule=retries(3)),
    Scenario(
        "reset_after_one",
        (Ask((says(503), closes)),),
        rule=retries(3, "gateway-error,503"),
        policy=FRESH,
    ),
    Scenario(
        "close_after_status_retry",
        (Ask((says(503), closes)),),
        rule=retries(3, "503"),
        policy=FRESH,
    ),
    Scenario("attempts_zero", (Ask((says(503),)),), rule={"retries": {"attempts": 0}}),
    Scenario(
        "per_try_longer_than_route",
        (Ask((stalls,)),),
        rule={"timeout": "200ms", **retries(2, perTryTimeout="300ms")},
    ),
    Scenario(
        "route_timeout_over_tries",
        (Ask((stalls,)),),
        rule={"timeout": "350ms", **retries(5, perTryTimeout="200ms")},
    ),
    Scenario("route_timeout_in_backoff", (Ask((says(503),)),), rule=LONG_BACKOFF),
    Scenario("body_broken_off_is_final", (Ask((sends(HEAD), ok)),), rule=retries(3)),
    Scenario(
        "chunks_broken_off_are_final",
        (
            Ask(
                (
                    garbles_after(
                        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"zz\r\n"
                    ),
                    ok,
                )
            ),
        ),
        rule=retries(3),
    ),
    Scenario(
        "discarded_answer_with_body", (Ask((says(503, b"x" * 300_000), ok)),), rule=retries(1)
    ),
    Scenario("discarded_answer_that_stalls", (Ask((STALLS_503, ok)),), rule=retries(1)),
    Scenario("body_is_sent_again", (Ask((says(503), ok), "POST", b"a" * 900),), rule=retries(1)),
    Scenario(
        "body_of_500_kb_is_sent_again",
        (Ask((says(503), ok), "POST", b"a" * 500_000),),
        rule=retries(1),
    ),
    Scenario(
        "chunked_body_is_sent_again",
        (Ask((says(503), ok), "POST", b"a" * 100_000, is_chunked=True),),
        rule=retries(1),
    ),
    Scenario(
        "body_beyond_the_buffer",
        (Ask((says(503), ok), "POST", b"a" * 3_000_000),),
        rule=retries(1),
    ),
    Scenario(
        "body_outgrows_the_buffer_in_backoff",
        (Ask((ok,), "POST", b"a" * 3_000_000),),
        pods=(REFUSED,),
        rule=LONG_BACKOFF,
        differs="body beyond the replay buffer, nothing of it sent",
    ),
    Scenario(
        "early_503_is_retried",
        (Ask((says(503), ok), "POST", b"a" * 400_000, is_early=True),),
        rule=retries(1),
    ),
    Scenario("three_pods_are_tried", (Ask((says(503), says(503), ok)),), (UP,) * 3, retries(2)),
    Scenario("more_tries_than_pods", (Ask((says(503), says(503), ok)),), (UP,) * 2, retries(3)),
    Scenario(
        "previous_pods_may_be_tried",
        (Ask((says(503), ok)),),
        rule=retries(2, retryIgnorePreviousHosts=False),
    ),
    Scenario(
        "close_of_a_kept_connection",
        (Ask(), Ask((closes, ok))),
        differs="kept-alive connection that closes under a request",
    ),
    Scenario(
        "default_retries_of_a_post",
        (Ask((says(200, b"", "grpc-status: 14"), ok), "POST", b"abc"),),
        differs="default retries of what may not be repeated",
    ),
    Scenario(
        "default_budget",
        fill(5),
        rule=LONG_BACKOFF,
        play=all_at_once,
        differs="retries without `maxRetries` and `retryBudget`",
    ),
    Scenario(
        "max_retries_in_backoff",
        fill(2),
        rule=LONG_BACKOFF,
        policy={"connectionPool": {"http": {"maxRetries": 1}}},
        play=second_while_first_waits,
    ),
    Scenario(
        "retry_budget_in_backoff",
        fill(2),
        rule=LONG_BACKOFF,
        policy=BUDGET,
        play=second_while_first_waits,
    ),
)
