"""What became of each object, in one word."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from .problem import Problem
from .resource import Key
from .store import ConfigSet

Verdict = Literal["accepted", "warned", "rejected"]
"""warned: in force, with problems (perhaps errors in what it refers to). rejected: its latest
version is not in force; an older one may be."""


def verdicts(config: ConfigSet, problems: Iterable[Problem]) -> dict[Key, Verdict]:
    """Give the verdict of every object that is known by name."""
    doubtful = {problem.object for problem in problems if problem.severity != "info"}
    refused = config.rejected | config.stale
    found: dict[Key, Verdict] = {}
    for key in (*config.resources, *sorted(config.rejected)):
        if key in refused:
            found[key] = "rejected"
        else:
            found[key] = "warned" if str(key) in doubtful else "accepted"
    return found
