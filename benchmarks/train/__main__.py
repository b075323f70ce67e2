"""Make the profile that MESHPROXY_PGO=1 builds with: python -m benchmarks.train.

Compiles the core with gcc's counters into build/pgo/lib, lets the engine serve a fixed number of
requests there (load.py), and gathers what was counted in build/pgo/SOABI/, a file for each module.
Prints that folder. The modules of the checkout stay as they are. Needs gcc and what meshproxy
needs, no load program.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

from benchmarks.native import HERE

ROOT = HERE.parent
BASE = ROOT / "build" / "pgo"
PROFILE = BASE / sysconfig.get_config_var("SOABI")
TRAINING_S = 300  # takes some five; an emulated machine is slower by far


def main() -> int:
    BASE.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(PROFILE, ignore_errors=True)
    try:
        _compile()
        for old in _counted():
            old.unlink()
        _serve()
    except (subprocess.SubprocessError, OSError) as error:
        print(f"error: no profile was made: {error}", file=sys.stderr)
        return 1
    PROFILE.mkdir()
    for path in _counted():
        shutil.move(path, PROFILE / path.name)
    print(PROFILE)
    return 0


def _compile() -> None:
    command = [sys.executable, "setup.py", "-q", "build", "--build-lib", str(BASE / "lib")]
    log = BASE / "compile.log"
    with log.open("w") as output:
        done = subprocess.run(
            [*command, "--parallel", str(os.cpu_count())],
            cwd=ROOT,
            env={**os.environ, "MESHPROXY_PGO": "generate"},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    if done.returncode:
        sys.stderr.write(log.read_text()[-3000:])
        raise subprocess.SubprocessError(f"setup.py ended with {done.returncode}")


def _serve() -> None:
    # PYTHONSAFEPATH: the modules of the working directory are not those with counters
    path = os.pathsep.join((str(BASE / "lib"), str(ROOT)))
    subprocess.run(
        [sys.executable, "-m", "benchmarks.train.load"],
        cwd=ROOT,
        env={**os.environ, "PYTHONSAFEPATH": "1", "PYTHONPATH": path},
        check=True,
        timeout=TRAINING_S,
    )


def _counted() -> list[Path]:
    """What gcc's counters wrote as the processes ended, beside the objects."""
    return list(BASE.glob("temp.*/**/*.gcda"))


if __name__ == "__main__":
    sys.exit(main())
