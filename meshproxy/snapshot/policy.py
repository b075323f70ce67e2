"""DestinationRules: which one applies to a service, and what its policy is for a port or subset.

Lookup: the proxy's namespace, then the service's, then the root namespace; the first that holds
any match wins entirely. Merging is by whole blocks, never by single fields.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from meshproxy.config.destination_rule import (
    ConnectionPool,
    DestinationRule,
    LoadBalancer,
    Subset,
    TrafficPolicy,
)
from meshproxy.config.host import covers, is_wildcard, resolve, specificity
from meshproxy.config.resource import Key, Resource

from .mention import MentionIndex
from .model import HashPolicyData
from .visibility import age_order, exported_to

ROOT_NAMESPACE = "istio-system"


@dataclass(frozen=True, slots=True)
class Policy:
    """The blocks in force for one cluster."""

    load_balancer: LoadBalancer | None = None
    connection_pool: ConnectionPool | None = None


class DestinationPolicy:
    """The DestinationRules of one host, merged: all subsets, the first top-level policy."""

    __slots__ = ("_top", "keys", "subsets")

    def __init__(self, rules: list[Resource]) -> None:
        self.keys = tuple(rule.key for rule in rules)
        self.subsets: dict[str, Subset] = {}
        self._top: TrafficPolicy | None = None
        for rule in rules:
            model = rule.model
            assert isinstance(model, DestinationRule)
            for subset in model.spec.subsets:
                self.subsets.setdefault(subset.name, subset)
            self._top = self._top or model.spec.traffic_policy

    def resolve(self, port: int | None, subset: str = "") -> Policy:
        """Give the policy; `port` None leaves out portLevelSettings."""
        policy = _at_port(self._top, port)
        chosen = self.subsets.get(subset)
        if chosen is None or chosen.traffic_policy is None:
            return policy
        own = chosen.traffic_policy
        for setting in own.port_level_settings:
            if setting.port.number == port:
                return Policy(setting.load_balancer, setting.connection_pool)
        return Policy(
            own.load_balancer or policy.load_balancer,
            own.connection_pool or policy.connection_pool,
        )


NO_POLICY = DestinationPolicy([])


def hash_policies(policy: Policy) -> list[HashPolicyData]:
    """Give what is hashed for a destination with this policy."""
    hashing = policy.load_balancer.consistent_hash if policy.load_balancer else None
    if hashing is None or not hashing.http_header_name:
        return []
    return [("header", hashing.http_header_name.lower())]


def _at_port(top: TrafficPolicy | None, port: int | None) -> Policy:
    if top is None:
        return Policy()
    for setting in top.port_level_settings:
        if setting.port.number == port:
            return Policy(setting.load_balancer, setting.connection_pool)
    return Policy(top.load_balancer, top.connection_pool)


class PolicyIndex:
    """All DestinationRules, by namespace and host."""

    def __init__(
        self, namespace: str, cluster_domain: str, labels: Mapping[str, str] | None = None
    ) -> None:
        self._namespace = namespace
        self._labels = labels or {}
        self._cluster_domain = cluster_domain
        self.mentions = MentionIndex()
        self._exact: dict[tuple[str, str], list[Resource]] = {}
        self._wildcards: dict[str, dict[str, list[Resource]]] = {}
        self._cache: dict[tuple[str, str], DestinationPolicy] = {}

    def host_of(self, rule: Resource) -> str:
        """Give the full host of a rule."""
        model = rule.model
        assert isinstance(model, DestinationRule)
        return resolve(model.spec.host, rule.key.namespace, self._cluster_domain)

    def update(self, key: Key, old: Resource | None, new: Resource | None) -> Iterator[str]:
        """Take over one change; gives the hosts (maybe wildcards) whose policy it may change."""
        self._cache.clear()
        for rule, adding in ((old, False), (new, True)):
            if rule is None:
                continue
            host = self.host_of(rule)
            yield host
            self.mentions.change(key, (host,), adding)
            if is_wildcard(host):
                rules = self._wildcards.setdefault(key.namespace, {}).setdefault(host, [])
            else:
                rules = self._exact.setdefault((key.namespace, host), [])
            rules[:] = [item for item in rules if item.key != key]
            if adding:
                rules.append(rule)
                rules.sort(key=age_order)

    def lookup(self, host: str, namespace: str) -> DestinationPolicy:
        """Give the policy for a service `host` of `namespace`; NO_POLICY when no rule applies."""
        cached = self._cache.get((host, namespace))
        if cached is None:
            cached = self._cache[host, namespace] = self._lookup(host, namespace)
        return cached

    def _lookup(self, host: str, namespace: str) -> DestinationPolicy:
        for place in dict.fromkeys((self._namespace, namespace, ROOT_NAMESPACE)):
            rules = self._visible(self._exact.get((place, host), ()))
            if rules:
                return DestinationPolicy(rules)
            wildcards = self._wildcards.get(place, {})
            for pattern in sorted(wildcards, key=specificity):
                if covers(pattern, host):
                    rules = self._visible(wildcards[pattern])
                    if rules:
                        return DestinationPolicy(rules)
        return NO_POLICY

    def _visible(self, rules: list[Resource] | tuple[()]) -> list[Resource]:
        return [
            rule
            for rule in rules
            if isinstance(rule.model, DestinationRule)
            and exported_to(rule.model.spec.export_to, rule.key.namespace, self._namespace)
        ]
