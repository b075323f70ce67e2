"""How many sockets the proxy may hold: the soft limit is for programs that use select()."""

from __future__ import annotations

import contextlib
import resource


def raise_descriptor_limit() -> None:
    """Lift the soft limit on open files to the hard one; workers inherit it."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):  # a sandbox may forbid even that
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
