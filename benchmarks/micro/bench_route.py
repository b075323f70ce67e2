"""Host to virtual host to route, 1000 times per call: microseconds per call are nanoseconds each.

The last route matches, so every route before it is tried and refused by its own condition.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.micro.heads import BROWSER_REQUEST

MATCHES = 1000
HOST = "shop.example.com"  # of BROWSER_REQUEST
# kind, name, op, value, ignore case, inverted: as meshproxy.snapshot.model.ConditionData
REFUSING = {
    "prefix": ("uri", "", "prefix", "/checkout/", False, False),
    "header": ("header", "x-canary", "exact", "yes", False, False),
    "regex": ("uri", "", "regex", "/v[0-9]+/orders/.*", False, False),
}


@pytest.mark.parametrize("hosts", [1, 100, 10_000])
@pytest.mark.parametrize("rules", [1, 50])
def bench_host(benchmark: BenchmarkFixture, loops: ModuleType, rules: int, hosts: int) -> None:
    """Flat in the number of hosts: a host is looked up, its rules are tried in order."""
    benchmark.group = f"match among hosts, {rules} rule{'s' if rules > 1 else ''}"
    refusing = [_route(f"route-{number}", [REFUSING["prefix"]]) for number in range(rules - 1)]
    snapshot = loops.make_snapshot(_snapshot(hosts, [*refusing, _route("last", [])]))
    assert benchmark(loops.match, snapshot, BROWSER_REQUEST, MATCHES) == "last"


@pytest.mark.parametrize("refusing", list(REFUSING))
def bench_route(benchmark: BenchmarkFixture, loops: ModuleType, refusing: str) -> None:
    benchmark.group = "match, 49 routes refuse and the last takes"
    routes = [_route(f"route-{number}", [REFUSING[refusing]]) for number in range(49)]
    snapshot = loops.make_snapshot(_snapshot(1, [*routes, _route("last", [])]))
    assert benchmark(loops.match, snapshot, BROWSER_REQUEST, MATCHES) == "last"


def _route(name: str, conditions: list[Any]) -> dict[str, Any]:
    return {
        **{"name": name, "slot": 0, "virtual_service": "default/shop", "rule": 0},
        **{"conditions": conditions, "clusters": [(0, 1)], "cluster_names": ["shop"]},
        **{"timeout_ms": 0, "hash_policies": []},
    }


def _snapshot(hosts: int, routes: list[dict[str, Any]]) -> dict[str, Any]:
    """Return SnapshotData with `hosts` virtual hosts, of which one is HOST with these routes."""
    names = [*(f"other-{number}.example.com" for number in range(hosts - 1)), HOST]
    return {
        **{"generation": 1, "full": True, "clusters": {}, "listeners": []},
        "virtual_hosts": {
            number: {"id": number, "name": name, "routes": routes if name == HOST else []}
            for number, name in enumerate(names)
        },
        "domains": [
            {"domain": name, "ports": {80: number}, "default": number}
            for number, name in enumerate(names)
        ],
    }
