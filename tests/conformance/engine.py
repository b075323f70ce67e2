"""The compiled engine in the test's own loop, with one listener."""

from __future__ import annotations

import asyncio
import socket
from typing import Self

from meshproxy._fast.engine import Engine
from meshproxy._fast.scoreboard import Scoreboard
from meshproxy.snapshot.model import SnapshotData


class EngineSide:
    def __init__(self, snapshot: SnapshotData, options: dict[str, object] | None = None) -> None:
        self.board = Scoreboard(1)
        self.engine = Engine(asyncio.get_running_loop(), self.board, 1, options or {})
        self.sock = socket.socket()
        self.sock.bind(("127.0.0.1", 0))
        self.sock.listen(1024)
        self.sock.setblocking(False)
        self.engine.apply(snapshot)
        self.engine.listen(0, self.sock.fileno())

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.engine.close()
        self.sock.close()
        self.board.close()

    @property
    def port(self) -> int:
        port: int = self.sock.getsockname()[1]
        return port
