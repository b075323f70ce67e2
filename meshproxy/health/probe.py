"""One probe of one pod: connect, ask, and judge the answer as the kubelet does."""

from __future__ import annotations

import asyncio
import os

import httptools

from meshproxy.discovery.probes import Target

_MOST_HEAD_BYTES = 65_536


async def ask(target: Target) -> str:
    """Probe once; "" when it passes, else what happened. Raises nothing but cancellation."""
    try:
        async with asyncio.timeout(target.timeout_s):
            reader, writer = await asyncio.open_connection(target.address, target.port)
            try:
                if not target.request:
                    return ""
                writer.write(target.request)
                return await _judge(reader)
            finally:
                writer.transport.abort()
    except TimeoutError:
        return f"nothing within {target.timeout_s:g} s"
    except OSError as error:
        return os.strerror(error.errno).lower() if error.errno else str(error)


class _Head:
    """What httptools tells of a response."""

    is_whole = False

    def on_headers_complete(self) -> None:
        self.is_whole = True


async def _judge(reader: asyncio.StreamReader) -> str:
    head = _Head()
    parser = httptools.HttpResponseParser(head)
    received = 0
    while not head.is_whole:
        data = await reader.read(_MOST_HEAD_BYTES)
        received += len(data)
        if not data:
            return "closed before it answered"
        if received > _MOST_HEAD_BYTES:
            return "a response head without end"
        try:
            parser.feed_data(data)
        except httptools.HttpParserError:
            return "no HTTP response"
    status = parser.get_status_code()
    return "" if 200 <= status < 400 else f"answered {status}"
