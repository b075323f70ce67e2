"""A scriptable HTTP/1.1 server on loopback, in a thread of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import TypeVar

from support.wait import TIMEOUT_S


@dataclass
class Request:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


Result = TypeVar("Result")
Script = Callable[[Request, asyncio.StreamWriter], Awaitable[None]]


def response(body: bytes, status: str = "200 OK", **headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"content-length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


@dataclass
class Upstream:
    """Answers every request with its name, unless a script says otherwise."""

    name: str = "upstream"
    script: Script | None = None
    port: int = 0
    host: str = "127.0.0.1"
    requests: list[Request] = field(default_factory=list)
    connections: int = 0

    def __post_init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._held: asyncio.Event | None = None
        self._arrived = threading.Semaphore(0)
        self._writers: set[asyncio.StreamWriter] = set()

    def __enter__(self) -> Upstream:
        self._thread.start()
        self._server = self._call(asyncio.start_server(self._serve, self.host, self.port))
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._call(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(TIMEOUT_S)
        self._loop.close()

    def hold(self) -> None:
        """Keep every following request unanswered until `release`."""
        self._call(self._set_held(asyncio.Event()))

    def release(self) -> None:
        self._call(self._release())

    def wait_for_request(self) -> None:
        """Return when one more request has arrived whole."""
        assert self._arrived.acquire(timeout=TIMEOUT_S), "no request arrived"

    def forget(self) -> None:
        """Start again with no request seen."""
        self.requests.clear()
        while self._arrived.acquire(blocking=False):
            pass

    async def _set_held(self, event: asyncio.Event) -> None:
        self._held = event

    async def _release(self) -> None:
        assert self._held is not None
        self._held.set()
        self._held = None

    async def _close(self) -> None:
        self._server.close()
        for writer in self._writers:
            writer.transport.abort()
        for task in asyncio.all_tasks():
            if task is not asyncio.current_task():
                task.cancel()

    def _call(self, work: Awaitable[Result]) -> Result:
        async def run() -> Result:
            return await work

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result(TIMEOUT_S)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.add(writer)
        try:
            while (request := await read_request(reader)) is not None:
                self.requests.append(request)
                self._arrived.release()
                if self._held is not None:
                    await self._held.wait()
                if self.script is not None:
                    await self.script(request, writer)
                else:
                    writer.write(response(self.name.encode(), x_upstream=self.name))
                await writer.drain()
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            self._writers.discard(writer)
            writer.close()


async def read_request(reader: asyncio.StreamReader) -> Request | None:
    """One request, its body by content-length or chunked; None at the end of the stream."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")
    method, path, _ = first.split(" ")
    headers: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    body = b""
    if headers.get("transfer-encoding") == "chunked":
        while size := int(await reader.readuntil(b"\r\n"), 16):
            body += (await reader.readexactly(size + 2))[:-2]
        await reader.readuntil(b"\r\n")
    elif "content-length" in headers:
        body = await reader.readexactly(int(headers["content-length"]))
    return Request(method, path, headers, body)
