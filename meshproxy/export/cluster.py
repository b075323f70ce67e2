"""Clusters with their endpoints, balancers and Istio's defaults (ISTIO 2.7, 2.8, 3.5)."""

from __future__ import annotations

from meshproxy.export.duration import seconds
from meshproxy.export.note import Json, Notes
from meshproxy.snapshot.model import ClusterData, EndpointData

_HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
_UNLIMITED = 2**32 - 1
_BYTES_PER_POINT = 8


def cluster_of(cluster: ClusterData, notes: Notes) -> Json:
    balancer = cluster["lb"]
    made: Json = {
        "name": cluster["name"],
        "type": "STATIC",
        "connect_timeout": seconds(cluster["connect_timeout_ms"]),
        "lb_policy": balancer["policy"],
        "common_lb_config": {"healthy_panic_threshold": {"value": 0}},
        "circuit_breakers": {"thresholds": [_limits()]},
        "load_assignment": {
            "cluster_name": cluster["name"],
            "endpoints": [{"lb_endpoints": [_endpoint(item) for item in cluster["endpoints"]]}],
        },
    }
    if balancer["policy"] == "RING_HASH":
        points = len(balancer.get("ring_hashes", b"")) // _BYTES_PER_POINT
        made["ring_hash_lb_config"] = {"minimum_ring_size": _ring_size(points, cluster)}
    if balancer["policy"] in ("ROUND_ROBIN", "LEAST_REQUEST"):
        notes.add(
            f"{balancer['policy']}: each Envoy worker takes its own turns; meshproxy's are exact"
            " for the whole proxy"
        )
    if cluster["protocol"] == "http":
        made["typed_extension_protocol_options"] = {_HTTP_OPTIONS: _http(cluster)}
    return made


def _http(cluster: ClusterData) -> Json:
    return {
        "@type": f"type.googleapis.com/{_HTTP_OPTIONS}",
        "common_http_protocol_options": {"idle_timeout": seconds(cluster["idle_timeout_ms"])},
        "explicit_http_config": {"http_protocol_options": {}},
    }


def _endpoint(endpoint: EndpointData) -> Json:
    where = {"address": endpoint["address"], "port_value": endpoint["port"]}
    return {
        "endpoint": {"address": {"socket_address": where}},
        "load_balancing_weight": endpoint["weight"],
        **({} if endpoint["healthy"] else {"health_status": "UNHEALTHY"}),
    }


def _ring_size(points: int, cluster: ClusterData) -> int:
    """The least size that gives a ring of this many points again.

    The ring has ceil(scale) points, where scale is a multiple of the lightest share rounded up:
    with unequal weights one less than that rounds to the same scale, and it itself may not.
    """
    weights = {item["weight"] for item in cluster["endpoints"] if item["healthy"]}
    return points if len(weights) < 2 else points - 1


def _limits() -> Json:
    names = ("max_connections", "max_pending_requests", "max_requests", "max_retries")
    return {name: _UNLIMITED for name in names}
