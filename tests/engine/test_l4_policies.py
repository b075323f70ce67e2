"""L4: who serves a connection, what ends it, and what its log line says."""

from __future__ import annotations

import asyncio
import json
import re
from collections import Counter
from typing import Any

import pytest
from support.engine import LOCALHOST, Peer, Proxy, Rig, Upstream, cluster, until
from xxhash import xxh64_intdigest

from meshproxy._fast.ketama import build_ring
from meshproxy._fast.maglev import build_table

LIMITS = {
    "max_connections": 0,
    "max_pending": 0,
    "max_requests": 0,
    "max_requests_per_connection": 0,
    "max_retries": 0,
    "max_connection_ms": 0,
    "retry_budget_percent": 0,
    "retry_budget_least": 0,
}
LINE = re.compile(
    r'\[[^]]+\] "- - -" 0 (?P<flags>\S+) (?P<detail>\S+) - "-" (?P<received>\d+) (?P<sent>\d+)'
    r' (?P<ms>\d+) - "-" "-" "-" "-" "(?P<host>\S+)" (?P<cluster>\S+) - - (?P<remote>\S+) - -'
)


async def name_and_hold(peer: Peer, up: Upstream) -> None:
    await peer.send(up.name.encode())
    await peer.recv_all()


async def echo(peer: Peer, up: Upstream) -> None:
    while data := await peer.recv():
        await peer.send(data)


def tcp_cluster(*ports: int, identity: int = 0, **more: Any) -> Any:
    settings = {key: more.pop(key) for key in ("policy", "unready", "weights") if key in more}
    data: Any = cluster(identity, *ports, protocol="tcp", **settings)
    for name, value in more.items():
        data[name] = {**LIMITS, **value} if name == "limits" else value
    return data


def l4(rig: Rig, *clusters: Any, **more: Any) -> Proxy:
    return rig.proxy(clusters=clusters, tcp_cluster=0, routes=[], **more)


async def served_by(rig: Rig, proxy: Proxy, source: str = "", is_kept: bool = False) -> str:
    """The one-letter name of the upstream that a new connection reaches."""
    client = await rig.client(proxy.tcp_port, source=source)
    name = (await client.recv_exactly(1)).decode()
    if not is_kept:
        before = proxy.count("downstream")
        client.close()
        await until(lambda: proxy.count("downstream") < before)
    return name


async def test_weighted_split_is_exact_for_each_hundred_connections(rig: Rig) -> None:
    a, b = rig.upstream(name_and_hold, "a"), rig.upstream(name_and_hold, "b")
    proxy = l4(rig, tcp_cluster(a.port), tcp_cluster(b.port, identity=1))
    proxy.apply(tcp_clusters=[(0, 99), (1, 1)])
    for _ in range(2):
        seen = Counter([await served_by(rig, proxy) for _ in range(100)])
        assert seen == {"a": 99, "b": 1}


async def test_random_reaches_every_endpoint(rig: Rig) -> None:
    ups = [rig.upstream(name_and_hold, name) for name in "abc"]
    proxy = l4(rig, tcp_cluster(*(up.port for up in ups), policy="RANDOM"))
    assert {await served_by(rig, proxy) for _ in range(60)} == {"a", "b", "c"}


async def test_least_request_counts_connections(rig: Rig) -> None:
    ups = [rig.upstream(name_and_hold, name) for name in "abc"]
    proxy = l4(rig, tcp_cluster(*(up.port for up in ups), policy="LEAST_REQUEST"))
    held = [await served_by(rig, proxy, is_kept=True) for _ in range(6)]
    free = held[0]
    for client, name in zip(list(rig.clients), held, strict=True):
        if name == free:
            client.close()
    await until(lambda: proxy.count("downstream") == 4)
    assert [await served_by(rig, proxy, is_kept=True) for _ in range(2)] == [free, free]


@pytest.mark.parametrize("policy", ["RING_HASH", "MAGLEV"])
async def test_source_address_is_placed_as_envoy_places_it(rig: Rig, policy: str) -> None:
    ups = [rig.upstream(name_and_hold, name) for name in "abc"]
    ports = [up.port for up in ups]
    proxy = l4(rig, tcp_cluster(*ports, policy=policy, tcp_hashes_source=True))
    keys = [f"{LOCALHOST}:{port}".encode() for port in ports]
    for last in range(1, 13):
        source = f"127.0.0.{last}"
        digest = xxh64_intdigest(source.encode())
        if policy == "RING_HASH":
            hashes, owners = (memoryview(item) for item in build_ring(keys, [1, 1, 1]))
            points = list(zip(hashes.cast("Q"), owners.cast("I"), strict=True))
            owner = next((who for point, who in points if point >= digest), points[0][1])
        else:
            table = memoryview(build_table(keys, [1, 1, 1], 65537)).cast("I")
            owner = table[digest % 65537]
        for _ in range(2):
            assert await served_by(rig, proxy, source) == "abc"[owner]


