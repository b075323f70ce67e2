"""Clients and servers that others wrote, on either side of the engine."""

from __future__ import annotations

import asyncio
import contextlib
import grp
import hashlib
import os
import pwd
import random
import shutil
import socket
import subprocess
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import aiohttp
import httpx
import pytest
import uvicorn
from aiohttp import web
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from support.engine import Rig

BIG = random.Random(7).randbytes(1 << 20)
PIECES = [bytes([i]) * (i * 331) for i in range(1, 60)]
LOCALHOST = "127.0.0.1"


def listening() -> socket.socket:
    sock = socket.socket()
    sock.bind((LOCALHOST, 0))
    sock.listen(128)
    return sock


# -- servers: /small, /big, /stream (no length), /none (204), POST /echo -----------------------


async def small(request: Request) -> Response:
    return Response(b"small")


async def big(request: Request) -> Response:
    return Response(BIG)


async def none(request: Request) -> Response:
    return Response(status_code=204)


async def echo(request: Request) -> Response:
    return Response(await request.body())


async def stream(request: Request) -> Response:
    async def pieces() -> AsyncIterator[bytes]:
        for piece in PIECES:
            yield piece

    return StreamingResponse(pieces())


STARLETTE = Starlette(
    routes=[
        Route("/small", small),
        Route("/big", big),
        Route("/none", none),
        Route("/stream", stream),
        Route("/echo", echo, methods=["POST"]),
    ]
)


@contextlib.asynccontextmanager
async def uvicorn_server(tmp_path: Path, parser: str) -> AsyncIterator[int]:
    sock = listening()
    config = uvicorn.Config(STARLETTE, http=parser, log_level="critical", lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [sock]})
    thread.start()
    try:
        yield sock.getsockname()[1]
    finally:
        server.should_exit = True
        await asyncio.to_thread(thread.join, 10)


def uvicorn_httptools(tmp_path: Path) -> contextlib.AbstractAsyncContextManager[int]:
    return uvicorn_server(tmp_path, "httptools")


def uvicorn_h11(tmp_path: Path) -> contextlib.AbstractAsyncContextManager[int]:
    return uvicorn_server(tmp_path, "h11")


