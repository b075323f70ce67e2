"""Snapshot data to build clusters and routes from."""

from __future__ import annotations

from typing import Any


def cluster_data(*weights: int, policy: str = "ROUND_ROBIN", **lb: Any) -> dict[str, Any]:
    """Give ClusterData of id 0 with one endpoint 10.0.0.N:80 in slot N per weight."""
    return {
        "id": 0,
        "name": "outbound|80||a.default.svc.cluster.local",
        "protocol": "http",
        "lb": {"policy": policy, **lb},
        "connect_timeout_ms": 1000,
        "idle_timeout_ms": 1000,
        "outlier": {
            "consecutive_5xx": 5,
            "consecutive_gateway": 0,
            "consecutive_local": 0,
            "split_local": False,
            "interval_ms": 10_000,
            "base_ejection_ms": 30_000,
            "max_ejection_percent": 100,
        },
        "endpoints": [
            {
                "address": f"10.0.0.{i}",
                "port": 80,
                "slot": i,
                "weight": weight,
                "healthy": True,
                "name": f"default/a-{i}",
                "labels": {},
            }
            for i, weight in enumerate(weights)
        ],
    }


def route_data(**changes: Any) -> dict[str, Any]:
    """Give RouteData of cluster 0."""
    return {
        "name": "r",
        "slot": 0,
        "virtual_service": "default/a",
        "rule": 0,
        "conditions": [],
        "clusters": [(0, 1)],
        "cluster_names": ["outbound|80||a.default.svc.cluster.local"],
        "timeout_ms": 0,
        "hash_policies": [],
        **changes,
    }


def snapshot_data(routes: list[dict[str, Any]], *clusters: dict[str, Any]) -> dict[str, Any]:
    """Give SnapshotData with one virtual host for every authority."""
    return {
        "generation": 1,
        "full": True,
        "clusters": {cluster["id"]: cluster for cluster in clusters},
        "virtual_hosts": {0: {"id": 0, "name": "a:80", "routes": routes}},
        "domains": [{"domain": "*", "ports": {}, "default": 0}],
        "listeners": [],
    }
