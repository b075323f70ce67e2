"""The engine alone, to be run under valgrind or strace: python -m benchmarks.counted.proxy
SNAPSHOT LOG. Prints its port, serves until standard input ends."""

from __future__ import annotations

import asyncio
import marshal
import os
import socket
import sys
from pathlib import Path

import uvloop

from meshproxy._fast.engine import Engine
from meshproxy._fast.scoreboard import Scoreboard


async def serve(snapshot: Path, log: str) -> None:
    loop = asyncio.get_running_loop()
    options = {} if log == "off" else {"access_log_fd": _open(log), "access_log_format": "text"}
    engine = Engine(loop, Scoreboard(1), 1, options)
    engine.apply(marshal.loads(snapshot.read_bytes()))
    with socket.create_server(("127.0.0.1", 0)) as sock:
        sock.setblocking(False)
        engine.listen(0, sock.fileno())
        print(sock.getsockname()[1], flush=True)
        ended = asyncio.Event()
        loop.add_reader(sys.stdin, ended.set)
        await ended.wait()
        engine.close()


def _open(log: str) -> int:
    return os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)


if __name__ == "__main__":
    uvloop.run(serve(Path(sys.argv[1]), sys.argv[2]))
