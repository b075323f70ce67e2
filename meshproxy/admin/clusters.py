"""`/clusters`: every endpoint with its counters, in Envoy's text and JSON forms."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from meshproxy._fast.scoreboard import Scoreboard
from meshproxy.listen import Address
from meshproxy.snapshot.model import ClusterData, EndpointData, SnapshotData
from meshproxy.telemetry.health import is_ejected

_GAUGES = ("cx_active", "rq_active")
_COUNTERS = ("cx_total", "cx_connect_fail", "rq_total", "rq_success", "rq_error", "rq_timeout")


def clusters_text(snapshot: SnapshotData, scoreboard: Scoreboard) -> str:
    """One `cluster::address::key::value` line per fact."""
    lines: list[str] = []
    for cluster in _clusters(snapshot):
        for endpoint in cluster["endpoints"]:
            prefix = f"{cluster['name']}::{Address(endpoint['address'], endpoint['port'])}::"
            counters = scoreboard.endpoint(endpoint["slot"])
            lines += [f"{prefix}{key}::{counters[key]}\n" for key in (*_GAUGES, *_COUNTERS)]
            lines.append(f"{prefix}hostname::{endpoint.get('dns_name', '')}\n")
            lines.append(f"{prefix}pod::{endpoint['name']}\n")
            lines.append(f"{prefix}health_flags::{_health_flags(endpoint, scoreboard)}\n")
            lines.append(f"{prefix}weight::{endpoint['weight']}\n")
    return "".join(lines)


def clusters_json(snapshot: SnapshotData, scoreboard: Scoreboard) -> dict[str, Any]:
    """As Envoy's `?format=json`, plus `pod` for each endpoint."""
    return {
        "cluster_statuses": [
            {
                "name": cluster["name"],
                "lb_policy": cluster["lb"]["policy"],
                "host_statuses": [_host_status(e, scoreboard) for e in cluster["endpoints"]],
            }
            for cluster in _clusters(snapshot)
        ]
    }


def _host_status(endpoint: EndpointData, scoreboard: Scoreboard) -> dict[str, Any]:
    counters = scoreboard.endpoint(endpoint["slot"])
    stats = [{"name": key, "value": str(counters[key]), "type": "GAUGE"} for key in _GAUGES]
    stats += [{"name": key, "value": str(counters[key]), "type": "COUNTER"} for key in _COUNTERS]
    return {
        **({"hostname": endpoint["dns_name"]} if "dns_name" in endpoint else {}),
        "address": {
            "socket_address": {"address": endpoint["address"], "port_value": endpoint["port"]}
        },
        "pod": endpoint["name"],
        "stats": stats,
        "health_status": {
            "eds_health_status": "HEALTHY" if _is_ready_in_discovery(endpoint) else "UNHEALTHY",
            "failed_active_health_check": endpoint.get("failing", False),
            "failed_outlier_check": is_ejected(scoreboard, endpoint["slot"]),
        },
        "weight": endpoint["weight"],
    }


def _is_ready_in_discovery(endpoint: EndpointData) -> bool:
    return endpoint["healthy"] or endpoint.get("failing", False)


def _health_flags(endpoint: EndpointData, scoreboard: Scoreboard) -> str:
    flags = "/failed_active_hc" if endpoint.get("failing") else ""
    if not _is_ready_in_discovery(endpoint):
        flags += "/failed_eds_health"
    if is_ejected(scoreboard, endpoint["slot"]):
        flags += "/failed_outlier_check"
    return flags or "healthy"


def _clusters(snapshot: SnapshotData) -> Iterator[ClusterData]:
    return (cluster for cluster in snapshot["clusters"].values() if cluster is not None)
