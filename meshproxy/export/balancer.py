"""How a cluster picks its endpoint (ISTIO 2.4, 3.2 to 3.6)."""

from __future__ import annotations

from meshproxy.export.duration import seconds
from meshproxy.export.note import Json, Notes
from meshproxy.snapshot.model import ClusterData, WarmupData

_WITH_WARMUP = {
    "ROUND_ROBIN": "round_robin_lb_config",
    "LEAST_REQUEST": "least_request_lb_config",
}


def balancer_of(cluster: ClusterData, notes: Notes) -> Json:
    balancer = cluster["lb"]
    policy = balancer["policy"]
    if policy == "PASSTHROUGH":
        notes.add(f"{cluster['name']}: Envoy needs connections redirected by the kernel")
        return {"type": "ORIGINAL_DST", "lb_policy": "CLUSTER_PROVIDED"}
    made: Json = {"lb_policy": policy}
    if policy == "RING_HASH":
        made["ring_hash_lb_config"] = {"minimum_ring_size": balancer.get("ring_size", 1024)}
    elif policy == "MAGLEV" and "table_size" in balancer:
        made["maglev_lb_config"] = {"table_size": balancer["table_size"]}
    elif policy in _WITH_WARMUP:
        notes.add(
            f"{policy}: each Envoy worker takes its own turns; meshproxy's are exact for the"
            " whole proxy"
        )
        if "warmup" in cluster:
            made[_WITH_WARMUP[policy]] = {"slow_start_config": _slow_start(cluster["warmup"])}
    return made


def _slow_start(warmup: WarmupData) -> Json:
    return {
        "slow_start_window": seconds(warmup["duration_ms"]),
        "aggression": {
            "default_value": warmup["aggression"],
            "runtime_key": "slow_start.aggression",
        },
        "min_weight_percent": {"value": warmup["minimum_percent"]},
    }
