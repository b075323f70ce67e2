"""Step a: three keep-alive clients of unequal rate, balanced per connection and per request."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any

from rich.table import Table

from meshproxy.demo.client import Client
from meshproxy.demo.load import Load
from meshproxy.demo.mesh import Mesh
from meshproxy.demo.screen import Screen
from meshproxy.demo.table import two_columns

RATES = (240, 120, 40)  # requests per second of each client: 6:3:1
SECONDS = 3
REQUESTS = sum(RATES) * SECONDS  # each way; divides by the three pods
# the pod of the fastest client has 6 of 10 requests where one of three would be fair
L4_EXPECTED = 1.8
L7_EXPECTED = 1.01


async def show_imbalance(mesh: Mesh, screen: Screen) -> dict[str, Any]:
    screen.begin("a", "Three keep-alive clients, three pods")
    rates = ", ".join(map(str, RATES))
    screen.say(f"the clients send {rates} requests per second, on one connection each")
    screen.say("connections go round robin; kube-proxy, picking at random, does no better")
    l4, l7 = Load(mesh.versions), Load(mesh.versions)
    screen.draw(lambda: _table(l4, l7, screen.is_ascii))
    await _drive(mesh.per_connection, l4, screen)
    await _drive(mesh.per_request, l7, screen)
    screen.keep()
    screen.check(
        l4.max_over_mean >= L4_EXPECTED - 0.01,
        f"per connection: max/mean {l4.max_over_mean:.2f}, one pod carries the fastest client",
    )
    screen.check(
        l7.max_over_mean <= L7_EXPECTED,
        f"per request: max/mean {l7.max_over_mean:.2f}, every pod carries its share",
    )
    return {"l4": l4.to_dict(), "l7": l7.to_dict()}


async def _drive(open_client: Callable[[], Client], load: Load, screen: Screen) -> None:
    loop = asyncio.get_running_loop()

    async def send(client: Client, rate: int, begun_at: float) -> None:
        for number in range(rate * SECONDS):
            await asyncio.sleep(begun_at + number / rate - loop.time())
            load.add(await client.get())
            screen.advance()

    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(open_client()) for _ in RATES]
        pairs = zip(clients, RATES, strict=True)
        now = loop.time()
        await asyncio.gather(*(send(client, rate, now) for client, rate in pairs))


def _table(l4: Load, l7: Load, is_ascii: bool) -> Table:
    top = REQUESTS * max(RATES) // sum(RATES)
    return two_columns(
        ("per connection (L4)", "per request (L7)"),
        (l4.requests, l7.requests),
        (top, top),
        is_ascii,
    )
