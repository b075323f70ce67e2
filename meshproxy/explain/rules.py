"""The rules of a virtual host, each with what became of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from meshproxy.config.virtual_service import HttpMatch
from meshproxy.explain.condition import wording
from meshproxy.explain.source import Sources
from meshproxy.snapshot.model import RouteData
from meshproxy.snapshot.scope import Scope

if TYPE_CHECKING:
    from meshproxy.explain.decision import Decision

State = Literal["matched", "failed", "not_applicable", "not_asked"]


@dataclass(frozen=True, slots=True)
class RuleStory:
    virtual_service: str | None  # None = the default route of a service
    rule: int  # index in spec.http
    name: str
    at: str | None
    state: State
    reasons: tuple[str, ...]  # failed: one for each match; matched: the conditions that held


def rule_stories(
    decision: Decision, sources: Sources | None, scope: Scope | None
) -> Iterator[RuleStory]:
    """Tell about every rule in order, also of those that this caller or port cannot reach."""
    failures = decision.failures()
    winner = decision.route_data
    port = int((decision.virtual_host or "").rpartition(":")[2] or -1)
    told: set[tuple[str, int]] = set()
    for route in decision.routes:
        key = (route["virtual_service"], route["rule"])
        if key in told:
            continue
        for skipped in range(route["rule"]):
            if (key[0], skipped) not in told:
                told.add((key[0], skipped))
                yield from _skipped(key[0], skipped, port, sources, scope)
        told.add(key)
        source = sources.rule(route) if sources is not None else None
        at = source.at if source is not None else None
        name = route["name"]
        state: State = "not_asked"
        reasons: tuple[str, ...] = ()
        if winner is not None and key == (winner["virtual_service"], winner["rule"]):
            name = winner["name"]  # of the match that held, if it has its own
            state, reasons = "matched", _held(winner)
        elif key in failures:
            state, reasons = "failed", tuple(failures[key])
        yield RuleStory(key[0] or None, key[1], name, at, state, reasons)


def _held(route: RouteData) -> tuple[str, ...]:
    return tuple(wording(condition) for condition in route["conditions"])


def _skipped(
    virtual_service: str, index: int, port: int, sources: Sources | None, scope: Scope | None
) -> Iterator[RuleStory]:
    """A rule without a compiled route: none of its matches is for this port and caller."""
    rules = sources.rules(virtual_service) if sources is not None else []
    if sources is None or index >= len(rules) or not rules[index].match:
        return
    reasons = [_unfit(match, port, scope) for match in rules[index].match]
    if None in reasons:
        return
    source = sources.rule_at(virtual_service, index)
    yield RuleStory(
        virtual_service,
        index,
        rules[index].name,
        source.at if source is not None else None,
        "not_applicable",
        tuple(reason for reason in reasons if reason is not None),
    )


def _unfit(match: HttpMatch, port: int, scope: Scope | None) -> str | None:
    if match.port is not None and match.port != port:
        return f"port {match.port}: this is port {port}"
    if match.gateways and "mesh" not in match.gateways:
        return f"gateways {', '.join(match.gateways)}: this is the mesh"
    if match.source_namespace and (scope is None or match.source_namespace != scope.namespace):
        caller = f" {scope.namespace}" if scope is not None else " another one"
        return f"sourceNamespace {match.source_namespace}: the caller's is{caller}"
    labels = scope.labels if scope is not None else {}
    for name, value in match.source_labels.items():
        if name not in labels:
            return f"sourceLabels {name}={value}: the caller has no label {name}"
        if labels[name] != value:
            return f"sourceLabels {name}={value}: the caller has {name}={labels[name]}"
    return None
