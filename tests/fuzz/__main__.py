"""Run the fuzzers: `python -m tests.fuzz --seconds 60`. Findings are kept in fuzz-out/.

`make fuzz` runs this on modules built with coverage, AddressSanitizer and
UndefinedBehaviorSanitizer, with libFuzzer. On an ordinary build a small mutator takes its place:
it keeps what gave a verdict not seen before, and knows nothing of coverage.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from fuzz import libfuzzer
from fuzz.mutator import Mutator
from fuzz.seeds import seeds
from fuzz.targets import TARGETS


def save(name: str, data: bytes, error: BaseException) -> None:
    """Write a finding down."""
    libfuzzer.OUT.mkdir(exist_ok=True)
    path = libfuzzer.OUT / f"{name}-{random.getrandbits(32):08x}"
    path.write_bytes(data)
    print(
        f"{name}: {type(error).__name__}: {error}\n  {data!r}\n  kept in {path}", file=sys.stderr
    )


def mutate(name: str, seconds: float, seed: int) -> tuple[int, int]:
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
            save(name, data, error)
            findings += 1
            if findings == 10:
                break
        else:
            mutator.learn(data, verdict)
    return count, findings


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60, help="in all, shared by the targets")
    parser.add_argument("--target", choices=sorted(TARGETS), action="append")
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(4), "big"))
    parser.add_argument("--replay", type=Path, metavar="FILE", help="run one input, then end")
    parser.add_argument("--minimize", action="store_true", help="keep what was learnt")
    parser.add_argument("--drive", nargs=argparse.REMAINDER, help="arguments of libFuzzer itself")
    args = parser.parse_args()
    names = args.target or sorted(TARGETS)
    if args.drive is not None:
        libfuzzer.drive(names[0], args.drive)
    if args.replay:
        print(TARGETS[names[0]](args.replay.read_bytes()))
        return 0
    has_coverage = libfuzzer.is_here()
    if args.minimize:
        for name in names:
            print(f"{name}: {libfuzzer.minimize(name)} inputs kept")
        return 0
    if not has_coverage:
        print("no libFuzzer in this Python (make fuzz builds one with clang): the mutator instead")
    run = libfuzzer.run if has_coverage else mutate
    total = 0
    for name in names:
        count, findings = run(name, args.seconds / len(names), args.seed)
        print(f"{name}: {count} inputs, {findings} findings (seed {args.seed})", flush=True)
        total += findings
    return 1 if total else 0


if __name__ == "__main__":
    sys.exit(main())
