"""Imports point downwards only: the code is held against the levels of ARCHITECTURE.md."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "meshproxy"
FAST = PACKAGE / "_fast"
TEXT = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")

# `from .types cimport X`, `from .clib.socket cimport *`, `from meshproxy._fast.types cimport X`
CIMPORT = re.compile(
    r"^\s*(?:from\s+(?:\.|meshproxy\._fast\.)([\w.]+)\s+c?import|cimport\s+meshproxy\._fast\.([\w.]+))",
    re.MULTILINE,
)
PYTHON_IMPORT = re.compile(
    r"^\s*(?:from\s+(meshproxy[\w.]*)\s+import|import\s+(meshproxy[\w.]*))", re.MULTILINE
)


def compiled_order() -> list[str]:
    """List the modules of the table, lowest first."""
    rows = re.findall(r"^\| F\d+ \| ([^|]+) \|", TEXT, re.MULTILINE)
    return [name for row in rows for name in re.findall(r"`([^`]+)`", row)]


def python_groups() -> list[list[str]]:
    """List the groups of Python packages, lowest first."""
    found = re.search(r"Python packages, lowest first:(.*?)\. ", TEXT, re.DOTALL)
    assert found is not None
    return [re.findall(r"`([^`]+)`", group) for group in found[1].split("<")]


def compiled_modules() -> list[str]:
    return sorted({path.stem for path in FAST.glob("*.p[yx]*") if path.stem != "__init__"} - {""})


def cimports(module: str) -> Iterator[str]:
    for suffix in (".pxd", ".pyx"):
        path = FAST / (module + suffix)
        if path.exists():
            for dotted in CIMPORT.findall(path.read_text(encoding="utf-8")):
                name = (dotted[0] or dotted[1]).split(".")[0]
                yield "clib/*" if name == "clib" else name


def python_files(package: str) -> Iterator[Path]:
    single = PACKAGE / f"{package}.py"
    yield from [single] if single.exists() else sorted((PACKAGE / package).rglob("*.py"))


def python_packages() -> list[str]:
    names = {path.stem for path in PACKAGE.glob("*.py") if not path.stem.startswith("__")}
    names |= {path.parent.name for path in PACKAGE.glob("*/__init__.py")} - {"_fast"}
    return sorted(names)


def imports(path: Path) -> Iterator[str]:
    """Yield the full names that a Python file imports, inside functions too."""
    package = ["meshproxy", *path.relative_to(PACKAGE).parts[:-1]]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            start = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*start, *([node.module] if node.module else [])])
            if base == "meshproxy":
                yield from (f"meshproxy.{alias.name}" for alias in node.names)
            else:
                yield base


def test_every_module_has_its_place_in_the_table() -> None:
    listed = [name for name in compiled_order() if name != "clib/*"]
    assert sorted(listed) == compiled_modules(), "the table of ARCHITECTURE.md names other modules"
    listed = [name for group in python_groups() for name in group]
    assert sorted(listed) == python_packages(), "the list of ARCHITECTURE.md names other packages"


@pytest.mark.parametrize("module", compiled_modules())
def test_compiled_module_cimports_only_from_below(module: str) -> None:
    order = compiled_order()
    below = order[: order.index(module)]
    assert {name for name in cimports(module) if name != module} <= set(below)


def test_clib_holds_externs_only() -> None:
    for path in (FAST / "clib").glob("*.pxd"):
        text = path.read_text(encoding="utf-8")
        assert not CIMPORT.search(text), path
        assert not re.search(r"^\s*cdef inline|^\s*def ", text, re.MULTILINE), path


def test_compiled_modules_import_nothing_of_python_but_errors() -> None:
    for path in FAST.glob("*.pyx"):
        for found in PYTHON_IMPORT.findall(path.read_text(encoding="utf-8")):
            name = found[0] or found[1]
            assert name == "meshproxy.errors" or name.startswith("meshproxy._fast"), path


@pytest.mark.parametrize("package", python_packages())
def test_python_package_imports_only_from_below(package: str) -> None:
    groups = python_groups()
    place = next(index for index, group in enumerate(groups) if package in group)
    below = {name for group in groups[:place] for name in group} | {package}
    for path in python_files(package):
        for name in imports(path):
            parts = name.split(".")
            if parts[0] != "meshproxy" or name in ("meshproxy", "meshproxy.__version__"):
                continue
            assert parts[1] in below | {"_fast"}, f"{path.relative_to(ROOT)} imports {name}"


@pytest.mark.parametrize("package", ["errors", "config", "discovery"])
def test_what_reads_configuration_knows_no_socket_and_nothing_compiled(package: str) -> None:
    banned = {"socket", "asyncio", "selectors", "uvloop", "httptools"}
    if package == "discovery":
        banned -= {"asyncio"}  # it watches files
    for path in python_files(package):
        for name in imports(path):
            assert not name.startswith("meshproxy._fast"), path
            assert name.split(".")[0] not in banned, f"{path.relative_to(ROOT)} imports {name}"
