"""inotify: tells that something happened in a folder, not what.

Called by ctypes, as Python has no binding for it.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import errno
import logging
import os
from collections.abc import Iterable

_MODIFY, _MOVED, _CREATE, _DELETE = 0x2, 0x40 | 0x80, 0x100, 0x200  # linux/inotify.h
_ONLY_FOLDERS = 0x1000000
_MASK = _MODIFY | _MOVED | _CREATE | _DELETE | _ONLY_FOLDERS
_READ_BYTES = 4096

_libc = ctypes.CDLL(None, use_errno=True)
_log = logging.getLogger(__name__)


class Notices:
    """One inotify descriptor. Where the kernel gives none, `wait` is only a pause."""

    def __init__(self) -> None:
        self._watched: set[int] = set()
        self._is_short = False  # the kernel has refused us something, and it was said
        self._fd: int = _libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self._fd < 0:
            self._tell()

    def follow(self, folders: Iterable[str]) -> bool:
        """Watch these folders and no others; gives whether there is a new one among them.

        The kernel knows folders by inode: one made anew under its old name is a new one.
        """
        # a folder that is watched keeps its number, and numbers are never used again
        numbers = {self._add(folder) for folder in folders} - {-1}
        news = numbers - self._watched
        for number in self._watched - numbers:
            _libc.inotify_rm_watch(self._fd, number)  # fails for a folder that is gone
        self._watched = numbers
        return bool(news)

    def forget(self) -> None:
        """Drop what was notified so far: the caller is about to look."""
        with contextlib.suppress(OSError):
            while os.read(self._fd, _READ_BYTES):
                pass

    async def wait(self, timeout_s: float) -> None:
        """Return once there is a notification, or after the timeout."""
        if self._fd < 0:
            await asyncio.sleep(timeout_s)
            return
        loop = asyncio.get_running_loop()
        noticed = asyncio.Event()
        loop.add_reader(self._fd, noticed.set)
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(timeout_s):
                    await noticed.wait()
        finally:
            loop.remove_reader(self._fd)

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)

    def _add(self, folder: str) -> int:
        """A folder that is not there, or not for us to see, has no number: -1."""
        number: int = _libc.inotify_add_watch(self._fd, os.fsencode(folder), _MASK)
        if number < 0 and ctypes.get_errno() == errno.ENOSPC:  # of fs.inotify.max_user_watches
            self._tell()
        return number

    def _tell(self) -> None:
        if not self._is_short:
            reason = os.strerror(ctypes.get_errno())
            _log.warning("some file changes will be noticed late: inotify: %s", reason)
        self._is_short = True
