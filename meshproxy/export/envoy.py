"""A snapshot as an Envoy bootstrap: static listeners, routes and clusters.

Law: the same rules in the same order give the same answers; tests/conformance runs both to prove
it. What Envoy has no word for is left out and said in `notes`, never silently.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from meshproxy.export.cluster import cluster_of
from meshproxy.export.http_listener import HttpListeners
from meshproxy.export.listener import TcpSettings, tcp_listener, tcp_settings
from meshproxy.export.note import Json, Notes
from meshproxy.export.route_config import bound_route_config, route_config
from meshproxy.listen import Address
from meshproxy.snapshot.intake import IntakeOptions
from meshproxy.snapshot.model import ClusterData, ListenerData, SnapshotData

NO_CLUSTER = "BlackHoleCluster"  # Istio's name for nowhere


@dataclass(frozen=True, slots=True)
class Export:
    """The bootstrap, and a line for everything it does not say."""

    bootstrap: Json
    notes: tuple[str, ...]


def export_envoy(
    snapshot: SnapshotData, addresses: Mapping[int, Address], intake: IntakeOptions | None = None
) -> Export:
    """Translate a whole snapshot; `addresses` says where each listener (by id) is, `intake` what
    flags make of heads."""
    notes = Notes()
    http = HttpListeners(intake or IntakeOptions(), notes)
    clusters = [cluster for cluster in snapshot["clusters"].values() if cluster is not None]
    listeners = _listeners(snapshot, addresses, http, notes)
    made = [cluster_of(cluster, notes) for cluster in clusters]
    made.append({"name": NO_CLUSTER, "type": "STATIC", "connect_timeout": "1s"})
    resources = {"listeners": listeners, "clusters": made}
    return Export({"static_resources": resources}, notes.lines)


def _listeners(
    snapshot: SnapshotData, addresses: Mapping[int, Address], http: HttpListeners, notes: Notes
) -> list[Json]:
    by_id: dict[int, ClusterData] = {
        key: cluster for key, cluster in snapshot["clusters"].items() if cluster is not None
    }
    made = []
    for listener in snapshot["listeners"] or ():
        address = addresses[listener["id"]]
        if listener["protocol"] == "tcp":
            made.append(_tcp_listener(listener, address, by_id, notes))
        elif listener["virtual_host"] >= 0:
            host = snapshot["virtual_hosts"].get(listener["virtual_host"])
            made.append(http.listener(address, bound_route_config(str(address), host, notes)))
        else:
            made.append(http.listener(address, route_config(str(address), snapshot, notes)))
    return made


def _tcp_listener(
    listener: ListenerData, address: Address, by_id: dict[int, ClusterData], notes: Notes
) -> Json:
    arms = listener.get("clusters") or [(listener["cluster"], 1)]
    clusters: list[tuple[str, int]] = []
    targets: list[ClusterData] = []
    for identity, weight in arms:
        target = by_id.get(identity)
        if target is None:
            notes.add(f"listener {address}: a cluster does not exist; its connections close")
            clusters.append((NO_CLUSTER, weight))
        else:
            targets.append(target)
            clusters.append((target["name"], weight))
            if "session_affinity_s" in target:
                notes.add(f"{target['name']}: Envoy has no sessionAffinity with an expiry")
    if len({tcp_settings(target) for target in targets}) > 1:
        notes.add(f"listener {address}: Envoy has the timeouts and hash of the first destination")
    settings = tcp_settings(targets[0]) if targets else TcpSettings()
    return tcp_listener(address, clusters, settings)
