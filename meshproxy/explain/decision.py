"""The answer: a route, a cluster, an endpoint, and what was passed over on the way."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

Outcome = Literal[
    "routed",
    "redirect",
    "direct_response",
    "no_route",
    "no_cluster",
    "no_healthy_upstream",
    "fault",
    "bad_request",
]


@dataclass(frozen=True, slots=True)
class Arm:
    """One side of a split."""

    cluster: str
    weight: int


@dataclass(frozen=True, slots=True)
class Rejection:
    """A rule that was asked before the one that won."""

    route: str | int
    reason: str


@dataclass(frozen=True, slots=True)
class Decision:
    """What happens to one request. Field names are those of `explain -o json`."""

    outcome: Outcome
    virtual_service: str | None  # "namespace/name"; None = the service's default route
    route: str | int | None  # its name, else its index in spec.http
    cluster: str | None
    endpoint: str | None  # "10.0.0.1:8080"
    split: tuple[Arm, ...]
    timeout_ms: int  # 0 = none
    retries: int
    hash_key: str | None  # the text that chose the endpoint, for consistentHash
    rejected: tuple[Rejection, ...]
    generation: int
    virtual_host: str | None
    pod: str | None  # "namespace/name" of the endpoint
    origin: str | None  # "file:line:column" of the rule
    detail: str | None  # why a bad request is bad

    def to_dict(self) -> dict[str, Any]:
        """Give plain data, ready for JSON."""
        data = asdict(self)
        data["split"] = list(data["split"])
        data["rejected"] = list(data["rejected"])
        return data
