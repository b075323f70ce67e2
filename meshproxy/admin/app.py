"""The admin application: which path shows what. GET reads, POST changes, anything else is 405."""

from __future__ import annotations

import asyncio
import base64
import html
import json
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from meshproxy import __version__
from meshproxy.admin.clusters import clusters_json, clusters_text
from meshproxy.admin.explain import ExplainPage
from meshproxy.telemetry.metrics import render_metrics
from meshproxy.telemetry.status import ProxyStatus


class ProxyControl(ProxyStatus, Protocol):
    """A running proxy that can be told to stop."""

    def drain_listeners(self) -> None: ...
    def quit(self) -> None: ...


_Page = TypeVar("_Page")

_PAGES = {
    "/ready": "200 LIVE while serving, else 503",
    "/clusters": "endpoints and their counters (?format=json)",
    "/config_dump": "the snapshot that is live, as JSON",
    "/explain": "?url=http://host/path[&method=][&header=name:value]...: where it would go, and"
    " why (&format=json)",
    "/listeners": "listening addresses (?format=json)",
    "/server_info": "version, state, uptime",
    "/stats/prometheus": "metrics",
    "/drain_listeners": "POST: stop accepting, finish what is in flight",
    "/quitquitquit": "POST: drain and exit",
}


def build_app(proxy: ProxyControl) -> Starlette:
    """Make the application that shows `proxy`."""
    pages = AdminPages(proxy)
    return Starlette(
        routes=[
            Route("/", pages.index),
            Route("/ready", pages.ready),
            Route("/clusters", pages.clusters),
            Route("/config_dump", pages.config_dump),
            Route("/explain", pages.explain),
            Route("/listeners", pages.listeners),
            Route("/server_info", pages.server_info),
            Route("/stats/prometheus", pages.metrics),
            Route("/drain_listeners", pages.drain_listeners, methods=["POST"]),
            Route("/quitquitquit", pages.quit, methods=["POST"]),
        ]
    )


class AdminPages:
    """One method per path."""

    def __init__(self, proxy: ProxyControl) -> None:
        self._proxy = proxy
        self._explain = ExplainPage(proxy)
        self._is_rendering = asyncio.Lock()

    async def _render(self, make: Callable[[], _Page]) -> _Page:
        """Make what grows with the mesh in a thread, one at a time: thousands of services take
        seconds, for which neither a probe of /ready nor a reload may wait."""
        try:
            async with self._is_rendering:
                return await asyncio.to_thread(make)
        except asyncio.CancelledError:  # by `serve_admin` alone
            raise HTTPException(503, "stopping") from None

    async def index(self, request: Request) -> Response:
        rows = "".join(
            f'<tr><td><a href="{path}">{path}</a></td><td>{html.escape(what)}</td></tr>'
            if not what.startswith("POST")
            else f"<tr><td>{path}</td><td>{html.escape(what)}</td></tr>"
            for path, what in _PAGES.items()
        )
        return HTMLResponse(f"<title>meshproxy admin</title><table>{rows}</table>\n")

    async def ready(self, request: Request) -> Response:
        if self._proxy.is_ready:
            return PlainTextResponse("LIVE\n")
        return PlainTextResponse("DRAINING\n", status_code=503)

    async def clusters(self, request: Request) -> Response:
        snapshot, scoreboard = self._proxy.snapshot, self._proxy.scoreboard
        moves = self._proxy.hash_moves
        if _wants_json(request):
            return await self._render(lambda: _json(clusters_json(snapshot, scoreboard, moves)))
        return await self._render(
            lambda: PlainTextResponse(clusters_text(snapshot, scoreboard, moves))
        )

    async def config_dump(self, request: Request) -> Response:
        return await self._render(lambda: _json(self._proxy.snapshot))

    async def explain(self, request: Request) -> Response:
        return await self._explain(request)

    async def listeners(self, request: Request) -> Response:
        addresses = enumerate(self._proxy.addresses)
        if not _wants_json(request):
            return PlainTextResponse("".join(f"{i}::{address}\n" for i, address in addresses))
        return _json(
            {
                "listener_statuses": [
                    {
                        "name": str(i),
                        "local_address": {
                            "socket_address": {"address": a.host, "port_value": a.port}
                        },
                    }
                    for i, a in addresses
                ]
            }
        )

    async def server_info(self, request: Request) -> Response:
        proxy = self._proxy
        return _json(
            {
                "version": __version__,
                "state": "LIVE" if proxy.is_ready else "DRAINING",
                "uptime_current_epoch": f"{int(proxy.uptime_s)}s",
                "generation": proxy.snapshot["generation"],
                "config_age_s": round(proxy.config_age_s, 3),
                "rejected_objects": proxy.rejected_objects,
                "workers": list(proxy.workers),
                "worker_restarts": proxy.worker_restarts,
            }
        )

    async def metrics(self, request: Request) -> Response:
        text = await self._render(lambda: render_metrics(self._proxy))
        return Response(text, media_type="text/plain; version=0.0.4; charset=utf-8")

    async def drain_listeners(self, request: Request) -> Response:
        self._proxy.drain_listeners()
        return PlainTextResponse("OK\n")

    async def quit(self, request: Request) -> Response:
        self._proxy.quit()
        return PlainTextResponse("OK\n")


def _wants_json(request: Request) -> bool:
    return request.query_params.get("format") == "json"


def _json(value: Any) -> Response:
    text = json.dumps(value, indent=1, default=_encode_bytes)
    return Response(text + "\n", media_type="application/json")


def _encode_bytes(value: object) -> str:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    raise TypeError(f"a snapshot holds no {type(value).__name__}")
