"""A program under the harness: pinned to a core, its output kept, ended by its own id."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from pathlib import Path

from benchmarks.native import HERE

STOP_S = 10.0  # meshproxy drains for up to 5 s when connections are open


class StartError(Exception):
    """The program ended, or did not answer, before it could be used."""


def pinned(core: int) -> dict[str, object]:
    """Return Popen arguments that start a program on one core in a session of its own."""
    return {
        "preexec_fn": lambda: os.sched_setaffinity(0, {core}),
        "start_new_session": True,
        "stdin": subprocess.DEVNULL,
        "cwd": HERE.parent,
    }


class Process:
    """One started program; its whole session ends with the `with` block."""

    def __init__(self, command: list[str], core: int, log: Path) -> None:
        self.log = log
        with log.open("wb") as output:
            self._popen = subprocess.Popen(  # type: ignore[call-overload]
                command, stdout=output, stderr=subprocess.STDOUT, **pinned(core)
            )
        self.pid: int = self._popen.pid

    def __enter__(self) -> Process:
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def check_alive(self) -> None:
        code = self._popen.poll()
        if code is not None:
            raise StartError(f"ended with status {code}: {self.tail()}")

    def tail(self) -> str:
        """Return the last lines the program wrote."""
        lines = self.log.read_text(errors="replace").strip().splitlines()
        return " | ".join(lines[-5:]) or "(it wrote nothing)"

    def stop(self) -> None:
        if self._popen.poll() is None:
            self._popen.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._popen.wait(STOP_S)
        # The session is ours (start_new_session): nothing else can be in its group.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._popen.wait()
