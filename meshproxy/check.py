"""Judges manifests without running anything: the body of `meshproxy check`."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Literal, TextIO

from meshproxy import sarif
from meshproxy.config.problem import Problem
from meshproxy.snapshot.build import Builder
from meshproxy.snapshot.scope import Scope

Output = Literal["text", "json", "sarif"]

EXIT_FINE = 0
EXIT_ERRORS = 3
EXIT_WARNINGS = 4  # with --strict only


def check(paths: Sequence[str], scope: Scope | None = None) -> list[Problem]:
    """Give every problem of the manifests, sorted by place. Never raises for what files hold."""
    return Builder(scope=scope).load(paths)


def exit_code(problems: Sequence[Problem], strict: bool = False) -> int:
    """Give the exit code that `meshproxy check` ends with."""
    severities = {problem.severity for problem in problems}
    if "error" in severities:
        return EXIT_ERRORS
    return EXIT_WARNINGS if strict and "warning" in severities else EXIT_FINE


def render(problems: Sequence[Problem], output: Output = "text") -> str:
    """Write problems as one line each, as a JSON list, or as SARIF."""
    if output == "sarif":
        return sarif.render(problems)
    if output == "json":
        return json.dumps([problem.as_dict() for problem in problems], indent=2) + "\n"
    return "".join(f"{problem}\n" for problem in problems)


def summary(problems: Sequence[Problem], objects: int) -> str:
    """Give the closing line, such as `14 objects: 1 error, 2 warnings`."""
    counts = [
        _count(sum(problem.severity == severity for problem in problems), severity)
        for severity in ("error", "warning")
    ]
    found = ", ".join(text for text in counts if text) or "no problem found"
    return f"{_count(objects, 'object') or 'no object'}: {found}"


def check_paths(
    paths: Sequence[str],
    scope: Scope | None = None,
    output: Output = "text",
    strict: bool = False,
    out: TextIO | None = None,
    err: TextIO | None = None,
) -> int:
    """Check, print problems to `out` and (text only) a closing line to `err`; gives the exit
    code. The streams default to the process's own."""
    builder = Builder(scope=scope)
    problems = builder.load(paths)
    print(render(problems, output), end="", file=out or sys.stdout)
    if output == "text":
        objects = len(builder.config.resources) + len(builder.config.rejected)
        print(summary(problems, objects), file=err or sys.stderr)
    return exit_code(problems, strict)


def _count(number: int, noun: str) -> str:
    if not number:
        return ""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
