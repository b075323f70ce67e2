"""Keeps N workers alive and on the current snapshot.

Law: a dead worker leaves no count behind (its scoreboard column is folded) and is replaced while
the others serve. A worker that does not read is never queued for: it gets one full snapshot when
it reads again.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence

from meshproxy import wire
from meshproxy._fast.scoreboard import Scoreboard
from meshproxy.server.process import WorkerProcess, describe_exit
from meshproxy.snapshot.model import SnapshotData

_log = logging.getLogger(__name__)

_READY_TIMEOUT_S = 60.0
_SHORT_LIFE_S = 1.0  # dying younger than this counts towards the back-off
_BACK_OFF_FIRST_S = 0.1
_BACK_OFF_MAX_S = 5.0
_KILL_GRACE_S = 1.0  # after the drain time: a worker that still runs does not listen to us


class WorkerFailed(Exception):
    """A worker ended before the proxy was ready."""


class Supervisor:
    """The set of workers of one control process."""

    def __init__(
        self,
        count: int,
        scoreboard: Scoreboard,
        listener_fds: Sequence[int],
        options: dict[str, object],
        full_snapshot: Callable[[], SnapshotData],
    ) -> None:
        self.workers: dict[int, WorkerProcess] = {}
        self.restarts = 0
        self._count = count
        self._scoreboard = scoreboard
        self._listener_fds = list(listener_fds)
        self._options = options
        self._full_snapshot = full_snapshot
        self._has_snapshot = False
        self._is_stopping = False
        self._short_lives = 0
        self._ready = asyncio.get_running_loop().create_future()
        self._all_gone = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    async def spawn_all(self) -> None:
        """Exec the workers; they load while the control process compiles the first snapshot."""
        for index in range(1, self._count + 1):
            await self._spawn(index)

    async def serve(self) -> None:
        """Send the first snapshot; returns when every worker serves it. Raises WorkerFailed."""
        self._has_snapshot = True
        update = self._encode_full()
        for worker in self.workers.values():
            self._begin(worker, update)
        try:
            async with asyncio.timeout(_READY_TIMEOUT_S):
                await self._ready
        except TimeoutError:
            raise WorkerFailed(f"no worker was ready within {_READY_TIMEOUT_S:.0f} s") from None

    def send_update(self, update: SnapshotData) -> None:
        """Bring the workers from the generation before to this one."""
        if not self._has_snapshot:
            return  # `serve` will send the whole
        frame = wire.encode({"type": "update", "snapshot": update})
        for worker in self.workers.values():
            if worker.is_writable and not worker.is_stale:
                worker.send_frame(frame)
            else:
                worker.is_stale = True

    def reopen_logs(self) -> None:
        self._send_all({"type": "reopen_logs"})

    async def drain(self, close_ms: int) -> None:
        """Let the workers finish; returns when all are gone, by force if need be."""
        self._is_stopping = True
        self._send_all({"type": "drain", "close_ms": close_ms})
        if not self.workers:
            self._all_gone.set()
        try:
            async with asyncio.timeout(close_ms / 1000 + _KILL_GRACE_S):
                await self._all_gone.wait()
        except TimeoutError:
            self.kill()
            await self._all_gone.wait()

    def kill(self) -> None:
        self._is_stopping = True
        for worker in self.workers.values():
            worker.kill()

    def _send_all(self, message: wire.Message) -> None:
        frame = wire.encode(message)
        for worker in self.workers.values():
            worker.send_frame(frame)

    def _encode_full(self) -> bytes:
        return wire.encode({"type": "update", "snapshot": self._full_snapshot()})

    async def _spawn(self, index: int) -> None:
        worker = WorkerProcess.spawn(index, [self._scoreboard.fd, *self._listener_fds])
        self.workers[index] = worker
        await worker.watch(self._on_message, self._on_writable, self._on_exit)
        if self._is_stopping:
            worker.kill()
        elif self._has_snapshot:
            self._begin(worker, self._encode_full())

    def _begin(self, worker: WorkerProcess, update: bytes) -> None:
        start = {
            "type": "start",
            "worker": worker.index,
            "workers": self._count,
            "scoreboard_fd": self._scoreboard.fd,
            "listeners": [{"id": i, "fd": fd} for i, fd in enumerate(self._listener_fds)],
            "options": self._options,
        }
        worker.send_frame(wire.encode(start))
        worker.send_frame(update)

    def _on_message(self, worker: WorkerProcess, message: wire.Message) -> None:
        match message["type"]:
            case "ready":
                worker.is_ready = True
                if not self._ready.done() and all(w.is_ready for w in self.workers.values()):
                    self._ready.set_result(None)
            case "health":
                self._log_health(message["event"])
            case "applied":
                worker.generation = message["generation"]
                if "error" in message:
                    _log.error(
                        "worker %d keeps its last generation: %d was refused: %s",
                        worker.index,
                        message["generation"],
                        message["error"],
                    )
                else:
                    _log.debug(
                        "worker %d applied generation %d in %d us",
                        worker.index,
                        message["generation"],
                        message["took_us"],
                    )

    @staticmethod
    def _log_health(event: wire.Message) -> None:
        where = f"{event['endpoint']} of {event['cluster']}"
        why = f"{event['counter']} reached {event['value']}"
        if event["event"] == "ejected":
            _log.warning("ejected %s for %d ms: %s", where, event["for_ms"], why)
            return
        _log.warning(
            "did not eject %s: %s, but %d of %d are out and maxEjectionPercent allows no more",
            where,
            why,
            event["ejected"],
            event["total"],
        )

    def _on_writable(self, worker: WorkerProcess) -> None:
        if worker.is_stale:
            worker.is_stale = False
            worker.send_frame(self._encode_full())

    def _on_exit(self, worker: WorkerProcess) -> None:
        del self.workers[worker.index]
        self._scoreboard.clear_worker(worker.index)
        if self._is_stopping:
            if not self.workers:
                self._all_gone.set()
            return
        what = f"worker {worker.index} (pid {worker.pid}): {describe_exit(worker.status)}"
        if not self._ready.done():
            self._ready.set_exception(WorkerFailed(f"{what} before it was ready"))
            return
        lived_s = time.monotonic() - worker.started_at
        self._short_lives = self._short_lives + 1 if lived_s < _SHORT_LIFE_S else 0
        delay_s = 0.0
        if self._short_lives > 1:
            delay_s = min(_BACK_OFF_MAX_S, _BACK_OFF_FIRST_S * 2 ** (self._short_lives - 2))
        _log.error("%s; a new one starts %s", what, f"in {delay_s} s" if delay_s else "now")
        self.restarts += 1
        task = asyncio.get_running_loop().create_task(self._respawn(worker.index, delay_s))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _respawn(self, index: int, delay_s: float) -> None:
        while not self._is_stopping:
            if delay_s:
                await asyncio.sleep(delay_s)
            try:
                return await self._spawn(index)
            except OSError as error:  # out of processes, memory or descriptors
                _log.error("worker %d cannot be started: %s", index, error)
                delay_s = _BACK_OFF_MAX_S
