"""Examples that provoke each code, from codes.yaml, and what `check` says of them."""

from __future__ import annotations

import functools
import tempfile
import textwrap
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from meshproxy.check import check
from meshproxy.config.problem import Problem

HERE = Path(__file__).parent
SHOP = HERE / "shop.yaml"
NAME = "example.yaml"
ALWAYS = "MP316"  # of nearly every VirtualService; left out where it is not the subject
_HEADS = {
    "rule": ("VirtualService", "web", "hosts: [web]"),
    "policy": ("DestinationRule", "api", "host: api"),
}


@dataclass(frozen=True, slots=True)
class CodeExample:
    code: str
    text: str = ""
    at: str = ""
    how: str = ""
    also: tuple[str, ...] = ()  # codes that come with it

    def problems(self) -> list[Problem]:
        """Give what `check` says of the example, but for what always comes with it."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / NAME
            path.write_text(self.text, encoding="utf-8")
            found = check([str(SHOP), str(path)])
        beside = {ALWAYS, *self.also} - {self.code}
        wanted = [item for item in found if item.code not in beside]
        return [_named(item, f"{folder}/", f"{HERE}/") for item in wanted]


@functools.cache
def examples() -> dict[str, CodeExample]:
    """Give the examples by code."""
    data = yaml.safe_load((HERE / "codes.yaml").read_text(encoding="utf-8"))
    return {code: _example(code, entry) for code, entry in data.items()}


def _example(code: str, entry: dict[str, Any]) -> CodeExample:
    if "how" in entry:
        return CodeExample(code, how=entry["how"])
    (form,) = entry.keys() - {"at", "also"}
    also = tuple(entry.get("also", ()))
    return CodeExample(code, _manifest(form, entry[form]), entry["at"], also=also)


def _manifest(form: str, text: str) -> str:
    if form == "text":
        return text
    kind, name, own = _HEADS[form]
    spec, separator, rest = f"{own}\n{text}".partition("---\n")
    return (
        f"apiVersion: networking.istio.io/v1\nkind: {kind}\nmetadata: {{name: {name}}}\nspec:\n"
        + textwrap.indent(spec, "  ")
        + separator
        + rest
    )


def _named(problem: Problem, *folders: str) -> Problem:
    """Files stand in verdicts by their names alone, whatever folder they were in."""
    message = problem.message
    for folder in folders:
        message = message.replace(folder, "")
    return replace(problem, file=Path(problem.file).name, message=message)
