"""The rules of the house that a program can check."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FAST = ROOT / "meshproxy" / "_fast"
COMPILED = sorted([*FAST.glob("**/*.pyx"), *FAST.glob("**/*.pxd")])
STUBBED = sorted(path.stem for path in FAST.glob("*.pyi"))
MOST_LINES = 400  # more asks for a reason on line 2

# Cython keeps the signature of __cinit__ to itself, and its classes' layout is no news to anyone.
STUBTEST_ALLOWED = r"""
meshproxy\._fast\.\w+\.(__test__|__pyx_capi__)
meshproxy\._fast\.\w+\.[A-Z]\w+(\.__init__)?
"""


def run(*args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *args], cwd=ROOT, capture_output=True, text=True, timeout=300
    )


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def tracked() -> list[str]:
    found = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if found.returncode != 0:
        pytest.skip("not a git checkout")
    return found.stdout.splitlines()


def test_ruff_is_content() -> None:
    result = run("ruff", "check", "--output-format=concise", "meshproxy", "tests", "benchmarks")
    assert result.returncode == 0, result.stdout


def test_mypy_is_content() -> None:
    result = run("mypy", "--strict", "meshproxy")
    assert result.returncode == 0, result.stdout


def test_stubs_say_what_the_modules_hold(tmp_path: Path) -> None:
    allowed = tmp_path / "allowed"
    allowed.write_text(STUBTEST_ALLOWED)
    modules = [f"meshproxy._fast.{name}" for name in STUBBED]
    options = ["--concise", "--ignore-unused-allowlist", "--allowlist", str(allowed)]
    result = run("mypy.stubtest", *options, *modules)
    assert result.returncode == 0, result.stdout


def test_cython_gives_no_warning_and_no_performance_hint() -> None:
    """A hint is a hidden GIL take-over or error check. Only what changed is compiled again."""
    headers = b"".join(path.read_bytes() for path in sorted(FAST.glob("**/*.pxd")))
    seen_file = ROOT / "build" / "hints" / "seen.json"
    seen_file.parent.mkdir(parents=True, exist_ok=True)
    seen: dict[str, str] = json.loads(seen_file.read_text()) if seen_file.exists() else {}
    digests = {
        name_of(path): hashlib.sha256(headers + path.read_bytes()).hexdigest()
        for path in sorted(FAST.glob("*.pyx"))
    }
    changed = [name for name, digest in digests.items() if seen.get(name) != digest]
    if not changed:
        return
    directives = ["cdivision=True", "boundscheck=False", "wraparound=False"]
    options = [word for directive in directives for word in ("-X", directive)]
    halves = [changed[::2], changed[1::2]]
    jobs = [
        subprocess.Popen(
            [sys.executable, "-m", "cython", "-3", *options, "-o", str(seen_file.parent), *half],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for half in halves
        if half
    ]
    output = "".join(job.communicate(timeout=300)[0] for job in jobs)
    assert "performance hint" not in output and "warning:" not in output, output
    assert all(job.returncode == 0 for job in jobs), output
    seen_file.write_text(json.dumps(digests))


@pytest.mark.parametrize("path", COMPILED, ids=name_of)
def test_directives_live_in_setup_alone(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    for what in (r"DEF\s", r"IF\s", r"include\s", r"#\s*distutils", r"#\s*cython:"):
        assert not re.search(rf"^\s*{what}", text, re.MULTILINE), what


def declared_types() -> set[str]:
    """Names of structs and enums: what is passed by value and is no object."""
    text = "".join(path.read_text(encoding="utf-8") for path in COMPILED)
    return set(re.findall(r"^\s*(?:cdef|ctypedef)?\s*(?:struct|enum|union)\s+(\w+)", text, re.M))


HEAD = re.compile(
    r"^[ \t]*(?:cdef|cpdef)\s+(?!class\b|extern\b|struct\b|enum\b)([^=#\n]*?)(\w+)\(", re.M
)
OBJECTS = {"", "object", "bytes", "str", "list", "dict", "tuple", "set"}


def functions(text: str) -> Iterator[tuple[str, str, str]]:
    """Yield (type, name, what follows the arguments) of each cdef function."""
    for found in HEAD.finditer(text):
        depth, at = 1, found.end()
        while depth:
            depth += {"(": 1, ")": -1}.get(text[at], 0)
            at += 1
        rest = text[at : text.index("\n", at)] if "\n" in text[at:] else text[at:]
        kind = re.sub(r"\b(inline|readonly|public)\b", "", found[1]).strip()
        yield kind, found[2], rest


@pytest.mark.parametrize("path", COMPILED, ids=name_of)
def test_every_cdef_function_says_how_it_fails(path: Path) -> None:
    plain = declared_types()
    for kind, name, rest in functions(path.read_text(encoding="utf-8")):
        is_object = kind in OBJECTS or (
            "*" not in kind and kind[:1].isupper() and kind not in plain
        )
        says = "noexcept" in rest or "except" in rest
        assert says or is_object, f"{kind} {name}(): neither noexcept nor except"


def test_long_files_say_why() -> None:
    files = [
        path
        for path in (ROOT / "meshproxy").rglob("*.p*")
        if path.suffix in (".py", ".pyx", ".pxd")
    ]
    for path in files:
        lines = path.read_text(encoding="utf-8").splitlines()
        has_reason = len(lines) > 1 and lines[1].startswith("# Over 400 lines: ")
        assert len(lines) <= MOST_LINES or has_reason, (
            f"{name_of(path)} has {len(lines)} lines: split it, or say why on line 2, "
            f"which then begins with '# Over 400 lines: '"
        )


def test_no_generated_file_is_tracked() -> None:
    names = tracked()
    assert not [name for name in names if name.endswith((".so", ".o", ".html", ".pyc"))]
    sources = {name.removesuffix(".pyx") for name in names if name.endswith(".pyx")}
    assert not [name for name in names if name.endswith(".c") and name[:-2] in sources]


def test_names_of_test_files_are_unique() -> None:
    """pytest collects none of two modules of one name."""
    names = [path.name for path in (ROOT / "tests").rglob("test_*.py")]
    assert sorted(names) == sorted(set(names))
