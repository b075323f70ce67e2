"""What `meshproxy run` was asked to do, after flags, environment and defaults."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from meshproxy.listen import Address, ListenSpec


@dataclass(frozen=True, slots=True)
class Options:
    paths: tuple[str, ...]
    listen: tuple[ListenSpec, ...]
    admin: Address | None  # None = off
    workers: int
    namespace: str
    access_log: str  # a path, "-" or "off"
    access_log_format: Literal["text", "json"]
    explain_header: bool
    drain_ms: int
