"""Every code can come about, and its example in docs/codes.md gives it at the place it says."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from pages.code_example import ALWAYS, NAME, SHOP, examples

from meshproxy.config.codes import CODES
from meshproxy.config.problem import Problem
from meshproxy.config.source import MAX_FILE_BYTES
from meshproxy.discovery.resolution import Resolution
from meshproxy.snapshot.build import Builder
from meshproxy.snapshot.compile import Capacities

WRITTEN = [code for code, example in examples().items() if example.text]
RULE = examples()["MP316"].text


def test_every_code_has_an_example() -> None:
    assert sorted(examples()) == sorted(CODES)


@pytest.mark.parametrize("code", WRITTEN)
def test_example_gives_exactly_its_code_at_its_place(code: str) -> None:
    example = examples()[code]
    (found,) = example.problems()
    place = f"{found.line}:{found.column}"
    assert (found.code, found.file, place) == (code, NAME, example.at)
    assert found.severity == CODES[code].severity


def loaded(*paths: Path) -> list[Problem]:
    return Builder().load([str(path) for path in paths])


def edited(folder: Path, text: str) -> list[Problem]:
    """Problems after a good rule was edited."""
    path = folder / NAME
    path.write_text(RULE)
    builder = Builder()
    builder.load([str(SHOP), str(path)])
    path.write_text(text)
    return builder.reload([str(path)])[1]


def unreadable(folder: Path) -> list[Problem]:
    return loaded(folder / "none.yaml")


def latin(folder: Path) -> list[Problem]:
    (folder / NAME).write_bytes("# gr\xfcn\n".encode("latin-1"))
    return loaded(folder / NAME)


def deep(folder: Path) -> list[Problem]:
    (folder / NAME).write_text("[" * 101)
    return loaded(folder / NAME)


def large(folder: Path) -> list[Problem]:
    (folder / NAME).touch()
    os.truncate(folder / NAME, MAX_FILE_BYTES + 1)
    return loaded(folder / NAME)


def mistaken(folder: Path) -> list[Problem]:
    return edited(folder, RULE.replace("hosts: [web]", "hosts: 7"))


def broken(folder: Path) -> list[Problem]:
    return edited(folder, "{")


def full(folder: Path) -> list[Problem]:
    return Builder(capacities=Capacities(clusters=1)).load([str(SHOP)])


def unresolved(folder: Path) -> list[Problem]:
    path = folder / NAME
    path.write_text(examples()["MP407"].text)
    builder = Builder()
    builder.load([str(path)])
    return builder.resolve({"search.example.com": Resolution((), "no such name")})[1]


HOW: dict[str, Callable[[Path], list[Problem]]] = {
    "MP001": unreadable,
    "MP002": latin,
    "MP005": deep,
    "MP007": large,
    "MP009": loaded,
    "MP402": mistaken,
    "MP403": broken,
    "MP404": full,
    "MP408": unresolved,
}
CAUSES = {"MP402": {"MP102"}, "MP403": {"MP003"}}


def test_every_other_code_has_a_way_to_come_about() -> None:
    assert sorted([*WRITTEN, *HOW]) == sorted(CODES)


@pytest.mark.parametrize("code", HOW)
def test_code_without_manifest_comes_about(code: str, tmp_path: Path) -> None:
    found = {problem.code for problem in HOW[code](tmp_path)}
    assert found - {ALWAYS} == {code} | CAUSES.get(code, set())
