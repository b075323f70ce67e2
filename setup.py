"""Builds the compiled core: every .pyx under meshproxy/_fast/ is one extension module."""

import os
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup

ROOT = Path(__file__).parent
DEBUG = os.environ.get("MESHPROXY_DEBUG") == "1"
SANITIZE = os.environ.get("MESHPROXY_SANITIZE", "")

directives = {
    "language_level": 3,
    "boundscheck": DEBUG,
    "wraparound": False,
    "initializedcheck": DEBUG,
    "cdivision": True,
    "auto_pickle": False,
    "embedsignature": True,
}
compile_args = ["-O1", "-g"] if DEBUG or SANITIZE else ["-O3", "-g0", "-fno-plt"]
compile_args += ["-fno-strict-aliasing", "-Wno-unused-function"]
link_args: list[str] = []
macros = [("MESHPROXY_DEBUG", "1" if DEBUG else "0")]
if SANITIZE:
    compile_args += [f"-fsanitize={SANITIZE}", "-fno-omit-frame-pointer"]
    link_args += [f"-fsanitize={SANITIZE}"]

fast = sorted((ROOT / "meshproxy" / "_fast").glob("*.pyx"))
modules = {f"meshproxy._fast.{path.stem}": path for path in fast}
if "fuzzer" in SANITIZE:
    modules["fuzz_codec"] = ROOT / "tests" / "fuzz" / "native" / "codec.pyx"
extensions = [
    Extension(
        name,
        [str(path.relative_to(ROOT))],
        define_macros=macros,
        extra_compile_args=compile_args,
        extra_link_args=link_args,
    )
    for name, path in modules.items()
]

setup(
    ext_modules=cythonize(
        extensions,
        compiler_directives=directives,
        build_dir="build/cython",
        nthreads=int(os.environ.get("MESHPROXY_JOBS", "0")) or os.cpu_count() or 1,
        show_all_warnings=False,
    )
)
