"""Requests per pod, and how far from even they are."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


class Load:
    """Counts of requests by the pod that answered."""

    def __init__(self, pods: Iterable[str]) -> None:
        self.requests = dict.fromkeys(pods, 0)

    def add(self, pod: str) -> None:
        self.requests[pod] += 1

    @property
    def total(self) -> int:
        return sum(self.requests.values())

    @property
    def max_over_mean(self) -> float:
        """1 is even; 1.8 means the busiest pod has 80 % more than its share."""
        return max(self.requests.values()) * len(self.requests) / max(1, self.total)

    def to_dict(self) -> dict[str, Any]:
        return {"max_over_mean": round(self.max_over_mean, 4), "requests": self.requests}
