"""The whole way from paths to snapshots: load, merge, compile, diff, and every verdict."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from meshproxy.config.load import Loader
from meshproxy.config.problem import Finding, Problem
from meshproxy.config.resource import Key, Resource
from meshproxy.config.store import ConfigSet, merge
from meshproxy.config.verdict import Verdict, verdicts
from meshproxy.discovery.probes import Target
from meshproxy.discovery.resolution import Resolved

from . import delta
from .compile import Capacities, Compiler
from .listener import COMMAND_LINE, Binding, Connection
from .model import ListenerData, SnapshotData
from .origin import OriginIndex
from .references import ReferenceCheck
from .registry import Stale
from .scope import Scope


class Builder:
    """Turns manifests into snapshots, again and again. Not for use from several threads.

    `load` once, then `reload` after every change; `snapshot` is always whole and never changes
    once given out. A snapshot exists (empty) before `load`.
    """

    def __init__(
        self,
        namespace: str = "default",
        listeners: Sequence[Binding] = (),
        scope: Scope | None = None,
        capacities: Capacities | None = None,
    ) -> None:
        self._scope = scope or Scope(namespace)
        self._compiler = Compiler(self._scope, listeners, capacities or Capacities())
        self._check = ReferenceCheck(self._compiler.registry, self._compiler.resolver)
        self._loader = Loader((), self._scope.namespace)
        self._config = ConfigSet()
        self._load_problems: tuple[Problem, ...] = ()
        self._problems: list[Problem] = []  # when they were last asked for
        self._findings: dict[Key, list[Finding]] = {}
        self._compiler.apply(self._config, self._config, ())
        self._snapshot = self._compiler.snapshot(0)

    @property
    def snapshot(self) -> SnapshotData:
        return self._snapshot

    @property
    def generation(self) -> int:
        """Grows by one with every snapshot that differs from the one before."""
        return self._snapshot["generation"]

    @property
    def config(self) -> ConfigSet:
        """The objects in force."""
        return self._config

    @property
    def paths(self) -> tuple[str, ...]:
        return self._loader.paths

    @property
    def service_count(self) -> int:
        return len(self._compiler.registry.services)

    @property
    def names(self) -> set[str]:
        """DNS names that endpoints depend on; `resolve` takes what they resolve to."""
        return self._compiler.registry.names

    @property
    def rejected_count(self) -> int:
        """Objects whose latest version is not in force."""
        return len(self._config.rejected | self._config.stale)

    def connection(self, service: str, port: int) -> ListenerData | None:
        """Give what happens to a connection to a service port; None when there is none."""
        return self._compiler.listeners.ask(Connection(service, port))

    @property
    def origins(self) -> OriginIndex:
        """Where routes and clusters of the current snapshot were written."""
        return OriginIndex(self._config, self._compiler.registry)

    def load(self, paths: Sequence[str]) -> list[Problem]:
        """Read all paths and compile; gives every problem. Never raises for what files hold."""
        self._loader = Loader(paths, self._scope.namespace)
        self._update(())
        return self.problems()

    def reload(self, changed: Collection[str] = ()) -> tuple[SnapshotData | None, list[Problem]]:
        """Read what changed on disk; gives the update (None: nothing changed for traffic) and
        every problem there is now. `changed` names files to read even if they look unchanged."""
        update = self._update(changed)
        return update, self.problems()

    def resolve(self, found: Resolved) -> tuple[SnapshotData | None, list[Problem]]:
        """Take over what DNS names resolve to; gives the same as `reload`."""
        stale = self._compiler.resolve(found)
        if not stale:
            return None, self._problems
        names = self._compiler.registry.endpoints.names
        self._judge(self._touched(stale).union(*(names.get(name, ()) for name in found)))
        return self._advance(), self.problems()

    def probe_targets(self) -> list[Target]:
        """Give the health checks of the pods behind services."""
        return list(self._compiler.registry.endpoints.targets())

    def set_failing(self, failing: frozenset[str]) -> SnapshotData | None:
        """Say which endpoints fail their health checks, by discovery's Endpoint.identity; gives
        the update, None when nothing changed for traffic."""
        self._compiler.set_failing(failing)
        return self._advance()

    def problems(self) -> list[Problem]:
        """Give every problem of the files and between the objects, sorted by place."""
        found = list(self._load_problems)
        for key, findings in self._findings.items():
            resource = self._config.resources[key]
            found.extend(resource.problem(finding) for finding in findings)
        for host, finding in self._compiler.shortages.items():
            service = self._compiler.registry.services.get(host)
            if service is not None:
                found.append(self._config.resources[service.key].problem(finding))
        shortage = self._compiler.routes.shortage or self._compiler.tcp.shortage
        if shortage is not None:
            text = f"some rules share a split cursor: {shortage}"
            found.append(Problem(COMMAND_LINE, 0, 0, "", "", "warning", "MP404", text))
        found.extend(self._compiler.listeners.problems())
        self._problems = sorted(found, key=lambda problem: problem.sort_key)
        return self._problems

    def verdicts(self) -> dict[Key, Verdict]:
        """Give what became of every object: accepted, warned or rejected."""
        return verdicts(self._config, self.problems())

    def _update(self, changed: Collection[str]) -> SnapshotData | None:
        merged = merge(self._config, self._loader.load(changed))
        previous, self._config = self._config, merged.config
        self._load_problems = merged.problems
        if not merged.changed:
            return None
        stale = self._compiler.apply(previous, self._config, merged.changed)
        keys = self._touched(stale).union(merged.changed)
        for key in merged.changed:
            keys |= self._workload_entries(previous.resources.get(key))
        self._judge(keys)
        return self._advance()

    def _advance(self) -> SnapshotData | None:
        compiled = self._compiler.snapshot(self.generation + 1)
        update = delta.diff(self._snapshot, compiled)
        if update is not None:
            self._snapshot = compiled
        return update

    def _touched(self, stale: Stale) -> set[Key]:
        """Give the objects that name a host that was compiled anew, and its Service."""
        registry = self._compiler.registry
        keys: set[Key] = set()
        for host in stale.clusters | stale.targets | stale.hosts:
            for key in registry.claimants(host):
                keys.add(key)
                keys |= self._workload_entries(self._config.resources[key])
            keys |= registry.policies.mentions.of(host)
            keys |= registry.routes.mentions.of(host)
        return keys

    def _workload_entries(self, resource: Resource | None) -> set[Key]:
        """Give those that a ServiceEntry selects: it decides whether they may have names."""
        if resource is None or resource.key.kind != "ServiceEntry":
            return set()
        selected = self._compiler.registry.endpoints.selected(resource)
        return {item.key for item in selected if item.key.kind == "WorkloadEntry"}

    def _judge(self, keys: Collection[Key]) -> None:
        for key in keys:
            resource = self._config.resources.get(key)
            findings = list(self._check.findings(resource)) if resource is not None else []
            if findings:
                self._findings[key] = findings
            else:
                self._findings.pop(key, None)
