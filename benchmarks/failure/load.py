"""Clients in a closed loop: each asks, waits for the answer, and asks again."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

ANSWER_S = 30.0
GET = b"GET / HTTP/1.1\r\nHost: bench\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: bench\r\nContent-Length: 100\r\n\r\n" + b"b" * 100


@dataclass
class Seen:
    """What clients got: answers by status, and what was no answer by its kind."""

    statuses: Counter[str] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)

    @property
    def count(self) -> int:
        return sum(self.statuses.values())

    @property
    def errors(self) -> dict[str, int]:
        return {kind: n for kind, n in self.statuses.items() if kind != "200"}

    def percentile(self, share: float) -> float:
        """In milliseconds."""
        ordered = sorted(self.seconds)
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1000 if ordered else 0.0


@dataclass(frozen=True)
class Ask:
    """`pause_s` comes before the request."""

    request: bytes = GET
    pause_s: float = 0.0


async def load(port: int, clients: int, asks: Callable[[int], Iterator[Ask]]) -> Seen:
    """Every client asks what `asks` of its number yields."""
    seen = Seen()
    async with asyncio.TaskGroup() as group:
        for number in range(clients):
            group.create_task(_client(port, asks(number), seen))
    return seen


async def _client(port: int, asks: Iterator[Ask], seen: Seen) -> None:
    streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
    for ask in asks:
        if ask.pause_s:
            await asyncio.sleep(ask.pause_s)
        began = time.perf_counter()
        try:
            async with asyncio.timeout(ANSWER_S):
                if streams is None:
                    streams = await asyncio.open_connection("127.0.0.1", port)
                status, is_last = await _ask(*streams, ask.request)
        except (OSError, EOFError, TimeoutError) as error:
            status, is_last = type(error).__name__, True
        seen.statuses[status] += 1
        seen.seconds.append(time.perf_counter() - began)
        if is_last and streams is not None:
            streams[1].close()
            streams = None
    if streams is not None:
        streams[1].close()


async def _ask(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes
) -> tuple[str, bool]:
    writer.write(request)
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0])
    await reader.readexactly(length)
    return head[9:12].decode(), b"\r\nconnection: close" in head
