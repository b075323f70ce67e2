"""loops.pyx, compiled on demand against the .pxd files of meshproxy/_fast."""

from __future__ import annotations

import importlib.util
import sysconfig
from pathlib import Path
from types import ModuleType

from benchmarks.native import BIN, HERE

SOURCE = Path(__file__).with_name("loops.pyx")
ROOT = HERE.parent
TARGET = BIN / f"loops{sysconfig.get_config_var('EXT_SUFFIX')}"


def loops() -> ModuleType:
    """Return the module; ImportError if meshproxy._fast is not built."""
    _build()
    spec = importlib.util.spec_from_file_location("loops", TARGET)
    if spec is None or spec.loader is None:
        raise ImportError(f"cannot load {TARGET}")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _build() -> None:
    headers = (ROOT / "meshproxy" / "_fast").glob("**/*.pxd")
    newest = max(path.stat().st_mtime for path in (SOURCE, *headers))
    if TARGET.exists() and TARGET.stat().st_mtime > newest:
        return
    from Cython.Build import cythonize
    from setuptools import Distribution, Extension  # type: ignore[import-untyped]
    from setuptools.command.build_ext import build_ext  # type: ignore[import-untyped]

    # The flags of setup.py: inline functions of the .pxd files are compiled here.
    modules = cythonize(  # type: ignore[no-untyped-call]
        [Extension("loops", [str(SOURCE)], extra_compile_args=["-O3", "-fno-strict-aliasing"])],
        include_path=[str(ROOT)],
        build_dir=str(BIN / "cython"),
        compiler_directives={
            **{"language_level": 3, "cdivision": True, "auto_pickle": False},
            **{"boundscheck": False, "wraparound": False, "initializedcheck": False},
        },
        force=True,
        quiet=True,
    )
    command = build_ext(Distribution({"ext_modules": modules}))
    command.build_lib = str(BIN)
    command.build_temp = str(BIN / "cython")
    command.force = True
    command.ensure_finalized()
    command.run()
