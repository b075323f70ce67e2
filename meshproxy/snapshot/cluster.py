"""Clusters of a service: one per port, and one per port and subset."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from meshproxy.config.load_balancer import DEFAULT_TABLE_SIZE
from meshproxy.config.service import ServicePort
from meshproxy.discovery.endpoint import Endpoint
from meshproxy.discovery.entries import is_round_robin
from meshproxy.discovery.locality import as_labels
from meshproxy.errors import CapacityError

from .hash_table import HashTables
from .locality import Home, arrange
from .mesh_service import MeshService
from .model import ClusterData, DnsData, EndpointData, LoadBalancerData
from .policy import DestinationPolicy, Policy
from .protocol import Protocol, port_protocol
from .settings import add_settings, timeouts
from .slots import Slots


def cluster_name(host: str, port: int, subset: str = "") -> str:
    """Give Istio's name of an outbound cluster."""
    return f"outbound|{port}|{subset}|{host}"


class ClusterCompiler:
    """Makes ClusterData; owns the cluster and endpoint slots."""

    def __init__(self, clusters: Slots, endpoints: Slots, home: Home) -> None:
        self.clusters = clusters
        self.endpoints = endpoints
        self._tables = HashTables()
        self._home = home

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
        service: MeshService,
        name: str,
        protocol: Protocol,
        endpoints: Sequence[Endpoint],
        policy: DestinationPolicy,
        port: int,
        subset: str,
    ) -> ClusterData:
        """Make one cluster. Raises CapacityError, holding nothing new, when a table is full."""
        blocks = policy.resolve(port, subset)
        chosen = [item for item in endpoints if self._belongs(item, policy, subset)]
        if blocks.outlier is not None and blocks.outlier.min_health_percent:
            # as Istio: in panic "all" are all the ready ones
            chosen = [item for item in chosen if item.healthy]
        identity, made = self._take(name, chosen)
        self._place(service, blocks, chosen, made)
        connect_ms, idle_ms = timeouts(blocks)
        cluster: ClusterData = {
            "id": identity,
            "name": name,
            "protocol": protocol,
            "lb": self._balancer(name, blocks, made),
            "connect_timeout_ms": connect_ms,
            "idle_timeout_ms": idle_ms,
            "endpoints": made,
        }
        add_settings(cluster, blocks)
        if service.affinity_s:
            cluster["session_affinity_s"] = service.affinity_s
        return cluster

    def names_behind(
        self,
        service: MeshService,
        written: Sequence[Endpoint],
        policy: DestinationPolicy,
        port: int,
        subset: str,
    ) -> DnsData:
        """Give the endpoints of one cluster as they are written, with DNS names."""
        chosen = [item for item in written if self._belongs(item, policy, subset)]
        made = [_endpoint(item, -1) for item in chosen]
        self._place(service, policy.resolve(port, subset), chosen, made)
        only_first = is_round_robin(service.resource)
        return {"type": "LOGICAL_DNS" if only_first else "STRICT_DNS", "endpoints": made}

    def _belongs(self, item: Endpoint, policy: DestinationPolicy, subset: str) -> bool:
        if not subset:
            return True
        labels = policy.subsets[subset].labels
        if labels.items() <= item.labels.items():
            return True
        topology = as_labels(self._home.locate(item))
        return labels.items() <= {**item.labels, **topology}.items()

    def _place(
        self,
        service: MeshService,
        policy: Policy,
        chosen: list[Endpoint],
        made: list[EndpointData],
    ) -> None:
        """Write localities, and what they come to, into endpoints that are being made."""
        balancer = policy.load_balancer
        setting = balancer.locality_lb_setting if balancer is not None else None
        has_outlier = policy.outlier is not None
        standings = arrange(chosen, self._home, setting, has_outlier, service.distribution)
        for item, data, standing in zip(chosen, made, standings, strict=True):
            locality = self._home.locate(item)
            if locality:
                data["locality"] = locality
            if standing.priority:
                data["priority"] = standing.priority
            if standing.weight is not None:
                data["locality_weight"] = standing.weight

    def _take(self, name: str, chosen: list[Endpoint]) -> tuple[int, list[EndpointData]]:
        """Take all slots of a cluster, or none."""
        was_held = self.clusters.get(name) is not None
        identity = self.clusters.take(name)
        keys = [(name, item.address, item.port) for item in chosen]
        added = [key for key in keys if self.endpoints.get(key) is None]
        try:
            slots = [self.endpoints.take(key) for key in keys]
        except CapacityError:
            for key in added:
                self.endpoints.free(key)
            if not was_held:
                self.clusters.free(name)
            raise
        return identity, [_endpoint(*pair) for pair in zip(chosen, slots, strict=True)]

    def release(self, cluster: ClusterData, successor: ClusterData | None) -> None:
        """Free the slots that a cluster's successor (None: it is gone) does not use."""
        kept = {(item["address"], item["port"]) for item in (successor or _EMPTY)["endpoints"]}
        for item in cluster["endpoints"]:
            if (item["address"], item["port"]) not in kept:
                self.endpoints.free((cluster["name"], item["address"], item["port"]))
        if successor is None:
            self.clusters.free(cluster["name"])
            self._tables.forget(cluster["name"])

    def _balancer(
        self, name: str, policy: Policy, endpoints: list[EndpointData]
    ) -> LoadBalancerData:
        balancer = policy.load_balancer
        if balancer is None:
            return {"policy": "LEAST_REQUEST"}
        hashing = balancer.consistent_hash
        if hashing is not None:
            made: LoadBalancerData = {"policy": "RING_HASH", "ring_size": hashing.ring_size}
            if hashing.maglev is not None:
                size = hashing.maglev.table_size or DEFAULT_TABLE_SIZE
                made = {"policy": "MAGLEV", "table_size": size}
            if policy.hash_balance_factor:
                made["balance_factor"] = policy.hash_balance_factor
            made["tables"] = self._tables.of(name, made, endpoints)
            return made
        if balancer.simple in ("ROUND_ROBIN", "RANDOM", "PASSTHROUGH"):
            return {"policy": balancer.simple}
        return {"policy": "LEAST_REQUEST"}


def _endpoint(item: Endpoint, slot: int) -> EndpointData:
    made: EndpointData = {
        "address": item.address,
        "port": item.port,
        "slot": slot,
        "weight": item.weight,
        "healthy": item.healthy,
        "name": item.name,
        "labels": dict(item.labels),
    }
    if item.dns_name:
        made["dns_name"] = item.dns_name
    if item.is_failing:
        made["failing"] = True
    return made


_EMPTY: ClusterData = {
    "id": -1,
    "name": "",
    "protocol": "http",
    "lb": {"policy": "RANDOM"},
    "connect_timeout_ms": 0,
    "idle_timeout_ms": 0,
    "endpoints": [],
}
