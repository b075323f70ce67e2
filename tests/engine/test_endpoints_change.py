"""Endpoints come and go under load: what is gone gets nothing more, and nobody is cut off."""

from __future__ import annotations

import asyncio

from support.engine import Peer, Rig, Upstream, cluster, request, response, until

CLIENTS = 12
SWAPS = 30


async def held(peer: Peer, up: Upstream) -> None:
    """Answers when the test has named the upstream "go"."""
    while (message := await peer.read_request()) is not None:
        up.requests.append(message)
        await until(lambda: up.name == "go")
        await peer.send(response(b"held"))


async def test_removed_endpoint_finishes_what_it_has_and_closes(rig: Rig) -> None:
    leaving, staying = rig.upstream(held), rig.upstream(name="staying")
    proxy = rig.proxy(leaving.port)
    first, other = await rig.client(proxy.port), await rig.client(proxy.port)
    await first.send(request())
    await until(lambda: leaving.requests)
    proxy.apply(cluster(0, staying.port))
    for _ in range(10):
        assert (await other.get()).body == b"staying"
    leaving.name = "go"
    assert (await first.read_response()).body == b"held"
    assert (await first.get()).body == b"staying"
    await until(lambda: leaving.ended == len(leaving.peers) == 1)
    assert len(leaving.requests) == 1
    assert proxy.codes() == {(200, "-"): 12}


async def test_unready_endpoint_finishes_what_it_has_and_gets_nothing_more(rig: Rig) -> None:
    leaving, staying = rig.upstream(held), rig.upstream(name="staying")
    proxy = rig.proxy(leaving.port)
    first, other = await rig.client(proxy.port), await rig.client(proxy.port)
    await first.send(request())
    await until(lambda: leaving.requests)
    proxy.apply(cluster(0, leaving.port, staying.port, unready=[leaving.port]))
    for _ in range(10):
        assert (await other.get()).body == b"staying"
    leaving.name = "go"
    assert (await first.read_response()).body == b"held"
    assert len(leaving.requests) == 1


async def test_waiting_request_of_a_removed_endpoint_is_still_served(rig: Rig) -> None:
    leaving = rig.upstream(held)
    data = cluster(0, leaving.port)
    data["limits"] = {  # type: ignore[typeddict-item]
        "max_connections": 1,
        **dict.fromkeys(("max_pending", "max_requests", "max_requests_per_connection"), 0),
        **dict.fromkeys(("max_retries", "max_connection_ms", "retry_budget_percent"), 0),
        "retry_budget_least": 0,
    }
    proxy = rig.proxy(clusters=[data])
    clients = [await rig.client(proxy.port) for _ in range(3)]
    for client in clients:
        await client.send(request())
    await until(lambda: proxy.board.cluster(0)["rq_pending"] == 2)
    proxy.apply(cluster(0))
    leaving.name = "go"
    for client in clients:
        assert (await client.read_response()).body == b"held"
    await until(lambda: leaving.ended == len(leaving.peers))
    assert proxy.count("upstream") == 0


async def test_endpoints_swapped_under_load_cause_no_error(rig: Rig) -> None:
    ups = [rig.upstream(name=str(number)) for number in range(4)]
    proxy = rig.proxy(ups[0].port, policy="LEAST_REQUEST")
    statuses: list[int] = []
    is_over = False

    async def ask(client: Peer) -> None:
        while not is_over:
            statuses.append((await client.get()).status)

    clients = [await rig.client(proxy.port) for _ in range(CLIENTS)]
    asking = asyncio.gather(*(ask(client) for client in clients))
    for turn in range(SWAPS):
        before = len(statuses)
        chosen = {ups[turn % 4].port, ups[turn // 2 % 4].port}
        proxy.apply(cluster(0, *chosen, policy="LEAST_REQUEST"))
        await until(lambda n=before: len(statuses) > n + CLIENTS)
        gone = [up for up in ups if up.port not in chosen]
        seen = [len(up.requests) for up in gone]
        await until(lambda n=before: len(statuses) > n + 3 * CLIENTS)
        assert [len(up.requests) for up in gone] == seen
    is_over = True
    await asking
    assert set(statuses) == {200}
    await until(lambda: all(up.ended == len(up.peers) for up in ups if up.port not in chosen))
