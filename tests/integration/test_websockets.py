"""WebSockets go on through reloads that move their service elsewhere."""

from __future__ import annotations

import asyncio
from itertools import cycle
from pathlib import Path

from support import manifests
from support.proxy import MeshproxyRun

from benchmarks.echo import echo_server
from benchmarks.websockets import Talk, talk

SOCKETS, MESSAGES, RELOADS = 50, 5_000, 3


def test_websockets_through_reloads_lose_no_message(
    meshproxy_run: MeshproxyRun, tmp_path: Path
) -> None:
    async def work() -> Talk:
        async with echo_server("a") as a, echo_server("b") as b:
            proxy = meshproxy_run(manifests.write(tmp_path, manifests.service("bench", a)))
            turns = cycle([("b", b), ("a", a)])

            def move() -> str:
                name, port = next(turns)
                manifests.write(tmp_path, manifests.service("bench", port))
                return name

            return await talk(proxy.port, SOCKETS, MESSAGES, RELOADS, move)

    found = asyncio.run(work())
    assert (found.echoed, found.moves) == (MESSAGES, RELOADS)
