"""The configuration of a running proxy: what is live, since when, and what was refused."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator

from meshproxy.config.problem import Problem
from meshproxy.server.options import Options
from meshproxy.snapshot.build import Builder
from meshproxy.snapshot.model import SnapshotData


class Configuration:
    """The builder behind one control process."""

    def __init__(self, options: Options) -> None:
        self._paths = options.paths
        self._builder = Builder(options.namespace, listeners=options.listen)
        self.live_since = time.monotonic()

    @property
    def snapshot(self) -> SnapshotData:
        return self._builder.snapshot

    is_usable = True
    service_count = 0
    rejected_objects = 0

    def load(self) -> list[Problem]:
        return self._builder.load(self._paths)

    def reload(self) -> tuple[SnapshotData | None, list[Problem]]:
        self.live_since = time.monotonic()
        return self._builder.reload()

    async def changes(self) -> AsyncIterator[None]:
        return
        yield
