"""A WebSocket server (aiohttp's) that sends back every message, and says its name over HTTP."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvloop
from aiohttp import WSMsgType, web

NAME = "/name"


@asynccontextmanager
async def echo_server(name: str) -> AsyncIterator[int]:
    """Serve inside the block; gives the port."""

    async def echo(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(compress=False)
        await socket.prepare(request)
        async for message in socket:
            if message.type is WSMsgType.BINARY:
                await socket.send_bytes(message.data)
        return socket

    async def tell(_: web.Request) -> web.Response:
        return web.Response(text=name)

    app = web.Application()
    app.add_routes([web.get("/", echo), web.get(NAME, tell)])
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0, backlog=4096).start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


async def serve(name: str) -> None:
    async with echo_server(name) as port:
        print(port, flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.echo", description=__doc__)
    parser.add_argument("name")
    uvloop.run(serve(parser.parse_args().name))
