"""Manifests for whoever serves or explains them: the first load, or why there is none."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike, fspath

from meshproxy.config.problem import Problem
from meshproxy.errors import ConfigError
from meshproxy.snapshot.build import Builder


def load_manifests(builder: Builder, paths: Sequence[str | PathLike[str]]) -> list[Problem]:
    """Give the verdicts. One bad object does not stop the others: raises ConfigError only when
    there are errors and not a single good object."""
    problems = builder.load([fspath(path) for path in paths])
    if not builder.config.resources and any(item.severity == "error" for item in problems):
        raise ConfigError("nothing of the configuration can be used", problems)
    return problems
