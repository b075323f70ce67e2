"""Serves the admin pages with uvicorn inside the loop that is already running."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import Iterator

import uvicorn

from meshproxy.admin.app import ProxyControl, build_app


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield  # signals belong to the control process


async def serve_admin(proxy: ProxyControl, sock: socket.socket) -> None:
    """Serve on a listening socket until cancelled."""
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    config = uvicorn.Config(
        build_app(proxy),
        http="httptools",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=1,
    )
    server = _Server(config)
    server.servers = []  # uvicorn sets it once it has started
    try:
        await server.serve(sockets=[sock])
    finally:
        for listening in server.servers:
            listening.close()
        pages = list(server.server_state.tasks)
        for page in pages:
            page.cancel()
        await asyncio.gather(*pages, return_exceptions=True)
