"""Where the YAML is silent and Istio would do otherwise than we do: told, once for each object.

Two defaults of Istio hurt (docs/limits.md): a request that is not idempotent may be repeated after
it was sent, and retries have no bound but their number.
"""

from __future__ import annotations

from collections.abc import Iterator

from meshproxy.config.destination import Destination
from meshproxy.config.places import Path
from meshproxy.config.problem import Finding
from meshproxy.config.virtual_service import VirtualService

from .destination import DestinationResolver

_BOUND = "at most a fifth of the requests at one time are retries"


def findings(
    model: VirtualService, namespace: str, resolver: DestinationResolver
) -> Iterator[Finding]:
    """Give at most one finding, at the first rule that it is about."""
    silent: list[int] = []  # rules without retries
    unbound: list[int] = []  # rules whose retries have no bound in the YAML
    for index, rule in enumerate(model.spec.http):
        if not rule.route or (rule.retries is not None and rule.retries.attempts == 0):
            continue
        if rule.retries is None:
            silent.append(index)
        if not all(_is_bound(entry.destination, namespace, resolver) for entry in rule.route):
            unbound.append(index)
    if silent:
        message = "no retries are set: two as in Istio, but a POST is not repeated once sent"
        if unbound:
            message += f"; {_BOUND}"
        yield Finding("MP316", _rule(silent), message + _others(silent))
    elif unbound:
        message = f"no maxRetries or retryBudget is set: {_BOUND}"
        yield Finding("MP316", (*_rule(unbound), "retries"), message + _others(unbound))


def _is_bound(destination: Destination, namespace: str, resolver: DestinationResolver) -> bool:
    host = resolver.host_of(destination, namespace)
    port = destination.port.number if destination.port is not None else None
    policy = resolver.policy(host).resolve(port, destination.subset)
    pool = policy.connection_pool
    return policy.retry_budget is not None or (pool is not None and pool.http.max_retries > 0)


def _rule(indexes: list[int]) -> Path:
    return ("spec", "http", indexes[0])


def _others(indexes: list[int]) -> str:
    more = len(indexes) - 1
    return f" (and for {more} more rule{'s' if more > 1 else ''})" if more else ""
