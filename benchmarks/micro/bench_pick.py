"""Picking an endpoint, 1000 picks per call: microseconds per call are nanoseconds per pick.

The hash of a request is given, so what hashing costs is not in here. `workers` is how many columns
of the scoreboard a count of requests in flight sums.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

PICKS = 1000
POLICIES = ("ROUND_ROBIN", "LEAST_REQUEST", "RANDOM", "RING_HASH", "MAGLEV")
WORKERS = 4


@pytest.mark.parametrize("endpoints", [10, 1000])
@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("weights", ["equal", "differ"])
def bench_pick(
    benchmark: BenchmarkFixture, loops: ModuleType, policy: str, endpoints: int, weights: str
) -> None:
    benchmark.group = f"pick among {endpoints}"
    data = _cluster(policy, endpoints, is_weighted=weights == "differ")
    total = benchmark(loops.pick, loops.make_cluster(data, WORKERS), PICKS)
    assert 0 < total < PICKS * endpoints


@pytest.mark.parametrize("endpoints", [16, 32, 64, 128, 256])
@pytest.mark.parametrize("workers", [1, 4])
def bench_full_scan(
    benchmark: BenchmarkFixture, loops: ModuleType, endpoints: int, workers: int
) -> None:
    """Where LEAST_REQUEST stops to look at all: FULL_SCAN of _fast/least_request.pxd."""
    benchmark.group = f"least request, {workers} workers"
    cluster = loops.make_cluster(_cluster("LEAST_REQUEST", endpoints), workers)
    assert benchmark(loops.pick, cluster, PICKS) > 0


@pytest.mark.parametrize("policy", ["RING_HASH", "MAGLEV"])
@pytest.mark.parametrize("out", [0, 500])
def bench_bounded_load(
    benchmark: BenchmarkFixture, loops: ModuleType, policy: str, out: int
) -> None:
    """1000 endpoints, `out` of them overloaded: a key of theirs looks for another one."""
    benchmark.group = "pick among 1000, bounded load"
    cluster = loops.make_cluster(_cluster(policy, 1000, balance_factor=125), WORKERS)
    loops.load(cluster, out, 8)
    assert benchmark(loops.pick, cluster, PICKS) > 0
    loops.load(cluster, out, 0)


def bench_build_ring(benchmark: BenchmarkFixture, loops: ModuleType) -> None:
    benchmark.group = "build for 1000 endpoints"
    hashes, _ = benchmark(loops.build_ring, _keys(1000), [1] * 1000)
    assert len(hashes) == 2000 * 8


def bench_build_maglev(benchmark: BenchmarkFixture, loops: ModuleType) -> None:
    benchmark.group = "build for 1000 endpoints"
    assert len(benchmark(loops.build_table, _keys(1000), [1] * 1000)) == 65537 * 4


def bench_build_schedule(benchmark: BenchmarkFixture, loops: ModuleType) -> None:
    """1000 weights that all differ: the longest period there is."""
    benchmark.group = "build for 1000 endpoints"
    assert benchmark(loops.make_schedule, list(range(1, 1001))) <= 65536


def bench_ejection(benchmark: BenchmarkFixture, loops: ModuleType) -> None:
    """What a worker does once when one of 1000 endpoints is ejected: here with a ring."""
    benchmark.group = "build for 1000 endpoints"
    cluster = loops.make_cluster(_cluster("RING_HASH", 1000), WORKERS)
    benchmark(loops.eject_and_settle, cluster)


def _keys(count: int) -> list[bytes]:
    return [f"{_endpoint(number, 1)['address']}:8080".encode() for number in range(count)]


def _cluster(policy: str, count: int, is_weighted: bool = False, **more: Any) -> dict[str, Any]:
    endpoints = [_endpoint(n, 1 + n % 5 if is_weighted else 1) for n in range(count)]
    return {
        **{"id": 0, "name": "outbound|80||bench.default.svc.cluster.local"},
        **{"protocol": "http", "connect_timeout_ms": 1000, "idle_timeout_ms": 0},
        **{"lb": {"policy": policy, **more}, "endpoints": endpoints},
    }


def _endpoint(number: int, weight: int) -> dict[str, Any]:
    address = f"10.0.{number // 250}.{number % 250 + 1}"
    return {
        **{"address": address, "port": 8080, "slot": number, "weight": weight, "healthy": True},
        **{"name": f"default/bench-{number}", "labels": {}},
    }
