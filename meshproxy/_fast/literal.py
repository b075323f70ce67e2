"""Text that every match of a pattern begins with, or contains: found once, it spares calls of RE2.

Law: a wrong answer would lose matches, so whatever is not plainly literal ends a run, and a
pattern that Python's own parser reads differently, or not at all, has no literal. Python's
parser is asked because RE2 does not tell; both read plain literals alike. Beyond ASCII they do
not: for RE2, which matches bytes here, "[é]" is one of two, and "\\xe9" one that is no text.
"""

from __future__ import annotations

import re
import warnings
from re import _constants as sre  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

_LEAST = 2  # a single byte is in most texts
_FOREIGN = ("\\Q", "[:")  # quoted text, a class by its name: Python reads something else


def required_literal(pattern: str) -> bytes:
    """Give the longest bytes, or b"" when none are certain. Never raises."""
    best = max(_certain_runs(pattern), key=len)
    return best.encode() if len(best) >= _LEAST else b""


def leading_literal(pattern: str) -> bytes:
    """Give what every text begins with that the pattern matches as a whole. Never raises."""
    return _certain_runs(pattern)[0].encode()


def _certain_runs(pattern: str) -> list[str]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = parser.parse(pattern)
    except (re.error, OverflowError, RecursionError):
        return [""]
    if tree.state.flags & re.IGNORECASE or any(mark in pattern for mark in _FOREIGN):
        return [""]
    return _runs(tree)


def _runs(tree: Any) -> list[str]:
    """Runs of characters that stand next to each other in every match."""
    runs = [""]
    for op, value in tree:
        if op is sre.LITERAL and value < 0x80:
            runs[-1] += chr(value)
        elif op is sre.AT:
            continue
        elif op is sre.SUBPATTERN and not value[1] and not value[2]:
            inner = _runs(value[3])
            runs[-1] += inner[0]
            runs += inner[1:]
        else:
            runs.append("")
    return runs
