"""The ring equals Envoy's: points, owners, and the host of every key of a real Envoy."""

from __future__ import annotations

import json
import math
import struct
from bisect import bisect_left
from pathlib import Path
from typing import Any

import pytest
from shapes import route_data, snapshot_data
from xxhash import xxh64_intdigest

from meshproxy._fast.ketama import build_ring
from meshproxy._fast.shares import shares_of
from meshproxy._fast.snapshot import Snapshot

VECTORS = Path(__file__).parents[2] / "vectors" / "envoy_hash.json"
CASES = [
    case for case in json.loads(VECTORS.read_text())["cases"] if case["policy"] == "RING_HASH"
]
HEADER_CASES = [case for case in CASES if "header" in case["hash_policy"][0]]


def name_of(case: dict[str, Any]) -> str:
    name: str = case["name"]
    return name


def ring_of(case: dict[str, Any]) -> tuple[bytes, bytes]:
    config = case["lb_config"].get("ring_hash_lb_config", {})
    keys = [host["address"].encode() for host in case["hosts"]]
    weights = [host["weight"] for host in case["hosts"]]
    return build_ring(keys, weights, config.get("minimum_ring_size", 1024))


def unpack(ring: tuple[bytes, bytes]) -> tuple[list[int], list[int]]:
    points = len(ring[0]) // 8
    return list(struct.unpack(f"<{points}Q", ring[0])), list(struct.unpack(f"<{points}I", ring[1]))


def test_vectors_are_all_there() -> None:
    assert len(HEADER_CASES) == 3
    assert all(len(case["key_to_host"]) == 400 for case in CASES)


@pytest.mark.parametrize("case", HEADER_CASES, ids=name_of)
def test_ring_gives_every_key_the_host_envoy_gave(case: dict[str, Any]) -> None:
    hashes, owners = unpack(ring_of(case))
    for key, host in case["key_to_host"]:
        at = bisect_left(hashes, xxh64_intdigest(key.encode())) % len(hashes)
        assert case["hosts"][owners[at]]["address"] == host, key


@pytest.mark.parametrize("weights", [(3, 3, 5, 5, 5, 5), (3, 5, 5, 5, 5, 5), (5, 7, 7, 7, 9, 9)])
def test_points_are_those_of_sums_rounded_at_each_step(weights: tuple[int, ...]) -> None:
    """As on x86-64; with fused multiply-adds one endpoint has a point more, another one less."""
    minimum = 64
    shares = shares_of(weights)
    scale = math.ceil(min(shares) * minimum) / min(shares)
    expected = []
    target = points = 0.0
    for share in shares:
        target += scale * share
        expected.append(max(0, math.ceil(target - points)))
        points += expected[-1]
    keys = [b"10.0.0.%d:80" % number for number in range(len(weights))]
    owners = unpack(build_ring(keys, list(weights), minimum))[1]
    assert [owners.count(number) for number in range(len(weights))] == expected


def cluster_of(case: dict[str, Any]) -> dict[str, Any]:
    table = ring_of(case)
    endpoints = []
    for slot, host in enumerate(case["hosts"]):
        address, _, port = host["address"].rpartition(":")
        endpoints.append(
            {
                "address": address,
                "port": int(port),
                "slot": slot,
                "weight": host["weight"],
                "healthy": True,
                "name": f"default/a-{slot}",
                "labels": {},
            }
        )
    return {
        "id": 0,
        "name": "outbound|80||a.default.svc.cluster.local",
        "protocol": "http",
        "lb": {"policy": "RING_HASH", "tables": {0: table}},
        "connect_timeout_ms": 1000,
        "idle_timeout_ms": 1000,
        "endpoints": endpoints,
    }


@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_decision_gives_every_key_the_host_envoy_gave(case: dict[str, Any]) -> None:
    (policy,) = case["hash_policy"]
    ((kind, settings),) = policy.items()
    short = {"header": "header", "cookie": "cookie", "query_parameter": "query"}[kind]
    name = settings.get("header_name") or settings["name"]
    route = route_data(hash_policies=[(short, name)])
    snapshot = Snapshot().apply(snapshot_data([route], cluster_of(case)))
    for key, host in case["key_to_host"]:
        if kind == "header":
            head = f"GET / HTTP/1.1\r\nHost: a\r\nX-User: {key}\r\n\r\n"
        elif kind == "cookie":
            head = f"GET / HTTP/1.1\r\nHost: a\r\nCookie: b=1; {name}={key}; c=2\r\n\r\n"
        else:
            head = f"GET /?b=1&{name}={key}&c HTTP/1.1\r\nHost: a\r\n\r\n"
        decision = snapshot.decide(head.encode())
        assert (decision["outcome"], decision["endpoint"]) == ("routed", host), key


def test_ring_points_equal_envoys() -> None:
    """Envoy's own unit test: 127.0.0.1:90 to 95, minimum ring size 12."""
    ports = range(90, 96)
    hashes, owners = unpack(build_ring([b"127.0.0.1:%d" % p for p in ports], [1] * 6, 12))
    assert [(ports[owner], point) for point, owner in zip(hashes, owners, strict=True)] == [
        (94, 833437586790550860),
        (92, 928266305478181108),
        (90, 1033482794131418490),
        (95, 3551244743356806947),
        (93, 3851675632748031481),
        (91, 5583722120771150861),
        (91, 6311230543546372928),
        (93, 7700377290971790572),
        (95, 13144177310400110813),
        (92, 13444792449719432967),
        (94, 15516499411664133160),
        (90, 16117243373044804889),
    ]


