"""The C programs of the suite, compiled on demand into benchmarks/bin/."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

HERE = Path(__file__).resolve().parent
BIN = HERE / "bin"
FLAGS = ("-O2", "-Wall", "-Wextra", "-std=gnu11")


class CompileError(Exception):
    """No C compiler, or it refused a source."""


def compiler() -> str | None:
    return shutil.which("cc")


def program(name: str) -> Path:
    """Return the path of benchmarks/bin/NAME, compiled if its source is newer."""
    source, target = HERE / f"{name}.c", BIN / name
    if target.exists() and target.stat().st_mtime > source.stat().st_mtime:
        return target
    cc = compiler()
    if cc is None:
        raise CompileError(f"{source.name} needs a C compiler: install `cc`")
    BIN.mkdir(exist_ok=True)
    # Compiled beside the target and renamed: a run that is executing the old one is not disturbed.
    fresh = BIN / f"{name}.new"
    done = subprocess.run(
        [cc, *FLAGS, "-o", str(fresh), str(source)], capture_output=True, text=True, timeout=60
    )
    if done.returncode:
        raise CompileError(done.stderr.strip())
    fresh.replace(target)
    return target
