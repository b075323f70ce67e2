"""One request of a scene, and the file from which wrk's script reads many."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Request:
    """A GET: its target and its header lines, Host among them."""

    path: str
    fields: tuple[str, ...]


def write_requests(path: Path, requests: Iterable[Request]) -> Path:
    """Write one request a line, tab-separated, as requests.lua reads them."""
    lines = ["\t".join((request.path, *request.fields)) for request in requests]
    path.write_text("\n".join(lines) + "\n")
    return path
