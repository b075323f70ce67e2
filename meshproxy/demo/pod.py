"""A pod of the demo: an HTTP/1.1 server in a process of its own, whose body is the pod's name.

python -m meshproxy.demo.pod NAME: serves on loopback and prints its port.
"""

from __future__ import annotations

import asyncio
import sys

_END_OF_HEAD = b"\r\n\r\n"


class PodConnection(asyncio.Protocol):
    """Answers each request head; the demo sends no request bodies."""

    def __init__(self, response: bytes) -> None:
        self._response = response
        self._pending = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        *heads, self._pending = (self._pending + data).split(_END_OF_HEAD)
        self._transport.write(self._response * len(heads))


def build_response(name: str) -> bytes:
    body = f"{name}\n".encode()
    head = f"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: {len(body)}"
    return head.encode() + _END_OF_HEAD + body


async def serve(name: str) -> None:
    """Serve until killed."""
    loop = asyncio.get_running_loop()
    response = build_response(name)
    server = await loop.create_server(lambda: PodConnection(response), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1]))