async def test_without_a_hash_policy_a_ring_is_entered_at_random(rig: Rig) -> None:
    ups = [rig.upstream(name_and_hold, name) for name in "abc"]
    proxy = l4(rig, tcp_cluster(*(up.port for up in ups), policy="RING_HASH"))
    assert {await served_by(rig, proxy) for _ in range(60)} == {"a", "b", "c"}


async def test_client_with_affinity_stays_while_its_endpoint_is_ready(rig: Rig) -> None:
    ups = [rig.upstream(name_and_hold, name) for name in "abc"]
    ports = [up.port for up in ups]
    data = tcp_cluster(*ports, policy="ROUND_ROBIN", session_affinity_s=10_800)
    proxy = l4(rig, data)
    homes = {f"127.0.0.{n}": await served_by(rig, proxy, f"127.0.0.{n}") for n in range(2, 8)}
    assert Counter(homes.values()) == {"a": 2, "b": 2, "c": 2}
    for source, home in homes.items():
        assert [await served_by(rig, proxy, source) for _ in range(3)] == [home] * 3
    gone = ports["abc".index(homes["127.0.0.2"])]
    proxy.apply(tcp_cluster(*ports, unready=[gone], session_affinity_s=10_800))
    moved = await served_by(rig, proxy, "127.0.0.2")
    assert moved != homes["127.0.0.2"]
    proxy.apply(tcp_cluster(*ports, session_affinity_s=10_800))
    assert await served_by(rig, proxy, "127.0.0.2") == moved
    for source, home in homes.items():
        if home != homes["127.0.0.2"]:
            assert await served_by(rig, proxy, source) == home


async def test_client_with_affinity_leaves_an_endpoint_that_was_ejected(rig: Rig) -> None:
    up, refused = rig.upstream(name_and_hold, "a"), rig.refused_port()
    outlier = {
        "consecutive_5xx": 1, "consecutive_gateway": 0, "consecutive_local": 5,
        "split_local": False, "interval_ms": 10_000, "base_ejection_ms": 30_000,
        "max_ejection_percent": 100,
    }  # fmt: skip
    proxy = l4(rig, tcp_cluster(refused, up.port, session_affinity_s=60, outlier=outlier))
    sources = ["127.0.0.2", "127.0.0.3"]
    for source in sources:  # one of them meets the endpoint that refuses
        client = await rig.client(proxy.tcp_port, source=source)
        await client.recv(1)
    assert [await served_by(rig, proxy, source) for source in sources] == ["a", "a"]


def last_line(proxy: Proxy) -> dict[str, str]:
    match = LINE.fullmatch(proxy.log_lines()[-1])
    assert match is not None, proxy.log_lines()[-1]
    return match.groupdict()


async def ended(rig: Rig, proxy: Proxy, data: bytes = b"") -> dict[str, str]:
    """The log line of a connection that the proxy ends."""
    client = await rig.client(proxy.tcp_port)
    if data:
        await client.send(data)
    await client.recv_all()
    await until(lambda: proxy.log_lines())
    return last_line(proxy)


async def test_log_line_of_a_connection_counts_its_bytes(rig: Rig) -> None:
    up = rig.upstream(echo)
    proxy = l4(rig, tcp_cluster(up.port), access_log="text")
    client = await rig.client(proxy.tcp_port)
    await client.send(b"hello")
    assert await client.recv_exactly(5) == b"hello"
    host, port = client.sock.getsockname()
    client.close()
    await until(lambda: proxy.log_lines())
    line = last_line(proxy)
    assert line.pop("ms").isdigit()
    assert line == {
        "flags": "-",
        "detail": "-",
        "received": "5",
        "sent": "5",
        "host": f"{LOCALHOST}:{up.port}",
        "cluster": "outbound|80||c0.default.svc.cluster.local",
        "remote": f"{host}:{port}",
    }
    assert proxy.codes() == {(1, "-"): 1}


async def test_flags_say_why_a_connection_went_nowhere(rig: Rig) -> None:
    up, refused = rig.upstream(name_and_hold, "a"), rig.refused_port()
    hold = rig.blackhole_port()
    cases = [
        ([tcp_cluster(refused)], 0, "URX,UF", "connection_failure"),
        ([tcp_cluster(up.port, unready=[up.port])], 0, "UH", "no_healthy_upstream"),
        ([], -1, "NC", "cluster_not_found"),
        ([{**tcp_cluster(hold), "connect_timeout_ms": 40}], 0, "URX,UF", "connection_timeout"),
    ]
    for clusters, target, flags, detail in cases:
        proxy = rig.proxy(clusters=clusters, tcp_cluster=target, routes=[], access_log="text")
        line = await ended(rig, proxy)
        assert (line["flags"], line["detail"]) == (flags, detail)
        assert (line["cluster"] == "-") == (not clusters)
        assert (line["host"] != "-") == ("UF" in flags)
        assert proxy.codes() == ({(1, flags): 1} if clusters else {})


