"""Keeps the addresses of DNS names current: one task for each name that endpoints depend on.

    lookup -> on_answer: wait for the TTL ----------------------------------> lookup
           -> on_error:  last addresses stay; wait 1 s, 2 s, 4 s ... 30 s --> lookup
              the servers say for 30 s that there is no such name -> its addresses go

Law: nobody waits for a lookup but the task that asked; what it finds is reported, never fetched.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Set
from dataclasses import dataclass
from typing import Literal

from meshproxy.discovery.resolution import Resolution

MIN_TTL_S = 1.0  # a TTL of 0 is common among load balancers by DNS
MAX_TTL_S = 300.0  # a record that was corrected is seen within five minutes
RETRY_FIRST_S = 1.0
RETRY_MOST_S = 30.0
HOLD_S = 30.0  # HAProxy's `hold nx`: a server that restarts empty is no reason to drop everything
GATHER_S = 0.01  # answers that come together become one snapshot
MAX_AT_ONCE = 64  # lookups under way

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a lookup found, at least one address."""

    addresses: tuple[str, ...]
    ttl_s: float
    failed: Literal["", "A", "AAAA"] = ""  # nothing is known of this half


Lookup = Callable[[str], Awaitable[Answer]]
"""Gives the addresses of a name. Raises LookupFailed."""


class LookupFailed(Exception):
    """No answer; the message says why in a few words."""


class NoSuchName(LookupFailed):
    """An answer: there is no such name, or it has no address."""


class NameRecord:
    """What is known of one name, and when to ask again. Pure: the clock is given."""

    def __init__(self) -> None:
        self._addresses: tuple[str, ...] = ()
        self._failures = 0
        self._missing_since_s: float | None = None

    def on_answer(self, answer: Answer) -> tuple[Resolution, float]:
        """Give what is known now, and the seconds until the next lookup."""
        last = self._addresses if answer.failed else ()
        is_six = answer.failed == "AAAA"
        kept = tuple(address for address in last if (":" in address) is is_six)
        self._addresses = answer.addresses + kept
        self._failures = 0
        self._missing_since_s = None
        return Resolution(self._addresses), min(max(answer.ttl_s, MIN_TTL_S), MAX_TTL_S)

    def on_error(self, error: LookupFailed, now_s: float) -> tuple[Resolution, float]:
        """The same after a lookup without addresses."""
        if isinstance(error, NoSuchName):
            if self._missing_since_s is None:
                self._missing_since_s = now_s
            if now_s - self._missing_since_s >= HOLD_S:
                self._addresses = ()
        wait_s = min(RETRY_FIRST_S * 2.0 ** min(self._failures, 16), RETRY_MOST_S)
        self._failures += 1
        return Resolution(self._addresses, str(error)), wait_s


class NameWatch:
    """Follows a set of names; `report` gets the resolutions that changed, on the loop."""

    def __init__(
        self,
        lookup: Lookup,
        report: Callable[[dict[str, Resolution]], None],
    ) -> None:
        self._lookup = lookup
        self._report = report
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._known: dict[str, Resolution] = {}
        self._news: dict[str, Resolution] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._slots = asyncio.Semaphore(MAX_AT_ONCE)
        self._settled = asyncio.Event()

    def follow(self, names: Set[str]) -> None:
        """Look these up from now on, and no others."""
        for name in self._tasks.keys() - names:
            self._tasks.pop(name).cancel()
            self._known.pop(name, None)
            self._news.pop(name, None)
        for name in sorted(names - self._tasks.keys()):
            self._tasks[name] = asyncio.get_running_loop().create_task(self._watch(name))
        self._note_settled()

    async def settled(self, timeout_s: float) -> None:
        """Return once each name was looked up and reported, well or badly, or after the time."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._settled.wait()
        except TimeoutError:
            pass

    @property
    def failing(self) -> int:
        """How many names the latest lookup gave no address for."""
        return sum(1 for resolution in self._known.values() if resolution.error)

    def close(self) -> None:
        for task in self._tasks.values():
            task.cancel()
        self._tasks.clear()
        if self._timer is not None:
            self._timer.cancel()

    async def _watch(self, name: str) -> None:
        record = NameRecord()
        loop = asyncio.get_running_loop()
        while True:
            try:
                async with self._slots:
                    resolution, wait_s = record.on_answer(await self._lookup(name))
            except LookupFailed as error:
                resolution, wait_s = record.on_error(error, loop.time())
            except Exception:  # a bug, here or in the library: the name must stay followed
                _log.exception("internal error in the lookup of %s", name)
                failure = LookupFailed("internal error")
                resolution, wait_s = record.on_error(failure, loop.time())
            self._note(name, resolution)
            await asyncio.sleep(wait_s)

    def _note(self, name: str, resolution: Resolution) -> None:
        known = self._known.get(name)
        if known == resolution:
            return
        if known is not None and known.error and not resolution.error:
            _log.info("%s resolves again: %s", name, ", ".join(resolution.addresses))
        self._known[name] = self._news[name] = resolution
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(GATHER_S, self._flush)

    def _flush(self) -> None:
        self._timer = None
        news, self._news = self._news, {}
        if news:
            self._report(news)
        self._note_settled()

    def _note_settled(self) -> None:
        if self._known.keys() >= self._tasks.keys() and not self._news:
            self._settled.set()
        else:
            self._settled.clear()


def dns_lookup(server: tuple[str, int] | None) -> Lookup:
    """Give the lookup of a Resolver that is made for the first name: dnspython takes 7 MB and
    0.1 s, which those without names should not pay."""
    made: list[Lookup] = []

    async def lookup(name: str) -> Answer:
        if not made:
            from .resolver import Resolver

            made.append(Resolver(server).lookup)
        return await made[0](name)

    return lookup
