"""What `meshproxy run` was asked to do, after flags, environment and defaults."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from meshproxy.listen import Address, ListenSpec
from meshproxy.snapshot.intake import IntakeOptions
from meshproxy.snapshot.scope import Scope


@dataclass(frozen=True, slots=True)
class Options:
    paths: tuple[str, ...]
    listen: tuple[ListenSpec, ...]
    admin: Address | None  # None = off
    workers: int
    scope: Scope  # who the proxy is
    resolver: tuple[str, int] | None  # DNS server; None = those of /etc/resolv.conf
    access_log: str  # a path, "-" or "off"
    access_log_format: Literal["text", "json"]
    explain_header: bool
    health_checks: bool
    intake: IntakeOptions
    limits: dict[str, int]  # in bytes, milliseconds or pieces; what is absent has its default
    drain_ms: int

    def for_workers(self) -> dict[str, Any]:
        """Make the `options` of the start message."""
        return {
            "access_log": self.access_log,
            "access_log_format": self.access_log_format,
            "drain_ms": self.drain_ms,
            "explain_header": self.explain_header,
            **self.intake.for_workers(),
            "limits": self.limits,
        }
