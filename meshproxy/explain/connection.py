"""What happens to one connection (L4), and why: tcp rule, split arm, cluster, endpoint."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from meshproxy.explain.balance import EndpointStory, endpoint_stories, pick_reason
from meshproxy.explain.decision import Arm
from meshproxy.explain.source import Source
from meshproxy.snapshot.model import ListenerData

if TYPE_CHECKING:
    from meshproxy.explain.explainer import Explainer

SCHEME = "tcp://"
_TARGET = re.compile(r"tcp://([A-Za-z0-9.-]+)(?::(\d{1,5}))?/?")


@dataclass(frozen=True, slots=True)
class ConnectionDecision:
    """Field names are keys of `explain -o json`; None = there is none."""

    url: str
    outcome: Literal["routed", "no_cluster", "no_healthy_upstream"]
    service: str  # "redis.cache.svc.cluster.local:6379"
    virtual_service: str | None  # whose tcp rule it follows
    rule: int | None  # index in spec.tcp
    origin: Source | None
    split: tuple[Arm, ...]
    split_turn: int | None
    cluster: str
    policy: str | None
    affinity_s: int | None  # sessionAffinity: how long the client stays with the endpoint
    hash: int | None
    hash_key: str | None
    endpoint: str | None
    pod: str | None
    endpoints: tuple[EndpointStory, ...]
    pick: str | None
    generation: int
    seed: int

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def parse_target(url: str) -> tuple[str, int]:
    """Give service and port, 0 when the URL names none. Raises ValueError."""
    match = _TARGET.fullmatch(url)
    if match is None:
        raise ValueError(
            f"expected tcp://SERVICE:PORT such as tcp://redis.cache:6379, found {url!r}"
        )
    return match[1], int(match[2] or 0)


def decide(
    explainer: Explainer,
    url: str,
    listener: ListenerData,
    answer: dict[str, Any],
    seed: int,
    source_ip: str,
) -> ConnectionDecision:
    """Put the story together; `answer` is Snapshot.decide_connection's."""
    sources = explainer.sources
    cluster = explainer.data["clusters"].get(answer["cluster_id"])
    names = listener["cluster_names"]
    weights = [weight for _, weight in listener.get("clusters", [(listener["cluster"], 100)])]
    hash_key = source_ip if answer["hash"] is not None else None
    is_live = explainer.scoreboard is not None
    endpoints: tuple[EndpointStory, ...] = ()
    if cluster is not None:
        found = endpoint_stories(cluster, answer["endpoint"], explainer.scoreboard, sources)
        endpoints = tuple(found)
    return ConnectionDecision(
        url=url,
        outcome=answer["outcome"],
        service=listener["service"],
        virtual_service=listener.get("virtual_service"),
        rule=listener.get("rule"),
        origin=sources.tcp_rule(listener) if sources is not None else None,
        split=tuple(Arm(name, weight) for name, weight in zip(names, weights, strict=True)),
        split_turn=answer["split_turn"] if answer["split_turn"] >= 0 else None,
        cluster=names[answer["arm"]],
        policy=cluster["lb"]["policy"] if cluster is not None else None,
        affinity_s=cluster.get("session_affinity_s") if cluster is not None else None,
        hash=answer["hash"],
        hash_key=hash_key,
        endpoint=answer["endpoint"],
        pod=answer["endpoint_name"] or None,
        endpoints=endpoints,
        pick=(
            pick_reason(cluster, answer, hash_key, is_live)
            if cluster is not None and answer["endpoint"] is not None
            else None
        ),
        generation=explainer.data["generation"],
        seed=seed,
    )
