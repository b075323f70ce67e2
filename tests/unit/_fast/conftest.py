"""probe.pyx, compiled on demand against the .pxd files of meshproxy/_fast."""

from __future__ import annotations

import fcntl
import importlib.util
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from meshproxy._fast.scoreboard import Scoreboard

SOURCE = Path(__file__).with_name("probe.pyx")
ROOT = SOURCE.parents[3]
BUILD = ROOT / "build" / "probe"
TARGET = BUILD / f"probe{sysconfig.get_config_var('EXT_SUFFIX')}"


def compile_probe() -> None:
    from Cython.Build import cythonize
    from setuptools import Distribution, Extension  # type: ignore[import-untyped]
    from setuptools.command.build_ext import build_ext  # type: ignore[import-untyped]

    modules = cythonize(
        [Extension("probe", [str(SOURCE)], extra_compile_args=["-O1", "-fno-strict-aliasing"])],
        include_path=[str(ROOT)],
        build_dir=str(BUILD / "cython"),
        compiler_directives={"language_level": 3, "cdivision": True, "auto_pickle": False},
        force=True,
        quiet=True,
    )
    command = build_ext(Distribution({"ext_modules": modules}))
    command.build_lib = str(BUILD)
    command.build_temp = str(BUILD / "cython")
    command.force = True
    command.ensure_finalized()
    command.run()


@pytest.fixture(scope="session")
def probe() -> ModuleType:
    """The module; built again when a .pxd it may read is newer."""
    BUILD.mkdir(parents=True, exist_ok=True)
    sources = [SOURCE, *(ROOT / "meshproxy" / "_fast").glob("**/*.pxd")]
    with (BUILD / "lock").open("w") as lock:  # two test runs may share a checkout
        fcntl.flock(lock, fcntl.LOCK_EX)
        newest = max(path.stat().st_mtime for path in sources)
        if not TARGET.exists() or TARGET.stat().st_mtime < newest:
            compile_probe()
    spec = importlib.util.spec_from_file_location("probe", TARGET)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["probe"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def scoreboard() -> Iterator[Scoreboard]:
    """Counters of three workers."""
    board = Scoreboard(3)
    yield board
    board.close()
