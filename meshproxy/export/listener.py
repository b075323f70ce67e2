"""Listeners, and what those for connections say."""

from __future__ import annotations

from dataclasses import dataclass

from meshproxy.export.duration import seconds
from meshproxy.export.note import Json
from meshproxy.listen import Address
from meshproxy.snapshot.model import ClusterData

TYPE = "type.googleapis.com/envoy.extensions.filters."


@dataclass(frozen=True, slots=True)
class TcpSettings:
    """What Envoy asks of the listener, and a DestinationRule of its destination."""

    idle_ms: int | None = None  # None = Envoy's hour, 0 = none
    duration_ms: int = 0  # 0 = none
    hashes_source: bool = False


def tcp_settings(cluster: ClusterData) -> TcpSettings:
    limits = cluster.get("limits")
    return TcpSettings(
        cluster.get("tcp_idle_timeout_ms"),
        limits["max_connection_ms"] if limits is not None else 0,
        cluster.get("tcp_hashes_source", False),
    )


def tcp_listener(address: Address, clusters: list[tuple[str, int]], settings: TcpSettings) -> Json:
    """To one cluster, or to several by weight, for each connection."""
    arms = [{"name": name, "weight": weight} for name, weight in clusters]
    proxy: Json = {
        "@type": TYPE + "network.tcp_proxy.v3.TcpProxy",
        "stat_prefix": f"outbound_{address}",
    }
    if len(arms) == 1:
        proxy["cluster"] = clusters[0][0]
    else:
        proxy["weighted_clusters"] = {"clusters": arms}
    if settings.idle_ms is not None:
        proxy["idle_timeout"] = seconds(settings.idle_ms)
    if settings.duration_ms:
        proxy["max_downstream_connection_duration"] = seconds(settings.duration_ms)
    if settings.hashes_source:
        proxy["hash_policy"] = [{"source_ip": {}}]
    return listener_of(address, "envoy.filters.network.tcp_proxy", proxy)


def listener_of(address: Address, filter_name: str, config: Json) -> Json:
    host = "127.0.0.1" if address.host == "localhost" else address.host
    where = {"address": host, "port_value": address.port}
    chain = {"filters": [{"name": filter_name, "typed_config": config}]}
    return {
        "name": str(address),
        "address": {"socket_address": where},
        "filter_chains": [chain],
    }
