"""Probes every target at its period, and says which pods fail.

    update() -> _watch(), one per target: wait -> ask -> _take() -> _tell_soon() -> on_change

Law: a probe never waits for traffic nor traffic for a probe; at most `most_at_once` run at a time.
State is kept by address, port and container: new settings of a probe change when it is asked
again, not what is known.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field

from meshproxy.discovery.probes import Target
from meshproxy.health.probe import ask

MOST_AT_ONCE = 64

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Counts:
    """Of one cluster; Envoy's names."""

    attempt: int = 0
    success: int = 0
    failure: int = 0


@dataclass(slots=True, eq=False)
class _State:
    target: Target
    is_failing: bool = False
    streak: int = 0  # results in a row that speak against is_failing
    task: asyncio.Task[None] | None = None


@dataclass(slots=True)
class Checker:
    """`on_change` gets the Endpoint.identity of every pod that fails, as soon as it is another
    set. `sleep` and `jitter` (0 to 1) stand for clock and chance."""

    on_change: Callable[[frozenset[str]], None]
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    jitter: Callable[[], float] = random.random
    most_at_once: int = MOST_AT_ONCE
    counts: dict[str, Counts] = field(default_factory=dict)  # by cluster name
    _states: dict[tuple[str, int, int], _State] = field(default_factory=dict)
    _clusters: dict[str, Collection[str]] = field(default_factory=dict)  # of each identity
    _told: frozenset[str] = frozenset()
    _is_telling: bool = False
    _turns: asyncio.Semaphore = field(init=False)

    def __post_init__(self) -> None:
        self._turns = asyncio.Semaphore(self.most_at_once)

    @property
    def failing(self) -> frozenset[str]:
        return frozenset(item.target.identity for item in self._states.values() if item.is_failing)

    def update(self, targets: Iterable[Target], clusters: Mapping[str, Collection[str]]) -> None:
        """Check these from now on and no others; `clusters` are the names of those that each
        identity is in."""
        wanted = {target.key: target for target in targets}
        for key in self._states.keys() - wanted.keys():
            self._stop(self._states.pop(key))
        for key, target in wanted.items():
            state = self._states.get(key)
            if state is None:
                state = self._states[key] = _State(target)
                self._start(state, target.initial_delay_s + self.jitter() * target.period_s)
            elif state.target != target:
                self._stop(state)
                state.target = target
                self._start(state, self.jitter() * target.period_s)
        # a failing pod may be in no cluster's endpoints (minHealthPercent): it stays counted
        known = {target.identity for target in wanted.values()}
        kept = {name: of for name, of in self._clusters.items() if name in known}
        self._clusters = kept | dict(clusters)
        self._tell_soon()

    def close(self) -> None:
        """Ask nobody any more."""
        for state in self._states.values():
            self._stop(state)
        self._states.clear()

    def _start(self, state: _State, delay_s: float) -> None:
        state.task = asyncio.get_running_loop().create_task(self._watch(state, delay_s))

    def _stop(self, state: _State) -> None:
        if state.task is not None:
            state.task.cancel()
            state.task = None

    async def _watch(self, state: _State, delay_s: float) -> None:
        await self.sleep(delay_s)
        while True:
            async with self._turns:
                reason = await ask(state.target)
            self._take(state, reason)
            await self.sleep(state.target.period_s)

    def _take(self, state: _State, reason: str) -> None:
        target = state.target
        for cluster in self._clusters.get(target.identity, ()):
            counts = self.counts.setdefault(cluster, Counts())
            counts.attempt += 1
            if reason:
                counts.failure += 1
            else:
                counts.success += 1
        if bool(reason) == state.is_failing:
            state.streak = 0
            return
        state.streak += 1
        needed = target.failures if reason else target.successes
        if state.streak < needed:
            return
        state.is_failing = bool(reason)
        state.streak = 0
        times = f"{needed} time{'' if needed == 1 else 's'} in a row"
        where = f"{target.identity} at {target.address}:{target.port}"
        if reason:
            _log.warning("health: %s not ready: %s: %s, %s", where, target.what, reason, times)
        else:
            _log.info("health: %s ready again: %s passed %s", where, target.what, times)
        self._tell_soon()

    def _tell_soon(self) -> None:
        """Many pods that change at a time are one change."""
        if not self._is_telling:
            self._is_telling = True
            asyncio.get_running_loop().call_soon(self._tell)

    def _tell(self) -> None:
        self._is_telling = False
        failing = self.failing
        if failing != self._told:
            self._told = failing
            self.on_change(failing)
