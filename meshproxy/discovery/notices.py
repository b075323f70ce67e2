"""Tells that something happened to files, or in folders; not what."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import itertools
import logging
import os
from collections.abc import Iterable

from asyncinotify import Inotify, Mask, Watch

_NAMES = Mask.MOVE | Mask.CREATE | Mask.DELETE
# added to what a watch of the same inode, by another of its names, has asked for
_PLACE = _NAMES | Mask.ONLYDIR | Mask.MASK_ADD
_FOLDER = _PLACE | Mask.MODIFY
_FILE = Mask.MODIFY | Mask.MASK_ADD

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

    def follow(self, folders: Iterable[str], paths: Iterable[str]) -> bool:
        """Watch whatever happens in these folders and to these paths, and nothing else; gives
        whether something new is among them.

        Beside a path others may be written all the time, an access log say: of the folder it is
        in only the coming and going of names is notified. The kernel knows files by inode: one
        made anew under its old name is a new one.
        """
        if self._inotify is None:
            return False
        wanted = [(folder, _FOLDER) for folder in folders]
        wanted += [(path, _FILE) for path in paths]
        wanted += [(place, _PLACE) for place in {_parent(path) for path in paths}]
        # what is watched keeps its number, and numbers are never used again
        watches = {w.wd: w for w in itertools.starmap(self._add, wanted) if w is not None}
        for number in self._watches.keys() - watches.keys():
            with contextlib.suppress(OSError):  # it is gone, and its watch with it
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

    def _add(self, path: str, mask: Mask) -> Watch | None:
        """None for what is not there, or not for us to see."""
        assert self._inotify is not None
        try:
            return self._inotify.add_watch(path, mask)
        except OSError as error:
            if error.errno == errno.ENOSPC:  # of fs.inotify.max_user_watches
                self._tell(error)
            return None

    def _tell(self, error: OSError) -> None:
        if not self._is_short:
            _log.warning("some file changes will be noticed late: inotify: %s", error.strerror)
        self._is_short = True


def _parent(path: str) -> str:
    return os.path.dirname(path.rstrip("/")) or "."
