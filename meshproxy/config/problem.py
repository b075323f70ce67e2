"""A problem found in the configuration: what, where and how bad."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass, replace

from .codes import CODES, Severity
from .places import Path

MOST = 1000  # characters of a message

_RANK = {"error": 0, "warning": 1, "info": 2}


@dataclass(frozen=True, slots=True)
class Finding:
    """A problem inside one object, before its file and position are known."""

    code: str
    path: Path
    message: str
    severity: Severity | None = None  # None = the usual one of the code


@dataclass(frozen=True, slots=True)
class Problem:
    """One verdict line. `line` and `column` count from 1; 0 means the whole file."""

    file: str
    line: int
    column: int
    object: str  # "VirtualService default/reviews", "" when no object is known
    path: str  # "spec.http[0].route[1].weight", "" for the object itself
    severity: Severity
    code: str
    message: str

    def __str__(self) -> str:
        subject = " ".join(part for part in (self.object, self.path) if part)
        place = f"{self.file}:{self.line}:{self.column}"
        middle = f" {subject}" if subject else ""
        return f"{place}: {self.severity} {self.code}{middle}: {self.message}"

    def as_dict(self) -> dict[str, str | int]:
        """Give the JSON form."""
        return {
            "file": self.file,
            "line": self.line,
            "column": self.column,
            "object": self.object,
            "path": self.path,
            "severity": self.severity,
            "code": self.code,
            "message": self.message,
        }

    def shifted(self, lines: int) -> Problem:
        """Give the same problem in a document that moved inside its file."""
        return replace(self, line=self.line + lines)

    @property
    def sort_key(self) -> tuple[str, int, int, int, str, str]:
        return (self.file, self.line, self.column, _RANK[self.severity], self.code, self.message)


def severity_of(code: str, override: Severity | None = None) -> Severity:
    """Give the severity of a finding: its own, or the usual one of its code."""
    return override or CODES[code].severity


def hint(word: str, known: Iterable[str]) -> str:
    """Give `; did you mean "x"?` when a known word is near, else an empty string."""
    if len(word) > 64:
        return ""
    by_folded = {name.lower(): name for name in known}
    cutoff = 0.7 if len(word) > 4 else 0.6  # two letters of three in place
    near = difflib.get_close_matches(word.lower(), by_folded, n=1, cutoff=cutoff)
    return f'; did you mean "{by_folded[near[0]]}"?' if near else ""


def describe(value: object) -> str:
    """Describe a YAML value in a few words, at most about 60 characters."""
    if value is None:
        return "nothing (null)"
    if isinstance(value, bool):
        return f"the boolean {str(value).lower()}"
    if isinstance(value, int | float):
        return f"the number {str(value)[:40]}"
    if isinstance(value, str):
        return quote(value)
    if isinstance(value, dict):
        return "a mapping"
    return "a list"


def shortened(message: str) -> str:
    """Bound a message: it may list names that were written, and those have any length."""
    text = message if len(message) <= MOST else message[: MOST - 3] + "..."
    return text if text.isprintable() else "".join(c if c.isprintable() else "?" for c in text)


def quote(text: str) -> str:
    """Quote text for a message, shortened and without control characters."""
    shown = text if len(text) <= 60 else text[:57] + "..."
    shown = "".join(char if char.isprintable() else "?" for char in shown)
    return f'"{shown}"'


def urgent(problems: Iterable[Problem]) -> list[Problem]:
    """Leave out what is for information: `check` says that."""
    return [problem for problem in problems if problem.severity != "info"]
