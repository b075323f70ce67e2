"""The event loop: arrivals, attempts, answers and timeouts in the order of a virtual clock.

Law: nothing is decided here. Where a request goes, whether it may, and what becomes of it after
a failure are answers of `_fast.rehearsal`; this file moves requests between clients, connections
and pods. Same scenario and manifests, same events, to the last one.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from heapq import heappop, heappush
from itertools import count
from random import Random
from typing import Any

from meshproxy._fast.intake import Intake
from meshproxy._fast.rehearsal import IDLE, OPEN, OVERFLOW, Rehearsal, Stage
from meshproxy._fast.scoreboard import Scoreboard
from meshproxy.discovery.endpoint import identity_of
from meshproxy.listen import Address
from meshproxy.simulate.client import Client
from meshproxy.simulate.keys import KeyMap, Move
from meshproxy.simulate.pod import Pod, Result
from meshproxy.simulate.scenario import Scenario
from meshproxy.snapshot.build import Builder
from meshproxy.snapshot.model import ClusterData, EndpointData

# ejections end at multiples of their interval since the clock's zero: the run begins at one
START_US = 3_600_000_000

_FAILURES = {"refuse": "refused", "reset": "reset"}


@dataclass(slots=True)
class _Lane:
    """The connections of one worker to one endpoint."""

    pod: Pod
    idle: int = 0
    opened: int = 0
    waiting: deque[_Call] = field(default_factory=deque)


@dataclass(slots=True, eq=False)
class _Call:
    """A request on its way."""

    client: Client
    decided: Rehearsal
    lane: _Lane | None = None  # while an attempt has a connection, or waits for one
    result: Result = "answer"
    attempt: int = 0  # tells an event of an earlier attempt from this one's


class Simulation:
    """One run. Everything public is for the report."""

    def __init__(self, builder: Builder, scenario: Scenario) -> None:
        self.scenario = scenario
        self.scoreboard = Scoreboard(scenario.workers)
        self.now_us = START_US
        self.elapsed_us = 0  # until the last request was over
        self.clients = [Client(index, scenario) for index in range(scenario.clients)]
        self.pods: dict[str, Pod] = {}
        self.latencies_us: list[int] = []
        self.outcomes: Counter[tuple[int, str]] = Counter()  # (status, flags and detail)
        self.served: Counter[int] = Counter()  # requests by cluster id; -1 = none
        self.attempts = 0
        self.in_flight = 0
        self.peak = 0
        self.moves: list[Move] = []
        self._builder = builder
        self._random = Random(f"{scenario.seed}/pods")
        self._heap: list[tuple[int, int, Callable[[Any], None], Any]] = []
        self._order = count()
        self._started = 0
        self._lanes: list[dict[int, _Lane]] = [{} for _ in range(scenario.workers)]
        self._pod_of: dict[int, Pod] = {}  # by scoreboard slot
        self._last_us = START_US + scenario.duration_us if scenario.duration_us else 0
        intake = Intake(scenario.intake.for_workers())
        stage = Stage(Scoreboard(1), 1, 0, intake)
        stage.apply(builder.snapshot, START_US)
        self._reachable = stage.reachable(scenario.request.head())
        self._find_pods()
        builder.set_failing(self._not_ready())
        self.stages = [
            Stage(self.scoreboard, worker + 1, scenario.seed * scenario.workers + worker, intake)
            for worker in range(scenario.workers)
        ]
        for stage in self.stages:
            stage.apply(builder.snapshot, START_US)

    def run(self) -> None:
        """Until every request that was sent is over. Raises ValueError for a request that the
        proxy refuses."""
        for client in self.clients:
            self._at(START_US + (client.gap_us() if client.rate else 0), self._arrive, client)
        for pod in self.pods.values():
            for when_us in (pod.settings.joins_us, pod.settings.leaves_us):
                if when_us > 0:
                    self._at(START_US + when_us, self._change, pod)
        heap = self._heap
        while heap:
            self.now_us, _, action, subject = heappop(heap)
            action(subject)

    def cluster_data(self) -> list[ClusterData]:
        """By name: the clusters that rules for this host lead to."""
        clusters = self._builder.snapshot["clusters"]
        found = [clusters.get(identity) for identity in self._reachable]
        return sorted((item for item in found if item), key=lambda item: item["name"])

    def _endpoints(self) -> Iterator[EndpointData]:
        return (item for cluster in self.cluster_data() for item in cluster["endpoints"])

    def pod_at(self, slot: int) -> Pod:
        return self._pod_of[slot]

    # what pods there are

    def _find_pods(self) -> None:
        """One for each name or address, whatever number of clusters lists it."""
        found: dict[str, EndpointData] = {}
        for item in self._endpoints():
            found.setdefault(_identity(item), item)
        used = set()
        for index, (identity, item) in enumerate(sorted(found.items())):
            settings = self.scenario.settings
            for behaviour in self.scenario.behaviours:
                address = str(Address(item["address"], item["port"]))
                if behaviour.selects(item["name"], address, item["labels"], index):
                    settings = replace(settings, **behaviour.changes)  # type: ignore[arg-type]
                    used.add(behaviour.selector)
            self.pods[identity] = Pod(item["name"] or identity, settings, self._random)
        for behaviour in self.scenario.behaviours:
            if behaviour.selector not in used:
                names = ", ".join(list(self.pods)[:10]) or "none"
                raise ValueError(f"{behaviour.selector} selects no pod; there are: {names}")
        self._index_slots()

    def _index_slots(self) -> None:
        for item in self._endpoints():
            self._pod_of[item["slot"]] = self.pods[_identity(item)]

    def _not_ready(self) -> frozenset[str]:
        return frozenset(name for name, pod in self.pods.items() if not pod.is_ready)

    def _change(self, pod: Pod) -> None:
        """A pod joins or leaves: through discovery and a new snapshot, as in `run`."""
        if not self.in_flight and not self._may_start():
            return  # nobody is left to see it
        at_us = self.now_us - START_US
        keys = KeyMap(self)
        pod.is_ready = at_us == pod.settings.joins_us
        update = self._builder.set_failing(self._not_ready())
        if update is None:
            return
        self._index_slots()
        for stage in self.stages:
            stage.apply(update, self.now_us)
        self.moves.append(keys.move(at_us, pod))

    # the way of a request

    def _at(self, when_us: int, action: Callable[[Any], None], subject: Any) -> None:
        heappush(self._heap, (when_us, next(self._order), action, subject))

    def _may_start(self) -> bool:
        if self._last_us and self.now_us >= self._last_us:
            return False
        return self._started < self.scenario.requests

    def _arrive(self, client: Client) -> None:
        if not self._may_start():
            return
        self._started += 1
        if client.rate:
            self._at(self.now_us + client.gap_us(), self._arrive, client)
        stage = self.stages[client.worker]
        decided = stage.begin(client.next_head(), client.source, self.now_us)
        call = _Call(client, decided)
        self.in_flight += 1
        self.peak = max(self.peak, self.in_flight)
        if decided.status:
            self._finish(call)
            return
        if decided.timeout_us:
            self._at(self.now_us + decided.delay_us + decided.timeout_us, self._time_out, call)
        if decided.delay_us:
            self._at(self.now_us + decided.delay_us, self._attempt, call)
        else:
            self._attempt(call)

    def _attempt(self, call: _Call) -> None:
        decided = call.decided
        if decided.status:
            return  # timed out in a backoff
        slot = decided.dispatch(self.now_us)
        if slot < 0:
            self._finish(call)
            return
        lanes = self._lanes[call.client.worker]
        lane = lanes.get(slot)
        if lane is None:
            lane = lanes[slot] = _Lane(self._pod_of[slot])
        call.attempt += 1
        got = decided.acquire(lane.idle, lane.opened, self.now_us)
        if got == OVERFLOW:
            self._finish(call)
            return
        call.lane = lane
        if got == IDLE:
            lane.idle -= 1
        elif got == OPEN:
            lane.opened += 1
        else:
            lane.waiting.append(call)
            return
        self._send(call, lane)

    def _send(self, call: _Call, lane: _Lane) -> None:
        self.attempts += 1
        call.result, done_us = lane.pod.accept(self.now_us)
        limit_us = call.decided.try_timeout_us
        if limit_us and (call.result == "hang" or done_us > self.now_us + limit_us):
            self._at(self.now_us + limit_us, self._end_try, (call, call.attempt))
        elif call.result != "hang":
            self._at(done_us, self._answer, (call, call.attempt))

    def _answer(self, subject: tuple[_Call, int]) -> None:
        call, attempt = subject
        decided, lane = call.decided, call.lane
        if decided.status or call.attempt != attempt or lane is None:
            return
        if call.result in _FAILURES:
            self._drop(call, lane)
            self._go_on(call, decided.fail(_FAILURES[call.result], self.now_us))
            return
        is_success = call.result == "answer"
        call.lane = None
        lane.pod.leave(is_success)
        wait_us = decided.respond(200 if is_success else 503, self.now_us)
        lane.idle += 1
        self._serve_waiting(lane)
        self._go_on(call, wait_us)

    def _end_try(self, subject: tuple[_Call, int]) -> None:
        call, attempt = subject
        if call.decided.status or call.attempt != attempt or call.lane is None:
            return
        self._drop(call, call.lane)
        self._go_on(call, call.decided.fail("per_try_timeout", self.now_us))

    def _time_out(self, call: _Call) -> None:
        if call.decided.status:
            return
        if call.lane is not None:
            if call in call.lane.waiting:
                call.lane.waiting.remove(call)
            else:
                self._drop(call, call.lane)
        call.decided.time_out(self.now_us)
        self._finish(call)

    def _drop(self, call: _Call, lane: _Lane) -> None:
        """The attempt's connection is lost, or closed to be rid of its answer."""
        call.lane = None
        lane.pod.leave(False)
        lane.opened -= 1
        call.decided.disconnect()
        self._serve_waiting(lane)

    def _serve_waiting(self, lane: _Lane) -> None:
        """A connection is free, or one may be opened in the place of one that closed."""
        if not lane.waiting:
            return
        call = lane.waiting.popleft()
        is_new = lane.idle == 0
        if is_new:
            lane.opened += 1
        else:
            lane.idle -= 1
        call.decided.assign(is_new)
        self._send(call, lane)

    def _go_on(self, call: _Call, wait_us: int) -> None:
        if wait_us < 0:
            self._finish(call)
        else:
            self._at(self.now_us + wait_us, self._attempt, call)

    def _finish(self, call: _Call) -> None:
        decided, client = call.decided, call.client
        self.in_flight -= 1
        self.elapsed_us = self.now_us - START_US
        self.latencies_us.append(self.now_us - decided.start_us)
        self.outcomes[decided.status, decided.reason] += 1
        self.served[decided.cluster_id] += 1
        if not client.rate:
            self._at(self.now_us, self._arrive, client)


def _identity(item: EndpointData) -> str:
    return identity_of(item["name"], item["address"], item["port"])


def run(builder: Builder, scenario: Scenario) -> Simulation:
    """Run a scenario on loaded manifests. Raises ValueError."""
    simulation = Simulation(builder, scenario)
    simulation.run()
    return simulation
