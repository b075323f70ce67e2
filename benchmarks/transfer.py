"""A large chunked body through a running proxy, each way, to a reader slower than its writer.

python -m benchmarks.transfer --gib 10

The writer writes whatever its socket takes. The reader takes 64 KiB a second at first, so that
everything between them is full, and then all it gets. What the worker's memory grew by at its
peak is the figure: it must not depend on the size.
"""

from __future__ import annotations

import argparse
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks import procfs
from benchmarks.measure import READY_S, free_port
from benchmarks.peers import PEERS
from benchmarks.peers.peer import Site
from benchmarks.process import Process, StartError

MIB = 1 << 20
MOST_GROWTH = 8 * MIB
PIECE = b"10000\r\n" + bytes(65536) + b"\r\n"
END = b"0\r\n\r\n"
SLOW_S = 2.0
SLOW_BYTES = 65536
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
TIMEOUT_S = 60.0


@dataclass(frozen=True)
class Moved:
    """What one transfer did."""

    bytes: int  # of the body
    seconds: float
    growth: int  # of the worker's memory, at its peak


def write_body(sock: socket.socket, size: int) -> None:
    several = PIECE * 4
    for _ in range(size // (4 * 65536)):
        sock.sendall(several)
    sock.sendall(END)


def read_body(sock: socket.socket, begun: bytes, slow_s: float) -> int:
    """Read a chunked body whose first bytes came with the head; its length with framing."""
    room = bytearray(1 << 20)
    count, tail = len(begun), begun[-len(END) :]
    until = time.monotonic() + slow_s
    while tail != END:
        most = SLOW_BYTES // 10 if time.monotonic() < until else len(room)
        got = sock.recv_into(room, most)
        if got == 0:
            raise ConnectionError(f"the body ended after {count} bytes")
        count += got
        tail = (tail + bytes(room[max(0, got - len(END)) : got]))[-len(END) :]
        if most < len(room):
            time.sleep(0.1)
    return count


def read_head(sock: socket.socket) -> bytes:
    """Read up to the end of a head; what came behind it."""
    data = b""
    while b"\r\n\r\n" not in data:
        more = sock.recv(65536)
        if not more:
            raise ConnectionError(f"the head ended after {data!r}")
        data += more
    return data.partition(b"\r\n\r\n")[2]


def transfer(
    port: int, listener: socket.socket, pid: int, size: int, is_upload: bool, slow_s: float
) -> Moved:
    """Move a body through the proxy at the port, whose worker is `pid`, to or from it."""
    got: list[int] = []
    before = memory(pid, "VmRSS")
    Path(f"/proc/{pid}/clear_refs").write_text("5")  # the peak is counted from here
    upstream = threading.Thread(target=serve, args=(listener, size, is_upload, slow_s, got))
    upstream.start()
    began = time.monotonic()
    with socket.create_connection(("127.0.0.1", port), TIMEOUT_S) as client:
        if is_upload:
            client.sendall(b"POST / HTTP/1.1\r\nHost: bench\r\nTransfer-Encoding: chunked\r\n\r\n")
            write_body(client, size)
            read_head(client)
        else:
            client.sendall(b"GET / HTTP/1.1\r\nHost: bench\r\n\r\n")
            got.append(read_body(client, read_head(client), slow_s))
    seconds = time.monotonic() - began
    upstream.join(TIMEOUT_S)
    if not got or got[0] < size:
        raise ConnectionError(f"{got} bytes arrived of {size}")
    return Moved(size, seconds, memory(pid, "VmHWM") - before)


def serve(
    listener: socket.socket, size: int, is_upload: bool, slow_s: float, got: list[int]
) -> None:
    sock, _ = listener.accept()
    with sock:
        sock.settimeout(TIMEOUT_S)
        begun = read_head(sock)
        if is_upload:
            got.append(read_body(sock, begun, slow_s))
            sock.sendall(ANSWER)
        else:
            sock.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            write_body(sock, size)


def memory(pid: int, field: str) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024
    raise StartError(f"process {pid} has no {field}")


def wait(what: Callable[[], object], why: str, seconds: float = READY_S) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        if time.monotonic() > deadline:
            raise StartError(why)
        time.sleep(0.05)


def answers(port: int) -> bool:
    """Whether a worker reads what is sent to the port."""
    try:
        with socket.create_connection(("127.0.0.1", port), 1) as sock:
            sock.sendall(b"GET / HTTP/1.1\r\nHost: nobody\r\n\r\n")
            return sock.recv(65536).startswith(b"HTTP/1.1 404")
    except OSError:
        return False


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.transfer", description=__doc__)
    parser.add_argument("--gib", type=float, default=10)
    parser.add_argument("--core", type=int, default=1, help="the proxy's")
    arguments = parser.parse_args()
    size = int(arguments.gib * 1024) * MIB
    most = 0
    with tempfile.TemporaryDirectory() as folder, socket.create_server(("127.0.0.1", 0)) as up:
        site = Site(Path(folder), free_port(), (up.getsockname()[1],), 1, "plain")
        command = PEERS["meshproxy"].command(site)
        with Process(command, arguments.core, Path(folder) / "log") as process:
            wait(lambda: answers(site.port), process.tail())
            worker = procfs.tree(process.pid)[-1]
            for is_upload in (False, True):  # the first ones warm up
                transfer(site.port, up, worker, 16 * MIB, is_upload, 0)
            for is_upload in (False, True):
                moved = transfer(site.port, up, worker, size, is_upload, SLOW_S)
                most = max(most, moved.growth)
                print(
                    f"{'upload' if is_upload else 'download'}: {moved.bytes / 1024 / MIB:.2f} GiB"
                    f" in {moved.seconds:.1f} s, memory grew by {moved.growth / MIB:.2f} MiB",
                    flush=True,
                )
    return 0 if most < MOST_GROWTH else 1


if __name__ == "__main__":
    sys.exit(main())
