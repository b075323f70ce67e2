"""Manifests for whoever serves or explains them: the first load, or why there is none."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike, fspath

from meshproxy.config.problem import Problem
from meshproxy.errors import ConfigError
from meshproxy.snapshot.build import Builder

Paths = Sequence[str | PathLike[str]] | str | PathLike[str]
"""One path may stand alone; its letters are no paths."""


def load_manifests(builder: Builder, paths: Paths) -> list[Problem]:
    """Give the verdicts. One bad object does not stop the others: raises ConfigError only when
    there are errors and not a single good object."""
    listed = [paths] if isinstance(paths, (str, PathLike)) else paths
    problems = builder.load([fspath(path) for path in listed])
    errors = [item for item in problems if item.severity == "error"]
    if errors and not builder.config.resources:
        more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
        raise ConfigError(f"nothing of the configuration can be used: {errors[0]}{more}", problems)
    return problems
