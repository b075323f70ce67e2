"""Load at a constant rate, latencies counted from when a request was due: paced.c."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks import native, wrk


@dataclass(frozen=True)
class Asked:
    port: int
    host: str
    rate_per_s: float


def run(asked: Asked, seconds: float, connections: int, core: int) -> wrk.Load:
    figures = (asked.port, f"{asked.rate_per_s:.3f}", seconds, connections)
    words = [str(native.program("paced")), *map(str, figures), asked.host]
    return wrk.finish(words, seconds, core)
