"""Where each field of a document stands in its file."""

from __future__ import annotations

from collections.abc import Mapping

Path = tuple[str | int, ...]
"""Keys and list indexes from the object's root, such as ("spec", "http", 0, "route")."""

MOST = 60  # characters of one key that are shown


def format_path(path: Path) -> str:
    """Write a path as `spec.http[0].match[1].headers["x.y"]`."""
    parts: list[str] = []
    for step in path:
        if isinstance(step, int):
            parts.append(f"[{step}]")
        elif 0 < len(step) <= MOST and all(char.isalnum() or char in "-_" for char in step):
            parts.append(f".{step}" if parts else step)
        else:
            shown = step if len(step) <= MOST else step[: MOST - 3] + "..."
            shown = "".join(char if char.isprintable() else "?" for char in shown)
            parts.append(f'["{shown}"]')
    return "".join(parts)


class Places:
    """Positions of one object's fields: the key of a mapping entry, the start of a list item.

    Marks are relative to the first line of the document's text, so a document that only moved
    inside its file keeps its marks (`shifted`).
    """

    __slots__ = ("_base", "_line", "_marks", "_moves", "_texts")

    def __init__(
        self,
        marks: Mapping[Path, tuple[int, int]],
        texts: Mapping[Path, str],
        line: int,
        base: Path = (),
        moves: tuple[Mapping[Path, Path], ...] = (),
    ) -> None:
        self._marks = marks
        self._texts = texts
        self._line = line
        self._base = base
        self._moves = moves

    def written(self, path: Path) -> Path:
        """Give the path as it was written, where the document is read as another form."""
        for moves in reversed(self._moves):
            for length in range(len(path), 0, -1):
                if path[:length] in moves:
                    path = moves[path[:length]] + path[length:]
                    break
        return path

    def moved(self, moves: Mapping[Path, Path]) -> Places:
        """Give the places of a form in which each key of `moves` stands for its value."""
        if not moves:
            return self
        stack = (*self._moves, moves)
        return Places(self._marks, self._texts, self._line, self._base, stack)

    def find(self, path: Path) -> tuple[int, int]:
        """Give (line, column), counted from 1, of the field or of its nearest known parent."""
        full = self._base + self.written(path)
        while full not in self._marks:
            if not full:
                return self._line + 1, 1
            full = full[:-1]
        line, column = self._marks[full]
        return self._line + line + 1, column + 1

    def text(self, path: Path) -> str | None:
        """Give a number or boolean as it was written, None for other values."""
        return self._texts.get(self._base + self.written(path))

    def shifted(self, lines: int) -> Places:
        """Give the same places in a document that moved by some lines inside its file."""
        return Places(self._marks, self._texts, self._line + lines, self._base, self._moves)

    def under(self, base: Path) -> Places:
        """Give the places of a part of the document, such as one item of a List."""
        return Places(self._marks, self._texts, self._line, self._base + base)
