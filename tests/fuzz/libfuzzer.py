"""libFuzzer over one target, in a process of its own: it ends its process when it is done."""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from fuzz.seeds import LONGEST, keep, seeds
from fuzz.targets import TARGETS

OUT = Path(__file__).parents[2] / "fuzz-out"
# Its schedule by rare features costs more time than a play; the targets count what leaks.
OPTIONS = ["-entropic=0", "-detect_leaks=0", "-print_final_stats=1", f"-max_len={LONGEST}"]
STATS = re.compile(r"#(\d+)\s.*cov: (\d+)")


def is_here() -> bool:
    """Whether this interpreter has libFuzzer in it (tests/fuzz/native/build.py)."""
    try:
        import fuzz_codec  # noqa: F401
    except ImportError:
        return False
    return True


def drive(target: str, arguments: list[str]) -> None:
    """Run libFuzzer here, with its name and arguments; does not return."""
    import fuzz_codec

    fuzz_codec.drive(arguments, target if target in fuzz_codec.NATIVE else TARGETS[target])


def run(target: str, seconds: float, seed: int) -> tuple[int, int]:
    """Fuzz for so long; inputs, and 1 when something was found. What is new stays in fuzz-out/."""
    learnt = OUT / "learnt" / target
    learnt.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as begin:
        write(Path(begin), seeds(target))
        found = OUT / f"{target}-"
        lines = spawn(
            target,
            *("fuzz", *OPTIONS),
            *(f"-max_total_time={max(1, round(seconds))}", f"-seed={seed or 1}"),
            *(f"-artifact_prefix={found}", str(learnt), begin),
        )
    counts = [found for line in lines if (found := STATS.match(line))]
    last = counts[-1] if counts else None
    if not any(line.startswith("Done ") for line in lines):
        print("".join(line for line in lines if not line.startswith("#"))[-4000:], file=sys.stderr)
        return int(last[1]) if last else 0, 1
    if last:
        print(f"{target}: {last[2]} edges of the compiled modules reached")
    return int(last[1]) if last else 0, 0


def minimize(target: str) -> int:
    """Keep in tests/fuzz/corpus/ a small set that reaches all edges reached; how many it has."""
    with tempfile.TemporaryDirectory() as small:
        with tempfile.TemporaryDirectory() as begin:
            write(Path(begin), seeds(target))
            # It starts itself anew for each crash, by its own name.
            again = Path(begin + ".sh")
            again.write_text(f'#!/bin/sh\nexec {" ".join(command(target))} {again} "$@"\n')
            again.chmod(0o755)
            chosen = ["-merge=1", "-use_counters=0", "-detect_leaks=0", f"-max_len={LONGEST}"]
            lines = spawn(target, str(again), *chosen, small, begin, str(OUT / "learnt" / target))
            again.unlink()
        inputs = [path.read_bytes() for path in Path(small).iterdir()]
    if not inputs:
        sys.exit(f"{target}: nothing to keep:\n{''.join(lines)[-2000:]}")
    keep(target, inputs)
    return len(inputs)


def write(folder: Path, inputs: list[bytes]) -> None:
    for data in inputs:
        (folder / hashlib.sha256(data).hexdigest()[:16]).write_bytes(data)


def command(target: str) -> list[str]:
    return [sys.executable, "-m", "tests.fuzz", "--target", target, "--drive"]


def spawn(target: str, *arguments: str) -> list[str]:
    done = subprocess.run(
        [*command(target), *arguments],
        cwd=OUT.parent,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    return done.stdout.splitlines(keepends=True)
