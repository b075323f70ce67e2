"""Hash tables: Envoy's ring or Maglev table of each priority, over its ready endpoints."""

from __future__ import annotations

from array import array
from dataclasses import dataclass

from meshproxy._fast.shares import locality_order, shares_by_locality
from meshproxy.config.load_balancer import MAX_RING_SIZE

from .model import EndpointData, HashTableData, LoadBalancerData


def hash_key(endpoint: EndpointData) -> bytes:
    """Envoy's hash key of a host: `ip:port`, `[ip]:port` for IPv6."""
    address = endpoint["address"]
    host = f"[{address}]" if ":" in address else address
    return f"{host}:{endpoint['port']}".encode()


@dataclass(frozen=True, slots=True)
class _Inputs:
    """All that a table depends on."""

    policy: str
    size: int
    places: tuple[int, ...]  # in the cluster's endpoints
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


def _inputs(balancer: LoadBalancerData, endpoints: list[EndpointData], priority: int) -> _Inputs:
    chosen = [
        (index, item, item.get("locality", "") if "locality_weight" in item else "")
        for index, item in enumerate(endpoints)
        if item.get("priority", 0) == priority and item.get("locality_weight", 1)
    ]
    chosen.sort(key=lambda entry: locality_order(entry[2]))
    localities = {locality: item.get("locality_weight", 1) for _, item, locality in chosen}
    ready = [entry for entry in chosen if entry[1]["healthy"]]
    shares = shares_by_locality(
        [(item["weight"], locality) for _, item, locality in ready], localities
    )
    is_ring = balancer["policy"] == "RING_HASH"
    return _Inputs(
        balancer["policy"],
        balancer["ring_size"] if is_ring else balancer["table_size"],
        tuple(index for index, _, _ in ready),
        tuple(hash_key(item) for _, item, _ in ready),
        tuple(shares),
    )


def _build(inputs: _Inputs) -> HashTableData:
    """Imported late: only clusters with a hash policy need the compiled builders."""
    hashes = b""
    if inputs.policy == "RING_HASH":
        from meshproxy._fast.ketama import ring_of_shares

        hashes, owners = ring_of_shares(inputs.keys, inputs.shares, inputs.size, MAX_RING_SIZE)
    else:
        from meshproxy._fast.maglev import table_of_shares

        owners = table_of_shares(inputs.keys, inputs.shares, inputs.size)
    if inputs.places == tuple(range(len(inputs.places))):
        return hashes, owners
    return hashes, array("I", [inputs.places[owner] for owner in array("I", owners)]).tobytes()
