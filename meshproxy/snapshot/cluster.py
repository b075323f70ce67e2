"""Clusters of a service: one per port, and one per port and subset."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from meshproxy.config.service import ServicePort
from meshproxy.discovery.endpoint import Endpoint
from meshproxy.errors import CapacityError

from .mesh_service import MeshService
from .model import ClusterData, EndpointData, LoadBalancerData
from .policy import DestinationPolicy, Policy
from .protocol import Protocol, port_protocol
from .ring import BuildRing, ring_of
from .slots import Slots

CONNECT_TIMEOUT_MS = 10_000  # Istio's mesh default
IDLE_TIMEOUT_MS = 3_600_000  # Envoy's default for upstream connections, 1 h


def cluster_name(host: str, port: int, subset: str = "") -> str:
    """Give Istio's name of an outbound cluster."""
    return f"outbound|{port}|{subset}|{host}"


class ClusterCompiler:
    """Makes ClusterData; owns the cluster and endpoint slots."""

    def __init__(self, clusters: Slots, endpoints: Slots, build_ring: BuildRing) -> None:
        self.clusters = clusters
        self.endpoints = endpoints
        self._build_ring = build_ring

    def names(
        self, service: MeshService, policy: DestinationPolicy
    ) -> Iterator[tuple[str, ServicePort, Protocol, str]]:
        """Give (name, port, protocol, subset) of every cluster of a service."""
        for port in service.ports:
            protocol = port_protocol(port)
            if protocol is None:
                continue
            for subset in ("", *policy.subsets) if not service.pod else ("",):
                yield cluster_name(service.host, port.port, subset), port, protocol, subset

    def compile(
        self,
        name: str,
        protocol: Protocol,
        endpoints: Sequence[Endpoint],
        policy: DestinationPolicy,
        port: int,
        subset: str,
    ) -> ClusterData:
        """Make one cluster. Raises CapacityError, holding nothing new, when a table is full."""
        labels = policy.subsets[subset].labels.items() if subset else ()
        chosen = [item for item in endpoints if not labels or labels <= item.labels.items()]
        identity, made = self._take(name, chosen)
        blocks = policy.resolve(port, subset)
        connect_ms, idle_ms = _timeouts(blocks)
        return {
            "id": identity,
            "name": name,
            "protocol": protocol,
            "lb": self._balancer(blocks, made),
            "connect_timeout_ms": connect_ms,
            "idle_timeout_ms": idle_ms,
            "endpoints": made,
        }

    def _take(self, name: str, chosen: list[Endpoint]) -> tuple[int, list[EndpointData]]:
        """Take all slots of a cluster, or none."""
        was_held = self.clusters.get(name) is not None
        identity = self.clusters.take(name)
        added: list[tuple[str, str, int]] = []
        try:
            for item in chosen:
                key = (name, item.address, item.port)
                if self.endpoints.get(key) is None:
                    self.endpoints.take(key)
                    added.append(key)
        except CapacityError:
            for key in added:
                self.endpoints.free(key)
            if not was_held:
                self.clusters.free(name)
            raise
        return identity, [self._endpoint(name, item) for item in chosen]

    def _endpoint(self, cluster: str, item: Endpoint) -> EndpointData:
        return {
            "address": item.address,
            "port": item.port,
            "slot": self.endpoints.take((cluster, item.address, item.port)),
            "weight": item.weight,
            "healthy": item.healthy,
            "name": item.name,
            "labels": dict(item.labels),
        }

    def release(self, cluster: ClusterData, successor: ClusterData | None) -> None:
        """Free the slots that a cluster's successor (None: it is gone) does not use."""
        kept = {(item["address"], item["port"]) for item in (successor or _EMPTY)["endpoints"]}
        for item in cluster["endpoints"]:
            if (item["address"], item["port"]) not in kept:
                self.endpoints.free((cluster["name"], item["address"], item["port"]))
        if successor is None:
            self.clusters.free(cluster["name"])

    def _balancer(self, policy: Policy, endpoints: list[EndpointData]) -> LoadBalancerData:
        balancer = policy.load_balancer
        if balancer is None:
            return {"policy": "LEAST_REQUEST"}
        if balancer.consistent_hash is not None:
            minimum = balancer.consistent_hash.ring_size
            hashes, picks = ring_of(endpoints, minimum, self._build_ring)
            return {"policy": "RING_HASH", "ring_hashes": hashes, "ring_endpoints": picks}
        if balancer.simple == "ROUND_ROBIN":
            return {"policy": "ROUND_ROBIN"}
        if balancer.simple == "RANDOM":
            return {"policy": "RANDOM"}
        return {"policy": "LEAST_REQUEST"}


def _timeouts(policy: Policy) -> tuple[int, int]:
    pool = policy.connection_pool
    connect_ms = pool.tcp.connect_timeout if pool else None
    idle_ms = pool.http.idle_timeout if pool else None
    return (
        CONNECT_TIMEOUT_MS if connect_ms is None else connect_ms,
        IDLE_TIMEOUT_MS if idle_ms is None else idle_ms,
    )


_EMPTY: ClusterData = {
    "id": -1,
    "name": "",
    "protocol": "http",
    "lb": {"policy": "RANDOM"},
    "connect_timeout_ms": 0,
    "idle_timeout_ms": 0,
    "endpoints": [],
}
