"""Count what one request costs the engine: python -m benchmarks.counted [--update].

One keep-alive connection, one request after the other, so every run takes the same steps.
Instructions are those that serve events (callgrind), socket calls are strace's, Python objects
are calls of CPython's allocator. With --options '{"via": "edge"}' the engine has these options,
and what is counted is shown beside that file.
Fails when a count exceeds expected.json by more than 3 %; instructions count only where compiler
and Python are those of that file, since others make other code.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks import native, upstream
from benchmarks.counted.run import Counts, count
from benchmarks.machine import cores
from meshproxy._fast.engine import PROFILE_GUIDED

EXPECTED = Path(__file__).with_name("expected.json")
ALLOWED = 1.03
NOISE = 0.05  # of counts that are zero: an object of a timer's, now and then
MOST_RUNS = 4
SCENES = ("small", "mesh")


def main() -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.counted", description=__doc__)
    parser.add_argument("--update", action="store_true", help="write expected.json anew")
    parser.add_argument("--profile", type=Path, help="keep callgrind's files in this folder")
    parser.add_argument("--options", type=json.loads, metavar="JSON", help="of Engine")
    options = parser.parse_args()
    if options.update and options.options:
        parser.error("expected.json is of an engine without options")
    if PROFILE_GUIDED:
        print("the core is profile-guided, expected.json is not: make build", file=sys.stderr)
        return 2
    for tool in ("valgrind", "strace"):
        if shutil.which(tool) is None:
            print(f"{tool} is missing: apt install {tool}; nothing was counted", file=sys.stderr)
            return 2
    with tempfile.TemporaryDirectory(prefix="meshproxy-count-") as folder:
        run = options.profile or Path(folder)
        run.mkdir(exist_ok=True, parents=True)
        with upstream.Upstreams(3, cores()[0], Path(folder)) as upstreams:
            counted = {
                scene: _least(scene, upstreams.ports, run, options.options) for scene in SCENES
            }
    found = {"built_with": _toolchain(), **counted}
    if options.update:
        EXPECTED.write_text(json.dumps(found, indent=2) + "\n")
    failed = _judge(found, json.loads(EXPECTED.read_text()))
    return 0 if options.options else failed


def _least(
    scene: str, ports: tuple[int, ...], run: Path, options: dict[str, object] | None
) -> Counts:
    """Count until two runs agree: on a busy machine timers fire in between and are counted too."""
    counts = [count(scene, ports, run, options)]
    for _ in range(MOST_RUNS - 1):
        counts.append(count(scene, ports, run, options))
        low, high = sorted(each["instructions"] for each in counts)[:2]
        if high <= low * ALLOWED:
            break
    return min(counts, key=lambda each: each["instructions"])


def _judge(found: dict[str, object], expected: dict[str, object]) -> int:
    is_same = found["built_with"] == expected["built_with"]
    if not is_same:
        print(
            f"built with {found['built_with']}; expected.json with {expected['built_with']}: "
            "instructions are shown, not judged"
        )
    failed = 0
    for scene in SCENES:
        now, before = _counts(found, scene), _counts(expected, scene)
        for key, value in now.items():
            is_over = value > before[key] * ALLOWED + NOISE and (is_same or key == "socket_calls")
            failed += is_over
            verdict = "more than 3 % above" if is_over else "expected"
            print(f"{scene:6} {key:14} {value:10} per request; {verdict} {before[key]}")
    return 1 if failed else 0


def _counts(document: dict[str, object], scene: str) -> Counts:
    counts = document[scene]
    assert isinstance(counts, dict)
    return counts  # type: ignore[return-value]


def _toolchain() -> str:
    compiler = native.compiler() or "cc"
    shown = subprocess.run([compiler, "--version"], capture_output=True, text=True).stdout
    found = re.search(r"\d+\.\d+\.\d+", shown)
    return f"cc {found.group() if found else '?'}, Python {sys.version.split()[0]}"


if __name__ == "__main__":
    sys.exit(main())
