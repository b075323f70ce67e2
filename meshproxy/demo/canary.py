"""Step b: a canary pod, reached per connection, then by a 99/1 split of requests."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import Any

from meshproxy.demo import manifest
from meshproxy.demo.client import Client
from meshproxy.demo.mesh import Mesh
from meshproxy.demo.screen import Screen
from meshproxy.demo.table import two_columns

CANARY = "web-v2-a"
CONNECTIONS = 100
REQUESTS = 500
WINDOW = 100
_CLIENTS = 5


async def show_canary(mesh: Mesh, screen: Screen) -> dict[str, Any]:
    screen.begin("b", f"A canary, {CANARY}, joins")
    await mesh.add_pods("v2", CANARY)
    connections = await _count_connections(mesh, screen)
    mesh.write(manifest.ROUTES, manifest.virtual_service(manifest.CANARY))
    async with mesh.per_request() as client:
        live_s = await mesh.until_live(lambda: _is_split(mesh, client))
    screen.show_edit(manifest.ROUTES, manifest.CANARY, live_s)
    answers = await _send(mesh, screen)
    split = mesh.count_versions(answers)
    screen.show(
        two_columns(
            (f"{CONNECTIONS} connections (L4)", f"{REQUESTS} requests (L7)"),
            (connections, split),
            (CONNECTIONS, REQUESTS),
            screen.is_ascii,
        )
    )
    screen.check(
        connections["v2"] * len(mesh.versions) == CONNECTIONS,
        f"per connection: v2 gets what one of {len(mesh.versions)} pods gets, "
        f"{connections['v2'] / CONNECTIONS:.0%}",
    )
    windows = [
        mesh.count_versions(answers[start : start + WINDOW])["v2"]
        for start in range(0, REQUESTS, WINDOW)
    ]
    screen.check(
        set(windows) == {1},
        f"per request: v2 gets what was asked, in each {WINDOW}: " + ", ".join(map(str, windows)),
    )
    return {"canary": connections, "split": split}


async def _count_connections(mesh: Mesh, screen: Screen) -> dict[str, int]:
    async def ask() -> str:
        async with mesh.per_connection() as client:
            return await client.get()

    async def is_canary_reached() -> bool:
        return await ask() == CANARY

    await mesh.until_live(is_canary_reached)
    answers = []
    for _ in range(CONNECTIONS):
        answers.append(await ask())
        screen.advance()
    return mesh.count_versions(answers)


async def _is_split(mesh: Mesh, client: Client) -> bool:
    """Before the edit, one of as many answers in a row as there are pods is the canary's."""
    return CANARY not in [await client.get() for _ in mesh.versions]


async def _send(mesh: Mesh, screen: Screen) -> list[str]:
    """Requests in turn over several connections: the split counts requests, whoever sends."""
    answers = []
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(mesh.per_request()) for _ in range(_CLIENTS)]
        for number in range(REQUESTS):
            answers.append(await clients[number % _CLIENTS].get())
            screen.advance()
    return answers
