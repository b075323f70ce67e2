"""What an upstream does with one attempt. True: the connection may serve another."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from support.engine import Message, Peer, response

LATE_S = 10.0  # later than every timeout of a rule
HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n0123456789"
CHUNK = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"


@dataclass
class Turn:
    """An ask as it goes on, on one side."""

    attempts: list[str] = field(default_factory=list)
    has_arrived: asyncio.Event = field(default_factory=asyncio.Event)  # at an upstream
    is_released: asyncio.Event = field(default_factory=asyncio.Event)  # acts that hold go on
    has_head: asyncio.Event = field(default_factory=asyncio.Event)  # the client has one


Act = Callable[[Peer, Message, Turn], Awaitable[bool]]


def says(status: int, body: bytes = b"said", *fields: str) -> Act:
    async def act(peer: Peer, message: Message, turn: Turn) -> bool:
        data = response(body, f"{status} Said", *fields)
        if message.method == "HEAD":
            data = data[: data.index(b"\r\n\r\n") + 4]
        await peer.send(data)
        return True

    return act


def sends(data: bytes, keeps: bool = False) -> Act:
    """Bytes as they are, then the end of the connection."""

    async def act(peer: Peer, message: Message, turn: Turn) -> bool:
        await peer.send(data)
        return keeps

    return act


def resets_after(data: bytes, waits: bool = False) -> Act:
    """`waits`: until the client has the head, which a reset could overtake."""

    async def act(peer: Peer, message: Message, turn: Turn) -> bool:
        if data:
            await peer.send(data)
        if waits:
            await turn.has_head.wait()
        peer.reset()
        return False

    return act


def stalls_after(data: bytes) -> Act:
    """Until the other side closes."""

    async def act(peer: Peer, message: Message, turn: Turn) -> bool:
        if data:
            await peer.send(data)
        try:
            async with asyncio.timeout(LATE_S):
                await peer.recv(1)
        except TimeoutError:
            pass
        return False

    return act


def garbles_after(head: bytes, rest: bytes) -> Act:
    async def act(peer: Peer, message: Message, turn: Turn) -> bool:
        await peer.send(head)
        await turn.has_head.wait()
        await peer.send(rest)
        await peer.is_closed()
        return False

    return act


async def holds(peer: Peer, message: Message, turn: Turn) -> bool:
    """Answers when the play says so."""
    await turn.is_released.wait()
    await peer.send(response(b"held"))
    return True


ok = says(200, b"ok")
closes = sends(b"")
resets = resets_after(b"")
stalls = stalls_after(b"")
