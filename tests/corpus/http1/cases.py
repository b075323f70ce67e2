"""Reads the corpus: Markdown files of bytes and the events they must give.

A case is a heading, any prose, a block of bytes and a block of events. The info string of the
first block says what the bytes are: `http request`, `http response` (a response to GET; `http
response HEAD` to HEAD) or `http chunked` (a body alone); `limit=N` sets the most bytes of a head.
In a block of bytes each line ends with CRLF, but for a line whose last character is a backslash.
Escapes: \\r \\n \\t \\\\ \\xHH, and \\(N*TEXT) for TEXT N times.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
FENCE = "`" * 3
ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{2})|\((\d+)\*([^)]*)\)|([rnt\\]))")
PLAIN = {"r": "\r", "n": "\n", "t": "\t", "\\": "\\"}


@dataclass(frozen=True)
class Case:
    """Bytes, what they are, and the events they give."""

    name: str  # "file.md: heading"
    kind: str  # request, response, chunked
    method: bytes  # of the request that a response answers
    limit: int
    data: bytes
    events: tuple[str, ...]


def unescape(text: str) -> bytes:
    """Give the bytes that a line of a block stands for."""

    def plain(found: re.Match[str]) -> str:
        code, times, repeated, letter = found.groups()
        if code is not None:
            return chr(int(code, 16))
        return repeated * int(times) if times is not None else PLAIN[letter]

    return ESCAPE.sub(plain, text).encode("latin-1")


def bytes_of(lines: list[str]) -> bytes:
    """Give the bytes of a block."""
    out = b""
    for line in lines:
        cut = len(line) - len(line.rstrip("\\"))
        if cut % 2:
            out += unescape(line[:-1])
        else:
            out += unescape(line) + b"\r\n"
    return out


def load(*names: str) -> Iterator[Case]:
    """Yield the cases of these files, or of all."""
    for path in sorted(HERE.glob("*.md")):
        if not names or path.stem in names:
            yield from read(path)


def read(path: Path) -> Iterator[Case]:
    heading, info = "", ""
    data: list[str] = []
    block: list[str] | None = None
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith(FENCE) and block is None:
            opened, block = line[3:].strip(), []
        elif line.startswith(FENCE) and block is not None:
            if opened.startswith("http"):
                info, data = opened, block
            elif opened == "log":
                yield case_of(f"{path.name}: {heading}", info, data, block)
            block = None
        elif block is not None:
            block.append(line)
        elif line.startswith("## "):
            heading = line[3:]


def case_of(name: str, info: str, data: list[str], events: list[str]) -> Case:
    words = info.split()[1:]
    limits = [int(word.partition("=")[2]) for word in words if word.startswith("limit=")]
    rest = [word for word in words if "=" not in word]
    return Case(
        name=name,
        kind=rest[0],
        method=rest[1].encode() if len(rest) > 1 else b"GET",
        limit=limits[0] if limits else 61440,
        data=bytes_of(data),
        events=tuple(events),
    )