@pytest.mark.parametrize(
    ("weights", "minimum", "maximum", "points"),
    [
        ([1, 1, 1], 1024, 8388608, [342, 342, 342]),
        ([1], 1024, 8388608, [1024]),
        ([1, 2], 3, 8388608, [1, 2]),
        ([5, 1], 12, 8388608, [10, 2]),
        ([1, 1, 1], 1024, 100, [34, 33, 33]),
        ([1, 1], 1, 8388608, [1, 1]),
    ],
)
def test_ring_has_as_many_points_as_envoys(
    weights: list[int], minimum: int, maximum: int, points: list[int]
) -> None:
    keys = [b"10.0.0.%d:80" % i for i in range(len(weights))]
    _, owners = unpack(build_ring(keys, weights, minimum, maximum))
    assert [owners.count(i) for i in range(len(weights))] == points


def test_ring_of_nothing_is_empty() -> None:
    assert build_ring([], []) == (b"", b"")


def test_ring_moves_few_keys_when_a_host_comes() -> None:
    keys = [b"10.0.0.%d:80" % i for i in range(5)]
    before, after = (unpack(build_ring(keys[:n], [1] * n)) for n in (4, 5))

    def owner(ring: tuple[list[int], list[int]], value: int) -> int:
        return ring[1][bisect_left(ring[0], value) % len(ring[0])]

    users = [xxh64_intdigest(b"user-%d" % i) for i in range(2000)]
    moved = [user for user in users if owner(before, user) != owner(after, user)]
    # A fifth goes to the new host; a few more move because each old one has 205 points, not 256.
    to_new = [user for user in moved if owner(after, user) == 4]
    assert len(to_new) / len(users) == pytest.approx(1 / 5, abs=0.05)
    assert len(moved) / len(users) < 0.4


HASHES = {
    b"": 17241709254077376921,
    b"a": 15154266338359012955,
    b"alice": 8332761332120969289,
    b"user-1": 11633770265628666856,
    b"10.0.0.1": 17084065887361098711,
}


def hash_of(policies: list[tuple[str, str]], head: bytes, source_ip: bytes = b"") -> int | None:
    case = HEADER_CASES[0]
    route = route_data(hash_policies=policies)
    snapshot = Snapshot().apply(snapshot_data([route], cluster_of(case)))
    found: int | None = snapshot.decide(head, source_ip=source_ip)["hash"]
    return found


def head_of(*lines: bytes, target: bytes = b"/") -> bytes:
    return b"\r\n".join([b"GET " + target + b" HTTP/1.1", b"Host: a", *lines, b"", b""])


@pytest.mark.parametrize(("value", "want"), HASHES.items())
def test_hash_of_one_value(value: bytes, want: int) -> None:
    assert hash_of([("header", "x-user")], head_of(b"X-User: " + value)) == want
    assert hash_of([("query", "u")], head_of(target=b"/?u=" + value)) == want
    assert hash_of([("cookie", "u")], head_of(b"Cookie: u=" + value)) == want
    if value:
        assert hash_of([("source_ip", "")], head_of(), value) == want


def test_hash_of_several_values_has_no_order() -> None:
    policy = [("header", "x-user")]
    for lines in ([b"x-user: foo", b"X-User: bar"], [b"x-user: bar", b"a: b", b"x-user: foo"]):
        assert hash_of(policy, head_of(*lines)) == 6648465492906218751


def test_hash_of_two_policies_is_combined() -> None:
    policies = [("header", "x-a"), ("header", "x-b")]
    assert hash_of(policies, head_of(b"x-a: a", b"x-b: b")) == 15913648788416971564
    assert hash_of(policies, head_of(b"x-b: a")) == HASHES[b"a"]
    assert hash_of(policies, head_of(b"x-a: a")) == HASHES[b"a"]


def test_hash_of_what_is_absent_is_none() -> None:
    policies = [("header", "x-a"), ("cookie", "b"), ("query", "c"), ("source_ip", "")]
    assert hash_of(policies, head_of(b"x-aa: 1", b"Cookie: bb=1; b", target=b"/?cc=1")) is None
    assert hash_of([], head_of()) is None


@pytest.mark.parametrize(
    ("lines", "value"),
    [
        ([b"Cookie: u=alice"], b"alice"),
        ([b'Cookie: u="alice"'], b"alice"),
        ([b"Cookie: a=1;u=alice"], b"alice"),
        ([b"Cookie: a=1;   u=alice; u=a"], b"alice"),
        ([b"Cookie: a=1", b"cookie: u=alice"], b"alice"),
        ([b"Cookie: xu=a; u=alice"], b"alice"),
        ([b"Cookie: U=a; u=alice"], b"alice"),
        ([b"Cookie: u="], b""),
        ([b'Cookie: u=""'], b""),
    ],
)
def test_hash_of_a_cookie(lines: list[bytes], value: bytes) -> None:
    assert hash_of([("cookie", "u")], head_of(*lines)) == HASHES[value]


@pytest.mark.parametrize(
    ("target", "value"),
    [
        (b"/?u=alice", b"alice"),
        (b"/?a&u=alice&u=a", b"alice"),
        (b"/?xu=a&u=alice", b"alice"),
        (b"/?&&u=alice", b"alice"),
        (b"/?u", b""),
        (b"/?u=", b""),
        (b"/?u&u=alice", b""),
    ],
)
def test_hash_of_a_query_parameter(target: bytes, value: bytes) -> None:
    assert hash_of([("query", "u")], head_of(target=target)) == HASHES[value]
