"""Ring hash tables of a cluster, over its healthy endpoints."""

from __future__ import annotations

import sys
from array import array
from collections.abc import Callable

from meshproxy.config.load_balancer import MAX_RING_SIZE

from .model import EndpointData

BuildRing = Callable[[list[bytes], list[int], int, int], tuple[bytes, bytes]]
"""(keys, weights, minimum, maximum) -> (sorted uint64 hashes, uint32 indexes into keys), LE."""


def compiled_build_ring() -> BuildRing:
    """Give the compiled builder; imported late, as only clusters with a ring need it."""
    from meshproxy._fast.ketama import build_ring

    found: BuildRing = build_ring
    return found


def ring_key(endpoint: EndpointData) -> bytes:
    """Envoy's hash key of a host: `ip:port`, `[ip]:port` for IPv6."""
    address = endpoint["address"]
    host = f"[{address}]" if ":" in address else address
    return f"{host}:{endpoint['port']}".encode()


def ring_of(endpoints: list[EndpointData], minimum: int, build: BuildRing) -> tuple[bytes, bytes]:
    """Give (hashes, indexes into `endpoints`); both empty when no endpoint is healthy."""
    healthy = [index for index, item in enumerate(endpoints) if item["healthy"]]
    if not healthy:
        return b"", b""
    keys = [ring_key(endpoints[index]) for index in healthy]
    weights = [endpoints[index]["weight"] for index in healthy]
    hashes, picks = build(keys, weights, minimum, MAX_RING_SIZE)
    if len(healthy) == len(endpoints):
        return hashes, picks
    table = array("I", picks)
    if sys.byteorder == "big":
        table.byteswap()
    mapped = array("I", [healthy[index] for index in table])
    if sys.byteorder == "big":
        mapped.byteswap()
    return hashes, mapped.tobytes()
