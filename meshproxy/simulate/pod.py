"""A pod as the model has it: a queue, a number of servers, a service time, and its failures."""

from __future__ import annotations

from heapq import heapreplace
from math import log
from random import Random
from typing import Literal

from meshproxy.simulate.scenario import PodSettings

Result = Literal["answer", "fail", "refuse", "reset", "hang"]


class Pod:
    """One pod. In-flight counts are the proxy's; the pod goes on with what the proxy gave up."""

    def __init__(self, name: str, settings: PodSettings, random: Random) -> None:
        self.name = name
        self.settings = settings
        self.is_ready = settings.is_ready_at_first
        self.attempts = 0
        self.failed = 0  # attempts without a response below 500
        self.in_flight = 0
        self.peak = 0
        self.times_us: list[int] = []  # when attempts came
        self._random = random
        self._free_at = [0] * settings.slots  # heap: when each server is done
        self._has_failures = any((settings.fail, settings.refuse, settings.reset, settings.hang))
        self._mean_us = settings.service_us * settings.slow

    def accept(self, now_us: int) -> tuple[Result, int]:
        """Take a request in; gives how it ends, and when."""
        self.attempts += 1
        self.times_us.append(now_us)
        self.in_flight += 1
        self.peak = max(self.peak, self.in_flight)
        result = self._draw_result() if self._has_failures else "answer"
        if result == "refuse":
            return result, now_us
        service_us = self._draw_service_us()
        if not self._free_at:
            return result, now_us + service_us
        done_us = max(now_us, self._free_at[0]) + service_us
        heapreplace(self._free_at, done_us)
        return result, done_us

    def leave(self, is_success: bool) -> None:
        """The proxy's attempt is over."""
        self.in_flight -= 1
        self.failed += not is_success

    def _draw_service_us(self) -> int:
        if self.settings.distribution == "constant":
            return round(self._mean_us)
        return round(-log(1.0 - self._random.random()) * self._mean_us)

    def _draw_result(self) -> Result:
        drawn = self._random.random()
        results: tuple[Result, ...] = ("fail", "refuse", "reset", "hang")
        for result in results:
            share: float = getattr(self.settings, result)
            if drawn < share:
                return result
            drawn -= share
        return "answer"
