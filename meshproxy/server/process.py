"""One worker process as the control process sees it: its exec, its channel, its end."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import meshproxy
from meshproxy import wire
from meshproxy.server import priority


class WorkerProcess:
    """A child that was exec'ed; `on_exit` is called once, after it was reaped."""

    def __init__(self, index: int, process: subprocess.Popen[bytes], sock: socket.socket) -> None:
        self.index = index  # 1..N, also its column of the scoreboard
        self.pid = process.pid
        self.started_at = time.monotonic()
        self.is_ready = False
        self.generation = 0  # the last one it said it applied
        self.is_stale = False  # missed an update while it was not reading: owes a full one
        self.status: int | None = None  # as subprocess: -N = killed by signal N
        self._process = process
        self._sock = sock
        self._channel: wire.Channel | None = None

    @classmethod
    def spawn(cls, index: int, fds: Sequence[int]) -> WorkerProcess:
        """Exec a worker that inherits `fds` under their own numbers."""
        ours, theirs = socket.socketpair()
        with theirs:
            process = priority.start(
                [*_command(), str(theirs.fileno())],
                pass_fds=[theirs.fileno(), *fds],
                stdin=subprocess.DEVNULL,
            )
        return cls(index, process, ours)

    async def watch(
        self,
        on_message: Callable[[WorkerProcess, wire.Message], None],
        on_writable: Callable[[WorkerProcess], None],
        on_exit: Callable[[WorkerProcess], None],
    ) -> None:
        loop = asyncio.get_running_loop()
        pidfd = os.pidfd_open(self.pid)

        def reap() -> None:
            loop.remove_reader(pidfd)
            os.close(pidfd)
            self.status = self._process.wait()
            if self._channel is not None:
                self._channel.close()
            on_exit(self)

        loop.add_reader(pidfd, reap)
        self._channel = await wire.Channel.open(
            self._sock,
            lambda message: on_message(self, message),
            lambda: None,  # the pidfd tells the same, with the status
            lambda: on_writable(self),
        )

    @property
    def is_writable(self) -> bool:
        return self._channel is not None and self._channel.is_writable

    def send_frame(self, frame: bytes) -> None:
        if self._channel is not None:
            self._channel.send_frame(frame)

    def kill(self) -> None:
        if self.status is None:
            self._process.kill()


def describe_exit(status: int | None) -> str:
    if status is None:
        return "running"
    return f"killed by signal {-status}" if status < 0 else f"exit status {status}"


def _command() -> list[str]:
    # `-m` puts the working directory first on sys.path: right only if we came from there too
    package_root = Path(meshproxy.__file__).resolve().parent.parent
    safe_path = [] if package_root == Path.cwd() else ["-P"]
    return [sys.executable, *safe_path, "-m", "meshproxy.worker"]
