"""Ejection: what is told of it, how it grows, and that it holds for all workers."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

from support.engine import Peer, Proxy, Rig, Upstream, answer, cluster, response

OUTLIER = {
    "consecutive_5xx": 4,
    "consecutive_gateway": 0,
    "consecutive_local": 0,
    "split_local": False,
    "interval_ms": 20,
    "base_ejection_ms": 60,
    "max_ejection_percent": 100,
}
LONG = {"interval_ms": 10_000, "base_ejection_ms": 30_000}


async def broken(peer: Peer, up: Upstream) -> None:
    while (message := await peer.read_request()) is not None:
        up.requests.append(message)
        await peer.send(response(b"sorry", "503 Busy"))


def ejecting(*ports: int, **more: Any) -> Any:
    data: Any = cluster(0, *ports)
    data["outlier"] = {**OUTLIER, **more}
    return data


def watch(proxy: Proxy) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = []
    for engine in (proxy.engine, *proxy.others):
        engine.on_health_event(events.append)
    return events


async def test_failures_seen_by_two_workers_eject_for_both(rig: Rig) -> None:
    bad, good = rig.upstream(broken), rig.upstream(answer, "good")
    proxy = rig.proxy(clusters=[ejecting(bad.port, good.port, **LONG)], workers=2)
    events = watch(proxy)
    clients = [await rig.client(port) for port in proxy.ports]
    for _ in range(4):
        for client in clients:
            await client.get()
    assert len(bad.requests) == 4
    for _ in range(10):
        for client in clients:
            assert (await client.get()).body == b"good"
    assert len(bad.requests) == 4
    (event,) = events
    assert (event["event"], event["counter"], event["value"]) == ("ejected", "consecutive_5xx", 4)
    assert (event["cluster"], event["endpoint"], event["times"]) == (
        "outbound|80||c0.default.svc.cluster.local",
        f"127.0.0.1:{bad.port}",
        1,
    )
    assert event["for_ms"] >= 30_000
    assert proxy.board.cluster(0)["ejections"] == 1
    assert proxy.board.cluster_ejections(0)["consecutive_5xx"] == 1
    health = proxy.board.endpoint_health(proxy.slots[0, bad.port])
    assert (health["ejected_by"], health["ejected_at"]) == ("consecutive_5xx", 4)


async def test_percentage_holds_over_all_workers(rig: Rig) -> None:
    ups = [rig.upstream(broken) for _ in range(4)]
    data = ejecting(*(up.port for up in ups), max_ejection_percent=50, **LONG)
    proxy = rig.proxy(clusters=[data], workers=2)
    events = watch(proxy)
    clients = [await rig.client(port) for port in proxy.ports]
    for _ in range(40):
        await asyncio.gather(*(client.get() for client in clients))
    told = [event["event"] for event in events]
    assert told.count("ejected") == 2
    overflow = next(event for event in events if event["event"] == "ejection_overflow")
    assert (overflow["ejected"], overflow["total"]) == (2, 4)
    board = proxy.board.cluster(0)
    assert board["ejections"] == 2
    assert board["ejections_overflow"] == told.count("ejection_overflow")


async def test_each_ejection_is_longer_than_the_one_before(rig: Rig) -> None:
    bad = rig.upstream(broken)
    proxy = rig.proxy(clusters=[ejecting(bad.port, consecutive_5xx=1)])
    events = watch(proxy)
    client = await rig.client(proxy.port)
    # On a slow machine calm intervals pass between two of them, which are forgotten.
    while not events or events[-1]["times"] < 3:
        await client.get()
    times = [event["times"] for event in events]
    assert times[0] == 1 and all(b <= a + 1 for a, b in itertools.pairwise(times))
    # a length ends with the sweep after it
    assert all(0 <= event["for_ms"] - 60 * event["times"] <= 20 for event in events)


async def test_endpoint_that_came_back_starts_at_zero(rig: Rig) -> None:
    bad = rig.upstream(broken)
    proxy = rig.proxy(clusters=[ejecting(bad.port)])
    events = watch(proxy)
    client = await rig.client(proxy.port)
    while not events:
        await client.get()
    asked = len(bad.requests)
    while len(events) < 2:
        await client.get()
    assert len(bad.requests) == asked + 4
    assert events[1]["value"] == 4
