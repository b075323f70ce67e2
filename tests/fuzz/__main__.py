"""Run the fuzzers: `python -m tests.fuzz --seconds 60`. Findings are kept in fuzz-out/.

The corpus of tests/corpus/http1 is the seed; what gave a verdict not seen before is built upon.
libFuzzer (atheris) was tried: it sees no coverage of compiled Cython, and learns nothing.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import time
from pathlib import Path

from .mutator import Mutator
from .targets import TARGETS, seeds

OUT = Path(__file__).parents[2] / "fuzz-out"


def keep(name: str, data: bytes, error: BaseException) -> Path:
    """Write a finding down."""
    OUT.mkdir(exist_ok=True)
    path = OUT / f"{name}-{random.getrandbits(32):08x}"
    path.write_bytes(data)
    print(
        f"{name}: {type(error).__name__}: {error}\n  {data!r}\n  kept in {path}", file=sys.stderr
    )
    return path


def run(name: str, seconds: float, seed: int) -> tuple[int, int]:
    """Drive one target; give how often it ran and what was found."""
    target, mutator = TARGETS[name], Mutator(seeds(name), random.Random(seed))
    count = findings = 0
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        data = mutator.next()
        count += 1
        try:
            verdict = target(data)
        except Exception as error:
            keep(name, data, error)
            findings += 1
            if findings == 10:
                break
        else:
            mutator.learn(data, verdict)
    return count, findings


def replay(name: str, path: Path) -> None:
    """Run one kept finding; its error is raised."""
    print(TARGETS[name](path.read_bytes()))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60, help="in all, shared by the targets")
    parser.add_argument("--target", choices=sorted(TARGETS), action="append")
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(4), "big"))
    parser.add_argument("--replay", type=Path, metavar="FILE", help="run one input, then end")
    args = parser.parse_args()
    names = args.target or sorted(TARGETS)
    if args.replay:
        replay(names[0], args.replay)
        return 0
    total = 0
    for name in names:
        count, findings = run(name, args.seconds / len(names), args.seed)
        print(f"{name}: {count} inputs, {findings} findings (seed {args.seed})")
        total += findings
    return 1 if total else 0


if __name__ == "__main__":
    sys.exit(main())
