"""Each policy's pick, in flight counts of several workers included."""

from __future__ import annotations

from collections import Counter
from types import ModuleType
from typing import Any

import pytest
from shapes import cluster_data

from meshproxy._fast.ketama import build_ring
from meshproxy._fast.scoreboard import Scoreboard


def test_round_robin_goes_in_order(probe: ModuleType, scoreboard: Scoreboard) -> None:
    picker = probe.Picker(cluster_data(1, 1, 1), scoreboard)
    assert picker.picks(7) == [0, 1, 2, 0, 1, 2, 0]


def test_round_robin_is_one_turn_for_all_workers(
    probe: ModuleType, scoreboard: Scoreboard
) -> None:
    mapped = Scoreboard(3, scoreboard.fd)
    first = probe.Picker(cluster_data(1, 1, 1), scoreboard, 1)
    second = probe.Picker(cluster_data(1, 1, 1), mapped, 2)
    run = [picker.pick() for _ in range(50) for picker in (first, second, second)]
    assert run == [0, 1, 2] * 50


def test_round_robin_by_weight_is_exact(probe: ModuleType, scoreboard: Scoreboard) -> None:
    picker = probe.Picker(cluster_data(5, 3, 2), scoreboard)
    run = picker.picks(200)
    for start in range(len(run) - 10):
        assert Counter(run[start : start + 10]) == {0: 5, 1: 3, 2: 2}


def test_round_robin_survives_the_end_of_the_cursor(
    probe: ModuleType, scoreboard: Scoreboard
) -> None:
    picker = probe.Picker(cluster_data(1, 1, 1, 1), scoreboard)
    probe.set_cluster_cursor(scoreboard, 0, 2**64 - 2)
    assert picker.picks(4) == [2, 3, 0, 1]


def test_only_healthy_endpoints_are_picked(probe: ModuleType, scoreboard: Scoreboard) -> None:
    data = cluster_data(1, 1, 1)
    data["endpoints"][1]["healthy"] = False
    picker = probe.Picker(data, scoreboard)
    assert picker.picks(4) == [0, 1, 0, 1]  # of the two healthy ones


@pytest.mark.parametrize("policy", ["ROUND_ROBIN", "LEAST_REQUEST", "RANDOM", "RING_HASH"])
def test_nothing_healthy_picks_nothing(
    probe: ModuleType, scoreboard: Scoreboard, policy: str
) -> None:
    data = cluster_data(1, policy=policy)
    data["endpoints"][0]["healthy"] = False
    assert probe.Picker(data, scoreboard).pick() is None


@pytest.mark.parametrize("policy", ["ROUND_ROBIN", "LEAST_REQUEST", "RANDOM"])
def test_one_endpoint_is_always_picked(
    probe: ModuleType, scoreboard: Scoreboard, policy: str
) -> None:
    assert set(probe.Picker(cluster_data(1, policy=policy), scoreboard).picks(20)) == {0}


def least(probe: ModuleType, board: Scoreboard, *weights: int) -> Any:
    return probe.Picker(cluster_data(*weights, policy="LEAST_REQUEST"), board)


def test_least_request_picks_the_least_of_all_workers(
    probe: ModuleType, scoreboard: Scoreboard
) -> None:
    picker = least(probe, scoreboard, 1, 1, 1)
    in_flight = [(3, 0, 1), (0, 5, 0), (1, 1, 1)]  # per endpoint: of worker 1, 2, 3
    for slot, columns in enumerate(in_flight):
        for worker, count in enumerate(columns, 1):
            probe.set_active(scoreboard, worker, slot, count)
    assert picker.picks(10) == [2] * 10  # sums 4, 5, 3
    probe.set_active(scoreboard, 3, 2, 9)
    assert picker.picks(10) == [0] * 10
    probe.set_active(scoreboard, 2, 1, 0)
    assert picker.picks(10) == [1] * 10


def test_least_request_serves_ties_in_turn(probe: ModuleType, scoreboard: Scoreboard) -> None:
    picker = least(probe, scoreboard, 1, 1, 1, 1)
    assert Counter(picker.picks(400)) == dict.fromkeys(range(4), 100)
    probe.set_active(scoreboard, 2, 3, 1)
    assert set(picker.picks(400)) == {0, 1, 2}


def test_least_request_weighs_load_by_weight(probe: ModuleType, scoreboard: Scoreboard) -> None:
    picker = least(probe, scoreboard, 4, 1)
    probe.set_active(scoreboard, 1, 0, 2)
    assert picker.picks(10) == [0] * 10  # 3/4 < 1/1
    probe.set_active(scoreboard, 1, 0, 4)
    assert picker.picks(10) == [1] * 10  # 5/4 > 1/1


