"""Requests before configuration: the control process gives way to its workers on a shared core.

Linux keeps the nice value per thread, a child gets that of the thread which starts it, and raising
it again needs a privilege. So processes are started by a thread that never gave way.
"""

from __future__ import annotations

import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from typing import Any

# leaves a tenth of a busy core; docs/performance.md has what it gains
STEP = 10

_starter = ThreadPoolExecutor(max_workers=1, thread_name_prefix="starter")


def start(command: list[str], **settings: Any) -> subprocess.Popen[bytes]:
    """`subprocess.Popen`, at the priority that this program was started with."""

    def run() -> subprocess.Popen[bytes]:
        return subprocess.Popen(command, **settings)

    return _starter.submit(run).result()


def give_way() -> None:
    """Lower the priority of the calling thread."""
    _starter.submit(os.getpid).result()  # the starter's thread exists from here on
    os.nice(STEP)
