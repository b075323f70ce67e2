"""Picking an endpoint, 1000 picks per call: microseconds per call are nanoseconds per pick."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

PICKS = 1000
POLICIES = ("ROUND_ROBIN", "LEAST_REQUEST", "RANDOM", "RING_HASH")


@pytest.mark.parametrize("endpoints", [3, 50, 1000])
@pytest.mark.parametrize("policy", POLICIES)
def bench_pick(
    benchmark: BenchmarkFixture, loops: ModuleType, policy: str, endpoints: int
) -> None:
    benchmark.group = f"pick among {endpoints}"
    cluster = loops.make_cluster(_cluster(loops, policy, endpoints))
    total = benchmark(loops.pick, cluster, PICKS)
    assert 0 < total < PICKS * endpoints


def _cluster(loops: ModuleType, policy: str, count: int) -> dict[str, Any]:
    endpoints = [_endpoint(number) for number in range(count)]
    balancer: dict[str, Any] = {"policy": policy}
    if policy == "RING_HASH":
        keys = [f"{each['address']}:{each['port']}".encode() for each in endpoints]
        balancer["ring_hashes"], balancer["ring_endpoints"] = loops.build_ring(keys, [1] * count)
    return {
        **{"id": 0, "name": "outbound|80||bench.default.svc.cluster.local"},
        **{"protocol": "http", "connect_timeout_ms": 1000, "idle_timeout_ms": 0},
        **{"lb": balancer, "endpoints": endpoints},
    }


def _endpoint(number: int) -> dict[str, Any]:
    address = f"10.0.{number // 250}.{number % 250 + 1}"
    return {
        **{"address": address, "port": 8080, "slot": number, "weight": 1, "healthy": True},
        **{"name": f"default/bench-{number}", "labels": {}},
    }
