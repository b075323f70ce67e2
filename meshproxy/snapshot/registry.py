"""Everything that compiling looks up, kept by host and label, and what a change makes stale."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from meshproxy.config.host import covers, is_wildcard
from meshproxy.config.resource import Key, Resource
from meshproxy.config.store import ConfigSet
from meshproxy.discovery.index import EndpointIndex

from .domain import service_host
from .policy import PolicyIndex
from .route import Caller
from .route_index import RouteIndex


@dataclass(frozen=True, slots=True)
class Scope:
    """For whom is compiled: the namespace of the proxy, its labels, the DNS suffix."""

    namespace: str = "default"
    cluster_domain: str = "cluster.local"
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def caller(self) -> Caller:
        return Caller(self.namespace, self.labels)


@dataclass(slots=True)
class Stale:
    """Hosts whose compiled form no longer holds."""

    clusters: set[str] = field(default_factory=set)  # endpoints, ports or policies changed
    targets: set[str] = field(default_factory=set)  # routes that go to these hosts
    hosts: set[str] = field(default_factory=set)  # virtual hosts of these

    def __bool__(self) -> bool:
        return bool(self.clusters or self.targets or self.hosts)


class Registry:
    """Services, endpoints, DestinationRules and VirtualServices of one moment."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.services: dict[str, Resource] = {}  # full host -> Service
        self.endpoints = EndpointIndex()
        self.policies = PolicyIndex(scope.namespace, scope.cluster_domain)
        self.routes = RouteIndex(scope.namespace, scope.cluster_domain)

    def host_of(self, service: Key) -> str:
        """Give the full host of a Service."""
        return service_host(service.name, service.namespace, self.scope.cluster_domain)

    def update(self, previous: ConfigSet, config: ConfigSet, changed: Iterable[Key]) -> Stale:
        """Take over the changed objects; gives what must be compiled anew."""
        stale = Stale()
        wide: list[tuple[str, bool]] = []  # wildcard hosts, and whether of a DestinationRule
        for key in sorted(changed):
            old, new = previous.resources.get(key), config.resources.get(key)
            if key.kind == "VirtualService":
                for host in self.routes.update(key, old, new):
                    stale.hosts.add(host)
                    if is_wildcard(host):
                        wide.append((host, False))
            elif key.kind == "DestinationRule":
                for host in self.policies.update(key, old, new):
                    if is_wildcard(host):
                        wide.append((host, True))
                    else:
                        stale.clusters.add(host)
                        stale.targets.add(host)
            else:
                if key.kind == "Service":
                    self._update_service(key, new, stale)
                touched = self.endpoints.update(key, old, new)
                stale.clusters.update(self.host_of(service) for service in touched)
        for pattern, is_rule in wide:
            covered = set(self._covered(pattern))
            if is_rule:
                stale.clusters |= covered
                stale.targets |= covered
            else:
                stale.hosts |= covered
        return stale

    def _update_service(self, key: Key, new: Resource | None, stale: Stale) -> None:
        host = self.host_of(key)
        if new is not None:
            self.services[host] = new
        else:
            self.services.pop(host, None)
        stale.clusters.add(host)
        stale.targets.add(host)
        stale.hosts.add(host)

    def _covered(self, pattern: str) -> Iterator[str]:
        return (host for host in self.services if covers(pattern, host))
