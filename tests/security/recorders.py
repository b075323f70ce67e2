"""Upstreams that write down what they read: on h11, on llhttp as Node uses it, and nginx itself.

Each gives, for every request that it began to read, its method, target and Host, and the status
of its own answer (0: the request ended before it was whole). Bytes that it does not take for HTTP
count as one more request.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import h11
import httptools
from support.engine import LOCALHOST, until


@dataclass
class Seen:
    method: str
    target: str
    host: str
    status: int = 0

    @property
    def key(self) -> tuple[str, str, str]:
        return self.method, self.target, self.host


class Recorder(Protocol):
    port: int

    async def seen(self, last: str) -> list[Seen]:
        """What was read in this play, up to the request for `last`, which is left out."""


def answer(status: int, body: bytes, is_head: bool = False, closes: bool = False) -> bytes:
    lines = [b"HTTP/1.1 %d Fine" % status, b"Content-Length: %d" % len(body)]
    lines += [b"Connection: close"] if closes else []
    return b"\r\n".join(lines) + b"\r\n\r\n" + (b"" if is_head else body)


class Server(asyncio.Protocol):
    """One connection; what is common to both parsers."""

    def __init__(self, found: list[Seen]) -> None:
        self.found = found

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def began(self, method: str, target: str, host: str) -> None:
        self.found.append(Seen(method, target, host))
        self.now = self.found[-1]

    def whole(self) -> None:
        self.now.status = 200
        body = f"{self.now.method} {self.now.target}".encode()
        self.transport.write(answer(200, body, self.now.method == "HEAD"))

    def refuse(self, line: bytes) -> None:
        """As Node does it: 400, and the connection ends."""
        words = [*line.decode("latin-1").split(" "), "", ""]
        self.found.append(Seen(words[0], words[1], "", 400))
        self.transport.write(answer(400, b"", closes=True))
        self.transport.close()


class H11Server(Server):
    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self.parser = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 20)

    def data_received(self, data: bytes) -> None:
        self.parser.receive_data(data)
        try:
            while self.step(self.parser.next_event()):
                pass
        except h11.RemoteProtocolError:
            self.refuse(b"?" + data.split(b"\r\n", 1)[0])

    def step(self, event: object) -> bool:
        if isinstance(event, h11.Request):
            hosts = [value for name, value in event.headers if name == b"host"]
            self.began(event.method.decode(), event.target.decode(), b",".join(hosts).decode())
        elif isinstance(event, h11.EndOfMessage):
            self.whole()
            length = [("Content-Length", "0")]
            self.parser.send(h11.Response(status_code=200, headers=length))
            self.parser.send(h11.EndOfMessage())
            self.parser.start_next_cycle()
        return not (event is h11.NEED_DATA or isinstance(event, h11.ConnectionClosed))


class LlhttpServer(Server):
    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self.parser = httptools.HttpRequestParser(self)
        self.target, self.hosts = b"", []

    def on_message_begin(self) -> None:
        self.target, self.hosts = b"", []

    def on_url(self, url: bytes) -> None:
        self.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == b"host":
            self.hosts.append(value)

    def on_headers_complete(self) -> None:
        method = self.parser.get_method().decode()
        self.began(method, self.target.decode(), b",".join(self.hosts).decode())

    def on_message_complete(self) -> None:
        self.whole()

    def data_received(self, data: bytes) -> None:
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            # As Node does without a listener for it: the answer was given, HTTP goes on behind it.
            self.parser = httptools.HttpRequestParser(self)
            if behind := data[upgrade.args[0] :]:
                self.data_received(behind)
        except httptools.HttpParserError:
            self.refuse(data.split(b"\r\n", 1)[0])


class InLoop:
    """A recorder that runs in the loop of the test."""

    def __init__(self, kind: type[Server]) -> None:
        self.found: list[Seen] = []
        self.kind = kind
        self.sock = socket.socket()
        self.sock.bind((LOCALHOST, 0))
        self.port: int = self.sock.getsockname()[1]

    async def open(self) -> None:
        loop = asyncio.get_running_loop()
        self.server = await loop.create_server(lambda: self.kind(self.found), sock=self.sock)

    def close(self) -> None:
        self.server.close()

    async def seen(self, last: str) -> list[Seen]:
        await until(lambda: any(one.target == last for one in self.found), "the last request")
        return [one for one in self.found if one.target != last]


# The first server reads the whole request, body and all, before it asks the second one.
NGINX = """
pid {home}/nginx.pid;
error_log {home}/error.log;
daemon off;
worker_processes 1;
events {{ worker_connections 512; }}
http {{
  log_format seen '$status $http_host $request';
  client_body_temp_path {home}/body;
  proxy_temp_path {home}/proxy;
  fastcgi_temp_path {home}/fastcgi;
  uwsgi_temp_path {home}/uwsgi;
  scgi_temp_path {home}/scgi;
  client_max_body_size 0;
  large_client_header_buffers 4 128k;
  server {{
    listen 127.0.0.1:{port};
    access_log {home}/seen.log seen;
    keepalive_requests 100000;
    location / {{ proxy_pass http://unix:{home}/answer.sock; }}
  }}
  server {{
    listen unix:{home}/answer.sock;
    access_log off;
    default_type text/plain;
    return 200 "$request_method $request_uri";
  }}
}}
"""


class Nginx:
    """A recorder whose process serves many plays."""

    def __init__(self, port: int, log: Path) -> None:
        self.port = port
        self.log = log
        self.read = 0

    async def seen(self, last: str) -> list[Seen]:
        found: list[Seen] = []
        while not found or found[-1].target != last:
            await until(lambda: self.log.stat().st_size > self.read, "a line of nginx's log")
            with self.log.open("rb") as file:
                file.seek(self.read)
                lines = file.read().decode("latin-1").splitlines(keepends=True)
            for line in lines:
                if line.endswith("\n"):
                    self.read += len(line.encode("latin-1"))
                    found.append(self.parse(line))
        return found[:-1]

    def parse(self, line: str) -> Seen:
        status, host, method, target = [*line.rstrip("\n").split(" "), "", ""][:4]
        return Seen(method, unescaped(target), "" if host == "-" else host, int(status))


def unescaped(text: str) -> str:
    """What nginx escapes in its log: quotes, backslashes and control bytes, as \\xHH."""
    return text.encode("latin-1").decode("unicode_escape") if "\\x" in text else text


@contextlib.contextmanager
def nginx(home: Path) -> Iterator[Nginx | None]:
    """None where nginx is not installed."""
    binary = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if binary is None:
        yield None
        return
    sock = socket.socket()
    sock.bind((LOCALHOST, 0))
    sock.listen(128)
    port: int = sock.getsockname()[1]
    config = home / "nginx.conf"
    text = NGINX.format(home=home, port=port)
    config.write_text(f"user {user_and_group()};\n" + text if os.getuid() == 0 else text)
    # The socket is handed down as in nginx's own binary upgrade, so no port is guessed.
    process = subprocess.Popen(
        [binary, "-c", str(config), "-e", str(home / "start.log")],
        env={"NGINX": f"{sock.fileno()};"},
        pass_fds=[sock.fileno()],
        stderr=subprocess.DEVNULL,
    )
    sock.close()
    log = home / "seen.log"
    try:
        yield Nginx(port, log)
    finally:
        process.terminate()
        process.wait(10)


def user_and_group() -> str:
    import grp
    import pwd

    return f"{pwd.getpwuid(os.getuid()).pw_name} {grp.getgrgid(os.getgid()).gr_name}"
