"""Bounded load: keys leave an endpoint that holds more than its share, each for one other."""

from __future__ import annotations

from collections import Counter
from types import ModuleType
from typing import Any

import pytest
from shapes import cluster_data
from xxhash import xxh64_intdigest

from meshproxy._fast.scoreboard import Scoreboard

USERS = [xxh64_intdigest(b"user-%d" % number) for number in range(400)]


def test_twister_is_mt19937(probe: ModuleType) -> None:
    """First words and the 10,000th of std::mt19937, as the C++ standard has it (rand.predef)."""
    assert probe.twister(5489, 3) == [3499211612, 581869302, 3890346734]
    assert probe.twister(5489, 10_000)[-1] == 4123659995


@pytest.fixture
def picker(probe: ModuleType, scoreboard: Scoreboard) -> Any:
    data = cluster_data(1, 1, 1, 1, policy="RING_HASH", balance_factor=125)
    return probe.Picker(data, scoreboard)


def hold(probe: ModuleType, board: Scoreboard, *in_flight: int) -> None:
    """Requests in flight by endpoint, spread over the workers, and one that is being placed."""
    for slot, count in enumerate(in_flight):
        for worker in (1, 2, 3):
            probe.set_active(board, worker, slot, (count + worker - 1) // 3)
    have = board.cluster(0)["rq_active"]
    probe.bump_cluster(board, 1, 0, {"rq_active": sum(in_flight) + 1 - have})


def test_keys_stay_while_no_endpoint_is_beyond_its_slots(
    probe: ModuleType, scoreboard: Scoreboard, picker: Any
) -> None:
    before = [picker.pick(user) for user in USERS]
    hold(probe, scoreboard, 7, 7, 7, 2)  # 24 * 1.25 = 30 slots, 8 each
    assert [picker.pick(user) for user in USERS] == before


def test_keys_of_an_overloaded_endpoint_go_to_one_other_each(
    probe: ModuleType, scoreboard: Scoreboard, picker: Any
) -> None:
    before = [picker.pick(user) for user in USERS]
    hold(probe, scoreboard, 20, 1, 1, 1)  # 24 * 1.25 = 30 slots, 8 each
    after = [picker.pick(user) for user in USERS]
    assert after == [picker.pick(user) for user in USERS]
    assert 0 not in after
    moved = Counter(new for old, new in zip(before, after, strict=True) if old == 0)
    assert set(moved) == {1, 2, 3}  # not all to the next one on the ring
    assert all(old in (0, new) for old, new in zip(before, after, strict=True))


def test_all_overloaded_takes_the_least_so(probe: ModuleType, scoreboard: Scoreboard) -> None:
    data = cluster_data(1, 1, 1, policy="MAGLEV", table_size=251, balance_factor=100)
    picker = probe.Picker(data, scoreboard)
    for slot, count in enumerate((9, 7, 8)):  # of more than the cluster counts: all are beyond
        probe.set_active(scoreboard, 1, slot, count)
    assert {picker.pick(user) for user in USERS} == {1}


def test_slots_follow_weights(probe: ModuleType, scoreboard: Scoreboard) -> None:
    data = cluster_data(3, 1, policy="RING_HASH", balance_factor=100)
    picker = probe.Picker(data, scoreboard)
    hold(probe, scoreboard, 15, 4)  # 20 slots: 15 and 5
    assert {picker.pick(user) for user in USERS} == {0, 1}
    hold(probe, scoreboard, 16, 3)
    assert {picker.pick(user) for user in USERS} == {1}


def test_request_without_a_hash_is_placed_too(picker: Any) -> None:
    assert set(picker.picks(200)) == {0, 1, 2, 3}
