"""What the engine serves for its profile: most of it `small` and `mesh`, a share of all else.

Numbers of requests are fixed, so that two builds of one source are trained alike.
"""

from __future__ import annotations

import contextlib
import importlib
import itertools
import socket
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import meshproxy._fast
from benchmarks.counted import run
from benchmarks.machine import cores
from benchmarks.scenes import mesh
from benchmarks.transfer import read_body, read_head, serve, write_body
from benchmarks.upstream import Upstreams

CONNECTIONS = 64
TIMEOUT_S = 60.0
MIB = 1 << 20
L4 = "127.0.0.1:0=bench:80/tcp"


def main() -> None:
    for module in sorted(Path(meshproxy._fast.__file__).parent.glob("*.pyx")):
        importlib.import_module(f"meshproxy._fast.{module.stem}")
    with (
        tempfile.TemporaryDirectory(prefix="meshproxy-train-") as folder,
        Upstreams(3, cores()[0], Path(folder)) as upstreams,
        socket.create_server(("127.0.0.1", 0)) as chunked,
    ):
        _plain(upstreams.ports, Path(folder), chunked)
        _mesh(upstreams.ports, Path(folder))


def _plain(ports: tuple[int, ...], folder: Path, chunked: socket.socket) -> None:
    site = folder / "small"
    site.mkdir()
    of_chunked = chunked.getsockname()[1]
    more = [mesh.service("chunked"), mesh.workload_entry("chunked-0", "chunked", of_chunked, {})]
    listens = ("127.0.0.1:0", L4)
    start = run.write_start("small", ports, site, options={}, listens=listens, more=more)
    with run.running(start) as (http, tcp):
        _keep_alive(http, CONNECTIONS, 300, run.requests("small"))
        _keep_alive(http, 1, 500, run.requests("small"))
        _keep_alive(http, 4, 50, [_head("GET", "/64k", "bench")])
        _keep_alive(http, 2, 20, [_head("GET", "/1m", "bench")])
        upload = _head("POST", "/", "bench", "Content-Length: 65536") + bytes(65536)
        _keep_alive(http, 8, 25, [upload])
        _keep_alive(http, 4, 25, [_head("GET", "/", "nobody")])
        for _ in range(500):
            _keep_alive(http, 1, 1, [_head("GET", "/", "bench", "Connection: close")])
        for is_upload in (False, True):
            _chunked(http, chunked, is_upload)
        for _ in range(50):
            _keep_alive(tcp, 1, 4, [_head("GET", "/", "bench"), _head("GET", "/64k", "bench")])


def _mesh(ports: tuple[int, ...], folder: Path) -> None:
    site = folder / "mesh"
    site.mkdir()
    with run.running(run.write_start("mesh", ports, site, options={})) as (http,):
        _keep_alive(http, CONNECTIONS, 200, run.requests("mesh"))


def _head(method: str, path: str, host: str, *fields: str) -> bytes:
    return "\r\n".join((f"{method} {path} HTTP/1.1", f"Host: {host}", *fields, "", "")).encode()


def _keep_alive(port: int, count: int, rounds: int, texts: list[bytes]) -> None:
    """Ask on `count` connections at once, each for the next request of `texts`, `rounds` times."""
    turn = itertools.cycle(texts)
    with _connections(port, count) as socks:
        for _ in range(rounds):
            for sock in socks:
                sock.sendall(next(turn))
            for sock in socks:
                _read_answer(sock)


@contextlib.contextmanager
def _connections(port: int, count: int) -> Iterator[list[socket.socket]]:
    with contextlib.ExitStack() as stack:
        make = socket.create_connection
        yield [stack.enter_context(make(("127.0.0.1", port), TIMEOUT_S)) for _ in range(count)]


def _read_answer(sock: socket.socket) -> None:
    data = sock.recv(65536)
    while b"\r\n\r\n" not in data:
        more = sock.recv(65536)
        if not more:
            raise ConnectionError(f"the answer ended after {data!r}")
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    left = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0]) - len(body)
    while left > 0:
        got = len(sock.recv(left))
        if not got:
            raise ConnectionError(f"{left} bytes of a body are missing")
        left -= got


def _chunked(port: int, listener: socket.socket, is_upload: bool) -> None:
    got: list[int] = []
    arguments = (listener, 4 * MIB, is_upload, 0.0, got)
    upstream = threading.Thread(target=serve, args=arguments, daemon=True)
    upstream.start()
    with socket.create_connection(("127.0.0.1", port), TIMEOUT_S) as sock:
        if is_upload:
            sock.sendall(_head("POST", "/", "chunked", "Transfer-Encoding: chunked"))
            write_body(sock, 4 * MIB)
            read_head(sock)
        else:
            sock.sendall(_head("GET", "/", "chunked"))
            read_body(sock, read_head(sock), 0.0)
    upstream.join(TIMEOUT_S)


if __name__ == "__main__":
    main()
