from __future__ import annotations

import math
import os

import pytest

from meshproxy.server.cpus import available_cpus, parse_quota


@pytest.mark.parametrize(
    ("text", "expected"),
    [("max 100000\n", math.inf), ("200000 100000\n", 2.0), ("50000 100000", 0.5), ("", math.inf)],
)
def test_parse_quota(text: str, expected: float) -> None:
    assert parse_quota(text) == expected


def test_available_cpus_is_at_least_one_and_at_most_the_affinity() -> None:
    assert 1 <= available_cpus() <= len(os.sched_getaffinity(0))