@contextlib.asynccontextmanager
async def aiohttp_server(tmp_path: Path) -> AsyncIterator[int]:
    async def answer(request: web.Request) -> web.StreamResponse:
        if request.path == "/stream":
            response = web.StreamResponse()
            await response.prepare(request)
            for piece in PIECES:
                await response.write(piece)
            return response
        if request.path == "/none":
            return web.Response(status=204)
        bodies = {"/small": b"small", "/big": BIG}
        body = bodies[request.path] if request.path in bodies else await request.read()
        return web.Response(body=body)

    app = web.Application(client_max_size=1 << 24)
    app.router.add_route("*", "/{name}", answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    sock = listening()
    await web.SockSite(runner, sock).start()
    try:
        yield sock.getsockname()[1]
    finally:
        await runner.cleanup()


class Handler(BaseHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        is_chunked = self.path == "/stream" and self.protocol_version == "HTTP/1.1"
        bodies = {"/small": b"small", "/big": BIG, "/stream": b"".join(PIECES), "/none": b""}
        self.send_response(204 if self.path == "/none" else 200)
        if is_chunked:
            self.send_header("Transfer-Encoding", "chunked")
        elif self.path not in ("/stream", "/none"):
            self.send_header("Content-Length", str(len(bodies[self.path])))
        self.end_headers()
        if self.command == "HEAD":
            return
        if is_chunked:
            for piece in PIECES:
                self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
            self.wfile.write(b"0\r\n\r\n")
        else:
            self.wfile.write(bodies[self.path])

    do_HEAD = do_GET

    def do_POST(self) -> None:
        body = b""
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        else:
            body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextlib.asynccontextmanager
async def http_server(tmp_path: Path, version: str) -> AsyncIterator[int]:
    handler = type("Handler", (Handler,), {"protocol_version": version})
    server = ThreadingHTTPServer((LOCALHOST, 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


def http_server_10(tmp_path: Path) -> contextlib.AbstractAsyncContextManager[int]:
    return http_server(tmp_path, "HTTP/1.0")


def http_server_11(tmp_path: Path) -> contextlib.AbstractAsyncContextManager[int]:
    return http_server(tmp_path, "HTTP/1.1")


NGINX = """
user {user} {group};
pid {home}/nginx.pid;
error_log {home}/error.log;
daemon off;
worker_processes 1;
events {{ worker_connections 256; }}
http {{
  access_log off;
  client_body_temp_path {home}/body;
  proxy_temp_path {home}/proxy;
  fastcgi_temp_path {home}/fastcgi;
  uwsgi_temp_path {home}/uwsgi;
  scgi_temp_path {home}/scgi;
  default_type application/octet-stream;
  gzip off;
  server {{
    listen 127.0.0.1:{port};
    root {home}/files;
    location = /none {{ return 204; }}
  }}
}}
"""


@contextlib.asynccontextmanager
async def nginx_server(tmp_path: Path) -> AsyncIterator[int]:
    binary = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if binary is None:
        pytest.skip("nginx is not installed")
    files = tmp_path / "files"
    files.mkdir()
    (files / "small").write_bytes(b"small")
    (files / "big").write_bytes(BIG)
    # The socket is handed down as in nginx's own binary upgrade, so no port is guessed.
    sock = listening()
    port: int = sock.getsockname()[1]
    config = tmp_path / "nginx.conf"
    user, group = pwd.getpwuid(os.getuid()).pw_name, grp.getgrgid(os.getgid()).gr_name
    config.write_text(NGINX.format(home=tmp_path, port=port, user=user, group=group))
    process = subprocess.Popen(
        [binary, "-c", str(config), "-e", str(tmp_path / "start.log")],
        env={"NGINX": f"{sock.fileno()};"},
        pass_fds=[sock.fileno()],
        stderr=subprocess.DEVNULL,
    )
    sock.close()
    try:
        yield port
    finally:
        process.terminate()
        await asyncio.to_thread(process.wait, 10)


Server = Callable[[Path], contextlib.AbstractAsyncContextManager[int]]
SERVERS = [
    nginx_server,
    uvicorn_httptools,
    uvicorn_h11,
    aiohttp_server,
    http_server_10,
    http_server_11,
]

# -- clients ----------------------------------------------------------------------------------

Fetch = Callable[..., Awaitable[tuple[int, bytes]]]


@contextlib.asynccontextmanager
async def httpx_client(port: int) -> AsyncIterator[Fetch]:
    url = f"http://{LOCALHOST}:{port}"
    async with httpx.AsyncClient(base_url=url, timeout=60, trust_env=False) as client:

        async def fetch(method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
            answered = await client.request(method, path, content=body)
            return answered.status_code, answered.content

        yield fetch


@contextlib.asynccontextmanager
async def aiohttp_client(port: int) -> AsyncIterator[Fetch]:
    timeout = aiohttp.ClientTimeout(total=60)
    async with aiohttp.ClientSession(timeout=timeout) as session:

        async def fetch(method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
            url = f"http://{LOCALHOST}:{port}{path}"
            async with session.request(method, url, data=body) as answered:
                return answered.status, await answered.read()

        yield fetch


@contextlib.asynccontextmanager
async def curl_client(port: int) -> AsyncIterator[Fetch]:
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")

    async def fetch(method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
        args = ["-q", "-sS", "--noproxy", "*", "--max-time", "10", "-w", "%{stderr}%{http_code}"]
        args += ["--head", "-o", os.devnull] if method == "HEAD" else ["-X", method]
        if body is not None:
            args += ["--data-binary", "@-", "-H", "Expect:"]
        process = await asyncio.create_subprocess_exec(
            "curl",
            *args,
            f"http://{LOCALHOST}:{port}{path}",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, code = await process.communicate(body or b"")
        assert process.returncode == 0, code
        return int(code), out

    yield fetch


CLIENTS = [httpx_client, aiohttp_client, curl_client]


@pytest.mark.parametrize("client", CLIENTS, ids=lambda f: f.__name__)
@pytest.mark.parametrize("server", SERVERS, ids=lambda f: f.__name__)
@pytest.mark.parametrize("loop_kind", ["uvloop"], indirect=True)
async def test_real_client_and_server_agree_through_the_engine(
    rig: Rig,
    tmp_path: Path,
    server: Server,
    client: Callable[[int], contextlib.AbstractAsyncContextManager[Fetch]],
) -> None:
    async with server(tmp_path) as upstream_port:
        proxy = rig.proxy(upstream_port)
        async with client(proxy.port) as fetch:
            for _ in range(3):
                assert await fetch("GET", "/small") == (200, b"small")
                assert await fetch("HEAD", "/small") == (200, b"")
                assert await fetch("GET", "/none") == (204, b"")
            status, body = await fetch("GET", "/big")
            assert (status, hashlib.md5(body).digest()) == (200, hashlib.md5(BIG).digest())
            if server is not nginx_server:
                assert await fetch("GET", "/stream") == (200, b"".join(PIECES))
                for data in (b"", b"x", BIG):
                    assert await fetch("POST", "/echo", data) == (200, data)
        assert all(code == 200 or code == 204 for code, _ in proxy.codes())
        assert {flags for _, flags in proxy.codes()} == {"-"}
        if server is not http_server_10 and client is not curl_client:
            assert proxy.board.cluster(0)["cx_total"] < proxy.board.cluster(0)["rq_total"]
        proxy.engine.close()


@pytest.mark.parametrize("loop_kind", ["uvloop"], indirect=True)
async def test_curl_uses_the_engine_as_its_http_proxy(rig: Rig) -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    up = rig.upstream()
    proxy = rig.proxy(up.port)
    process = await asyncio.create_subprocess_exec(
        "curl",
        *("-q", "-sS", "--max-time", "10", "--proxy", f"http://{LOCALHOST}:{proxy.port}"),
        *("http://web.default.svc.cluster.local/a", "http://web.default.svc.cluster.local/b"),
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate()
    assert (process.returncode, out) == (0, b"upstreamupstream")
    assert [message.start for message in up.requests] == ["GET /a HTTP/1.1", "GET /b HTTP/1.1"]
    assert up.requests[0].header("host") == "web.default.svc.cluster.local"
    assert proxy.board.process()["downstream_cx_total"] == 1


@pytest.mark.parametrize("loop_kind", ["uvloop"], indirect=True)
async def test_curl_upload_with_expect_and_chunks_arrives(rig: Rig, tmp_path: Path) -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    async with uvicorn_h11(tmp_path) as port:
        proxy = rig.proxy(port)
        process = await asyncio.create_subprocess_exec(
            "curl",
            *("-q", "-sS", "--max-time", "10", "--noproxy", "*", "--data-binary", "@-"),
            *("-H", "Transfer-Encoding: chunked", "-H", "Expect: 100-continue"),
            f"http://{LOCALHOST}:{proxy.port}/echo",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        out, _ = await process.communicate(BIG)
        assert process.returncode == 0
        assert out == BIG
        proxy.engine.close()
