"""Waiting for what another thread or process does: ask again until it is so, or a deadline."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

TIMEOUT_S = 30.0  # nothing takes that long; a machine that is busy may take a part of it
POLL_S = 0.005

Found = TypeVar("Found")


def until(ask: Callable[[], Found], what: str = "") -> Found:
    """The first answer that is true."""
    deadline = time.monotonic() + TIMEOUT_S
    while not (found := ask()):
        assert time.monotonic() < deadline, f"never came true: {what or ask}; last: {found!r}"
        time.sleep(POLL_S)
    return found


def until_equal(ask: Callable[[], Found], wanted: Found) -> None:
    """Return once the answer is the wanted one."""
    deadline = time.monotonic() + TIMEOUT_S
    while (found := ask()) != wanted:
        assert time.monotonic() < deadline, f"never came to be {wanted!r}: {found!r}"
        time.sleep(POLL_S)
