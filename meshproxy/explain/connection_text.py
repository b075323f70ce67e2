"""A decision about a connection as a person would tell it."""

from __future__ import annotations

from collections.abc import Iterator

from meshproxy.explain.connection import ConnectionDecision
from meshproxy.explain.text import BOLD, GREEN, LABEL_WIDTH, RED, Line, Paint, endpoint_lines

_FLAGS = {"no_cluster": "NC cluster_not_found", "no_healthy_upstream": "UH no_healthy_upstream"}


def describe_connection(decision: ConnectionDecision, has_color: bool = False) -> str:
    """Give the lines of `meshproxy explain tcp://...`."""
    paint = Paint(has_color)
    pod = f" ({decision.pod})" if decision.pod else ""
    end = f"{decision.endpoint}{pod}" if decision.outcome == "routed" else _FLAGS[decision.outcome]
    color = GREEN if decision.outcome == "routed" else RED
    lines = [paint(f"{decision.url} -> {end}", color), ""]
    for label, text in _sections(decision, paint):
        lines.append(f"{paint(f'{label:<{LABEL_WIDTH}}', BOLD)}{text}".rstrip())
    return "\n".join(lines) + "\n"


def _sections(decision: ConnectionDecision, paint: Paint) -> Iterator[Line]:
    yield "service", decision.service
    if decision.virtual_service is None:
        yield "rule", "none: no tcp rule of a VirtualService applies to this port and caller"
    else:
        at = f"  {decision.origin.at}" if decision.origin is not None else ""
        yield "rule", f"spec.tcp[{decision.rule}] of {decision.virtual_service}{at}"
    label = "split"
    if len(decision.split) > 1:
        total = sum(arm.weight for arm in decision.split)
        for arm in decision.split:
            mark = f" <- turn {decision.split_turn}" if arm.cluster == decision.cluster else ""
            yield label, f"{arm.weight} of {total}  {arm.cluster}{mark}"
            label = ""
    yield "cluster", decision.cluster
    if decision.outcome == "no_cluster":
        yield "", "no service has this port, or no DestinationRule this subset"
    if decision.policy is not None:
        yield "", f"balancer {decision.policy}"
    if decision.affinity_s is not None:
        yield (
            "",
            f"sessionAffinity ClientIP: a client that came before stays, {decision.affinity_s} s",
        )
    if decision.hash_key is not None:
        yield "hash", f'source IP "{decision.hash_key}"'
    label = "endpoints"
    for text in endpoint_lines(decision.endpoints, paint):
        yield label, text
        label = ""
    if decision.pick is not None:
        yield "pick", decision.pick
    yield "generation", str(decision.generation)
