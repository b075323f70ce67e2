"""Everything that compiling looks up, kept by host and label, and what a change makes stale."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from meshproxy.config.host import covers, is_wildcard
from meshproxy.config.resource import Key, Resource
from meshproxy.config.service import Service
from meshproxy.config.store import ConfigSet
from meshproxy.discovery.endpoint import Endpoint
from meshproxy.discovery.entries import may_have_names
from meshproxy.discovery.index import EndpointIndex
from meshproxy.discovery.pods import allows_names
from meshproxy.discovery.resolution import Resolved

from .mesh_service import MeshService, export_to, meant_by, pod_service, services_of
from .policy import PolicyIndex
from .route_index import RouteIndex
from .scope import Scope
from .visibility import exported_to


@dataclass(slots=True)
class Stale:
    """Hosts whose compiled form no longer holds."""

    clusters: set[str] = field(default_factory=set)  # endpoints, ports or policies changed
    targets: set[str] = field(default_factory=set)  # routes that go to these hosts
    hosts: set[str] = field(default_factory=set)  # virtual hosts of these

    def __bool__(self) -> bool:
        return bool(self.clusters or self.targets or self.hosts)

    def add(self, host: str) -> None:
        self.clusters.add(host)
        self.targets.add(host)
        self.hosts.add(host)


class Registry:
    """Services, endpoints, DestinationRules and VirtualServices of one moment."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.services: dict[str, MeshService] = {}  # by full host
        self.endpoints = EndpointIndex()
        self.policies = PolicyIndex(scope.namespace, scope.cluster_domain, scope.labels)
        self.routes = RouteIndex(scope.namespace, scope.cluster_domain)
        self._claims: dict[str, list[MeshService]] = {}  # all objects that define a host
        self._hosts: dict[Key, list[str]] = {}  # what each object defines
        self._pods: dict[Key, list[str]] = {}  # hosts of the pods of a headless service
        self._aliases: dict[str, set[str]] = {}  # host -> ExternalNames that mean it

    def hosts_of(self, key: Key) -> list[str]:
        """Give the full hosts that a Service or ServiceEntry defines, those of pods included."""
        return [*self._hosts.get(key, ()), *self._pods.get(key, ())]

    def meant(self, service: MeshService) -> MeshService | None:
        """Give the known service that an ExternalName stands for."""
        return meant_by(service, self.services) if service.alias else None

    @property
    def names(self) -> set[str]:
        """The DNS names to look up: those behind a service that counts."""
        return {
            name
            for name, keys in self.endpoints.names.items()
            if any(self.is_looked_up(key) for key in keys)
        }

    def is_looked_up(self, key: Key) -> bool:
        """Tell whether traffic depends on the DNS names that an object has."""
        if key.kind == "WorkloadEntry":
            return any(
                allows_names(service) and self._counts(service.key)
                for service in self.endpoints.selecting(key)
            )
        return self._counts(key)

    def _counts(self, key: Key) -> bool:
        """Tell whether an object defines a host that no other object takes from it, and that is
        not only another word for a service."""
        services = (self.services.get(host) for host in self._hosts.get(key, ()))
        return any(
            service is not None and service.key == key and self.meant(service) is None
            for service in services
        )

    def claimants(self, host: str) -> Iterator[Key]:
        """Give all objects that define a host, in vain or not."""
        return (service.key for service in self._claims.get(host, ()))

    def endpoints_of(self, service: MeshService) -> dict[int, list[Endpoint]]:
        """Give the endpoints of every port."""
        found = self.endpoints.endpoints(service.resource, service.ports, service.host)
        if not service.pod:
            return found
        return {
            port: [item for item in items if item.hostname == service.pod]
            for port, items in found.items()
        }

    def written_endpoints_of(self, service: MeshService) -> dict[int, list[Endpoint]]:
        """Give them with DNS names in place of addresses; empty when there are no names."""
        if not may_have_names(service.resource):
            return {}
        found = self.endpoints.endpoints(service.resource, service.ports, service.host, True)
        has_names = any(item.dns_name for items in found.values() for item in items)
        return found if has_names else {}

    def route_owner(self, host: str) -> Resource | None:
        """Give the VirtualService that routes for a service."""
        owner = self.routes.lookup(host)
        service = self.services.get(host)
        meant = self.meant(service) if service is not None and owner is None else None
        return self.routes.lookup(meant.host) if meant is not None else owner

    def rivals(self, key: Key) -> Iterator[tuple[str, MeshService]]:
        """Give (host, who counts) for hosts that an object defines in vain."""
        for host in self._hosts.get(key, ()):
            winner = self.services[host]
            if winner.key != key:
                yield host, winner

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
                if key.kind in ("Service", "ServiceEntry"):
                    self._update_service(key, new, stale)
                for touched in self.endpoints.update(key, old, new):
                    self._touch(touched, stale)
        for pattern, is_rule in wide:
            covered = set(self._covered(pattern))
            if is_rule:
                stale.clusters |= covered
                stale.targets |= covered
            else:
                stale.hosts |= covered
        self.endpoints.forget()
        self._follow(stale)
        return stale

    def resolve(self, found: Resolved) -> Stale:
        """Take over what names resolve to; gives what must be compiled anew."""
        stale = Stale()
        for key in self.endpoints.resolve(found):
            self._touch(key, stale)
        return stale

    def set_failing(self, failing: frozenset[str]) -> Stale:
        """Take over which endpoints fail their health checks; gives what must be compiled anew."""
        stale = Stale()
        for key in self.endpoints.set_failing(failing):
            self._touch(key, stale)
        return stale

    def _update_service(self, key: Key, new: Resource | None, stale: Stale) -> None:
        defined: list[MeshService] = []
        if new is not None and exported_to(export_to(new), key.namespace, self.scope.namespace):
            defined = list(services_of(new, self.scope.cluster_domain))
        hosts = dict.fromkeys(service.host for service in defined)
        for host in (*self.hosts_of(key), *hosts):
            self._withdraw(host, key, stale)
        self._pods.pop(key, None)
        for service in defined:
            self._claim(service, stale)
        if hosts:
            self._hosts[key] = list(hosts)
        else:
            self._hosts.pop(key, None)

    def _touch(self, key: Key, stale: Stale) -> None:
        """The endpoints of a service may have changed, and so its named pods."""
        for host in self._hosts.get(key, ()):
            stale.clusters.add(host)
            service = self.services.get(host)
            model = service.resource.model if service is not None else None
            if service is None or service.key != key:
                continue
            if not isinstance(model, Service) or not model.spec.is_headless:
                continue
            endpoints = self.endpoints_of(service).values()
            names = {item.hostname for items in endpoints for item in items if item.hostname}
            pods = [pod_service(service, name) for name in sorted(names)]
            known = self._pods.get(key, [])
            for pod in pods:
                stale.clusters.add(pod.host)
                if pod.host not in known:
                    self._claim(pod, stale)
            for gone in set(known).difference(pod.host for pod in pods):
                self._withdraw(gone, key, stale)
            self._pods[key] = [pod.host for pod in pods]

    def _claim(self, service: MeshService, stale: Stale) -> None:
        claims = self._claims.setdefault(service.host, [])
        claims.append(service)
        claims.sort(key=self._order)
        if service.alias:
            self._aliases.setdefault(service.alias, set()).add(service.host)
        self._settle(service.host, stale)

    def _withdraw(self, host: str, key: Key, stale: Stale) -> None:
        claims = self._claims.get(host, [])
        for service in claims:
            if service.key == key and service.alias:
                self._aliases[service.alias].discard(host)
        self._claims[host] = [service for service in claims if service.key != key]
        self._settle(host, stale)

    def _order(self, service: MeshService) -> tuple[object, ...]:
        """Services, then ServiceEntries of the proxy's own namespace, then the oldest."""
        is_entry, *rest = service.order
        return (is_entry, service.namespace != self.scope.namespace, *rest)

    def _settle(self, host: str, stale: Stale) -> None:
        """Let the first claim on a host count."""
        claims = self._claims.get(host)
        if claims:
            self.services[host] = claims[0]
        else:
            self._claims.pop(host, None)
            self.services.pop(host, None)
        stale.add(host)

    def _follow(self, stale: Stale) -> None:
        """Names that mean a stale host are stale too."""
        for own in (stale.clusters, stale.targets, stale.hosts):
            pending = [host for host in own if host in self._aliases]
            while pending:  # an alias may have aliases
                news = self._aliases.get(pending.pop(), set()) - own
                own |= news
                pending.extend(news)
        for host in list(stale.targets):
            service = self.services.get(host)
            if service is not None and not service.pod:
                pods = self._pods.get(service.key, ())
                stale.clusters.update(pods)
                stale.targets.update(pods)

    def _covered(self, pattern: str) -> Iterator[str]:
        return (host for host in self.services if covers(pattern, host))
