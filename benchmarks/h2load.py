"""Load at a fixed rate: h2load, HTTP/1.1, one thread."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from benchmarks.process import pinned
from benchmarks.wrk import Load, LoadError

GRACE_S = 15.0
KEPT = 0.98  # of the rate asked for; below, latencies are of a rate nobody asked for


@dataclass(frozen=True)
class Asked:
    url: str
    host: str
    rate_per_s: int
    log: Path  # where h2load writes a line per request: start us, status, duration us


def command(asked: Asked, seconds: float, connections: int) -> list[str]:
    return [
        *("h2load", "--h1", "-t1", f"-c{connections}", f"-D{max(1, round(seconds))}"),
        *(f"--rps={asked.rate_per_s / connections:.3f}", f"--log-file={asked.log}"),
        *("-H", f"host: {asked.host}", asked.url),
    ]


def run(asked: Asked, seconds: float, connections: int, core: int) -> Load:
    """Raise LoadError when h2load is missing or could not keep the rate."""
    if shutil.which("h2load") is None:
        raise LoadError("h2load is not installed: apt install nghttp2-client")
    asked.log.unlink(missing_ok=True)
    try:
        done = subprocess.run(  # type: ignore[call-overload]
            command(asked, seconds, connections),
            capture_output=True,
            text=True,
            timeout=seconds + GRACE_S,
            **pinned(core),
        )
    except subprocess.TimeoutExpired:
        raise LoadError(f"h2load did not end within {GRACE_S:g} s of its time") from None
    found = re.search(r"\((\d+)\) data", done.stdout)
    if done.returncode or not found:
        raise LoadError(f"h2load reported nothing: {(done.stderr or done.stdout).strip()[-300:]}")
    load = read(asked.log, int(found[1]))
    due = asked.rate_per_s * max(1, round(seconds))
    if load.requests < KEPT * due:
        raise LoadError(f"{load.requests} of {due} requests were sent in time")
    return load


def read(log: Path, body_bytes: int) -> Load:
    """Return what a log of h2load says; `body_bytes` of all responses is in its summary."""
    rows = [tuple(map(int, line.split("\t")[:3])) for line in log.read_text().splitlines()]
    if not rows:
        raise LoadError("h2load completed no request")
    starts, durations = sorted(row[0] for row in rows), sorted(row[2] for row in rows)
    bad = sum(row[1] != 200 for row in rows)
    return Load(
        requests=len(rows),
        bytes=body_bytes,
        seconds=(starts[-1] - starts[0]) / 1e6,
        p50_ms=durations[len(rows) // 2] / 1e3,
        p99_ms=durations[len(rows) * 99 // 100] / 1e3,
        errors={"status": bad} if bad else {},
    )
