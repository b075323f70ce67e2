"""The configuration of a running proxy: what is live, since when, and what was refused."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence

from meshproxy.config.problem import Problem
from meshproxy.discovery.endpoint import identity_of
from meshproxy.discovery.probes import Target
from meshproxy.discovery.resolution import Resolved
from meshproxy.listen import ListenSpec
from meshproxy.manifests import load_manifests
from meshproxy.snapshot.build import Builder
from meshproxy.snapshot.model import SnapshotData
from meshproxy.snapshot.scope import Scope


class Configuration:
    """The builder behind one control process."""

    def __init__(self, paths: Sequence[str], scope: Scope, listen: Sequence[ListenSpec]) -> None:
        """Load for the first time. Raises ConfigError when nothing can be used."""
        self._builder = Builder(listeners=listen, scope=scope)
        self.problems = load_manifests(self._builder, paths)
        self.live_since = time.monotonic()

    @property
    def snapshot(self) -> SnapshotData:
        return self._builder.snapshot

    @property
    def names(self) -> set[str]:
        """DNS names to look up."""
        return self._builder.names

    @property
    def service_count(self) -> int:
        return self._builder.service_count

    @property
    def rejected_count(self) -> int:
        return self._builder.rejected_count

    def reload(self, changed: Collection[str] = ()) -> tuple[SnapshotData | None, list[Problem]]:
        """Give what changed for traffic, and the problems that were not there before."""
        return self._news(*self._builder.reload(changed))

    def resolve(self, found: Resolved) -> tuple[SnapshotData | None, list[Problem]]:
        """The same for what DNS names resolve to."""
        return self._news(*self._builder.resolve(found))

    def _news(
        self, update: SnapshotData | None, problems: list[Problem]
    ) -> tuple[SnapshotData | None, list[Problem]]:
        known = set(self.problems)
        self.problems = problems
        if update is not None:
            self.live_since = time.monotonic()
        return update, [problem for problem in problems if problem not in known]

    def set_failing(self, failing: frozenset[str]) -> SnapshotData | None:
        """Take over which endpoints fail their health checks; give what changed for traffic."""
        return self._builder.set_failing(failing)

    def probe_targets(self) -> list[Target]:
        """Give the health checks that the manifests ask for."""
        return self._builder.probe_targets()

    def clusters_by_identity(self) -> dict[str, list[str]]:
        """Give the names of the clusters that each endpoint is in."""
        found: dict[str, list[str]] = {}
        for cluster in filter(None, self.snapshot["clusters"].values()):
            for item in cluster["endpoints"]:
                identity = identity_of(item["name"], item["address"], item["port"])
                found.setdefault(identity, []).append(cluster["name"])
        return found
