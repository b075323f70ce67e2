"""Who may be picked: priority, locality, panic, ejection, slow start; the clock is the test's."""

from __future__ import annotations

from collections import Counter
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from property.profile import bounded
from shapes import cluster_data
from xxhash import xxh64_intdigest

from meshproxy._fast.ketama import build_ring
from meshproxy._fast.scoreboard import Scoreboard
from meshproxy.snapshot.hash_table import HashTables

HASHING = [
    {"policy": "RING_HASH", "ring_size": 64},
    {"policy": "RING_HASH", "ring_size": 1024},
    {"policy": "MAGLEV", "table_size": 251},
]
NOW = 10**12  # far from the machine's own clock, so that mixing them up would show
FOREVER = 2**62
USERS = [xxh64_intdigest(b"user-%d" % number) for number in range(300)]


def spread(picker: Any, count: int, now_us: int = NOW) -> Counter[str]:
    return Counter(picker.pick_name(now_us=now_us) for _ in range(count))


def placed(data: dict[str, Any], *places: dict[str, Any]) -> dict[str, Any]:
    """Put keys such as priority or locality into the endpoints, one dict each."""
    for item, more in zip(data["endpoints"], places, strict=True):
        item.update(more)
    return data


@bounded(40)
@given(
    lb=st.sampled_from(HASHING),
    weights=st.lists(st.integers(1, 5), min_size=2, max_size=8),
    out=st.sets(st.integers(0, 7), max_size=6),
)
def test_ejection_sends_keys_where_a_rebuilt_table_would(
    probe: ModuleType, lb: dict[str, Any], weights: list[int], out: set[int]
) -> None:
    board = Scoreboard(1)
    out = {slot for slot in out if slot < len(weights)}
    picker = probe.Picker(cluster_data(*weights, **lb), board)
    rest = cluster_data(*weights, **lb)
    rest["endpoints"] = [e for e in rest["endpoints"] if e["slot"] not in out]
    rebuilt = probe.Picker({**rest, "id": 1}, board)
    before = [picker.pick_name(user, NOW) for user in USERS]
    for slot in out:
        picker.eject(slot, NOW + 1000)
    want = [rebuilt.pick_name(user, NOW) for user in USERS]
    assert [picker.pick_name(user, NOW) for user in USERS] == want
    assert [picker.pick_name(user, NOW + 1000) for user in USERS] == before  # all are back
    board.close()


