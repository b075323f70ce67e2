"""How many keys a change moved, as a line, a metric and a fact of /clusters."""

from __future__ import annotations

from typing import Any

import pytest
from support.status import FixedStatus, cluster, endpoint

from meshproxy._fast.snapshot import Snapshot
from meshproxy.admin.clusters import clusters_json, clusters_text
from meshproxy.snapshot.hash_table import HashTables
from meshproxy.snapshot.model import ClusterData, LoadBalancerData, SnapshotData
from meshproxy.telemetry.metrics import render_metrics

NAME = "outbound|80||web.default.svc.cluster.local"
RING: LoadBalancerData = {"policy": "RING_HASH", "ring_size": 1024}
MAGLEV: LoadBalancerData = {"policy": "MAGLEV", "table_size": 65537}


def hashed(lb: LoadBalancerData, *slots: int) -> ClusterData:
    made = cluster(1, NAME, *(endpoint(slot) for slot in slots))
    made["lb"] = {**lb, "tables": HashTables().of(NAME, lb, made["endpoints"])}
    return made


def follow(status: FixedStatus, after: ClusterData | None) -> list[str]:
    update: SnapshotData = {**status.snapshot, "full": False, "clusters": {1: after}}
    lines = list(status.hash_moves.follow(status.snapshot, update))
    status.snapshot = {**status.snapshot, "clusters": {1: after}}
    return lines


@pytest.mark.parametrize(("lb", "share"), [(RING, 0.34), (MAGLEV, 0.25)])
def test_share_of_moved_keys_is_told_when_an_endpoint_goes(
    lb: LoadBalancerData, share: float
) -> None:
    status = FixedStatus(hashed(lb, 1, 2, 3, 4))
    assert follow(status, hashed(lb, 1, 2, 3, 4)) == []
    (line,) = follow(status, hashed(lb, 1, 3, 4))
    assert line.startswith(f"{NAME}: ") and line.endswith("another endpoint (4 -> 3 ready)")
    # a fourth must move; a ring of fewer endpoints has more points of each, so more do
    assert status.hash_moves.ratios[NAME] == pytest.approx(share, abs=0.05)
    text = clusters_text(status.snapshot, status.scoreboard, status.hash_moves)
    assert f"{NAME}::hash_keys_moved::{status.hash_moves.ratios[NAME]:.4f}\n" in text
    (shown,) = clusters_json(status.snapshot, status.scoreboard, status.hash_moves)[
        "cluster_statuses"
    ]
    assert shown["hash_keys_moved"] == status.hash_moves.ratios[NAME]
    metric = f'meshproxy_hash_keys_moved_ratio{{envoy_cluster_name="{NAME}"}}'
    assert metric in render_metrics(status).decode()
    assert follow(status, None) == []
    assert status.hash_moves.ratios == {}


def test_share_is_whole_from_a_ring_to_a_table() -> None:
    status = FixedStatus(hashed(RING, 1, 2))
    assert len(follow(status, hashed(MAGLEV, 1, 2))) == 1
    assert status.hash_moves.ratios == {NAME: 1.0}


def test_effective_weight_is_shown_while_an_endpoint_starts_slowly() -> None:
    fresh = cluster(1, NAME, endpoint(1))
    fresh["endpoints"][0]["weight"] = 40
    status = FixedStatus(fresh)
    assert shown_weight(status) == 40
    fresh["warmup"] = {"duration_ms": 10**9, "minimum_percent": 25.0, "aggression": 1.0}
    assert shown_weight(status) == 40  # nobody has seen it ready yet
    Snapshot(status.scoreboard).apply(status.snapshot)
    assert shown_weight(status) == pytest.approx(10, abs=0.1)


def shown_weight(status: FixedStatus) -> Any:
    (shown,) = clusters_json(status.snapshot, status.scoreboard, status.hash_moves)[
        "cluster_statuses"
    ]
    return shown["host_statuses"][0]["effective_weight"]
