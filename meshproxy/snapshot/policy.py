"""DestinationRules: which one applies to a service, and what its policy is for a port or subset.

Lookup: the proxy's namespace, then the service's, then the root namespace; the first that holds
any match wins entirely. Merging is by whole blocks, never by single fields.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from meshproxy.config.connection_pool import ConnectionPool
from meshproxy.config.destination_rule import DestinationRule, Subset
from meshproxy.config.host import covers, is_wildcard, resolve, specificity
from meshproxy.config.load_balancer import LoadBalancer
from meshproxy.config.outlier_detection import OutlierDetection
from meshproxy.config.resource import Key, Resource
from meshproxy.config.traffic_policy import PortPolicy, RetryBudget, TrafficPolicy

from .mention import MentionIndex
from .model import CookieData, HashPolicyData
from .visibility import age_order, exported_to

ROOT_NAMESPACE = "istio-system"


@dataclass(frozen=True, slots=True)
class Policy:
    """The blocks in force for one cluster."""

    load_balancer: LoadBalancer | None = None
    connection_pool: ConnectionPool | None = None
    outlier: OutlierDetection | None = None
    retry_budget: RetryBudget | None = None
    hash_balance_factor: int = 0  # percent; 0 = not bounded


class DestinationPolicy:
    """The DestinationRules of one host, merged: all subsets, the first top-level policy."""

    __slots__ = ("_balance_factor", "_top", "keys", "subsets", "top_key")

    def __init__(self, rules: list[Resource]) -> None:
        self.keys = tuple(rule.key for rule in rules)
        self.subsets: dict[str, Subset] = {}
        self._top: TrafficPolicy | None = None
        self.top_key: Key | None = None  # of the rule whose policy counts
        self._balance_factor = 0
        for rule in rules:
            model = rule.model
            assert isinstance(model, DestinationRule)
            self._balance_factor = self._balance_factor or model.hash_balance_factor or 0
            for subset in model.spec.subsets:
                self.subsets.setdefault(subset.name, subset)
            if self._top is None and model.spec.traffic_policy is not None:
                self._top, self.top_key = model.spec.traffic_policy, rule.key

    def resolve(self, port: int | None, subset: str = "") -> Policy:
        """Give the policy; `port` None leaves out portLevelSettings."""
        found = self._blocks(port, subset)
        return replace(found, hash_balance_factor=self._balance_factor)

    def _blocks(self, port: int | None, subset: str) -> Policy:
        policy = _at_port(self._top, port)
        chosen = self.subsets.get(subset)
        if chosen is None or chosen.traffic_policy is None:
            return policy
        own = chosen.traffic_policy
        budget = own.retry_budget or policy.retry_budget
        for setting in own.port_level_settings:
            if setting.port.number == port:
                return replace(_of_port(setting), retry_budget=budget)
        return Policy(
            own.load_balancer or policy.load_balancer,
            own.connection_pool or policy.connection_pool,
            own.outlier_detection or policy.outlier,
            budget,
        )


NO_POLICY = DestinationPolicy([])


def hash_policies(policy: Policy) -> list[HashPolicyData]:
    """Give what is hashed for a destination with this policy."""
    hashing = policy.load_balancer.consistent_hash if policy.load_balancer else None
    if hashing is None:
        return []
    if hashing.http_header_name:
        return [("header", hashing.http_header_name.lower())]
    if hashing.http_cookie is not None:
        return [("cookie", hashing.http_cookie.name)]
    if hashing.use_source_ip:
        return [("source_ip", "")]
    if hashing.http_query_parameter_name:
        return [("query", hashing.http_query_parameter_name)]
    return []


def cookies(policy: Policy) -> list[CookieData]:
    """Give the cookies that are made for requests without one."""
    hashing = policy.load_balancer.consistent_hash if policy.load_balancer else None
    cookie = hashing.http_cookie if hashing is not None else None
    if cookie is None or cookie.ttl is None:
        return []
    attributes = [(item.name, item.value) for item in cookie.attributes]
    ttl_s = cookie.ttl // 1000
    return [{"name": cookie.name, "path": cookie.path, "ttl_s": ttl_s, "attributes": attributes}]


def _audience(rule: Resource) -> tuple[frozenset[tuple[str, str]], frozenset[str]]:
    """Give (labels, namespaces) of the proxies that a rule is for."""
    model = rule.model
    assert isinstance(model, DestinationRule)
    selector = model.spec.workload_selector
    labels = selector.match_labels if selector is not None else {}
    own = rule.key.namespace
    names = (own if name == "." else name for name in model.spec.export_to or ("*",))
    return frozenset(labels.items()), frozenset(names) if not labels else frozenset()


def _is_private(rule: Resource) -> bool:
    labels, names = _audience(rule)
    return bool(labels) or names == {rule.key.namespace}


def _at_port(top: TrafficPolicy | None, port: int | None) -> Policy:
    if top is None:
        return Policy()
    for setting in top.port_level_settings:
        if setting.port.number == port:
            return _of_port(setting)
    return Policy(top.load_balancer, top.connection_pool, top.outlier_detection, top.retry_budget)


def _of_port(setting: PortPolicy) -> Policy:
    return Policy(setting.load_balancer, setting.connection_pool, setting.outlier_detection)


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

    def is_visible(self, rule: Resource) -> bool:
        """Tell whether a rule is for this proxy at all (exportTo, workloadSelector)."""
        model = rule.model
        assert isinstance(model, DestinationRule)
        selector = model.spec.workload_selector
        if selector is not None and selector.match_labels:
            is_own = rule.key.namespace == self._namespace
            return is_own and selector.match_labels.items() <= self._labels.items()
        return exported_to(model.spec.export_to, rule.key.namespace, self._namespace)

    def _lookup(self, host: str, namespace: str) -> DestinationPolicy:
        places = [(self._namespace, False), (namespace, False), (ROOT_NAMESPACE, False)]
        if self._namespace == ROOT_NAMESPACE:  # its public rules are for everybody, so come last
            places = [(ROOT_NAMESPACE, True), *places[1:]]
        for place, only_private in dict.fromkeys(places):
            rules = self._merged(self._exact.get((place, host), ()), only_private)
            if rules:
                return DestinationPolicy(rules)
            wildcards = self._wildcards.get(place, {})
            for pattern in sorted(wildcards, key=specificity):
                if covers(pattern, host):
                    rules = self._merged(wildcards[pattern], only_private)
                    if rules:
                        return DestinationPolicy(rules)
        return NO_POLICY

    def _merged(self, rules: Sequence[Resource], only_private: bool) -> list[Resource]:
        """Give the rules of one host that count together: those for the same proxies as the
        first; a rule that selects this proxy comes before those for all."""
        seen = [
            rule
            for rule in rules
            if self.is_visible(rule) and (not only_private or _is_private(rule))
        ]
        visible = sorted(seen, key=lambda rule: not _audience(rule)[0])
        return [rule for rule in visible if _audience(rule) == _audience(visible[0])]
