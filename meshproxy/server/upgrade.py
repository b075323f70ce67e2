"""Replaces the running binary without losing a connection (USR2).

    old: USR2 -> replace_process() -> the new process inherits every listening socket
    new: Inheritance.take() instead of bind -> serves -> tell_predecessor()
    old: reads the byte -> drains -> exits 0; if the pipe ends without a byte, it keeps serving

Both accept from the same sockets meanwhile, so no connection in an accept queue is lost.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import subprocess
import sys
from collections.abc import Sequence

from meshproxy.listen import Address
from meshproxy.server import priority
from meshproxy.server.options import Options

_SOCKETS_VARIABLE = "MESHPROXY_INHERITED_SOCKETS"  # "5=127.0.0.1:8080,6=127.0.0.1:15000"
_READY_TIMEOUT_S = 60.0
_READY_VARIABLE = "MESHPROXY_UPGRADE_READY_FD"

_log = logging.getLogger(__name__)


class Inheritance:
    """What the process before left for us; empty when we were started afresh."""

    def __init__(self) -> None:
        self._sockets: list[tuple[str, socket.socket]] = []
        for item in filter(None, os.environ.pop(_SOCKETS_VARIABLE, "").split(",")):
            fd, _, name = item.partition("=")
            sock = socket.socket(fileno=int(fd))
            sock.set_inheritable(False)
            sock.setblocking(False)
            self._sockets.append((name, sock))
        ready = os.environ.pop(_READY_VARIABLE, "")
        self._ready_fd = int(ready) if ready else -1
        if self._ready_fd >= 0:
            os.set_inheritable(self._ready_fd, False)

    @property
    def has_predecessor(self) -> bool:
        """Whether a process serves until we do."""
        return self._ready_fd >= 0

    def take(self, address: Address) -> socket.socket | None:
        """The socket bound for `address` as written (port 0 stays 0), or None."""
        for index, (name, sock) in enumerate(self._sockets):
            if name == str(address):
                del self._sockets[index]
                return sock
        return None

    def close_unused(self) -> None:
        """Let go of sockets that the new configuration no longer asks for."""
        for _, sock in self._sockets:
            sock.close()
        self._sockets.clear()

    def tell_predecessor(self) -> None:
        """Say that we serve: the process before drains."""
        if self._ready_fd >= 0:
            os.write(self._ready_fd, b"1")
            os.close(self._ready_fd)
            self._ready_fd = -1


async def replace_process(
    sockets: Sequence[tuple[Address, socket.socket]], options: Options
) -> bool:
    """Start this command line again on our sockets; True once the new process serves."""
    if "-" in options.paths:
        _log.error("cannot replace the binary: the configuration came from standard input")
        return False
    try:
        process, ready_fd = _start_successor(sockets)
    except OSError as error:
        _log.error("cannot replace the binary: %s", error)
        return False
    _log.info("replacing the binary: pid %d starts", process.pid)
    try:
        async with asyncio.timeout(_READY_TIMEOUT_S):
            is_serving = await _read_byte(ready_fd)
    except TimeoutError:
        is_serving = False
    finally:
        os.close(ready_fd)
    if not is_serving:
        process.kill()
        process.wait()
        _log.error("pid %d did not get ready; this process goes on", process.pid)
    return is_serving


async def _read_byte(fd: int) -> bool:
    loop = asyncio.get_running_loop()
    readable = asyncio.Event()
    loop.add_reader(fd, readable.set)
    try:
        await readable.wait()
    finally:
        loop.remove_reader(fd)
    return os.read(fd, 1) != b""


def _start_successor(
    sockets: Sequence[tuple[Address, socket.socket]],
) -> tuple[subprocess.Popen[bytes], int]:
    """Returns the process and the fd on which it says that it serves."""
    ready_read, ready_write = os.pipe()
    fds = [sock.fileno() for _, sock in sockets]
    environment = {
        **os.environ,
        _SOCKETS_VARIABLE: ",".join(f"{sock.fileno()}={address}" for address, sock in sockets),
        _READY_VARIABLE: str(ready_write),
    }
    try:
        process = priority.start(
            [sys.executable, *sys.orig_argv[1:]],
            pass_fds=[*fds, ready_write],
            env=environment,
        )
    except OSError:
        os.close(ready_read)
        raise
    finally:
        os.close(ready_write)
    return process, ready_read
