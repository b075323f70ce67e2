"""Reads the attacks: Markdown files of bytes, where they come from, and what becomes of them.

An attack is a heading, a line `Source: ...`, a block of bytes in the notation of `corpus.http1`
and a block of its outcome. `http response METHOD` is what an upstream answers to METHOD /a; with
`close` it then ends the connection. `http request` is what a client sends; its outcome has one
line for each request that the proxy counted, in order, and the state of the client's connection:

    200 GET /a                  answered by an upstream, which saw this method and target
    - POST /a                   an upstream saw it, and it was not whole when the client left
    400 http1.codec_error       answered by the proxy, and why
    open, or closed             whether the proxy still reads
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from corpus.http1.cases import FENCE, bytes_of

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Attack:
    """One attack; `method` and `closes` are of responses."""

    name: str  # "file.md: heading"
    source: str
    kind: str
    method: str
    closes: bool
    data: bytes
    outcome: tuple[str, ...]

    @property
    def answers(self) -> list[tuple[int, str]]:
        """(status, method) of each response that the client gets; no method: it was refused."""
        found = []
        for line in self.outcome:
            status, _, rest = line.partition(" ")
            if status.isdigit():
                found.append((int(status), rest.split(" ")[0] if " " in rest else ""))
        return found


def load(kind: str) -> Iterator[Attack]:
    """Yield the attacks of this kind."""
    for path in sorted(HERE.glob("*.md")):
        yield from (attack for attack in read(path) if attack.kind == kind)


def read(path: Path) -> Iterator[Attack]:
    heading, source, opened = "", "", ""
    words: list[str] = []
    data: list[str] = []
    block: list[str] | None = None
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith(FENCE) and block is None:
            opened, block = line[3:].strip(), []
        elif line.startswith(FENCE) and block is not None:
            if opened == "outcome":
                yield Attack(
                    name=f"{path.name}: {heading}",
                    source=source,
                    kind=words[1],
                    method=words[2] if len(words) > 2 else "",
                    closes="close" in words,
                    data=bytes_of(data),
                    outcome=tuple(block),
                )
            else:
                words, data = opened.split(), block
            block = None
        elif block is not None:
            block.append(line)
        elif line.startswith("## "):
            heading, source = line[3:], ""
        elif line.startswith("Source: "):
            source = line.removeprefix("Source: ")
