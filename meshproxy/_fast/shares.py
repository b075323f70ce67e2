"""Shares of endpoints under a hash policy: what a ring or table gives each of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


def shares_of(weights: Sequence[int]) -> list[float]:
    """Give each weight's part of the whole; the order of operations is Envoy's, bit for bit."""
    total = sum(weights)
    return [weight / total for weight in weights]


def shares_by_locality(
    members: Sequence[tuple[int, str]], localities: Mapping[str, int]
) -> list[float]:
    """Give the shares of (weight, locality); a locality's share is split by weight.

    A locality that has nobody among `members` keeps its share, as in Envoy: the sum is below 1.
    """
    if len(localities) < 2:
        return shares_of([weight for weight, _ in members])
    whole = sum(localities.values())
    totals: dict[str, int] = {}
    for weight, locality in members:
        totals[locality] = totals.get(locality, 0) + weight
    return [
        weight * (localities[locality] / whole) / totals[locality] for weight, locality in members
    ]


def locality_order(locality: str) -> list[str]:
    """Order localities as Envoy does: by region, zone and subzone."""
    return locality.split("/")
