"""Endpoints by locality and priority, as Envoy groups them."""

from __future__ import annotations

from meshproxy.export.note import Json
from meshproxy.snapshot.model import EndpointData


def localities_of(endpoints: list[EndpointData]) -> list[Json]:
    """Order kept: meshproxy's pick order is Envoy's host order within a locality."""
    groups: dict[tuple[int, str, int], list[Json]] = {}
    for item in endpoints:
        priority, weight = item.get("priority", 0), item.get("locality_weight", 0)
        key = (priority, item.get("locality", ""), weight)
        groups.setdefault(key, []).append(_endpoint(item))
    made = []
    for (priority, locality, weight), members in groups.items():
        group: Json = {"lb_endpoints": members}
        if locality:
            names = ("region", "zone", "sub_zone")
            group["locality"] = dict(zip(names, locality.split("/"), strict=False))
        if priority:
            group["priority"] = priority
        if weight:
            group["load_balancing_weight"] = weight
        made.append(group)
    return made


def _endpoint(endpoint: EndpointData) -> Json:
    where = {"address": endpoint["address"], "port_value": endpoint["port"]}
    return {
        "endpoint": {"address": {"socket_address": where}},
        "load_balancing_weight": endpoint["weight"],
        **({} if endpoint["healthy"] else {"health_status": "UNHEALTHY"}),
    }
