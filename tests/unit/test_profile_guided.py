"""A build that was asked to be profile-guided is, or says why it cannot be."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
GCC = "echo '#define __GNUC__ 12'"
CLANG = "echo '#define __GNUC__ 4\n#define __clang__ 1'"


def _setup(**environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "setup.py", "--version"],
        cwd=ROOT,
        env={**os.environ, "MESHPROXY_DEBUG": "0", **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_build_without_a_module_s_profile_names_module_and_folder(tmp_path: Path) -> None:
    for path in (ROOT / "meshproxy" / "_fast").glob("*.pyx"):
        if path.stem not in ("reactor", "stream"):
            (tmp_path / f"{path.stem}.gcda").touch()
    done = _setup(MESHPROXY_PGO=str(tmp_path), CC=GCC)
    assert done.returncode == 1
    assert f"{tmp_path} has no profile of reactor, stream: " in done.stderr


@pytest.mark.parametrize(
    ("environment", "why"),
    [
        ({"CC": CLANG}, "MESHPROXY_PGO needs gcc"),
        ({"CC": "no-such-compiler"}, "MESHPROXY_PGO needs gcc"),
        ({"CC": GCC, "MESHPROXY_DEBUG": "1"}, "neither MESHPROXY_DEBUG nor"),
    ],
    ids=["clang", "no_compiler", "debug"],
)
def test_build_that_cannot_be_guided_is_refused(environment: dict[str, str], why: str) -> None:
    done = _setup(MESHPROXY_PGO="generate", **environment)
    assert done.returncode == 1
    assert why in done.stderr


def test_training_is_served_to_its_end() -> None:
    command = [sys.executable, "-m", "benchmarks.train.load"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