async def test_connection_beyond_the_limit_is_closed_with_its_flag(rig: Rig) -> None:
    up = rig.upstream(name_and_hold, "a")
    proxy = l4(rig, tcp_cluster(up.port, limits={"max_connections": 2}), access_log="text")
    for _ in range(2):
        await served_by(rig, proxy, is_kept=True)
    line = await ended(rig, proxy)
    assert (line["flags"], line["detail"], line["host"]) == ("UO", "connection_overflow", "-")
    rig.clients[0].close()
    await until(lambda: proxy.count("downstream") == 1)
    assert await served_by(rig, proxy) == "a"


async def test_connection_ends_at_its_longest_duration_though_bytes_flow(rig: Rig) -> None:
    up = rig.upstream(echo)
    proxy = l4(rig, tcp_cluster(up.port, limits={"max_connection_ms": 60}), access_log="text")
    client = await rig.client(proxy.tcp_port)
    try:
        while True:
            await client.send(b"x")
            if not await client.recv(1):
                break
    except ConnectionError:
        pass
    await until(lambda: proxy.log_lines())
    line = last_line(proxy)
    assert (line["flags"], line["detail"]) == ("DT", "duration_timeout")


async def test_idle_connection_ends_with_its_word_and_no_flag(rig: Rig) -> None:
    up = rig.upstream(name_and_hold, "a")
    proxy = l4(rig, tcp_cluster(up.port, tcp_idle_timeout_ms=40), access_log="text")
    line = await ended(rig, proxy)
    assert (line["flags"], line["detail"]) == ("-", "tcp_session_idle_timeout")


async def test_slow_reader_is_not_idle(rig: Rig) -> None:
    async def script(peer: Peer, up: Upstream) -> None:
        await peer.send(b"x" * (32 << 20))

    up = rig.upstream(script)
    proxy = l4(rig, tcp_cluster(up.port, tcp_idle_timeout_ms=300))
    client = await rig.client(proxy.tcp_port, rcvbuf=4096)
    for _ in range(60):
        await client.recv(2048)
        await asyncio.sleep(0.02)
    assert proxy.engine.active == 1
    await until(lambda: proxy.engine.active == 0)  # it reads no more


async def test_connection_without_idle_timeout_has_no_timer(rig: Rig) -> None:
    up = rig.upstream(name_and_hold, "a")
    proxy = l4(rig, tcp_cluster(up.port, tcp_idle_timeout_ms=0))
    await served_by(rig, proxy, is_kept=True)
    other = l4(rig, tcp_cluster(up.port, tcp_idle_timeout_ms=30))
    await rig.client(other.tcp_port)
    await until(lambda: other.count("downstream") == 1)
    await until(lambda: other.count("downstream") == 0)  # a timer of the same length has run
    assert proxy.count("downstream") == 1


async def test_upstream_reset_is_passed_on_as_a_reset(rig: Rig) -> None:
    async def script(peer: Peer, up: Upstream) -> None:
        await peer.recv_exactly(1)
        peer.reset()

    up = rig.upstream(script)
    proxy = l4(rig, tcp_cluster(up.port), access_log="text")
    client = await rig.client(proxy.tcp_port)
    await client.send(b"x")
    with pytest.raises(ConnectionResetError):
        await client.recv(1)
    await until(lambda: proxy.log_lines())
    line = last_line(proxy)
    assert (line["flags"], line["detail"]) == ("UR", "upstream_remote_reset")


async def test_client_reset_ends_the_upstream_without_a_flag(rig: Rig) -> None:
    up = rig.upstream(name_and_hold, "a")
    proxy = l4(rig, tcp_cluster(up.port), access_log="text")
    await served_by(rig, proxy, is_kept=True)
    rig.clients[0].reset()
    await until(lambda: up.ended == 1)
    await until(lambda: proxy.log_lines())
    assert last_line(proxy)["flags"] == "-"


async def test_json_line_has_no_http_in_it(rig: Rig) -> None:
    up = rig.upstream(echo)
    proxy = l4(rig, tcp_cluster(up.port), access_log="json")
    client = await rig.client(proxy.tcp_port)
    await client.send(b"hello")
    await client.recv_exactly(5)
    client.close()
    await until(lambda: proxy.log_lines())
    entry = json.loads(proxy.log_lines()[-1])
    absent = ("method", "path", "protocol", "response_code_details", "authority", "request_id")
    assert [entry[name] for name in absent] == [None] * len(absent)
    assert (entry["response_code"], entry["response_flags"]) == (0, "-")
    assert (entry["bytes_received"], entry["bytes_sent"]) == (5, 5)
    assert entry["upstream_host"] == f"{LOCALHOST}:{up.port}"


async def test_sessions_that_are_cut_at_the_end_are_logged(rig: Rig) -> None:
    up = rig.upstream(name_and_hold, "a")
    proxy = l4(rig, tcp_cluster(up.port), access_log="text")
    await served_by(rig, proxy, is_kept=True)
    proxy.engine.close()
    assert last_line(proxy)["sent"] == "1"
