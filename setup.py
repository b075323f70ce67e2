"""Builds the compiled core: every .pyx under meshproxy/_fast/ is one extension module."""

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

ROOT = Path(__file__).parent
DEBUG = os.environ.get("MESHPROXY_DEBUG") == "1"
SANITIZE = os.environ.get("MESHPROXY_SANITIZE", "")
# "generate": with counters; "1": with what they counted in benchmarks.train; else a folder of that
PGO = os.environ.get("MESHPROXY_PGO", "0")
PGO = "" if PGO == "0" else PGO
BASE = "build/pgo" if PGO else "build"  # apart, so that neither finds the other's objects
PROFILE = ROOT / BASE / sysconfig.get_config_var("SOABI") if PGO == "1" else Path(PGO)

fast = sorted((ROOT / "meshproxy" / "_fast").glob("*.pyx"))


def require_profile() -> None:
    """End with what is missing, so that no build that was to be profile-guided is another."""
    if DEBUG or SANITIZE:
        sys.exit("MESHPROXY_PGO goes with neither MESHPROXY_DEBUG nor MESHPROXY_SANITIZE")
    compiler = os.environ.get("CC") or sysconfig.get_config_var("CC")
    macros = subprocess.run(
        f"{compiler} -dM -E -x c {os.devnull}", shell=True, capture_output=True, text=True
    ).stdout
    if "__GNUC__" not in macros or "__clang__" in macros:
        sys.exit(f"MESHPROXY_PGO needs gcc, the compiler is `{compiler}`: set CC=gcc")
    without = [each.stem for each in fast if not (PROFILE / f"{each.stem}.gcda").exists()]
    if PGO != "generate" and without:
        sys.exit(
            f"MESHPROXY_PGO={PGO}: {PROFILE} has no profile of {', '.join(without)}: "
            "`python -m benchmarks.train` makes it"
        )


class GuidedBuild(build_ext):
    """A build with counters, or with what they counted.

    Its flags are not the Extension's: Cython writes those into the C, and a profile goes by lines.
    """

    def build_extension(self, ext: Extension) -> None:
        if PGO == "generate":
            compile_args = link_args = ["-fprofile-generate", "-fprofile-update=prefer-atomic"]
        else:
            # gcc refuses a profile of other source: -Werror=coverage-mismatch is its default
            compile_args = ["-fprofile-use", "-fprofile-correction", "-Werror=missing-profile"]
            link_args = []
            self._place_profile(ext)
        ext.extra_compile_args = [*ext.extra_compile_args, *compile_args]
        ext.extra_link_args = [*ext.extra_link_args, *link_args]
        super().build_extension(ext)

    def _place_profile(self, ext: Extension) -> None:
        """Put a module's profile where gcc looks for it: beside the object, under its name."""
        beside = Path(self.build_temp, ext.sources[0]).with_suffix(".gcda")
        beside.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(PROFILE / f"{beside.stem}.gcda", beside)


CHECKED = DEBUG or bool(SANITIZE)
directives = {
    "language_level": 3,
    "boundscheck": CHECKED,
    "wraparound": False,
    "initializedcheck": CHECKED,
    # None's memory is the interpreter's: no sanitizer sees a field read from behind it
    "nonecheck": CHECKED,
    "cdivision": True,
    "auto_pickle": False,
    "embedsignature": True,
}
compile_args = ["-O1", "-g"] if DEBUG or SANITIZE else ["-O3", "-g0", "-fno-plt"]
# no fused multiply-add, which arm64 has: a ring is the same on all machines of a mesh, and Envoy's
compile_args += ["-fno-strict-aliasing", "-ffp-contract=off", "-Wno-unused-function"]
link_args: list[str] = []
macros = [("MESHPROXY_DEBUG", "1" if DEBUG else "0"), ("MESHPROXY_PGO", "1" if PGO else "0")]
if SANITIZE:
    compile_args += [f"-fsanitize={SANITIZE}", "-fno-omit-frame-pointer"]
    link_args += [f"-fsanitize={SANITIZE}"]
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

# cythonize's processes import this file where they are not forked (from Python 3.14 on)
if __name__ == "__main__":
    if PGO:
        require_profile()
    setup(
        ext_modules=cythonize(
            extensions,
            compiler_directives=directives,
            build_dir=f"{BASE}/sanitize/cython" if SANITIZE else f"{BASE}/cython",
            nthreads=int(os.environ.get("MESHPROXY_JOBS", "0")) or os.cpu_count() or 1,
            show_all_warnings=False,
        ),
        # counters or their profile: objects of both have the same names
        options={"build": {"build_base": BASE}, "build_ext": {"force": bool(PGO)}},
        cmdclass={"build_ext": GuidedBuild} if PGO else {},
    )
