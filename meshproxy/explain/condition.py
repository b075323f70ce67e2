"""A condition of a match in words, and what the request had instead."""

from __future__ import annotations

from collections.abc import Sequence

from meshproxy.explain.request import RequestView
from meshproxy.snapshot.model import ConditionData

_SHOWN = 120  # characters of a value

_SUBJECTS = {"query": "query parameter"}


def failure(condition: ConditionData, request: RequestView) -> str:
    """Say why a condition does not hold: what it asks for, and what it saw."""
    return f"{wording(condition)}: {seen(request.values(condition[0], condition[1]))}"


def wording(condition: ConditionData) -> str:
    """Write a condition as `header end-user exact "jason"`."""
    kind, name, how, expected, ignores_case, is_inverted = condition
    words = [_SUBJECTS.get(kind, kind), name, how]
    if how != "present":
        words.append(quoted(expected))
    if ignores_case:
        words.append("(ignoring case)")
    if is_inverted:
        words.insert(0, "without")
    return " ".join(word for word in words if word)


def seen(values: Sequence[str]) -> str:
    if not values:
        return "is absent"
    return "the request has " + ", ".join(quoted(value) for value in values)


def quoted(text: str) -> str:
    """Quote for a terminal: one line, no control characters, not endless."""
    shown = text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."
    return '"' + "".join(char if char.isprintable() else "?" for char in shown) + '"'
