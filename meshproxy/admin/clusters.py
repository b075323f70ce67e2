"""`/clusters`: every endpoint with its counters, in Envoy's text and JSON forms."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from meshproxy._fast.scoreboard import Scoreboard
from meshproxy.listen import Address
from meshproxy.snapshot.model import ClusterData, EndpointData, SnapshotData
from meshproxy.telemetry.hash_moves import HashMoves
from meshproxy.telemetry.health import is_ejected, weight_now

_GAUGES = ("cx_active", "rq_active")
_COUNTERS = ("cx_total", "cx_connect_fail", "rq_total", "rq_success", "rq_error", "rq_timeout")


def clusters_text(snapshot: SnapshotData, scoreboard: Scoreboard, moves: HashMoves) -> str:
    """One `cluster::address::key::value` line per fact."""
    lines: list[str] = []
    for cluster in _clusters(snapshot):
        ratio = moves.ratios.get(cluster["name"])
        if ratio is not None:
            lines.append(f"{cluster['name']}::hash_keys_moved::{ratio:.4f}\n")
        for endpoint in cluster["endpoints"]:
            prefix = f"{cluster['name']}::{Address(endpoint['address'], endpoint['port'])}::"
            counters = scoreboard.endpoint(endpoint["slot"])
            lines += [f"{prefix}{key}::{counters[key]}\n" for key in (*_GAUGES, *_COUNTERS)]
            lines.append(f"{prefix}hostname::{endpoint.get('dns_name', '')}\n")
            lines.append(f"{prefix}pod::{endpoint['name']}\n")
            lines.append(f"{prefix}health_flags::{_health_flags(endpoint, scoreboard)}\n")
            last = _last_ejection(endpoint, scoreboard)
            if last:
                lines.append(f"{prefix}last_ejection::{last['counter']} reached {last['value']}\n")
            lines.append(f"{prefix}weight::{endpoint['weight']}\n")
            effective = weight_now(scoreboard, cluster, endpoint)
            lines.append(f"{prefix}effective_weight::{effective:.4g}\n")
            lines.append(f"{prefix}priority::{endpoint.get('priority', 0)}\n")
    return "".join(lines)


def clusters_json(
    snapshot: SnapshotData, scoreboard: Scoreboard, moves: HashMoves
) -> dict[str, Any]:
    """As Envoy's `?format=json`, plus `pod` and `effective_weight` for each endpoint."""
    return {
        "cluster_statuses": [
            {
                "name": cluster["name"],
                "lb_policy": cluster["lb"]["policy"],
                "host_statuses": [
                    _host_status(cluster, item, scoreboard) for item in cluster["endpoints"]
                ],
                **_keys_moved(cluster, moves),
            }
            for cluster in _clusters(snapshot)
        ]
    }


def _keys_moved(cluster: ClusterData, moves: HashMoves) -> dict[str, float]:
    ratio = moves.ratios.get(cluster["name"])
    return {} if ratio is None else {"hash_keys_moved": ratio}


def _host_status(
    cluster: ClusterData, endpoint: EndpointData, scoreboard: Scoreboard
) -> dict[str, Any]:
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
        **({"last_ejection": last} if (last := _last_ejection(endpoint, scoreboard)) else {}),
        "weight": endpoint["weight"],
        "effective_weight": weight_now(scoreboard, cluster, endpoint),
        **({"priority": endpoint["priority"]} if endpoint.get("priority") else {}),
    }


def _last_ejection(endpoint: EndpointData, scoreboard: Scoreboard) -> dict[str, Any]:
    """Which counter tripped and what it had reached; {} when there was no ejection."""
    health = scoreboard.endpoint_health(endpoint["slot"])
    if not health["ejected_by"]:
        return {}
    return {"counter": health["ejected_by"], "value": health["ejected_at"]}


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
