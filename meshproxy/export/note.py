"""What an export could not say, each line once."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]


class Notes:
    """Collects lines; order kept."""

    def __init__(self) -> None:
        self._lines: dict[str, None] = {}

    def add(self, line: str) -> None:
        self._lines[line] = None

    @property
    def lines(self) -> tuple[str, ...]:
        return tuple(self._lines)
