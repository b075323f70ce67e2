"""What the scoreboard knows of an endpoint's health."""

from __future__ import annotations

import time

from meshproxy._fast.scoreboard import Scoreboard


def is_ejected(scoreboard: Scoreboard, slot: int) -> bool:
    """Whether outlier detection keeps an endpoint out at this moment."""
    until_us = scoreboard.endpoint_health(slot)["ejected_until_us"]
    return until_us > time.monotonic_ns() // 1000
