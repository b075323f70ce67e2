"""The engine alone, to be run under valgrind or strace: python -m benchmarks.counted.proxy
START. Prints its ports, serves until standard input ends. START is a file with the snapshot, how
many listeners it has, an access log's path or "off", and the options of Engine."""

from __future__ import annotations

import asyncio
import contextlib
import marshal
import socket
import sys
from pathlib import Path

import uvloop

from meshproxy._fast.engine import Engine
from meshproxy._fast.scoreboard import Scoreboard
from meshproxy.worker import open_access_log


async def serve(start: Path) -> None:
    snapshot, count, log, options = marshal.loads(start.read_bytes())
    engine = Engine(asyncio.get_running_loop(), Scoreboard(1), 1, options)
    engine.set_access_log(open_access_log(log))
    engine.apply(snapshot)
    with contextlib.ExitStack() as stack:
        ports = []
        for index in range(count):
            sock = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            sock.setblocking(False)
            engine.listen(index, sock.fileno())
            ports.append(sock.getsockname()[1])
        print(*ports, flush=True)
        ended = asyncio.Event()
        asyncio.get_running_loop().add_reader(sys.stdin, ended.set)
        await ended.wait()
        engine.close()


if __name__ == "__main__":
    uvloop.run(serve(Path(sys.argv[1])))
