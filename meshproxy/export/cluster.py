"""Clusters: endpoints, and what a DestinationRule says of them (ISTIO 2.7, 2.8)."""

from __future__ import annotations

from meshproxy.export.balancer import balancer_of
from meshproxy.export.duration import seconds
from meshproxy.export.endpoint import localities_of
from meshproxy.export.note import Json, Notes
from meshproxy.snapshot.model import ClusterData, DnsData, LimitsData, OutlierData

_HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
_UNLIMITED = 2**32 - 1  # Istio's default of all of them


def cluster_of(cluster: ClusterData, notes: Notes) -> Json:
    made: Json = {
        "name": cluster["name"],
        "type": "STATIC",
        "connect_timeout": seconds(cluster["connect_timeout_ms"]),
        "common_lb_config": {
            "healthy_panic_threshold": {"value": cluster.get("panic_percent", 0)}
        },
        "circuit_breakers": {"thresholds": [_thresholds(cluster.get("limits"))]},
    }
    made |= balancer_of(cluster, notes)
    if "balance_factor" in cluster["lb"]:
        bound = {"hash_balance_factor": cluster["lb"]["balance_factor"]}
        made["common_lb_config"]["consistent_hashing_lb_config"] = bound
    if made["type"] == "STATIC":
        endpoints = cluster["endpoints"]
        if "dns" in cluster and cluster["dns"]["endpoints"]:
            endpoints = cluster["dns"]["endpoints"]
            made |= _dns(cluster["dns"])
        made["load_assignment"] = {
            "cluster_name": cluster["name"],
            "endpoints": localities_of(endpoints),
        }
        if any(item.get("locality_weight") for item in endpoints):
            made["common_lb_config"]["locality_weighted_lb_config"] = {}
    if "outlier" in cluster:
        made["outlier_detection"] = _outlier(cluster["outlier"])
    if "tcp_keepalive" in cluster:
        found = cluster["tcp_keepalive"]
        names = {
            "probes": "keepalive_probes",
            "time_s": "keepalive_time",
            "interval_s": "keepalive_interval",
        }
        keepalive = {names[key]: value for key, value in found.items() if key in names}
        made["upstream_connection_options"] = {"tcp_keepalive": keepalive}
    if cluster["protocol"] == "http":
        made["typed_extension_protocol_options"] = {_HTTP_OPTIONS: _http(cluster)}
    return made


def _dns(dns: DnsData) -> Json:
    """As lookup.names: both families, a TTL is a TTL, failures are repeated ever more slowly."""
    is_first = dns["type"] == "LOGICAL_DNS"
    return {
        "type": dns["type"],
        "dns_lookup_family": "V4_PREFERRED" if is_first else "ALL",
        "respect_dns_ttl": True,
        "dns_failure_refresh_rate": {"base_interval": "1s", "max_interval": "30s"},
    }


def _http(cluster: ClusterData) -> Json:
    common: Json = {"idle_timeout": seconds(cluster["idle_timeout_ms"])}
    limits = cluster.get("limits")
    if limits is not None and limits["max_requests_per_connection"]:
        common["max_requests_per_connection"] = limits["max_requests_per_connection"]
    if limits is not None and limits["max_connection_ms"]:
        common["max_connection_duration"] = seconds(limits["max_connection_ms"])
    return {
        "@type": f"type.googleapis.com/{_HTTP_OPTIONS}",
        "common_http_protocol_options": common,
        "explicit_http_config": {"http_protocol_options": {}},
    }


def _thresholds(limits: LimitsData | None) -> Json:
    if limits is None:
        names = ("max_connections", "max_pending_requests", "max_requests", "max_retries")
        return dict.fromkeys(names, _UNLIMITED)
    made: Json = {
        "max_connections": limits["max_connections"] or _UNLIMITED,
        "max_pending_requests": limits["max_pending"] or _UNLIMITED,
        "max_requests": limits["max_requests"] or _UNLIMITED,
        "max_retries": limits["max_retries"] or _UNLIMITED,
    }
    if limits["retry_budget_percent"]:
        made["retry_budget"] = {
            "budget_percent": {"value": limits["retry_budget_percent"]},
            "min_retry_concurrency": limits["retry_budget_least"],
        }
    return made


def _outlier(outlier: OutlierData) -> Json:
    """A threshold of 0 is off; ejection by success rate is, as in Istio."""
    made: Json = {
        "interval": seconds(outlier["interval_ms"]),
        "base_ejection_time": seconds(outlier["base_ejection_ms"]),
        "max_ejection_percent": outlier["max_ejection_percent"],
        "enforcing_success_rate": 0,
        "split_external_local_origin_errors": outlier["split_local"],
    }
    counters = {
        "consecutive_5xx": outlier["consecutive_5xx"],
        "consecutive_gateway_failure": outlier["consecutive_gateway"],
    }
    if outlier["split_local"]:
        counters["consecutive_local_origin_failure"] = outlier["consecutive_local"]
    for name, threshold in counters.items():
        made[f"enforcing_{name}"] = 100 if threshold else 0
        if threshold:
            made[name] = threshold
    return made