def test_least_request_that_is_idle_gives_turns_by_weight(
    probe: ModuleType, scoreboard: Scoreboard
) -> None:
    assert Counter(least(probe, scoreboard, 4, 1).picks(100)) == {0: 80, 1: 20}


def test_least_request_draws_fairly_of_some_that_are_equal(
    probe: ModuleType, scoreboard: Scoreboard
) -> None:
    picker = least(probe, scoreboard, *[1] * 10)
    for slot in range(2, 10):
        probe.set_active(scoreboard, 1, slot, 1)
    run = Counter(picker.picks(2000))
    # a scan that begins at a turn and keeps the first would give one of the two nine tenths
    assert set(run) == {0, 1} and min(run.values()) > 850


def test_least_request_of_many_follows_weights_when_idle(
    probe: ModuleType, scoreboard: Scoreboard
) -> None:
    run = Counter(least(probe, scoreboard, *[3] * 50, *[1] * 50).picks(8000))
    heavy = sum(count for index, count in run.items() if index < 50)
    assert heavy / 8000 == pytest.approx(0.75, abs=0.02)


def test_least_request_ignores_column_zero(probe: ModuleType, scoreboard: Scoreboard) -> None:
    probe.set_active(scoreboard, 0, 0, 100)
    assert 0 in least(probe, scoreboard, 1, 1).picks(4)


def test_least_request_fills_the_emptiest_first(probe: ModuleType, scoreboard: Scoreboard) -> None:
    picker = least(probe, scoreboard, 1, 1, 1)
    load = [0, 0, 0]
    for turn in range(99):
        index = picker.pick()
        load[index] += 1
        probe.set_active(scoreboard, turn % 3 + 1, index, 0)
        for worker in (1, 2, 3):
            probe.set_active(scoreboard, worker, index, (load[index] + worker - 1) // 3)
        assert max(load) - min(load) <= 1
    assert load == [33, 33, 33]


def test_least_request_of_many_is_two_choices(probe: ModuleType, scoreboard: Scoreboard) -> None:
    picker = least(probe, scoreboard, *[1] * 200)
    for slot in range(100):
        probe.set_active(scoreboard, 1, slot, 1000)
    run = picker.picks(4000)
    assert sum(index < 100 for index in run) / len(run) == pytest.approx(0.25, abs=0.05)
    assert len(set(run)) > 150


def test_random_ignores_weights(probe: ModuleType, scoreboard: Scoreboard) -> None:
    run = Counter(probe.Picker(cluster_data(100, 1, 1, policy="RANDOM"), scoreboard).picks(9000))
    for index in range(3):
        assert run[index] == pytest.approx(3000, rel=0.1)


def test_random_of_one_seed_is_one_sequence(probe: ModuleType, scoreboard: Scoreboard) -> None:
    data = cluster_data(1, 1, 1, policy="RANDOM")
    runs = [probe.Picker(data, scoreboard, 1, seed).picks(50) for seed in (0, 0, 1)]
    assert runs[0] == runs[1] != runs[2]


def ring_data() -> dict[str, object]:
    keys = [f"10.0.0.{i}:80".encode() for i in range(3)]
    table = build_ring(keys, [1, 1, 1], 12)
    return cluster_data(1, 1, 1, policy="RING_HASH", ring_size=12, tables={0: table})


def test_ring_gives_a_hash_one_endpoint(probe: ModuleType, scoreboard: Scoreboard) -> None:
    picker = probe.Picker(ring_data(), scoreboard)
    assert {picker.pick(12345) for _ in range(20)} == {picker.pick(12345)}


def test_ring_goes_on_to_the_points_that_follow(probe: ModuleType, scoreboard: Scoreboard) -> None:
    data = ring_data()
    picker = probe.Picker(data, scoreboard)
    owners = memoryview(data["lb"]["tables"][0][1]).cast("I").tolist()  # type: ignore[index]
    assert [picker.pick(0, attempt) for attempt in range(len(owners) + 1)] == [*owners, owners[0]]


def test_ring_without_a_hash_is_random(probe: ModuleType, scoreboard: Scoreboard) -> None:
    assert set(probe.Picker(ring_data(), scoreboard).picks(200)) == {0, 1, 2}


@pytest.mark.parametrize(
    ("hashes", "owners"),
    [(b"", b""), (b"\0" * 8, b""), (b"\0" * 8, b"\7\0\0\0"), (b"\0" * 7, b"")],
)
def test_ring_that_is_malformed_is_refused(
    probe: ModuleType, scoreboard: Scoreboard, hashes: bytes, owners: bytes
) -> None:
    data = cluster_data(1, policy="RING_HASH", tables={0: (hashes, owners)})
    with pytest.raises((ValueError, KeyError)):
        probe.Picker(data, scoreboard)
