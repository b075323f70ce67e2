"""One worker: a uvloop loop with the engine in it (`python -m meshproxy.worker FD`).

Law: imports uvloop, meshproxy.wire, meshproxy._fast and the standard library, nothing else, so a
worker starts fast and stays small. It learns everything from the control process over FD; when
FD ends, the control process is gone: drain and exit.
"""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import socket
import sys
import time
from typing import TYPE_CHECKING

import uvloop

from meshproxy import wire
from meshproxy._fast.engine import Engine
from meshproxy._fast.scoreboard import Scoreboard

if TYPE_CHECKING:
    from meshproxy.snapshot.model import SnapshotData

_DRAIN_POLL_S = 0.02
# busy keep-alive clients learn from a response that theirs was the last; only the others are cut
_IDLE_GRACE_S = 0.5
_SIGNALS_OF_CONTROL = (
    signal.SIGTERM,
    signal.SIGINT,
    signal.SIGHUP,
    signal.SIGUSR1,
    signal.SIGUSR2,
)
_STDOUT = 1


class Worker:
    """The engine under the control process's orders."""

    def __init__(self, loop: asyncio.AbstractEventLoop, start: wire.Message) -> None:
        options = start["options"]
        self._loop = loop
        self._channel: wire.Channel | None = None
        self._access_log: str = options["access_log"]
        self._access_log_format: str = options["access_log_format"]
        self._access_log_fd = open_access_log(self._access_log)
        self._drain_ms: int = options["drain_ms"]
        self._listeners: list[tuple[int, int]] = [
            (listener["id"], listener["fd"]) for listener in start["listeners"]
        ]
        self._drain_deadline = 0.0
        self._is_draining = False
        self._stopped = loop.create_future()
        self._engine = Engine(
            loop,
            Scoreboard(start["workers"], start["scoreboard_fd"]),
            start["worker"],
            {**options, "access_log_fd": self._access_log_fd},
        )

    def receive_snapshot(self, sock: socket.socket) -> bool:
        """Apply the first snapshot; False when the control process gave up. Nothing of the
        message outlives this call: the engine has its own form of it."""
        update = wire.receive(sock)
        if update is None:
            return False
        self._engine.apply(update["snapshot"])
        return True

    async def run(self, sock: socket.socket) -> None:
        """Serve until drained."""
        for listener_id, fd in self._listeners:
            self._engine.listen(listener_id, fd)
        self._channel = await wire.Channel.open(sock, self._on_message, self._on_control_gone)
        gc.collect()
        gc.freeze()
        self._engine.on_health_event(self._on_health_event)
        self._channel.send({"type": "ready"})
        await self._stopped
        self._engine.close()
        self._channel.send({"type": "drained"})
        self._channel.close()

    def _on_message(self, message: wire.Message) -> None:
        match message["type"]:
            case "update":
                self._apply(message["snapshot"])
            case "drain":
                self._drain(message["close_ms"])
            case "reopen_logs":
                self._reopen_access_log()

    def _apply(self, snapshot: SnapshotData) -> None:
        started_ns = time.perf_counter_ns()
        answer = {"type": "applied", "generation": snapshot["generation"]}
        try:
            self._engine.apply(snapshot)
        except Exception as error:
            # the generation before keeps serving; the control process says so
            answer["error"] = f"{type(error).__name__}: {error}"
        assert self._channel is not None
        self._channel.send({**answer, "took_us": (time.perf_counter_ns() - started_ns) // 1000})

    def _on_health_event(self, event: dict[str, object]) -> None:
        if self._channel is not None:
            self._channel.send({"type": "health", "event": event})

    def _drain(self, close_ms: int) -> None:
        """Finish what is in flight; a second call may only shorten the time left."""
        deadline = self._loop.time() + close_ms / 1000
        if self._is_draining:
            self._drain_deadline = min(self._drain_deadline, deadline)
            return
        self._is_draining = True
        self._drain_deadline = deadline
        self._engine.drain()
        self._loop.call_later(min(_IDLE_GRACE_S, close_ms / 2000), self._engine.close_idle)
        for _, fd in self._listeners:
            os.close(fd)  # a new connection is refused, not left in a queue that nobody serves
        self._poll_drained()

    def _poll_drained(self) -> None:
        if self._engine.active == 0 or self._loop.time() >= self._drain_deadline:
            if not self._stopped.done():
                self._stopped.set_result(None)
            return
        self._loop.call_later(_DRAIN_POLL_S, self._poll_drained)

    def _on_control_gone(self) -> None:
        self._drain(self._drain_ms)

    def _reopen_access_log(self) -> None:
        if self._access_log in ("off", "-"):
            return
        try:
            fresh = open_access_log(self._access_log)
        except OSError as error:
            print(f"worker {os.getpid()}: the access log stays as it is: {error}", file=sys.stderr)
            return
        self._engine.set_access_log(fresh, self._access_log_format)
        os.close(self._access_log_fd)
        self._access_log_fd = fresh


def open_access_log(target: str) -> int:
    """Takes a path, `-` (standard output) or `off`; returns a descriptor, -1 for off."""
    if target == "off":
        return -1
    if target == "-":
        return _STDOUT
    # O_APPEND: every worker writes whole lines to the same file
    return os.open(target, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)


def main() -> None:
    # a terminal and systemd signal the whole group; what to do about it, the control process says
    for number in _SIGNALS_OF_CONTROL:
        signal.signal(number, signal.SIG_IGN)
    sock = socket.socket(fileno=int(sys.argv[1]))
    start = wire.receive(sock)
    if start is None or start["type"] != "start":  # the control process gave up before we began
        return
    loop = uvloop.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        worker = Worker(loop, start)
        if worker.receive_snapshot(sock):
            loop.run_until_complete(worker.run(sock))
            # one more turn lets "drained" leave and the sockets close
            loop.run_until_complete(asyncio.sleep(0))
    finally:
        loop.close()


if __name__ == "__main__":
    main()
