"""The compiled modules use nothing that only glibc has: there are wheels for musl, too."""

from __future__ import annotations

import shutil
import subprocess
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
KERNEL_HEADERS = ("asm", "asm-generic", "linux")  # musl brings none


def test_modules_compile_with_musl_s_headers(tmp_path: Path) -> None:
    compiler = shutil.which("musl-gcc")
    if compiler is None:
        pytest.skip("no musl-gcc: apt-get install musl-tools")
    sources = sorted((ROOT / "build" / "cython" / "meshproxy" / "_fast").glob("*.c"))
    if not sources:
        pytest.skip("no C of the modules: make build")
    system = Path("/usr/include")
    for name in KERNEL_HEADERS:
        found = [
            path for path in (system / name, *system.glob(f"*-linux-gnu/{name}")) if path.is_dir()
        ]
        (tmp_path / name).symlink_to(found[0])
    options = ["-Werror=implicit-function-declaration", "-DMESHPROXY_DEBUG=0", "-DMESHPROXY_PGO=0"]
    includes = ["-I", sysconfig.get_path("include"), "-idirafter", str(tmp_path)]
    done = subprocess.run(
        [compiler, "-fsyntax-only", *options, *includes, *sources],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
