"""Weighted turns: exact in every window of a period, and spread."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from math import gcd
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st
from property.profile import bounded
from shapes import route_data

from meshproxy._fast.scoreboard import Scoreboard

SPLITS = [(99, 1), (1, 99), (50, 50), (90, 9, 1), (33, 33, 34), (1, 2, 3, 4, 5), (100,), (7,) * 7]


@pytest.mark.parametrize("weights", SPLITS)
def test_every_window_of_a_period_is_exact(probe: ModuleType, weights: tuple[int, ...]) -> None:
    scale = gcd(*weights)
    want = {index: weight // scale for index, weight in enumerate(weights)}
    run, period = probe.turns(weights, 0, 3 * sum(weights) // scale)
    assert period == sum(weights) // scale
    for start in range(2 * period):
        assert Counter(run[start : start + period]) == want, start


@bounded(100)
@given(weights=st.lists(st.integers(1, 60), min_size=1, max_size=12), start=st.integers(0, 2**64))
def test_any_window_from_any_turn_is_exact(
    probe: ModuleType, weights: list[int], start: int
) -> None:
    scale = gcd(*weights)
    _, period = probe.turns(weights, 0, 1)
    start = min(start, 2**64 - 1 - period)
    run, _ = probe.turns(weights, start, period)
    assert Counter(run) == {i: weight // scale for i, weight in enumerate(weights)}


def test_turns_of_a_split_are_spread(probe: ModuleType) -> None:
    run, period = probe.turns([90, 10], 0, 100)
    at = [i for i, arm in enumerate(run) if arm == 1]
    assert period == 10
    assert {b - a for a, b in pairwise(at)} == {10}


@bounded(60)
@given(weights=st.lists(st.integers(1, 40), min_size=2, max_size=8))
def test_no_arm_is_ever_far_from_its_share(probe: ModuleType, weights: list[int]) -> None:
    run, period = probe.turns(weights, 0, sum(weights) // gcd(*weights))
    total = sum(weights)
    given_turns = [0] * len(weights)
    for turn, arm in enumerate(run, 1):
        given_turns[arm] += 1
        for index, weight in enumerate(weights):
            assert abs(given_turns[index] - turn * weight / total) < 2, (turn, period)


def test_weights_too_large_are_scaled_within_one_in_a_thousand(probe: ModuleType) -> None:
    weights = [1_000_003, 500_009, 7]
    run, period = probe.turns(weights, 0, 65536)
    counts = Counter(run)
    assert period <= 65536
    for index, weight in enumerate(weights):
        assert counts[index] >= 1
        assert abs(counts[index] / len(run) - weight / sum(weights)) < 0.001


@pytest.mark.parametrize("weights", [[], [0], [1, 0], [-1, 2]])
def test_weights_that_are_none_are_refused(probe: ModuleType, weights: list[int]) -> None:
    with pytest.raises(ValueError, match="weights"):
        probe.turns(weights, 0, 1)


def test_split_is_exact_over_all_workers(probe: ModuleType, scoreboard: Scoreboard) -> None:
    data = route_data(clusters=[(0, 99), (1, 1)], cluster_names=["a", "b"], slot=5)
    boards = [scoreboard, Scoreboard(3, scoreboard.fd)]  # two workers map the same memory
    run: list[int] = []
    for turn in range(100):
        run += probe.arms(data, boards[turn % 2], 3)
    for start in range(len(run) - 100):
        assert Counter(run[start : start + 100]) == {0: 99, 1: 1}
    assert probe.route_cursor(scoreboard, 5) == 300


def test_route_with_one_arm_turns_no_cursor(probe: ModuleType, scoreboard: Scoreboard) -> None:
    assert probe.arms(route_data(slot=6), scoreboard, 4) == [0] * 4
    assert probe.route_cursor(scoreboard, 6) == 0
