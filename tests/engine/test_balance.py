"""Which endpoint gets a request, counted at the upstreams."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest
from support.engine import Peer, Rig, Upstream, answer, cluster, request, response, route, until


async def names(client: Peer, n: int, *fields: str) -> list[str]:
    return [(await client.get("/", *fields)).body.decode() for _ in range(n)]


async def test_round_robin_is_even_over_clients_of_unequal_rate(rig: Rig) -> None:
    ups = [rig.upstream(answer, name) for name in "abc"]
    proxy = rig.proxy(*(up.port for up in ups))
    clients = [await rig.client(proxy.port) for _ in range(3)]
    for _ in range(30):
        for client, rate in zip(clients, (6, 3, 1), strict=True):
            await names(client, rate)
    assert [len(up.requests) for up in ups] == [100, 100, 100]
    assert all(proxy.endpoint(up.port)["rq_success"] == 100 for up in ups)


async def test_round_robin_follows_weights(rig: Rig) -> None:
    ups = [rig.upstream(answer, name) for name in "abc"]
    weights = {up.port: w for up, w in zip(ups, (1, 2, 5), strict=True)}
    proxy = rig.proxy(*weights, weights=weights)
    client = await rig.client(proxy.port)
    for _ in range(5):
        assert Counter(await names(client, 8)) == {"a": 1, "b": 2, "c": 5}


async def test_split_99_to_1_is_exact_in_each_hundred(rig: Rig) -> None:
    stable, canary = rig.upstream(answer, "stable"), rig.upstream(answer, "canary")
    proxy = rig.proxy(
        clusters=[cluster(0, stable.port), cluster(1, canary.port)],
        routes=[route((0, 99), (1, 1))],
    )
    clients = [await rig.client(proxy.port) for _ in range(4)]
    for _ in range(10):
        for client in clients:
            await names(client, 25)
        assert proxy.board.cluster(1)["rq_total"] * 100 == (
            proxy.board.cluster(0)["rq_total"] + proxy.board.cluster(1)["rq_total"]
        )
    assert (len(stable.requests), len(canary.requests)) == (990, 10)


async def test_split_keeps_its_turn_over_a_snapshot_swap(rig: Rig) -> None:
    stable, canary = rig.upstream(answer, "stable"), rig.upstream(answer, "canary")
    split = route((0, 4), (1, 1))
    proxy = rig.proxy(clusters=[cluster(0, stable.port), cluster(1, canary.port)], routes=[split])
    client = await rig.client(proxy.port)
    for _ in range(20):
        await names(client, 5)
        proxy.apply(cluster(0, stable.port), routes=[split])
        assert len(stable.requests) == 4 * len(canary.requests)


async def test_hash_policy_sticks_to_an_endpoint_over_connections(rig: Rig) -> None:
    ups = [rig.upstream(answer, name) for name in "abcd"]
    proxy = rig.proxy(
        clusters=[cluster(0, *(up.port for up in ups), policy="RING_HASH")],
        routes=[route(hash_policies=[("header", "x-user")])],
    )
    home: dict[str, str] = {}
    for _ in range(3):
        client = await rig.client(proxy.port)
        for user in (f"user-{i}" for i in range(40)):
            (name,) = await names(client, 1, f"X-User: {user}")
            assert home.setdefault(user, name) == name
    assert set(home.values()) == {"a", "b", "c", "d"}


async def test_hash_policy_keeps_most_users_when_an_endpoint_goes(
    rig: Rig,
) -> None:
    ups = [rig.upstream(answer, name) for name in "abcd"]
    ports = [up.port for up in ups]
    sticky = route(hash_policies=[("header", "x-user")])
    proxy = rig.proxy(clusters=[cluster(0, *ports, policy="RING_HASH")], routes=[sticky])
    client = await rig.client(proxy.port)

    async def homes() -> dict[int, str]:
        return {i: (await names(client, 1, f"X-User: user-{i}"))[0] for i in range(100)}

    before = await homes()
    proxy.apply(cluster(0, *ports, policy="RING_HASH", unready=ports[:1]))
    after = await homes()
    # A fourth must move; the others' points grow in number, which moves some more.
    assert "a" not in after.values()
    assert sum(before[i] != after[i] for i in before) < 65
    proxy.apply(cluster(0, *ports, policy="RING_HASH"))
    assert await homes() == before


async def test_hash_by_source_ip_sends_one_address_to_one_endpoint(rig: Rig) -> None:
    ups = [rig.upstream(answer, name) for name in "abcd"]
    proxy = rig.proxy(
        clusters=[cluster(0, *(up.port for up in ups), policy="RING_HASH")],
        routes=[route(hash_policies=[("source_ip", "")])],
    )
    seen = set()
    for _ in range(10):
        client = await rig.client(proxy.port)
        seen |= set(await names(client, 2))
    assert len(seen) == 1


async def test_least_request_avoids_a_busy_endpoint(rig: Rig) -> None:
    gate = asyncio.Event()

    async def script(peer: Peer, up: Upstream) -> None:
        while (message := await peer.read_request()) is not None:
            up.requests.append(message)
            if message.path == "/held":
                await gate.wait()
            await peer.send(response(up.name.encode()))

    ups = [rig.upstream(script, name) for name in "abc"]
    proxy = rig.proxy(*(up.port for up in ups), policy="LEAST_REQUEST")
    held, client = await rig.client(proxy.port), await rig.client(proxy.port)
    await held.send(request("GET", "/held"))
    await until(lambda: any(up.requests for up in ups))
    (busy,) = [up.name for up in ups if up.requests]
    assert busy not in await names(client, 60)
    gate.set()
    await held.read_response()
    assert busy in await names(client, 6)


async def test_least_request_takes_turns_when_all_are_idle(rig: Rig) -> None:
    ups = [rig.upstream(answer, name) for name in "abc"]
    proxy = rig.proxy(*(up.port for up in ups), policy="LEAST_REQUEST")
    client = await rig.client(proxy.port)
    assert Counter(await names(client, 30)) == {"a": 10, "b": 10, "c": 10}


async def test_random_reaches_every_endpoint(rig: Rig) -> None:
    ups = [rig.upstream(answer, name) for name in "abc"]
    proxy = rig.proxy(*(up.port for up in ups), policy="RANDOM")
    client = await rig.client(proxy.port)
    counts = Counter(await names(client, 300))
    # 300 fair picks leave one of three below 40 less than once in 10**12 runs.
    assert set(counts) == {"a", "b", "c"} and min(counts.values()) > 40


@pytest.mark.parametrize("policy", ["ROUND_ROBIN", "LEAST_REQUEST", "RANDOM", "RING_HASH"])
async def test_single_endpoint_serves_under_every_policy(rig: Rig, policy: str) -> None:
    up = rig.upstream(answer, "only")
    proxy = rig.proxy(up.port, policy=policy)
    client = await rig.client(proxy.port)
    assert await names(client, 5) == ["only"] * 5


async def test_cookie_policy_makes_the_cookie_that_keeps_a_client_on_its_endpoint(
    rig: Rig,
) -> None:
    ups = [rig.upstream(answer, f"u{n}") for n in range(3)]
    chosen = route(hash_policies=[("cookie", "user")])
    chosen["cookies"] = [
        {"name": "user", "path": "/", "ttl_s": 60, "attributes": [("SameSite", "Lax")]}
    ]
    data = cluster(0, *(up.port for up in ups), policy="RING_HASH")
    proxy = rig.proxy(clusters=[data], routes=[chosen])
    for _ in range(5):
        client = await rig.client(proxy.port)
        first = await client.get()
        made = first.header("set-cookie")
        assert made is not None
        assert made.endswith("; Max-Age=60; Path=/; SameSite=Lax; HttpOnly")
        pair = made.split(";")[0].replace('"', "")
        other = await rig.client(proxy.port)
        again = await other.get("/", f"Cookie: a=b; {pair}")
        assert (again.body, again.header("set-cookie")) == (first.body, None)
