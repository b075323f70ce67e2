"""Clients: when each asks next, and with which bytes."""

from __future__ import annotations

from ipaddress import IPv4Address
from math import log
from random import Random

from meshproxy.simulate.scenario import Scenario

_FIRST = int(IPv4Address("10.240.0.1"))


class Client:
    """One client on one connection, so on one worker."""

    def __init__(self, index: int, scenario: Scenario) -> None:
        self.index = index
        self.worker = index % scenario.workers
        self.source = f"{IPv4Address(_FIRST + index)}:0".encode()
        self.rate = scenario.rates[index % len(scenario.rates)] if scenario.rates else 0.0
        self.sent = 0
        self._random = Random(f"{scenario.seed}/client/{index}")
        self._keys = scenario.keys
        self._template = scenario.request.head().replace(b"{client}", str(index).encode())
        self.has_keys = b"{key}" in self._template

    def gap_us(self) -> int:
        """Time to the next request of an open loop: arrivals are a Poisson process."""
        return round(-log(1.0 - self._random.random()) * 1e6 / self.rate)

    def next_head(self) -> bytes:
        self.sent += 1
        if not self.has_keys:
            return self._template
        return self.head(int(self._random.random() * self._keys))

    def head(self, key: int) -> bytes:
        return self._template.replace(b"{key}", str(key).encode())