def test_ring_that_only_skips_the_ejected_would_differ_from_a_rebuilt_one() -> None:
    """Why a table is made anew: fewer endpoints have more points each, to reach the least size."""
    keys = [b"10.0.0.%d:80" % number for number in range(3)]
    three, two = (build_ring(keys[:count], [1] * count, 1024) for count in (3, 2))
    assert [len(ring[0]) // 8 // count for ring, count in ((three, 3), (two, 2))] == [342, 512]


@pytest.mark.parametrize("policy", ["ROUND_ROBIN", "LEAST_REQUEST", "RANDOM", "MAGLEV"])
def test_ejected_endpoint_is_picked_by_nobody_until_its_time(
    probe: ModuleType, scoreboard: Scoreboard, policy: str
) -> None:
    pickers = [
        probe.Picker(cluster_data(1, 1, 1, policy=policy), board, worker)
        for worker, board in ((1, scoreboard), (2, Scoreboard(3, scoreboard.fd)))
    ]
    for picker in pickers:
        assert len(spread(picker, 60)) == 3
    pickers[0].eject(1, NOW + 500)
    for picker in pickers:  # the other worker sees it too
        assert set(spread(picker, 60, NOW + 499)) == {"10.0.0.0:80", "10.0.0.2:80"}
        assert len(spread(picker, 60, NOW + 500)) == 3


def test_round_robin_stays_exact_among_those_that_are_left(
    probe: ModuleType, scoreboard: Scoreboard
) -> None:
    picker = probe.Picker(cluster_data(2, 1, 1), scoreboard)
    picker.eject(0, FOREVER)
    assert spread(picker, 100) == {"10.0.0.1:80": 50, "10.0.0.2:80": 50}


def test_all_ejected_picks_nobody(probe: ModuleType, scoreboard: Scoreboard) -> None:
    for policy in ("ROUND_ROBIN", "LEAST_REQUEST", "RANDOM", "RING_HASH", "MAGLEV"):
        picker = probe.Picker(cluster_data(1, 1, policy=policy), scoreboard)
        for slot in (0, 1):
            picker.eject(slot, NOW + 1000)
        assert spread(picker, 5) == {None: 5}
        assert None not in spread(picker, 5, NOW + 1000)


def test_panic_picks_from_all_even_the_ejected(probe: ModuleType, scoreboard: Scoreboard) -> None:
    data = {**cluster_data(1, 1, 1, 1), "panic_percent": 50}
    picker = probe.Picker(data, scoreboard)
    for slot in (0, 1):
        picker.eject(slot, FOREVER)
    assert spread(picker, 40) == {"10.0.0.2:80": 20, "10.0.0.3:80": 20}  # 50 % is not below 50
    picker.eject(2, FOREVER)
    assert set(spread(picker, 40).values()) == {10}


@pytest.mark.parametrize("hashes", [False, True])
def test_priorities_share_by_their_health(
    probe: ModuleType, scoreboard: Scoreboard, hashes: bool
) -> None:
    policy = {"policy": "RING_HASH"} if hashes else {"policy": "ROUND_ROBIN"}
    data = cluster_data(*[1] * 12, **policy)
    placed(data, *[{}] * 10, *[{"priority": 1}] * 2)
    picker = probe.Picker(data, scoreboard)
    assert picker.levels(NOW) == [100, 0]
    for slot in range(5):
        picker.eject(slot, FOREVER)
    assert picker.levels(NOW) == [70, 30]
    names = {f"10.0.0.{slot}:80" for slot in (10, 11)}
    if hashes:  # Envoy: a hash belongs to the first priority whose load it is within, modulo 100
        for value in range(1000):
            is_second = picker.pick_name(value, NOW) in names
            assert is_second == (value % 100 + 1 > 70), value
    else:
        run = spread(picker, 6000)
        assert sum(run[name] for name in names) / 6000 == pytest.approx(0.3, abs=0.03)
        assert not {f"10.0.0.{slot}:80" for slot in range(5)} & set(run)


def test_unready_priority_counts_in_health_but_is_never_picked(
    probe: ModuleType, scoreboard: Scoreboard
) -> None:
    data = placed(cluster_data(1, 1, 1), {}, {"healthy": False}, {"priority": 1})
    picker = probe.Picker(data, scoreboard)
    assert picker.levels(NOW) == [70, 30]
    assert set(spread(picker, 100)) == {"10.0.0.0:80", "10.0.0.2:80"}


def localities(*weights: int, **lb: Any) -> dict[str, Any]:
    """Two endpoints in each locality a, b, ..."""
    data = cluster_data(*[1] * (2 * len(weights)), **lb)
    places = [
        {"locality": f"{'abcdef'[index // 2]}//", "locality_weight": weights[index // 2]}
        for index in range(2 * len(weights))
    ]
    return placed(data, *places)


def test_localities_share_exactly_by_weight(probe: ModuleType, scoreboard: Scoreboard) -> None:
    picker = probe.Picker(localities(70, 20, 10), scoreboard)
    assert sorted(spread(picker, 200).values()) == [10, 10, 20, 20, 70, 70]


def test_locality_that_loses_health_loses_share(probe: ModuleType, scoreboard: Scoreboard) -> None:
    picker = probe.Picker(localities(50, 50), scoreboard)
    picker.eject(0, FOREVER)  # half of a: 1.4 * 1/2 = 0.7 of its weight, 35 against 50
    run = spread(picker, 850)
    assert run == {"10.0.0.1:80": 350, "10.0.0.2:80": 250, "10.0.0.3:80": 250}
    picker.eject(1, FOREVER)
    assert set(spread(picker, 100)) == {"10.0.0.2:80", "10.0.0.3:80"}


def test_locality_of_weight_0_gets_nothing(probe: ModuleType, scoreboard: Scoreboard) -> None:
    picker = probe.Picker(localities(100, 0), scoreboard)
    assert set(spread(picker, 100)) == {"10.0.0.0:80", "10.0.0.1:80"}
    assert picker.levels(NOW) == [100]


def test_hash_over_localities_is_one_ring_of_their_shares(
    probe: ModuleType, scoreboard: Scoreboard
) -> None:
    picker = probe.Picker(localities(75, 25, policy="MAGLEV", table_size=4099), scoreboard)
    counts = Counter(picker.pick_name(slot, NOW) for slot in range(4099))
    shares = [counts[f"10.0.0.{slot}:80"] / 4099 for slot in range(4)]
    assert shares == pytest.approx([0.375, 0.375, 0.125, 0.125], abs=0.002)


@bounded(40)
@given(
    lb=st.sampled_from(HASHING),
    places=st.lists(
        st.fixed_dictionaries(
            {"healthy": st.booleans(), "priority": st.integers(0, 1), "weight": st.integers(1, 4)}
        ),
        min_size=1,
        max_size=8,
    ),
    regions=st.one_of(st.none(), st.lists(st.sampled_from("cab"), min_size=8, max_size=8)),
)
def test_table_of_the_control_process_is_the_one_a_worker_makes(
    probe: ModuleType,
    lb: dict[str, Any],
    places: list[dict[str, Any]],
    regions: list[str] | None,
) -> None:
    board = Scoreboard(1)
    data = placed(cluster_data(*[1] * len(places), **lb), *places)
    for item, region in zip(data["endpoints"], regions or (), strict=False):
        item.update({"locality": f"{region}/z", "locality_weight": 1 + "abc".index(region)})
    tables = HashTables().of("a", data["lb"], data["endpoints"])
    given_tables = {**data, "lb": {**lb, "tables": tables}}
    picks = [
        [picker.pick_name(user, NOW) for user in USERS]
        for picker in (probe.Picker(given_tables, board), probe.Picker(data, board))
    ]
    assert picks[0] == picks[1]
    board.close()


WARMUP = {"duration_ms": 100_000, "minimum_percent": 10.0, "aggression": 1.0}


@pytest.mark.parametrize("policy", ["ROUND_ROBIN", "LEAST_REQUEST"])
def test_new_endpoint_gets_its_share_slowly(
    probe: ModuleType, scoreboard: Scoreboard, policy: str
) -> None:
    data = {**cluster_data(1, 1, policy=policy), "warmup": WARMUP}
    first = {**data, "endpoints": data["endpoints"][:1]}
    old = probe.Picker(first, scoreboard, 1, 0, NOW)
    assert set(spread(old, 5)) == {"10.0.0.0:80"}
    joined = NOW + 200_000_000
    picker = probe.Picker(data, scoreboard, 1, 0, joined)
    shares = [
        spread(picker, 6000, joined + at)["10.0.0.1:80"] / 6000
        for at in (0, 25_000_000, 50_000_000, 100_000_000)
    ]
    # factors 0.1, 0.25, 0.5, 1 beside 1
    for share, factor in zip(shares, (0.1, 0.25, 0.5, 1.0), strict=True):
        assert share == pytest.approx(factor / (1 + factor), abs=0.03)


def test_endpoints_that_are_all_new_share_alike(probe: ModuleType, scoreboard: Scoreboard) -> None:
    data = {**cluster_data(3, 1), "warmup": WARMUP}
    picker = probe.Picker(data, scoreboard, 1, 0, NOW)
    assert spread(picker, 400, NOW + 1) == {"10.0.0.0:80": 300, "10.0.0.1:80": 100}


def test_slow_start_counts_from_the_first_time_seen_ready(
    probe: ModuleType, scoreboard: Scoreboard
) -> None:
    data = {**cluster_data(1, 1), "warmup": WARMUP}
    data["endpoints"][1]["healthy"] = False
    probe.Picker(data, scoreboard, 1, 0, NOW)
    assert scoreboard.endpoint_health(1)["first_seen_us"] == 0
    data["endpoints"][1]["healthy"] = True
    probe.Picker(data, scoreboard, 1, 0, NOW + 7)
    probe.Picker(data, scoreboard, 2, 0, NOW + 9)  # a worker that came later
    assert scoreboard.endpoint_health(0)["first_seen_us"] == NOW
    assert scoreboard.endpoint_health(1)["first_seen_us"] == NOW + 7
