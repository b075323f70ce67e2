"""Which endpoint a hash gives: priorities, panic, localities and bounded load beside a real Envoy.

A hash decides the priority too, so what Envoy makes of health shows key by key, without chance.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from typing import Any

import pytest
from conformance.engine import EngineSide
from conformance.sidecar import Envoy, find_envoy
from conformance.test_export import HERE, cluster, endpoint, needs_envoy, route, snapshot
from support.raw_client import RawClient
from support.upstream import Upstream

from meshproxy._fast.snapshot import Snapshot
from meshproxy.export import export_envoy
from meshproxy.snapshot.model import ClusterData, SnapshotData

KEYS = [f"user-{number}" for number in range(250)]
RING = {"policy": "RING_HASH", "ring_size": 1024}
MAGLEV = {"policy": "MAGLEV", "table_size": 65537}
UNREADY: dict[str, Any] = {"healthy": False}
SECOND: dict[str, Any] = {"priority": 1}
UNREADY_SECOND = {**UNREADY, **SECOND}


def at(region: str, share: int, **more: Any) -> dict[str, Any]:
    return {"locality": f"{region}/z/s", "locality_weight": share, **more}


# what each of eight endpoints is, and minHealthPercent
CASES: dict[str, tuple[list[dict[str, Any]], int]] = {
    "weights": ([{"weight": 1 + index % 3} for index in range(8)], 0),
    "some unready": ([UNREADY, {}, {}, UNREADY, {}, {}, {}, {}], 0),
    "spill to the second": ([{}, {}, UNREADY, UNREADY, SECOND, SECOND, SECOND, SECOND], 0),
    "first is healthy enough": ([{}, {}, {}, UNREADY, SECOND, SECOND, SECOND, SECOND], 0),
    "both are scaled up": (
        [{}, UNREADY, UNREADY, UNREADY, SECOND, UNREADY_SECOND, UNREADY_SECOND, UNREADY_SECOND],
        0,
    ),
    "panic in one priority": ([{}, UNREADY, UNREADY, UNREADY, UNREADY, UNREADY, UNREADY, {}], 50),
    "no panic at 100": ([{}, UNREADY, UNREADY, UNREADY, SECOND, SECOND, SECOND, SECOND], 50),
    "panic in the first of two": (
        [{}, UNREADY, UNREADY, UNREADY, UNREADY, SECOND, SECOND, UNREADY_SECOND],
        50,
    ),
    "panic in all": (
        [UNREADY, UNREADY, UNREADY, {}, UNREADY, UNREADY, UNREADY_SECOND, UNREADY_SECOND],
        60,
    ),
    "localities": ([at("b", 70)] * 2 + [at("a", 20)] * 3 + [at("c", 10, weight=3)] * 3, 0),
    "locality without anybody": (
        [at("b", 70, healthy=False)] * 2 + [at("a", 20)] * 3 + [at("c", 10, weight=3)] * 3,
        0,
    ),
}


@pytest.fixture(scope="module")
def ups() -> Iterator[list[Upstream]]:
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(Upstream(str(index))) for index in range(8)]


def clusters_of(ups: list[Upstream]) -> Iterator[tuple[str, ClusterData]]:
    """Every case on a ring and on a table; a slot of the scoreboard each."""
    identity = 0
    for name, (places, panic) in CASES.items():
        for lb in (RING, MAGLEV):
            made = [
                endpoint(up.port, **{"slot": identity * 8 + index, **place})
                for index, (up, place) in enumerate(zip(ups, places, strict=True))
            ]
            data = cluster(identity, *made, lb=dict(lb), panic_percent=panic)
            yield f"{name}, {lb['policy']}", data
            identity += 1


def hashed(clusters: list[ClusterData]) -> SnapshotData:
    """A route /ID/ to each cluster, hashing x-user."""
    routes = [
        route(
            (data["id"], 1),
            conditions=[("uri", "", "prefix", f"/{data['id']}/", False, False)],
            hash_policies=[("header", "x-user")],
        )
        for data in clusters
    ]
    return snapshot(*clusters, routes=routes)


@needs_envoy
def test_every_key_goes_where_envoy_sends_it(ups: list[Upstream]) -> None:
    assert find_envoy()
    cases = dict(clusters_of(ups))
    data = hashed(list(cases.values()))
    ours = Snapshot().apply(data)

    async def ask() -> dict[str, list[tuple[str, str, str]]]:
        differing: dict[str, list[tuple[str, str, str]]] = {}
        async with Envoy(_on_any_port(data)) as envoy:
            with RawClient(envoy.port) as client:
                for name, item in cases.items():
                    for key in KEYS:
                        path = f"/{item['id']}/"
                        answer = client.get("web", path, x_user=key)
                        head = f"GET {path} HTTP/1.1\r\nHost: web\r\nx-user: {key}\r\n\r\n"
                        port = int((ours.decide(head.encode())["endpoint"] or ":0").split(":")[1])
                        want = next((up.name for up in ups if up.port == port), "none")
                        theirs = answer.body.decode() if answer.status == 200 else "none"
                        if want != theirs:
                            differing.setdefault(name, []).append((key, want, theirs))
        return differing

    assert asyncio.run(ask()) == {}


@needs_envoy
@pytest.mark.parametrize("lb", [RING, MAGLEV], ids=["ring", "maglev"])
@pytest.mark.parametrize("factor", [100, 125, 200])
def test_bounded_load_places_a_burst_as_envoy_does(
    ups: list[Upstream], lb: dict[str, Any], factor: int
) -> None:
    """Requests that none of the upstreams answers, one after another, so that load piles up."""
    places = [endpoint(up.port, slot=i, weight=1 + i // 3) for i, up in enumerate(ups[:4])]
    item = cluster(0, *places, lb={**lb, "balance_factor": factor})
    data = hashed([item])

    async def burst(port: int) -> list[str]:
        placed, writers = [], []
        for up in ups[:4]:
            up.hold()
        for key in KEYS[:40]:
            before = [len(up.requests) for up in ups]
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writers.append(writer)
            writer.write(f"GET /0/ HTTP/1.1\r\nhost: web\r\nx-user: {key}\r\n\r\n".encode())
            while before == [len(up.requests) for up in ups]:
                await asyncio.sleep(0)
            placed += [up.name for up, n in zip(ups, before, strict=True) if len(up.requests) > n]
        for up in ups[:4]:
            up.release()
        for writer in writers:
            writer.close()
        return placed

    async def both() -> tuple[list[str], list[str]]:
        async with EngineSide(data) as engine, Envoy(_on_any_port(data)) as envoy:
            return (
                await asyncio.wait_for(burst(engine.port), 30),
                await asyncio.wait_for(burst(envoy.port), 30),
            )

    engine, envoy = asyncio.run(both())
    assert engine == envoy
    if factor == 100:
        assert max(map(engine.count, "0123")) <= 40 * 2 / 5 + 1  # weights 1, 1, 1, 2


def _on_any_port(data: SnapshotData) -> dict[str, Any]:
    made = export_envoy(data, HERE).bootstrap
    for listener in made["static_resources"]["listeners"]:
        listener["address"]["socket_address"]["port_value"] = 0
    return made
