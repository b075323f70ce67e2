"""Zeroes the counters of scoreboard slots that an update gives to new owners."""

from __future__ import annotations

from meshproxy._fast.scoreboard import Scoreboard
from meshproxy.snapshot.model import ClusterData, SnapshotData, VirtualHostData


def clear_new_slots(scoreboard: Scoreboard, before: SnapshotData, update: SnapshotData) -> None:
    """Call before any worker applies `update` to the whole snapshot `before`."""
    for cluster_id, cluster in update["clusters"].items():
        if cluster is None:
            continue
        old = before["clusters"].get(cluster_id)
        if old is None:
            scoreboard.clear_cluster(cluster_id)
        for slot in _endpoint_slots(cluster) - _endpoint_slots(old):
            scoreboard.clear_endpoint(slot)
    for host_id, host in update["virtual_hosts"].items():
        for slot in _route_slots(host) - _route_slots(before["virtual_hosts"].get(host_id)):
            scoreboard.clear_route(slot)

    for slot in _split_slots(update) - _split_slots(before):
        scoreboard.clear_route(slot)


def _split_slots(snapshot: SnapshotData) -> set[int]:
    return {item["slot"] for item in snapshot["listeners"] or () if "slot" in item}


def _endpoint_slots(cluster: ClusterData | None) -> set[int]:
    return {endpoint["slot"] for endpoint in cluster["endpoints"]} if cluster else set()


def _route_slots(host: VirtualHostData | None) -> set[int]:
    return {route["slot"] for route in host["routes"]} if host else set()
