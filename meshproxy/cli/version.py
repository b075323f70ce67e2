"""What `meshproxy version` prints."""

from __future__ import annotations

import platform
import re
import sys
from importlib import metadata

from meshproxy import __version__


def describe_versions() -> str:
    """One `name value` line each; the last says whether the compiled core is loaded."""
    lines = [f"meshproxy {__version__}", f"python {platform.python_version()}"]
    lines += [f"{name} {_installed(name)}" for name in ("uvloop", "httptools", "xxhash")]
    return "\n".join([*lines, *_describe_core()]) + "\n"


def _describe_core() -> list[str]:
    before = set(sys.modules)
    try:
        from meshproxy._fast.engine import PROFILE_GUIDED
    except ImportError as error:
        return [f"compiled core: missing ({error})"]
    # modules built by one Cython share their types in a module named after it: _cython_3_1_2
    shared = [name for name in sys.modules if name.startswith("_cython_") and name not in before]
    built_with = ".".join(re.findall(r"\d+", shared[0])) if shared else "unknown"
    guided = "yes" if PROFILE_GUIDED else "no"
    return [f"cython {built_with}", f"profile-guided {guided}", "compiled core: loaded"]


def _installed(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "missing"
