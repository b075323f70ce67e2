"""setup.py builds when it is run, and only then."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
AS_CHILD = """
import runpy, sys
sys.argv[1:] = ["--version"]
runpy.run_path("setup.py", run_name="__mp_main__")
"""


def test_setup_imported_by_a_process_of_cythonize_builds_nothing() -> None:
    """That is what multiprocessing's forkserver does, the default from Python 3.14 on."""
    done = subprocess.run(
        [sys.executable, "-c", AS_CHILD], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
