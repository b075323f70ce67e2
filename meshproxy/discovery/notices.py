"""Tells that something happened in a folder, not what."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
from collections.abc import Iterable

from asyncinotify import Inotify, Mask, Watch

_MASK = Mask.MODIFY | Mask.MOVE | Mask.CREATE | Mask.DELETE | Mask.ONLYDIR

_log = logging.getLogger(__name__)


class Notices:
    """One inotify descriptor. Where the kernel gives none, `wait` is only a pause."""

    def __init__(self) -> None:
        self._watches: dict[int, Watch] = {}  # by the kernel's number
        self._is_short = False  # the kernel has refused us something, and it was said
        self._inotify: Inotify | None = None
        try:
            self._inotify = Inotify(sync_timeout=0)
        except OSError as error:
            self._tell(error)

    def follow(self, folders: Iterable[str]) -> bool:
        """Watch these folders and no others; gives whether there is a new one among them.

        The kernel knows folders by inode: one made anew under its old name is a new one.
        """
        if self._inotify is None:
            return False
        # a folder that is watched keeps its number, and numbers are never used again
        watches = {w.wd: w for w in map(self._add, folders) if w is not None}
        for number in self._watches.keys() - watches.keys():
            with contextlib.suppress(OSError):  # the folder is gone, and its watch with it
                self._inotify.rm_watch(self._watches[number])
        news = watches.keys() - self._watches.keys()
        self._watches = watches
        return bool(news)

    def forget(self) -> None:
        """Drop what was notified so far: the caller is about to look."""
        for _ in self._inotify or ():
            pass

    async def wait(self, timeout_s: float) -> None:
        """Return once there is a notification, or after the timeout."""
        if self._inotify is None:
            await asyncio.sleep(timeout_s)
            return
        loop = asyncio.get_running_loop()
        noticed = asyncio.Event()
        loop.add_reader(self._inotify.fd, noticed.set)
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(timeout_s):
                    await noticed.wait()
        finally:
            loop.remove_reader(self._inotify.fd)

    def close(self) -> None:
        if self._inotify is not None:
            self._inotify.close()

    def _add(self, folder: str) -> Watch | None:
        """None for a folder that is not there, or not for us to see."""
        assert self._inotify is not None
        try:
            return self._inotify.add_watch(folder, _MASK)
        except OSError as error:
            if error.errno == errno.ENOSPC:  # of fs.inotify.max_user_watches
                self._tell(error)
            return None

    def _tell(self, error: OSError) -> None:
        if not self._is_short:
            _log.warning("some file changes will be noticed late: inotify: %s", error.strerror)
        self._is_short = True
