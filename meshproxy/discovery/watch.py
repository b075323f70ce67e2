"""Tells when manifest files changed: edits in place, editors that replace files by renaming, and
Kubernetes' swap of the `..data` link of a mounted ConfigMap.

Notifications only wake the watcher; what counts is the files' own signature (device, inode, size,
time, links followed). A slow poll catches what a file system does not notify.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Iterable, Sequence

from watchfiles import awatch

from meshproxy.config.source import STDIN, Signature, list_files

DEBOUNCE_MS = 50  # the longest that a burst of notifications is gathered
SETTLE_S = 0.02  # two looks this far apart must agree: a writer may be half way
REPLACED_S = 0.1  # a file replaced that often is taken as it is: it never stands still
TOGETHER_S = 0.5  # how long files that stand still wait for one that does not
EMPTY_SETTLE_S = 0.2  # a file that became empty is most likely being rewritten
POLL_S = 5.0

_Files = dict[str, Signature | None]


async def watch(paths: Sequence[str], poll_s: float = POLL_S) -> AsyncIterator[frozenset[str]]:
    """Give the names of files that changed, appeared or went, once per settled change.

    Ends never; cancel the task or close the iterator. Standard input is not watched.
    """
    watched = [path for path in paths if path != STDIN]
    files = await _scan(watched)
    while True:
        folders = _folders(watched, files)
        async with _Notices(*folders) as notices:
            while folders == _folders(watched, files):
                latest = await _settled(watched, files)
                changed = _differences(files, latest)
                files = latest
                if changed:
                    yield changed
                else:
                    await notices.wait(poll_s)


async def _scan(paths: Sequence[str]) -> _Files:
    """In a thread: thousands of stat calls must not hold up the loop."""
    files, _ = await asyncio.to_thread(list_files, paths)
    return files


async def _settled(paths: Sequence[str], before: _Files) -> _Files:
    """Give the files as they are, all together once none moves any more.

    A folder in which something always moves gives what is still; the rest stays as it was before.
    """
    latest = await _scan(paths)
    waited = 0.0
    while latest != before:
        await asyncio.sleep(SETTLE_S)
        waited += SETTLE_S
        again = await _scan(paths)
        moving = {
            name
            for name in _differences(latest, again)
            if waited < REPLACED_S or not _is_replaced(latest.get(name), again.get(name))
        }
        if waited < EMPTY_SETTLE_S:
            moving |= {name for name, sign in again.items() if _is_emptied(before.get(name), sign)}
        if not moving:
            return again
        if waited >= TOGETHER_S and _differences(before, again) - moving:
            kept = {name: before[name] for name in moving & before.keys()}
            return {name: sign for name, sign in again.items() if name not in moving} | kept
        latest = again
    return latest


def _is_replaced(before: Signature | None, now: Signature | None) -> bool:
    """Whether another file took the name, as by rename: it came whole."""
    return before is not None and now is not None and before[:2] != now[:2]


def _is_emptied(before: Signature | None, now: Signature | None) -> bool:
    return now is not None and now[2] == 0 and (before is None or before[2] > 0)


def _differences(old: _Files, new: _Files) -> frozenset[str]:
    return frozenset(name for name, _ in old.items() ^ new.items())


def _folders(paths: Sequence[str], files: _Files) -> tuple[frozenset[str], frozenset[str]]:
    """Give the folders to watch with all below them, and those to watch alone: a file is
    watched through its folder (also the one its links lead to), so that replacing it shows."""
    deep = {path for path in paths if os.path.isdir(path)}
    flat = {_parent(path) for path in (*paths, *files)}
    flat |= {_parent(os.path.realpath(path)) for path in files}
    return frozenset(deep), frozenset(path for path in flat if os.path.isdir(path))


def _parent(path: str) -> str:
    return os.path.dirname(path.rstrip("/")) or "."


class _Notices:
    """Waits for the next notification from a set of folders."""

    def __init__(self, deep: Iterable[str], flat: Iterable[str]) -> None:
        self._groups = ((sorted(deep), True), (sorted(flat), False))
        self._event = asyncio.Event()
        self._stop = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> _Notices:
        for folders, recursive in self._groups:
            if folders:
                self._tasks.append(asyncio.create_task(self._listen(folders, recursive)))
        return self

    async def __aexit__(self, *_error: object) -> None:
        self._stop.set()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def wait(self, timeout_s: float) -> None:
        """Return at the next notification, or after the timeout."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._event.wait()
        self._event.clear()

    async def _listen(self, folders: list[str], recursive: bool) -> None:
        notifications = awatch(
            *folders,
            watch_filter=None,
            debounce=DEBOUNCE_MS,
            step=DEBOUNCE_MS // 2,
            stop_event=self._stop,
            recursive=recursive,
            ignore_permission_denied=True,
        )
        with contextlib.suppress(OSError):  # a folder that went away: the poll finds out
            async for _ in notifications:
                self._event.set()
