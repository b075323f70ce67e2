"""What the scoreboard knows of an endpoint's health."""

from __future__ import annotations

import time

from meshproxy._fast.scoreboard import Scoreboard
from meshproxy._fast.tier import effective_weight
from meshproxy.snapshot.model import ClusterData, EndpointData


def is_ejected(scoreboard: Scoreboard, slot: int) -> bool:
    """Whether outlier detection keeps an endpoint out at this moment."""
    until_us: int = scoreboard.endpoint_health(slot)["ejected_until_us"]
    return until_us > time.monotonic_ns() // 1000


def weight_now(scoreboard: Scoreboard, cluster: ClusterData, endpoint: EndpointData) -> float:
    """Give the weight of an endpoint at this moment: less than its own while it starts slowly."""
    warmup = cluster.get("warmup")
    if warmup is None:
        return endpoint["weight"]
    seen_us = scoreboard.endpoint_health(endpoint["slot"])["first_seen_us"]
    now_us = time.monotonic_ns() // 1000
    return effective_weight(endpoint["weight"], warmup, seen_us, now_us)
