"""When a pod counts as failing: thresholds, coming back, going away. The clock is the test's."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest
from support.upstream import Request, Upstream, response
from test_probe import TARGET

from meshproxy.discovery.probes import Target
from meshproxy.health import Checker, Counts

CLUSTERS = {"default/web": ["outbound|80||web.default.svc.cluster.local"]}
(NAME,) = CLUSTERS["default/web"]


class Ticks:
    """A clock that stands still; `tick` wakes all sleepers and waits until they sleep again."""

    def __init__(self) -> None:
        self.asked: list[float] = []
        self._sleepers: list[asyncio.Future[None]] = []
        self._slept = asyncio.Event()

    async def sleep(self, seconds: float) -> None:
        self.asked.append(seconds)
        sleeper: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._sleepers.append(sleeper)
        self._slept.set()
        try:
            await sleeper
        finally:
            if sleeper in self._sleepers:
                self._sleepers.remove(sleeper)
                self._slept.set()

    async def settle(self, count: int) -> None:
        async with asyncio.timeout(60):
            while len(self._sleepers) != count:
                self._slept.clear()
                await self._slept.wait()
        await asyncio.sleep(0)  # what was found is told at the next turn of the loop

    async def tick(self) -> None:
        sleepers, self._sleepers = self._sleepers, []
        for sleeper in sleepers:
            sleeper.set_result(None)
        await self.settle(len(sleepers))


class Pod:
    """An upstream whose answer can be changed."""

    def __init__(self, upstreams: Callable[..., Upstream]) -> None:
        self.status = "200 OK"
        self.upstream = upstreams(script=self._answer)

    async def _answer(self, request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(response(b"", self.status))

    def target(self, **changes: object) -> Target:
        return replace(TARGET, port=self.upstream.port, **changes)  # type: ignore[arg-type]


Scenario = Callable[[Ticks, Checker, list[frozenset[str]]], Awaitable[None]]


def run(scenario: Scenario, **settings: int) -> None:
    async def whole() -> None:
        ticks, told = Ticks(), list[frozenset[str]]()
        checker = Checker(told.append, sleep=ticks.sleep, jitter=lambda: 0.5, **settings)
        try:
            await scenario(ticks, checker, told)
        finally:
            checker.close()

    asyncio.run(whole())


@pytest.fixture
def pod(upstreams: Callable[..., Upstream]) -> Pod:
    return Pod(upstreams)


FAILS, PASSES = frozenset({"default/web"}), frozenset[str]()


def test_pod_fails_after_its_threshold_and_comes_back_after_the_other(
    pod: Pod, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "meshproxy.health")

    async def scenario(ticks: Ticks, checker: Checker, told: list[frozenset[str]]) -> None:
        checker.update([pod.target(failures=3, successes=2)], CLUSTERS)
        await ticks.settle(1)
        await ticks.tick()
        pod.status = "503 Busy"
        for expected in ([], [], [FAILS]):
            await ticks.tick()
            assert told == expected
        pod.status = "200 OK"
        for expected in ([FAILS], [FAILS, PASSES]):
            await ticks.tick()
            assert told == expected
        assert checker.counts[NAME] == Counts(6, 3, 3)

    run(scenario)
    at = f"default/web at 127.0.0.1:{pod.upstream.port}"
    assert caplog.messages == [
        f"health: {at} not ready: GET /ready: answered 503, 3 times in a row",
        f"health: {at} ready again: GET /ready passed 2 times in a row",
    ]


def test_results_that_alternate_change_nothing(pod: Pod) -> None:
    async def scenario(ticks: Ticks, checker: Checker, told: list[frozenset[str]]) -> None:
        checker.update([pod.target(failures=2)], CLUSTERS)
        await ticks.settle(1)
        for status in ("503 Busy", "200 OK") * 4:
            pod.status = status
            await ticks.tick()
        assert told == [] and checker.counts[NAME].failure == 4

    run(scenario)


def test_first_probe_waits_for_the_initial_delay_and_its_share_of_a_period(pod: Pod) -> None:
    async def scenario(ticks: Ticks, checker: Checker, told: list[frozenset[str]]) -> None:
        checker.update([pod.target(initial_delay_s=30, period_s=10)], CLUSTERS)
        await ticks.settle(1)
        assert (ticks.asked, pod.upstream.requests) == ([35], [])
        await ticks.tick()
        assert ticks.asked == [35, 10] and len(pod.upstream.requests) == 1

    run(scenario)


def test_new_settings_keep_what_is_known(pod: Pod) -> None:
    async def scenario(ticks: Ticks, checker: Checker, told: list[frozenset[str]]) -> None:
        pod.status = "503 Busy"
        checker.update([pod.target(failures=2)], CLUSTERS)
        await ticks.settle(1)
        await ticks.tick()
        checker.update([pod.target(failures=2, period_s=7)], CLUSTERS)  # one failure is known
        await ticks.settle(1)
        await ticks.tick()
        assert told == [FAILS]
        checker.update([pod.target(failures=2, period_s=8)], CLUSTERS)
        await ticks.settle(1)
        assert checker.failing == FAILS

    run(scenario)


def test_pod_that_is_gone_is_not_asked_any_more(pod: Pod) -> None:
    async def scenario(ticks: Ticks, checker: Checker, told: list[frozenset[str]]) -> None:
        pod.status = "503 Busy"
        checker.update([pod.target()], CLUSTERS)
        await ticks.settle(1)
        await ticks.tick()
        checker.update([], {})
        await ticks.settle(0)
        await ticks.tick()
        assert told == [FAILS, PASSES] and len(pod.upstream.requests) == 1

    run(scenario)


def test_pod_fails_when_one_of_its_containers_does(upstreams: Callable[..., Upstream]) -> None:
    app, sidecar = Pod(upstreams), Pod(upstreams)

    async def scenario(ticks: Ticks, checker: Checker, told: list[frozenset[str]]) -> None:
        sidecar.status = "500 No"
        checker.update([app.target(), sidecar.target(container=1)], CLUSTERS)
        await ticks.settle(2)
        await ticks.tick()
        assert told == [FAILS]

    run(scenario)


def test_pods_that_change_together_are_told_once(upstreams: Callable[..., Upstream]) -> None:
    pods = [Pod(upstreams) for _ in range(5)]

    async def scenario(ticks: Ticks, checker: Checker, told: list[frozenset[str]]) -> None:
        for item in pods:
            item.status = "503 Busy"
        targets = [item.target(identity=f"default/{n}") for n, item in enumerate(pods)]
        checker.update(targets, {})
        await ticks.settle(5)
        await ticks.tick()
        assert told[-1] == frozenset(f"default/{n}" for n in range(5))

    run(scenario)


def test_probes_wait_for_a_free_place(upstreams: Callable[..., Upstream]) -> None:
    pods = [Pod(upstreams) for _ in range(3)]

    async def scenario(ticks: Ticks, checker: Checker, told: list[frozenset[str]]) -> None:
        pods[0].upstream.hold()
        checker.update([item.target() for item in pods], CLUSTERS)
        await ticks.settle(3)
        sleeping = asyncio.ensure_future(ticks.tick())
        await asyncio.to_thread(pods[0].upstream.wait_for_request)
        assert [len(item.upstream.requests) for item in pods] == [1, 0, 0]
        pods[0].upstream.release()
        await sleeping
        assert [len(item.upstream.requests) for item in pods] == [1, 1, 1]

    run(scenario, most_at_once=1)
