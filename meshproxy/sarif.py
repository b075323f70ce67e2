"""Problems as SARIF 2.1.0 (OASIS), the form in which code review shows findings at their lines."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from meshproxy import __version__
from meshproxy.config.codes import CODES, Code, Severity
from meshproxy.config.problem import Problem

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
HELP = "docs/codes.md"  # in the source tree and the sdist
_LEVELS: dict[Severity, str] = {"error": "error", "warning": "warning", "info": "note"}
_INDEX = {code: index for index, code in enumerate(CODES)}


def render(problems: Sequence[Problem]) -> str:
    """Write one run with every code as a rule, so that a run without problems says so too."""
    run = {
        "tool": {
            "driver": {
                "name": "meshproxy",
                "semanticVersion": __version__,
                "rules": [_rule(code) for code in CODES.values()],
            }
        },
        "columnKind": "unicodeCodePoints",
        "results": [_result(problem) for problem in problems],
    }
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2) + "\n"


def _rule(code: Code) -> dict[str, Any]:
    return {
        "id": code.id,
        "name": "".join(word.capitalize() for word in code.title.split() if word.isalnum()),
        "shortDescription": {"text": code.title},
        "fullDescription": {"text": code.meaning},
        "help": {"text": f"{code.meaning} {code.remedy}"},
        "helpUri": f"{HELP}#{code.id.lower()}",
        "defaultConfiguration": {"level": _LEVELS[code.severity]},
    }


def _result(problem: Problem) -> dict[str, Any]:
    subject = " ".join(part for part in (problem.object, problem.path) if part)
    location: dict[str, Any] = {
        "physicalLocation": {"artifactLocation": {"uri": _uri(problem.file)}}
    }
    if problem.line:  # else the file as a whole is meant
        region = {"startLine": problem.line, "startColumn": max(problem.column, 1)}
        location["physicalLocation"]["region"] = region
    if subject:
        location["logicalLocations"] = [{"fullyQualifiedName": subject}]
    return {
        "ruleId": problem.code,
        "ruleIndex": _INDEX[problem.code],
        "level": _LEVELS[problem.severity],
        "message": {"text": f"{subject}: {problem.message}" if subject else problem.message},
        "locations": [location],
    }


def _uri(file: str) -> str:
    """A file below the working directory is given relative to it, as reviews want it."""
    path = Path(os.path.normpath(file))
    if path.is_absolute() and path.is_relative_to(Path.cwd()):
        path = path.relative_to(Path.cwd())
    return path.as_uri() if path.is_absolute() else quote(path.as_posix())
