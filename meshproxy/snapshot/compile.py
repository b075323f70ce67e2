"""Compiles a config set to a snapshot; after a change, only the hosts that it touches.

Law: compiling step by step gives the same snapshot as compiling at once, up to the choice of
ids. Data once given out is never changed: a new version of a cluster is a new dict.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from meshproxy.config.problem import Finding
from meshproxy.config.resource import Key
from meshproxy.config.store import ConfigSet
from meshproxy.discovery.resolution import Resolved
from meshproxy.errors import CapacityError

from .cluster import ClusterCompiler
from .destination import DestinationResolver
from .listener import Binding, ListenerCompiler
from .locality import Home
from .model import ClusterData, DomainData, ListenerData, SnapshotData, VirtualHostData
from .registry import Registry, Stale
from .route import RouteCompiler
from .rule import Caller
from .scope import Scope
from .slots import Slots
from .tcp_route import TcpRouteCompiler
from .virtual_host import HostUnit, VirtualHostCompiler

MAX_CLUSTERS = 16_384
MAX_ENDPOINTS = 65_536
MAX_ROUTES = 65_536
MAX_VIRTUAL_HOSTS = 2**31 - 1  # ids only; no table is indexed by them


@dataclass(frozen=True, slots=True)
class Capacities:
    """Sizes of the scoreboard's tables, which the ids index."""

    clusters: int = MAX_CLUSTERS
    endpoints: int = MAX_ENDPOINTS
    routes: int = MAX_ROUTES


@dataclass(slots=True)
class _Tables:
    """What is compiled so far, by id and by host."""

    clusters: dict[int, ClusterData] = field(default_factory=dict)
    virtual_hosts: dict[int, VirtualHostData] = field(default_factory=dict)
    domains: list[DomainData] = field(default_factory=list)
    listeners: list[ListenerData] = field(default_factory=list)
    cluster_names: dict[str, tuple[str, ...]] = field(default_factory=dict)  # of each host
    units: dict[str, HostUnit] = field(default_factory=dict)
    users: dict[str, set[str]] = field(default_factory=dict)  # target host -> hosts routing to it


