"""A decision as a person would tell it."""

from __future__ import annotations

from collections.abc import Iterator

from meshproxy.explain.decision import Decision

_OUTCOMES = {
    "routed": "routed",
    "no_route": "no route: 404 NR route_not_found",
    "no_cluster": "no such cluster: 503 NC cluster_not_found",
    "no_healthy_upstream": "no ready endpoint: 503 UH no_healthy_upstream",
    "bad_request": "not a request the proxy accepts: 400 DPE",
}


def describe(decision: Decision) -> str:
    """Give the lines of `meshproxy explain`."""
    return "".join(f"{name + ':':<17}{value}\n" for name, value in _facts(decision))


def _facts(decision: Decision) -> Iterator[tuple[str, str]]:
    outcome = _OUTCOMES.get(decision.outcome, decision.outcome)
    yield "outcome", f"{outcome} ({decision.detail})" if decision.detail else outcome
    if decision.virtual_host is not None:
        yield "virtual host", decision.virtual_host
    for rejection in decision.rejected:
        yield "passed over", f"{_rule(rejection.route)}: {rejection.reason}"
    if decision.route is not None:
        owner = decision.virtual_service
        where = f" at {decision.origin}" if decision.origin else ""
        yield (
            "route",
            (
                f"{_rule(decision.route)} of VirtualService {owner}{where}"
                if owner
                else "default (no VirtualService applies)"
            ),
        )
        if len(decision.split) > 1:
            yield "split", ", ".join(f"{arm.weight} {arm.cluster}" for arm in decision.split)
        timeout = f"{decision.timeout_ms} ms" if decision.timeout_ms else "none"
        yield "timeout", timeout
    if decision.cluster is not None:
        yield "cluster", decision.cluster
    if decision.hash_key is not None:
        yield "hash key", decision.hash_key
    if decision.endpoint is not None:
        pod = f" ({decision.pod})" if decision.pod else ""
        yield "endpoint", decision.endpoint + pod


def _rule(route: str | int) -> str:
    return f"http[{route}]" if isinstance(route, int) else f'"{route}"'
