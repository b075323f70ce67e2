"""What a route's destination stands for: a cluster, and what to hash for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from meshproxy.config.destination import Destination
from meshproxy.config.host import resolve

from .cluster import cluster_name
from .mesh_service import MeshService, meant_by
from .model import CookieData, HashPolicyData
from .policy import DestinationPolicy, PolicyIndex, cookies, hash_policies
from .slots import Slots

NO_CLUSTER = -1


class Target(NamedTuple):
    """A resolved destination; `cluster` is NO_CLUSTER when it does not exist."""

    host: str
    port: int
    cluster: int
    name: str
    hash_policies: list[HashPolicyData]
    cookies: list[CookieData]  # that are made for requests without one


class DestinationResolver:
    """Resolves destinations against the services and rules of the moment (all borrowed)."""

    def __init__(
        self,
        services: Mapping[str, MeshService],
        policies: PolicyIndex,
        clusters: Slots,
        cluster_domain: str,
    ) -> None:
        self._services = services
        self._policies = policies
        self._clusters = clusters
        self._cluster_domain = cluster_domain

    def host_of(self, destination: Destination, namespace: str) -> str:
        return resolve(destination.host, namespace, self._cluster_domain)

    def service(self, host: str) -> MeshService | None:
        """Give the service of a full host; an alias stands for what it means, if that is known."""
        service = self._services.get(host)
        if service is None or not service.alias:
            return service
        return meant_by(service, self._services) or service

    def policy(self, host: str) -> DestinationPolicy:
        """Give the destination policy of a full host."""
        service = self.service(host)
        if service is None:
            return self._policies.lookup(host, "")
        return self._policies.lookup(self.policy_host(host), service.namespace)

    def policy_host(self, host: str) -> str:
        """Give the host whose DestinationRules count for a full host."""
        service = self.service(host)
        return host if service is None else service.policy_host or service.host

    def target(self, destination: Destination, namespace: str, listener_port: int) -> Target:
        """Resolve a destination written in an object of `namespace`."""
        host = self.host_of(destination, namespace)
        given = destination.port.number if destination.port is not None else None
        port = given or self._default_port(host, listener_port)
        return self._target(host, port, destination.subset, given)

    def default(self, host: str, port: int) -> Target:
        """Resolve a service port that no VirtualService routes."""
        return self._target(host, port, "", port)

    def _target(self, host: str, port: int, subset: str, policy_port: int | None) -> Target:
        """`policy_port` None: the settings of single ports do not count for the hash."""
        service = self.service(host)
        host = service.host if service is not None else host
        name = cluster_name(host, port, subset)
        cluster = self._clusters.get(name)
        if cluster is None:
            return Target(host, port, NO_CLUSTER, name, [], [])
        policy = self.policy(host).resolve(policy_port, subset)
        return Target(host, port, cluster, name, hash_policies(policy), cookies(policy))

    def _default_port(self, host: str, listener_port: int) -> int:
        service = self.service(host)
        if service is not None and len(service.ports) == 1:
            return service.ports[0].port
        return listener_port
