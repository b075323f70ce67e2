"""Tells when manifest files changed: edits in place, editors that replace files by renaming, and
Kubernetes' swap of the `..data` link of a mounted ConfigMap.

Notifications only wake the watcher; what counts is the files' own signature (device, inode, size,
time, links followed). A slow poll catches what a file system does not notify.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Sequence

from meshproxy.config.source import STDIN, Listing, Signature, list_files

from .notices import Notices

GATHER_S = 0.01  # between looks, however many notifications there are
SETTLE_S = 0.035  # two looks this far apart must agree: a writer may be half way
REPLACED_S = 0.1  # a file replaced that often is taken as it is: it never stands still
TOGETHER_S = 0.5  # how long files that stand still wait for one that does not
EMPTY_SETTLE_S = 0.2  # a file that became empty is most likely being rewritten
POLL_S = 5.0
FEW_FILES = 100  # half a millisecond of stat calls

_Files = dict[str, Signature | None]


async def watch(paths: Sequence[str], poll_s: float = POLL_S) -> AsyncIterator[frozenset[str]]:
    """Give the names of files that changed, appeared or went, once per settled change.

    Ends never; cancel the task or close the iterator. Standard input is not watched.
    """
    watched = [path for path in paths if path != STDIN]
    notices = Notices()
    try:
        files = await _arm(notices, watched, FEW_FILES + 1)
        while True:
            await notices.wait(poll_s)
            await asyncio.sleep(GATHER_S)
            notices.forget()
            latest = await _settled(watched, files, await _arm(notices, watched, len(files)))
            changed = _differences(files, latest)
            files = latest
            if changed:
                yield changed
    finally:
        notices.close()


async def _arm(notices: Notices, paths: Sequence[str], count: int) -> _Files:
    """Give the files as they are; what happens to them from here on is notified."""
    listing = await _look(paths, count)
    if notices.follow(listing.folders | _linked(listing), paths):
        listing = await _look(paths, count)  # what came into a folder before it was watched
    return listing.files


async def _look(paths: Sequence[str], count: int) -> Listing:
    """`count`: about how many files there are. Many are looked at in a thread: thousands of stat
    calls must not hold up the loop."""
    return list_files(paths) if count <= FEW_FILES else await asyncio.to_thread(list_files, paths)


async def _settled(paths: Sequence[str], before: _Files, latest: _Files) -> _Files:
    """Give the files as they are, all together once none moves any more.

    A folder in which something always moves gives what is still; the rest stays as it was before.
    """
    waited = 0.0
    while latest != before:
        await asyncio.sleep(SETTLE_S)
        waited += SETTLE_S
        again = (await _look(paths, len(latest))).files
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


def _linked(listing: Listing) -> set[str]:
    """Give the folders that links among the files lead to: replacing a file there shows."""
    return {
        os.path.dirname(os.path.realpath(name)) for name in listing.files if os.path.islink(name)
    }
