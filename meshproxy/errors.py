"""Errors a caller of meshproxy may catch. This module imports nothing of the package."""

from __future__ import annotations

from collections.abc import Sequence


class MeshproxyError(Exception):
    """Base of every error that meshproxy raises on purpose."""


class ConfigError(MeshproxyError):
    """The configuration cannot be used.

    `problems` holds what was found, each printing as `file:line:col: severity CODE ...`.
    """

    def __init__(self, message: str, problems: Sequence[object] = ()) -> None:
        super().__init__(message)
        self.problems = tuple(problems)


class CapacityError(MeshproxyError):
    """A fixed table (clusters, endpoints, routes) has no free slot left."""

    def __init__(self, what: str, capacity: int) -> None:
        super().__init__(f"no free slot for {what}: all {capacity} are in use")
        self.what = what
        self.capacity = capacity
