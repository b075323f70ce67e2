"""Envoy's ring and Maglev table the slow way: straight from their description, in fractions."""

from __future__ import annotations

from fractions import Fraction
from math import ceil

from xxhash import xxh64_intdigest


def ring_owner(weights: dict[str, int], minimum: int, value: int) -> str:
    """The host of a hash: every point is made and the nearest above is looked for."""
    points = ring_points(weights, minimum)
    above = [point for point in points if point[0] >= value]
    return min(above or points)[1]


def ring_points(weights: dict[str, int], minimum: int) -> list[tuple[int, str]]:
    total = sum(weights.values())
    least = Fraction(min(weights.values()), total)
    scale = Fraction(ceil(least * minimum)) / least
    points: list[tuple[int, str]] = []
    target = Fraction(0)
    for host, weight in weights.items():
        target += scale * Fraction(weight, total)
        begin = len(points)
        while len(points) < target:
            text = f"{host}_{len(points) - begin}"
            points.append((xxh64_intdigest(text.encode()), host))
    return points


def maglev_table(weights: dict[str, int], size: int) -> list[str]:
    """Turns go round the hosts by name; each is taken once the host's weight has earned it."""
    hosts = sorted(weights)
    heaviest = max(weights.values())
    free = dict.fromkeys(range(size))
    table = [""] * size
    order = {host: permutation(host, size) for host in hosts}
    taken = dict.fromkeys(hosts, 0)
    turn = 0
    while free:
        turn += 1
        for host in hosts:
            if turn * weights[host] >= taken[host] * heaviest and free:
                taken[host] += 1
                slot = next(slot for slot in order[host] if slot in free)
                table[slot] = host
                del free[slot]
    return table


def permutation(host: str, size: int):  # type: ignore[no-untyped-def]
    offset = xxh64_intdigest(host.encode()) % size
    skip = xxh64_intdigest(host.encode(), 1) % (size - 1) + 1
    for step in range(size):
        yield (offset + step * skip) % size
