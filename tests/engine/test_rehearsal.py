"""What `simulate` rehearses is what the engine does: drawn failures, retries and ejections."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from property.profile import bounded
from support.engine import (
    Peer,
    Rig,
    Upstream,
    cluster,
    request,
    response,
    route,
)

from meshproxy._fast.rehearsal import OPEN, WAIT, Stage
from meshproxy._fast.scoreboard import Scoreboard
from meshproxy.snapshot.model import SnapshotData

PPM = 1_000_000
START_US = 1_000_000_000
NO_LIMITS: Any = dict.fromkeys(
    (
        *("max_connections", "max_pending", "max_requests", "max_requests_per_connection"),
        *("max_retries", "max_connection_ms", "retry_budget_percent", "retry_budget_least"),
    ),
    0,
)
WORDS = ["5xx", "gateway-error", "reset", "connect-failure", "retriable-4xx"]
COUNTED = (
    *("rq_total", "rq_retry", "rq_retry_overflow", "rq_retry_success", "rq_overflow"),
    *("rq_active", "rq_pending", "rq_retrying", "cx_connect_fail", "cx_none_healthy"),
    *("ejections", "ejections_overflow"),
)


@dataclass(frozen=True)
class Plan:
    """Endpoints by what they say in turn: a status, 0 = a reset; nothing: they refuse."""

    endpoints: list[list[int]]
    methods: list[str]
    retry: dict[str, Any] | None
    max_retries: int
    outlier: dict[str, Any] | None
    abort_status: int


answers = st.sampled_from([200, 200, 202, 404, 409, 500, 503, 0])
retries = st.fixed_dictionaries(
    {
        "attempts": st.integers(0, 3),
        "per_try_timeout_ms": st.just(0),
        "retry_on": st.lists(st.sampled_from([*WORDS, "retriable-status-codes"]), unique=True),
        "status_codes": st.lists(st.sampled_from([202, 404, 500, 503]), max_size=2, unique=True),
        "backoff_ms": st.just(1),
        "avoid_previous": st.booleans(),
        "remote_localities": st.just(False),
        "is_default": st.booleans(),
    }
)
outliers = st.fixed_dictionaries(
    {
        "consecutive_5xx": st.integers(0, 3),
        "consecutive_gateway": st.integers(0, 3),
        "consecutive_local": st.integers(0, 3),
        "split_local": st.booleans(),
        "interval_ms": st.just(3_600_000),
        "base_ejection_ms": st.just(3_600_000),
        "max_ejection_percent": st.sampled_from([34, 50, 100]),
    }
)
plans = st.builds(
    Plan,
    endpoints=st.lists(st.lists(answers, max_size=3), min_size=1, max_size=3),
    methods=st.lists(st.sampled_from(["GET", "POST"]), min_size=1, max_size=6),
    retry=st.none() | retries,
    max_retries=st.integers(0, 2),
    outlier=st.none() | outliers,
    abort_status=st.sampled_from([0, 0, 0, 418]),
)


@dataclass
class Answers:
    """What an endpoint says next, on whichever side."""

    script: list[int]
    asked: int = 0

    def next(self) -> int:
        self.asked += 1
        return self.script[(self.asked - 1) % len(self.script)]


@dataclass
class Seen:
    reasons: list[str] = field(default_factory=list)
    order: list[int] = field(
        default_factory=list
    )  # which endpoint got each attempt that reached one
    counts: dict[str, int] = field(default_factory=dict)
    codes: list[tuple[int, str, int]] = field(default_factory=list)


def seen_on(board: Scoreboard, seen: Seen) -> Seen:
    values = board.cluster(0)
    seen.counts = {name: values[name] for name in COUNTED}
    seen.codes = sorted(board.cluster_codes(0))
    return seen


def update_of(data: Any, routes: list[Any]) -> SnapshotData:
    return {
        "generation": 1,
        "full": True,
        "clusters": {0: data},
        "virtual_hosts": {0: {"id": 0, "name": "web:80", "routes": routes}},
        "domains": [{"domain": "*", "ports": {}, "default": 0}],
        "listeners": None,
    }


async def served(rig: Rig, plan: Plan, data: Any, routes: list[Any]) -> Seen:
    seen = Seen()

    async def serve(peer: Peer, up: Upstream) -> None:
        if await peer.read_request() is None:
            return
        number = int(up.name)
        seen.order.append(number)
        if status := said[number].next():
            await peer.send(response(b"said", f"{status} Said", "Connection: close"))

    said = [Answers(script) for script in plan.endpoints]
    ports = [
        rig.upstream(serve, str(number)).port if script else rig.refused_port()
        for number, script in enumerate(plan.endpoints)
    ]
    data["endpoints"] = cluster(0, *ports)["endpoints"]
    proxy = rig.proxy(clusters=[data], routes=routes, access_log="text")
    client = await rig.client(proxy.port)
    for method in plan.methods:
        await client.send(request(method, body=b"" if method == "POST" else None))
        await client.read_response()
    for line in proxy.log_lines():
        status, flags, detail = line.split('"')[2].split()[:3]
        seen.reasons.append(f"{status} {flags} {detail}")
    return seen_on(proxy.board, seen)


def rehearsed(plan: Plan, data: Any, routes: list[Any]) -> Seen:
    seen, board = Seen(), Scoreboard(1)
    stage, now_us = Stage(board, 1, seed=1), START_US
    stage.apply(update_of(data, routes), now_us)
    number_of = {item["slot"]: number for number, item in enumerate(data["endpoints"])}
    said = [Answers(script) for script in plan.endpoints]
    for method in plan.methods:
        decided = stage.begin(request(method), b"127.0.0.1:1", now_us)
        wait_us = 0
        while not decided.status and wait_us >= 0:
            now_us += 1000
            if (slot := decided.dispatch(now_us)) < 0:
                break
            if decided.acquire(0, 0, now_us) != OPEN:
                break
            number = number_of[slot]
            if not plan.endpoints[number]:
                decided.disconnect()
                wait_us = decided.fail("refused", now_us)
                continue
            seen.order.append(number)
            status = said[number].next()
            decided.disconnect()
            wait_us = decided.respond(status, now_us) if status else decided.fail("reset", now_us)
        seen.reasons.append(f"{decided.status} {decided.reason}")
    seen_on(board, seen)
    board.close()
    return seen


async def compare(rig: Rig, plan: Plan) -> None:
    data: Any = cluster(0)
    data["limits"] = {**NO_LIMITS, "max_retries": plan.max_retries}
    if plan.outlier is not None:
        data["outlier"] = plan.outlier
    only: Any = route()
    if plan.retry is not None:
        only["retry"] = plan.retry
    if plan.abort_status:
        fault = {"delay_ms": 0, "delay_ppm": 0, "abort_status": plan.abort_status}
        only["fault"] = {**fault, "abort_ppm": PPM}
    engine = await served(rig, plan, data, [only])
    assert rehearsed(plan, data, [only]) == engine


@bounded(150)
@given(plans)
def test_rehearsal_ends_as_the_engine_does(plan: Plan) -> None:
    rig = Rig("uvloop")
    rig.run(compare, {"rig": rig, "plan": plan})


def test_timeout_in_a_queue_says_nothing_of_the_endpoint() -> None:
    """As Attempts has it: no endpoint was asked."""
    board, data = Scoreboard(1), cluster(0, 1)
    data["endpoints"][0]["slot"] = 0
    data["limits"] = {**NO_LIMITS, "max_connections": 1}
    data["outlier"] = {
        "consecutive_5xx": 1,
        "consecutive_gateway": 0,
        "consecutive_local": 0,
        "split_local": False,
        "interval_ms": 10_000,
        "base_ejection_ms": 30_000,
        "max_ejection_percent": 100,
    }
    stage = Stage(board, 1, seed=1)
    stage.apply(update_of(data, [route()]), START_US)
    first, second = (stage.begin(request(), b"127.0.0.1:1", START_US) for _ in range(2))
    assert [first.dispatch(START_US), second.dispatch(START_US)] == [0, 0]
    assert [first.acquire(0, 0, START_US), second.acquire(0, 1, START_US)] == [OPEN, WAIT]
    second.time_out(START_US)
    assert board.cluster(0)["ejections"] == 0
    first.time_out(START_US)
    assert board.cluster(0)["ejections"] == 1
