"""WebSockets echo through a proxy whose configuration is reloaded meanwhile: no message is lost.

python -m benchmarks.websockets --sockets 2000 --messages 1000000 --reloads 10

Each socket sends a message, waits for it to come back and compares. Each reload moves the
service to the other of two upstreams: new requests go there, sockets stay where they are.
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass
from pathlib import Path

import uvloop
from aiohttp import ClientSession, ClientTimeout, ClientWebSocketResponse, TCPConnector, WSMsgType

from benchmarks.echo import NAME
from benchmarks.measure import free_port
from benchmarks.peers import PEERS
from benchmarks.peers.peer import Site, install
from benchmarks.process import Process, StartError
from benchmarks.transfer import answers, wait

HOST = {"Host": "bench"}
OPENING = 100  # handshakes at once
LATE_S = 60.0  # a message that takes longer is lost
MOST_BYTES = 300
POLL_S = 0.01


class Lost(Exception):
    """A message that did not come back as it went."""


@dataclass
class Talk:
    """What has come back so far, and when."""

    sockets: int
    messages: int
    echoed: int = 0
    moves: int = 0
    seconds: float = 0.0


async def talk(
    port: int, sockets: int, messages: int, reloads: int, move: Callable[[], str]
) -> Talk:
    """`move` edits the configuration and names the upstream that serves from then on."""
    each, more = divmod(messages, sockets)
    found = Talk(sockets, messages)
    url = f"http://127.0.0.1:{port}"
    timeout = ClientTimeout(total=LATE_S)
    async with (
        ClientSession(connector=TCPConnector(limit=0), timeout=timeout, headers=HOST) as session,
        AsyncExitStack() as stack,
    ):
        gate = asyncio.Semaphore(OPENING)

        async def connect() -> ClientWebSocketResponse:
            async with gate:
                return await stack.enter_async_context(session.ws_connect(url))

        opened = await asyncio.gather(*(connect() for _ in range(sockets)))
        began = time.monotonic()
        async with asyncio.TaskGroup() as group:
            group.create_task(_move(session, url + NAME, found, reloads, move))
            for index, socket in enumerate(opened):
                group.create_task(_echo(socket, index, each + (index < more), found))
        found.seconds = time.monotonic() - began
    return found


async def _echo(socket: ClientWebSocketResponse, index: int, count: int, found: Talk) -> None:
    for number in range(count):
        data = (b"%d of %d " % (number, index)).ljust(number % MOST_BYTES, b".")
        await socket.send_bytes(data)
        message = await socket.receive(LATE_S)
        if (message.type, message.data) != (WSMsgType.BINARY, data):
            raise Lost(f"{data!r} of socket {index} came back as {message}")
        found.echoed += 1


async def _move(
    session: ClientSession, url: str, found: Talk, reloads: int, move: Callable[[], str]
) -> None:
    """Reload at even shares of the messages; each one must show."""
    for number in range(1, reloads + 1):
        while found.echoed < found.messages * number // (reloads + 1):
            await asyncio.sleep(POLL_S)
        name = move()
        async with asyncio.timeout(LATE_S):
            while await _name(session, url) != name:
                await asyncio.sleep(POLL_S)
        found.moves += 1


async def _name(session: ClientSession, url: str) -> str:
    async with session.get(url) as answer:
        return await answer.text()


def run(arguments: argparse.Namespace, folder: Path) -> Talk:
    with ExitStack() as stack:
        names, sites = ("a", "b"), []
        port = free_port()
        for name in names:
            words = [sys.executable, "-m", "benchmarks.echo", name]
            log = folder / f"{name}.log"
            upstream = stack.enter_context(Process(words, arguments.load_core, log))
            wait(lambda log=log: log.read_text().endswith("\n"), upstream.tail())  # type: ignore[misc]
            sites.append(Site(folder, port, (int(log.read_text()),), 64, "plain"))
        command = PEERS["meshproxy"].command(sites[0])
        manifest = folder / "manifests" / "meshproxy.yaml"
        proxy = stack.enter_context(Process(command, arguments.proxy_core, folder / "proxy.log"))
        wait(lambda: answers(port), proxy.tail())
        turns = 0

        def move() -> str:
            nonlocal turns
            turns += 1
            install("meshproxy.yaml", sites[turns % 2]).rename(manifest)
            return names[turns % 2]

        return uvloop.run(
            talk(port, arguments.sockets, arguments.messages, arguments.reloads, move)
        )


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.websockets", description=__doc__)
    parser.add_argument("--sockets", type=int, default=2000)
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--reloads", type=int, default=10)
    parser.add_argument("--load-core", type=int, default=0)
    parser.add_argument("--proxy-core", type=int, default=1)
    arguments = parser.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with tempfile.TemporaryDirectory(prefix="meshproxy-websockets-") as folder:
        try:
            found = run(arguments, Path(folder))
        except (StartError, OSError, ExceptionGroup) as error:
            print(f"error: {error!r}", file=sys.stderr)
            return 1
    print(
        f"{found.echoed} of {found.messages} messages came back over {found.sockets} WebSockets"
        f" through {found.moves} reloads in {found.seconds:.1f} s"
    )
    return 0 if (found.echoed, found.moves) == (found.messages, arguments.reloads) else 1


if __name__ == "__main__":
    sys.exit(main())
