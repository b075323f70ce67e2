"""Step e: users hashed by a header stay on their pods; a pod is added, and few of them move."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import cycle
from typing import Any

from meshproxy.demo import manifest
from meshproxy.demo.client import Client
from meshproxy.demo.mesh import Mesh
from meshproxy.demo.screen import Screen
from meshproxy.demo.table import two_columns

USERS = [f"user-{number:03}" for number in range(1, 201)]
NEW_POD = "web-v1-d"
ROUNDS = 3
REQUESTS = len(USERS) * ROUNDS * 2
_CLIENTS = 7  # no divisor of the users: each round brings a user by another connection
_SAME = 8  # answers in a row from one pod that round robin never gives

Homes = dict[str, set[str]]  # pods that answered each user


async def show_stickiness(mesh: Mesh, screen: Screen) -> dict[str, Any]:
    screen.begin("e", f"{len(USERS)} users stay where they are, hashed by header x-user")
    async with _clients(mesh) as clients:
        live_s = await _hash_by_user(mesh, clients[0])
        screen.show_edit(manifest.DESTINATIONS, manifest.BY_USER, live_s)
        before = await _find_homes(clients, screen)
        await mesh.add_pods("v1", NEW_POD)
        users = cycle(USERS)

        async def has_new_pod() -> bool:
            return await clients[0].get(x_user=next(users)) == NEW_POD

        await mesh.until_live(has_new_pod)
        after = await _find_homes(clients, screen)

    pods = len(mesh.versions)
    moved = [user for user in USERS if before[user] != after[user]]
    is_sticky = all(len(homes[user]) == 1 for homes in (before, after) for user in USERS)
    old, new = _count_users(mesh, before), _count_users(mesh, after)
    screen.show(
        two_columns(
            (f"users on {pods - 1} pods", f"users on {pods} pods"),
            (old, new),
            (max(old.values()), max(old.values())),
            screen.is_ascii,
        )
    )
    screen.say(
        f"{sum(after[user] == {NEW_POD} for user in moved)} of the users that moved went to"
        f" {NEW_POD}: Envoy's ring keeps its size, so the others give up points"
    )
    screen.check(is_sticky, f"each user was on one pod in {ROUNDS} of {ROUNDS} rounds, both times")
    share = len(moved) / len(USERS)
    screen.check(
        0.5 / pods <= share <= 2.5 / pods,
        f"{len(moved)} users moved, {share:.0%}: 1/{pods} is {1 / pods:.0%},"
        f" a hash modulo {pods} moves {1 - 1 / pods:.0%}",
    )
    return {
        "hash": {
            "sticky": is_sticky,
            "moved": round(share, 4),
            "users": len(USERS),
            "pods": pods,
        }
    }


async def _hash_by_user(mesh: Mesh, client: Client) -> float:
    """Drop the rules of the steps before, then hash; returns seconds until the latter was live."""

    async def is_any_version() -> bool:
        return mesh.versions[await client.get()] == "v2"

    async def is_hashed() -> bool:
        return len({await client.get(x_user=USERS[0]) for _ in range(_SAME)}) == 1

    mesh.remove(manifest.ROUTES)
    await mesh.until_live(is_any_version)
    mesh.write(manifest.DESTINATIONS, manifest.destination_rule(manifest.BY_USER))
    return await mesh.until_live(is_hashed)


@asynccontextmanager
async def _clients(mesh: Mesh) -> AsyncIterator[list[Client]]:
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(mesh.per_request()) for _ in range(_CLIENTS)]


async def _find_homes(clients: list[Client], screen: Screen) -> Homes:
    homes: Homes = {user: set() for user in USERS}
    connections = cycle(clients)
    for _ in range(ROUNDS):
        for user in USERS:
            homes[user].add(await next(connections).get(x_user=user))
            screen.advance()
    return homes


def _count_users(mesh: Mesh, homes: Homes) -> dict[str, int]:
    counts = Counter(pod for pods in homes.values() for pod in pods)
    return {pod: counts[pod] for pod in sorted(mesh.versions)}
