"""The Maglev table equals Envoy's: slots, and the host of every key of a real Envoy."""

from __future__ import annotations

import json
from array import array
from pathlib import Path
from typing import Any

import pytest
from shapes import route_data, snapshot_data
from xxhash import xxh64_intdigest

from meshproxy._fast.maglev import build_table, table_moved
from meshproxy._fast.snapshot import Snapshot

VECTORS = Path(__file__).parents[2] / "vectors" / "envoy_hash.json"
CASES = [case for case in json.loads(VECTORS.read_text())["cases"] if case["policy"] == "MAGLEV"]


def name_of(case: dict[str, Any]) -> str:
    name: str = case["name"]
    return name


def size_of(case: dict[str, Any]) -> int:
    size: int = case["lb_config"].get("maglev_lb_config", {}).get("table_size", 65537)
    return size


def cluster_of(case: dict[str, Any]) -> dict[str, Any]:
    places = [host["address"].rpartition(":") for host in case["hosts"]]
    endpoints = [
        {
            **{"address": address, "port": int(port), "slot": slot, "healthy": True},
            **{"weight": case["hosts"][slot]["weight"], "name": "", "labels": {}},
        }
        for slot, (address, _, port) in enumerate(places)
    ]
    return {
        **{"id": 0, "name": "outbound|80||a.default.svc.cluster.local", "protocol": "http"},
        **{"lb": {"policy": "MAGLEV", "table_size": size_of(case)}, "endpoints": endpoints},
        **{"connect_timeout_ms": 1000, "idle_timeout_ms": 1000},
    }


def test_vectors_are_all_there() -> None:
    assert [len(case["key_to_host"]) for case in CASES] == [400] * 3


@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_table_gives_every_key_the_host_envoy_gave(case: dict[str, Any]) -> None:
    keys = [host["address"].encode() for host in case["hosts"]]
    weights = [host["weight"] for host in case["hosts"]]
    table = array("I", build_table(keys, weights, size_of(case)))
    for key, host in case["key_to_host"]:
        slot = xxh64_intdigest(key.encode()) % len(table)
        assert case["hosts"][table[slot]]["address"] == host, key


@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_decision_gives_every_key_the_host_envoy_gave(case: dict[str, Any]) -> None:
    name = case["hash_policy"][0]["header"]["header_name"]
    route = route_data(hash_policies=[("header", name)])
    snapshot = Snapshot().apply(snapshot_data([route], cluster_of(case)))
    for key, host in case["key_to_host"]:
        decision = snapshot.decide(f"GET / HTTP/1.1\r\nHost: a\r\n{name}: {key}\r\n\r\n".encode())
        assert (decision["outcome"], decision["endpoint"]) == ("routed", host), key


@pytest.mark.parametrize(
    ("weights", "size", "slots"),
    [
        ([1] * 6, 7, [2, 4, 0, 1, 5, 0, 3]),
        ([1, 2], 17, [1, 0, 0, 1, 0, 1, 1, 0, 1, 1, 1, 1, 1, 0, 1, 0, 1]),
    ],
)
def test_slots_equal_envoys(weights: list[int], size: int, slots: list[int]) -> None:
    """Envoy's own unit tests: 127.0.0.1:90 and on."""
    keys = [b"127.0.0.1:%d" % port for port in range(90, 90 + len(weights))]
    assert array("I", build_table(keys, weights, size)).tolist() == slots


def test_table_of_nothing_is_empty() -> None:
    assert build_table([], []) == b""


def test_share_of_slots_moved_is_what_a_new_endpoint_takes() -> None:
    keys = [b"10.0.0.%d:80" % i for i in range(5)]
    before, after = (build_table(keys[:n], [1] * n) for n in (4, 5))
    assert table_moved(before, before, [0, 1, 2, 3]) == 0
    assert table_moved(before, after, [0, 1, 2, 3]) == pytest.approx(0.2, abs=0.02)
    assert table_moved(before, build_table(keys, [1] * 5, 251), [0, 1, 2, 3]) == 1


@pytest.mark.parametrize("size", [0, 1, 4, 65536, 5_000_009])
def test_table_of_a_size_that_is_not_prime_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match=f"prime number of slots, found {size}"):
        build_table([b"127.0.0.1:80", b"127.0.0.1:81"], [1, 1], size)
