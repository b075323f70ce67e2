"""More virtual hosts than the caches hold: what one remembers of its last request goes stale."""

from __future__ import annotations

from collections.abc import Iterable

from support.engine import Peer, Proxy, Rig, answer, cluster, route

from meshproxy.snapshot.model import SnapshotData

HOSTS = 400


def change(
    proxy: Proxy, ports: dict[int, int], *, removed: Iterable[int] = (), first: bool = False
) -> None:
    """Give host N, which is hN, a cluster N with one endpoint; take those in `removed` away."""
    proxy.generation += 1
    update: SnapshotData = {
        "generation": proxy.generation,
        "full": first,
        "clusters": dict.fromkeys(removed),
        "virtual_hosts": dict.fromkeys(removed),
        "domains": None,
        "listeners": None,
    }
    for number, port in ports.items():
        data = cluster(number, port)
        key = (number, port)
        data["endpoints"][0]["slot"] = proxy.slots.setdefault(key, len(proxy.slots))
        update["clusters"][number] = data
        if first:
            routes = [route((number, 1), slot=number)]
            update["virtual_hosts"][number] = {
                "id": number,
                "name": f"h{number}",
                "routes": routes,
            }
    if first:
        update["domains"] = [
            {"domain": f"h{number}", "ports": {}, "default": number} for number in ports
        ]
        update["listeners"] = [
            {"id": 0, "protocol": "http", "virtual_host": -1, "cluster": -1},
        ]
    proxy.engine.apply(update)


async def ask_all(client: Peer) -> list[bytes | int]:
    """The body each host answers with, or the status that is not 200."""
    found: list[bytes | int] = []
    for number in range(HOSTS):
        message = await client.get(host=f"h{number}")
        found.append(message.body if message.status == 200 else message.status)
    return found


async def test_each_host_of_many_is_served_by_what_it_has_now(rig: Rig) -> None:
    odd, even, fresh = (rig.upstream(answer, name) for name in ("odd", "even", "fresh"))
    proxy = rig.proxy(odd.port)
    change(proxy, {n: (odd if n % 2 else even).port for n in range(HOSTS)}, first=True)
    client = await rig.client(proxy.port)
    want: list[bytes | int] = [b"odd" if n % 2 else b"even" for n in range(HOSTS)]
    for _ in range(2):
        assert await ask_all(client) == want
    gone, moved = range(0, HOSTS, 7), range(3, HOSTS, 11)
    change(proxy, {n: fresh.port for n in moved if n % 7}, removed=gone)
    for number in moved:
        want[number] = b"fresh"
    for number in gone:
        want[number] = 404
    for _ in range(2):
        assert await ask_all(client) == want
