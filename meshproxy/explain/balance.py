"""The endpoints of a cluster, and why one of them was picked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from meshproxy._fast.scoreboard import Scoreboard
from meshproxy.config.pod import Pod
from meshproxy.explain.source import Sources
from meshproxy.listen import Address
from meshproxy.snapshot.model import ClusterData, EndpointData

FULL_SCAN = 64  # as in _fast.least_request: beyond, two drawn endpoints are compared


@dataclass(frozen=True, slots=True)
class EndpointStory:
    address: str
    pod: str | None
    dns_name: str | None  # whose address it is
    is_ready: bool
    reason: str  # why it is ready or not
    weight: int
    in_flight: int | None  # over all workers; None = nothing runs
    is_picked: bool


def endpoint_stories(
    cluster: ClusterData,
    picked: str | None,
    scoreboard: Scoreboard | None,
    sources: Sources | None,
) -> Iterator[EndpointStory]:
    """Tell about every endpoint, in the order they are picked in."""
    for item in cluster["endpoints"]:
        address = str(Address(item["address"], item["port"]))
        yield EndpointStory(
            address=address,
            pod=item["name"] or None,
            dns_name=item.get("dns_name"),
            is_ready=item["healthy"],
            reason=_health(item, sources),
            weight=item["weight"],
            in_flight=scoreboard.endpoint(item["slot"])["rq_active"] if scoreboard else None,
            is_picked=address == picked,
        )


def pick_reason(
    cluster: ClusterData, answer: dict[str, Any], hash_key: str | None, is_live: bool
) -> str:
    """Say why the balancer took the endpoint it took; `answer` is Snapshot.decide's."""
    ready = [item for item in cluster["endpoints"] if item["healthy"]]
    priorities = {str(Address(e["address"], e["port"])): e.get("priority", 0) for e in ready}
    chosen = priorities.get(answer["endpoint"], 0)
    ready = [item for item in ready if item.get("priority", 0) == chosen]
    policy = cluster["lb"]["policy"]
    if len(ready) == 1:
        return f"{policy}: the only ready endpoint"
    turn = answer["pick_turn"]
    weighted = len({item["weight"] for item in ready}) > 1
    if policy == "ROUND_ROBIN":
        by_weight = ", by weight" if weighted else ""
        return f"ROUND_ROBIN: turn {turn} among {len(ready)} ready endpoints{by_weight}"
    if policy == "LEAST_REQUEST":
        load = "(in flight + 1) / weight" if weighted else "requests in flight"
        if len(ready) > FULL_SCAN:
            drawn = ", by weight," if weighted else ""
            of = f"of two drawn{drawn} among {len(ready)} ready endpoints"
            return f"LEAST_REQUEST: fewer requests in flight {of}"
        by_weight = ", by weight" if weighted else ""
        idle = f"turn {turn}{by_weight}, while nothing is in flight"
        counts = f"; equals take turns: {idle}" if is_live else f": {idle}"
        return f"LEAST_REQUEST: fewest {load} among {len(ready)} ready endpoints{counts}"
    if policy in ("RING_HASH", "MAGLEV"):
        if answer["hash"] is None:
            return f"{policy}: the request has nothing to hash, so a random hash was drawn"
        where = f", point {answer['ring_point']}" if answer["ring_point"] >= 0 else ""
        tables = cluster["lb"].get("tables", {})
        points = len(tables[min(tables)][0]) // 8 if tables else 0
        of = f" of {points}" if points else ""
        return f'{policy}: "{hash_key}" hashes to {answer["hash"]:#018x}{where}{of}'
    if policy == "RANDOM":
        return f"RANDOM: drawn among {len(ready)} ready endpoints"
    return policy


def _health(item: EndpointData, sources: Sources | None) -> str:
    if item.get("failing"):
        return "not ready: its health check fails"
    found = sources.resource("Pod", item["name"]) if sources is not None else None
    model = found.model if found is not None else None
    if not isinstance(model, Pod):
        of_name = f", an address of {item['dns_name']}" if "dns_name" in item else ""
        return ("ready" if item["healthy"] else "not ready") + of_name
    if item["healthy"]:
        return "ready" if model.status.conditions else "ready: its Pod has no conditions"
    if model.metadata.deletion_timestamp is not None:
        return "not ready: its Pod is terminating"
    for condition in model.status.conditions or ():
        if condition.type == "Ready":
            return f"not ready: its Pod's condition Ready is {condition.status}"
    return "not ready: its Pod has no condition Ready"
