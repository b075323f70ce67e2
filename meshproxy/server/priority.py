"""Requests before configuration: the control process gives way to its workers on a shared core.

A nice value says how much of a core, not when: who runs may go on until the kernel's next tick, up
to 4 ms later. So a computation is cut into turns as well.

Linux keeps the nice value per thread, a child gets that of the thread which starts it, and raising
it again needs a privilege. So processes are started by a thread that never gave way.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

# leaves a tenth of a busy core; docs/performance.md has what it gains
STEP = 10
TURN_S = 0.00015
MOST_TURNS = 40  # on a core that is never idle each costs a change some 10 ms

_END = {signal.SIGALRM}  # the end of a turn: heard by the main thread, and only in one

_starter = ThreadPoolExecutor(
    max_workers=1,
    thread_name_prefix="starter",
    initializer=lambda: signal.pthread_sigmask(signal.SIG_BLOCK, _END),
)


def start(command: list[str], **settings: Any) -> subprocess.Popen[bytes]:
    """`subprocess.Popen`, at the priority that this program was started with."""

    def run() -> subprocess.Popen[bytes]:
        return subprocess.Popen(command, **settings)

    return _starter.submit(run).result()


def give_way() -> None:
    """Lower the priority of the calling thread."""
    _starter.submit(os.getpid).result()  # the starter's thread exists from here on
    os.nice(STEP)


class Turns:
    """Cuts the beginning of a computation of the main thread into turns, between which workers
    that wait for its core run. What takes longer goes on at its nice value alone."""

    def __init__(self) -> None:
        self._left = 0
        signal.signal(signal.SIGALRM, self._end)
        # threads inherit it: one that sleeps would be woken for each turn, on the core in question
        signal.pthread_sigmask(signal.SIG_BLOCK, _END)

    @contextlib.contextmanager
    def taken(self) -> Iterator[None]:
        self._left = MOST_TURNS
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _END)
        signal.setitimer(signal.ITIMER_REAL, TURN_S)
        try:
            yield
        finally:
            self._left = 0
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.pthread_sigmask(signal.SIG_BLOCK, _END)

    def _end(self, *_signal: object) -> None:
        if self._left:
            self._left -= 1
            os.sched_yield()
            # only now: the time until it is our turn again is none of the next one
            signal.setitimer(signal.ITIMER_REAL, TURN_S)
