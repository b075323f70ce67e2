"""A process that the demo started: waited for by what it says, ended by its pid."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE, STDOUT
from collections import deque
from pathlib import Path
from typing import Self

import meshproxy
from meshproxy.demo import leash
from meshproxy.demo.error import DemoError

START_TIMEOUT_S = 15.0
STOP_TIMEOUT_S = 5.0


class Child:
    """One `python -m MODULE ARGS...`; what it prints is read to the end of its life."""

    def __init__(self, title: str, process: asyncio.subprocess.Process) -> None:
        self._title = title
        self._process = process
        self._lines: deque[str] = deque(maxlen=20)
        self._said: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._reader: asyncio.Task[None] | None = None

    @classmethod
    async def start(cls, title: str, module: str, *args: str) -> Self:
        process = await asyncio.create_subprocess_exec(
            *_leash(),
            *_python(),
            "-m",
            module,
            *args,
            stdin=DEVNULL,
            stdout=PIPE,
            stderr=STDOUT,
            env=_environment(),
            process_group=0,  # Ctrl-C reaches the demo alone, which ends its children
        )
        return cls(title, process)

    async def wait_line(self, beginning: str = "") -> str:
        """The first line that begins so. Call once. Raises DemoError when none comes."""
        self._reader = asyncio.create_task(self._read(beginning))
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                return await self._said
        except TimeoutError:
            raise DemoError(f"{self._title} is not up after {START_TIMEOUT_S:.0f} s") from None

    @property
    def last_line(self) -> str:
        return self._lines[-1] if self._lines else "it said nothing"

    async def stop(self) -> None:
        """TERM, then KILL; returns when the process is gone."""
        process = self._process
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            async with asyncio.timeout(STOP_TIMEOUT_S):
                await process.wait()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
        if self._reader is not None:
            await self._reader

    async def _read(self, beginning: str) -> None:
        assert self._process.stdout is not None
        async for data in self._process.stdout:
            line = data.decode(errors="replace").rstrip()
            self._lines.append(line)
            if line.startswith(beginning) and not self._said.done():
                self._said.set_result(line)
        if not self._said.done():
            error = DemoError(f"{self._title} ended at its start: {self.last_line}")
            self._said.set_exception(error)


def _leash() -> list[str]:
    return [sys.executable, "-I", "-S", leash.__file__, str(os.getpid())]


def _python() -> list[str]:
    # `-m` puts the working directory first on sys.path: right only if we came from there too
    package_root = Path(meshproxy.__file__).resolve().parent.parent
    return [sys.executable] if package_root == Path.cwd() else [sys.executable, "-P"]


def _environment() -> dict[str, str]:
    """Ours without MESHPROXY_ settings, which are not meant for the demo's proxy."""
    return {name: text for name, text in os.environ.items() if not name.startswith("MESHPROXY_")}
