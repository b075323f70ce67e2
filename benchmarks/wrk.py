"""The load: wrk, a closed loop of keep-alive connections on one thread."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.native import HERE
from benchmarks.process import pinned

GRACE_S = 15.0  # wrk ends a few tenths of a second late; anything longer is a hang


class LoadError(Exception):
    """The load program is missing or did not report."""


@dataclass(frozen=True)
class Load:
    """What the load side saw."""

    requests: int
    bytes: int  # heads and bodies of the responses
    seconds: float
    p50_ms: float = 0.0
    p90_ms: float = 0.0
    p99_ms: float = 0.0
    p999_ms: float = 0.0
    max_ms: float = 0.0
    errors: dict[str, int] = field(default_factory=dict)  # kind -> count, zeros left out


def version() -> str:
    if shutil.which("wrk") is None:
        raise LoadError("wrk is not installed: apt install wrk")
    shown = subprocess.run(["wrk", "-v"], capture_output=True, text=True, timeout=10).stdout
    found = re.search(r"wrk \S+", shown)
    return found.group() if found else "wrk, version unknown"


@dataclass(frozen=True)
class Asked:
    """What wrk sends: one request with these headers, or what a script makes of a file."""

    url: str
    headers: tuple[str, ...] = ()
    script: str = "wrk.lua"
    requests: Path | None = None  # of requests.lua


def command(asked: Asked, seconds: float, connections: int) -> list[str]:
    words = ["wrk", "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", "--latency"]
    for header in asked.headers:
        words += ["-H", header]
    words += ["-s", str(HERE / asked.script), asked.url]
    return [*words, "--", str(asked.requests)] if asked.requests else words


def run(asked: Asked, seconds: float, connections: int, core: int) -> Load:
    return finish(command(asked, seconds, connections), seconds, core)


def finish(words: list[str], seconds: float, core: int) -> Load:
    """Run a load program to its end; its last line is a Load as JSON."""
    name = Path(words[0]).name
    try:
        done = subprocess.run(  # type: ignore[call-overload]
            words, capture_output=True, text=True, timeout=seconds + GRACE_S, **pinned(core)
        )
    except subprocess.TimeoutExpired:
        raise LoadError(f"{name} did not end within {GRACE_S:g} s of its time") from None
    lines = done.stdout.strip().splitlines()
    if done.returncode or not lines or not lines[-1].startswith("{"):
        raise LoadError(f"{name} reported nothing: {(done.stderr or done.stdout).strip()[-300:]}")
    report = json.loads(lines[-1])
    report["errors"] = {kind: count for kind, count in report["errors"].items() if count}
    return Load(**report)