class Compiler:
    """Owns all ids and the last compiled data of every host."""

    def __init__(
        self,
        scope: Scope,
        bindings: Sequence[Binding],
        capacities: Capacities,
    ) -> None:
        self.registry = Registry(scope)
        self.shortages: dict[str, Finding] = {}  # by host: what did not fit
        clusters = Slots("clusters", capacities.clusters)
        self._clusters = ClusterCompiler(
            clusters,
            Slots("endpoints", capacities.endpoints),
            Home(scope.locality, scope.labels),
        )
        self._routes = Slots("routes", capacities.routes)
        self.resolver = DestinationResolver(
            self.registry.services, self.registry.policies, clusters, scope.cluster_domain
        )
        caller = Caller(scope.namespace, scope.labels)
        self.routes = RouteCompiler(self._routes, self.resolver, caller)
        self._hosts = VirtualHostCompiler(
            Slots("virtual hosts", MAX_VIRTUAL_HOSTS), self.registry, self.routes
        )
        self.tcp = TcpRouteCompiler(self._routes, self.resolver, self.registry.routes, caller)
        self.listeners = ListenerCompiler(bindings, self.registry, self.tcp, self._hosts.ids.get)
        self._tables = _Tables()

    def apply(self, previous: ConfigSet, config: ConfigSet, changed: Iterable[Key]) -> Stale:
        """Take over changed objects; gives the hosts that were compiled anew."""
        return self._compile(self.registry.update(previous, config, changed))

    def resolve(self, found: Resolved) -> Stale:
        """Take over what names resolve to; gives the hosts that were compiled anew."""
        return self._compile(self.registry.resolve(found))

    def set_failing(self, failing: frozenset[str]) -> Stale:
        """Take over which endpoints fail their health checks; gives the same."""
        return self._compile(self.registry.set_failing(failing))

    def _compile(self, stale: Stale) -> Stale:
        for host in sorted(stale.clusters):
            self.shortages.pop(host, None)
            self._compile_clusters(host)
        for target in stale.targets:
            stale.hosts |= self._tables.users.get(target, set())
        self._compile_hosts(stale.hosts)
        self._tables.listeners = self.listeners.compile()
        return stale

    def snapshot(self, generation: int) -> SnapshotData:
        """Give the whole as it is now; the caller may keep it."""
        return {
            "generation": generation,
            "full": True,
            "clusters": dict(self._tables.clusters),
            "virtual_hosts": dict(self._tables.virtual_hosts),
            "domains": self._tables.domains,
            "listeners": self._tables.listeners,
        }

    def _compile_clusters(self, host: str) -> None:
        tables = self._tables
        compiled: dict[str, ClusterData] = {}
        service = self.registry.services.get(host)
        if service is not None and not self.registry.meant(service):
            policy = self.resolver.policy(host)
            endpoints = self.registry.endpoints_of(service)
            written = self.registry.written_endpoints_of(service)
            for name, port, protocol, subset in self._clusters.names(service, policy):
                if name in compiled:
                    continue
                try:
                    made = compiled[name] = self._clusters.compile(
                        service,
                        name,
                        protocol,
                        endpoints[port.port],
                        policy,
                        port.port,
                        subset,
                    )
                    if written:
                        made["dns"] = self._clusters.names_behind(
                            service, written[port.port], policy, port.port, subset
                        )
                except CapacityError as error:
                    self.shortages[host] = Finding("MP404", (), f"{name} stays as it was: {error}")
                    held = self._held_cluster(name)
                    if held is not None:
                        compiled[name] = held
        for name in dict.fromkeys((*tables.cluster_names.get(host, ()), *compiled)):
            self._replace_cluster(name, compiled.get(name))
        if compiled:
            tables.cluster_names[host] = tuple(compiled)
        else:
            tables.cluster_names.pop(host, None)

    def _held_cluster(self, name: str) -> ClusterData | None:
        identity = self._clusters.clusters.get(name)
        return None if identity is None else self._tables.clusters.get(identity)

    def _replace_cluster(self, name: str, new: ClusterData | None) -> None:
        identity = self._clusters.clusters.get(name)
        if identity is None:
            return
        old = self._tables.clusters.get(identity)
        if old is not None and old != new:
            self._clusters.release(old, new)
        if new is None:
            self._tables.clusters.pop(identity, None)
        elif old != new:
            self._tables.clusters[identity] = new

    def _compile_hosts(self, hosts: Iterable[str]) -> None:
        tables = self._tables
        domains_changed = False
        for host in sorted(hosts):
            old = tables.units.get(host) or HostUnit()
            new = self._hosts.compile(host)
            self._replace_unit(host, old, new)
            changed = old.domains != new.domains or old.is_service != new.is_service
            domains_changed = domains_changed or changed
        if domains_changed:
            tables.domains = self._all_domains()

    def _replace_unit(self, host: str, old: HostUnit, new: HostUnit) -> None:
        tables = self._tables
        known = {item["id"]: item for item in old.virtual_hosts}
        for item in new.virtual_hosts:
            if known.pop(item["id"], None) != item:
                tables.virtual_hosts[item["id"]] = item
        for identity, gone in known.items():
            del tables.virtual_hosts[identity]
            self._hosts.ids.free(gone["name"])
        for key in old.slots.keys - new.slots.keys:
            self._routes.free(key)
        for target in old.targets - new.targets:
            users = tables.users[target]
            users.discard(host)
            if not users:
                del tables.users[target]
        for target in new.targets:
            tables.users.setdefault(target, set()).add(host)
        if new.virtual_hosts or new.is_service:
            tables.units[host] = new
        else:
            tables.units.pop(host, None)

    def _all_domains(self) -> list[DomainData]:
        """Services come first: a name that two hosts claim belongs to the first of them."""
        found: dict[str, DomainData] = {}
        units = sorted(self._tables.units.items())
        for _, unit in sorted(units, key=lambda item: not item[1].is_service):
            for item in unit.domains:
                found.setdefault(item["domain"], item)
        return list(found.values())
