"""Hash tables: Envoy's ring or Maglev table of each priority, over its ready endpoints."""

from __future__ import annotations

from dataclasses import dataclass

from meshproxy._fast.shares import locality_order, shares_by_locality
from meshproxy.config.load_balancer import MAX_RING_SIZE

from .model import EndpointData, HashTableData, LoadBalancerData


def hash_key(endpoint: EndpointData) -> bytes:
    """Envoy's hash key of a host: `ip:port`, `[ip]:port` for IPv6."""
    address = endpoint["address"]
    host = f"[{address}]" if ":" in address else address
    return f"{host}:{endpoint['port']}".encode()


def members(endpoints: list[EndpointData], priority: int) -> list[EndpointData]:
    """Give the ready endpoints of a priority in the order that tables index: by locality first."""
    return [item for item in _of_priority(endpoints, priority) if item["healthy"]]


@dataclass(frozen=True, slots=True)
class _Inputs:
    """All that a table depends on."""

    policy: str
    size: int
    keys: tuple[bytes, ...]
    shares: tuple[float, ...]


class HashTables:
    """Makes a table only when what it depends on has changed; else gives the last one again."""

    def __init__(self) -> None:
        self._made: dict[str, dict[int, tuple[_Inputs, HashTableData]]] = {}

    def forget(self, cluster: str) -> None:
        self._made.pop(cluster, None)

    def of(
        self, cluster: str, balancer: LoadBalancerData, endpoints: list[EndpointData]
    ) -> dict[int, HashTableData]:
        """Give the tables by priority; those without a ready endpoint have none."""
        before = self._made.pop(cluster, {})
        after: dict[int, tuple[_Inputs, HashTableData]] = {}
        for priority in {item.get("priority", 0) for item in endpoints}:
            inputs = _inputs(balancer, endpoints, priority)
            if not inputs.keys:
                continue
            last = before.get(priority)
            same = last is not None and last[0] == inputs
            after[priority] = last if last is not None and same else (inputs, _build(inputs))
        if after:
            self._made[cluster] = after
        return {priority: table for priority, (_, table) in sorted(after.items())}


def _of_priority(endpoints: list[EndpointData], priority: int) -> list[EndpointData]:
    """Leave out localities that nothing is distributed to."""
    chosen = [
        item
        for item in endpoints
        if item.get("priority", 0) == priority and item.get("locality_weight", 1)
    ]
    return sorted(chosen, key=lambda item: locality_order(_locality(item)))


def _locality(item: EndpointData) -> str:
    return item.get("locality", "") if "locality_weight" in item else ""


def _inputs(balancer: LoadBalancerData, endpoints: list[EndpointData], priority: int) -> _Inputs:
    chosen = _of_priority(endpoints, priority)
    localities = {_locality(item): item.get("locality_weight", 1) for item in chosen}
    ready = [item for item in chosen if item["healthy"]]
    weights = [(item["weight"], _locality(item)) for item in ready]
    is_ring = balancer["policy"] == "RING_HASH"
    return _Inputs(
        balancer["policy"],
        balancer["ring_size"] if is_ring else balancer["table_size"],
        tuple(map(hash_key, ready)),
        tuple(shares_by_locality(weights, localities)) if ready else (),
    )


def _build(inputs: _Inputs) -> HashTableData:
    """Imported late: only clusters with a hash policy need the compiled builders."""
    if inputs.policy == "RING_HASH":
        from meshproxy._fast.ketama import ring_of_shares

        return ring_of_shares(inputs.keys, inputs.shares, inputs.size, MAX_RING_SIZE)
    from meshproxy._fast.maglev import table_of_shares

    return b"", table_of_shares(inputs.keys, inputs.shares, inputs.size)
