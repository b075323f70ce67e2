"""A running proxy as metrics and admin pages see it, made of a real scoreboard."""

from __future__ import annotations

from meshproxy._fast.scoreboard import Scoreboard
from meshproxy.health import Counts
from meshproxy.listen import Address
from meshproxy.snapshot.model import ClusterData, EndpointData, SnapshotData
from meshproxy.telemetry.hash_moves import HashMoves


def endpoint(slot: int, healthy: bool = True) -> EndpointData:
    return {
        "address": f"10.0.0.{slot}",
        "port": 8080,
        "slot": slot,
        "weight": 1,
        "healthy": healthy,
        "name": f"default/nginx-{slot}",
        "labels": {"version": "v1"},
    }


def cluster(cluster_id: int, name: str, *endpoints: EndpointData) -> ClusterData:
    return {
        "id": cluster_id,
        "name": name,
        "protocol": "http",
        "lb": {"policy": "ROUND_ROBIN"},
        "connect_timeout_ms": 1000,
        "idle_timeout_ms": 1000,
        "endpoints": list(endpoints),
    }


class FixedStatus:
    """Values set by the test."""

    def __init__(self, *clusters: ClusterData) -> None:
        self.snapshot: SnapshotData = {
            "generation": 3,
            "full": True,
            "clusters": {c["id"]: c for c in clusters},
            "virtual_hosts": {},
            "domains": [],
            "listeners": [],
        }
        self.scoreboard = Scoreboard(1)
        self.is_ready = True
        self.addresses = [Address("127.0.0.1", 8080), Address("::1", 8081)]
        self.workers = [4711]
        self.worker_restarts = 2
        self.config_age_s = 1.5
        self.rejected_objects = 1
        self.failing_names = 2
        self.uptime_s = 12.0
        self.hash_moves = HashMoves()
        self.health_checks: dict[str, Counts] = {}
        self.calls: list[str] = []

    def drain_listeners(self) -> None:
        self.calls.append("drain_listeners")

    def quit(self) -> None:
        self.calls.append("quit")
