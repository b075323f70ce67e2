"""Rules that a DestinationRule must keep by itself."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..destination_rule import DestinationRule, LoadBalancer, TrafficPolicy
from ..host import invalid_reason, split_port
from ..places import Path
from ..problem import Finding, quote

_LABEL = re.compile(r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?")


def check(resource: DestinationRule) -> Iterator[Finding]:
    """Give what is wrong or doubtful, in the order of the fields."""
    spec = resource.spec
    reason = invalid_reason(spec.host)
    if split_port(spec.host):
        reason = f"expected a host without a port, found {quote(spec.host)}"
    if reason:
        yield Finding("MP115", ("spec", "host"), reason)
    if spec.traffic_policy:
        yield from _check_policy(spec.traffic_policy, ("spec", "trafficPolicy"))
    names: set[str] = set()
    for index, subset in enumerate(spec.subsets):
        path: Path = ("spec", "subsets", index)
        if not _LABEL.fullmatch(subset.name):
            yield Finding(
                "MP104", (*path, "name"), f"expected a DNS label, found {quote(subset.name)}"
            )
        if subset.name in names:
            yield Finding(
                "MP311",
                (*path, "name"),
                f"expected each subset once, found {quote(subset.name)} again",
            )
        names.add(subset.name)
        if subset.traffic_policy:
            yield from _check_policy(subset.traffic_policy, (*path, "trafficPolicy"))


def _check_policy(policy: TrafficPolicy, path: Path) -> Iterator[Finding]:
    if policy.load_balancer:
        yield from _check_balancer(policy.load_balancer, (*path, "loadBalancer"))
    for index, setting in enumerate(policy.port_level_settings):
        if setting.load_balancer:
            where = (*path, "portLevelSettings", index, "loadBalancer")
            yield from _check_balancer(setting.load_balancer, where)


def _check_balancer(balancer: LoadBalancer, path: Path) -> Iterator[Finding]:
    if balancer.simple == "PASSTHROUGH":
        yield Finding(
            "MP105", (*path, "simple"), "PASSTHROUGH is not honoured yet: LEAST_REQUEST is used"
        )
    if balancer.simple == "LEAST_CONN":
        yield Finding("MP114", (*path, "simple"), "LEAST_CONN is LEAST_REQUEST: write that")
    hashing = balancer.consistent_hash
    if hashing is None:
        return
    if hashing.minimum_ring_size is not None:
        yield Finding(
            "MP114",
            (*path, "consistentHash", "minimumRingSize"),
            "minimumRingSize is now ringHash.minimumRingSize",
        )
