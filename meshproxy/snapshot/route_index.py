"""VirtualServices: which one serves a host, and which stand in for rules of others."""

from __future__ import annotations

from collections.abc import Iterator

from meshproxy.config.host import covers, is_wildcard, resolve, specificity, split_port
from meshproxy.config.http_route import Delegate
from meshproxy.config.resource import Key, Resource
from meshproxy.config.virtual_service import VirtualService, VirtualServiceSpec

from . import delegate
from .mention import MentionIndex
from .rule import MESH, Rule, TcpRule
from .visibility import age_order, exported_to


class RouteIndex:
    """All VirtualServices that a proxy of one namespace sees, by host."""

    def __init__(self, namespace: str, cluster_domain: str) -> None:
        self._namespace = namespace
        self._cluster_domain = cluster_domain
        self.mentions = MentionIndex()  # by their own hosts and their destinations
        self._exact: dict[str, list[Resource]] = {}
        self._wildcards: dict[str, list[Resource]] = {}
        self._delegates: dict[Key, Resource] = {}  # those without hosts
        self._roots: dict[Key, dict[Key, Resource]] = {}  # who delegates to each

    def hosts_of(self, resource: Resource) -> list[str]:
        """Give the full hosts of a VirtualService."""
        hosts = (
            resolve(host, resource.key.namespace, self._cluster_domain)
            for host in _spec(resource).hosts
            if split_port(host) is None
        )
        return list(dict.fromkeys(hosts))

    def is_visible(self, resource: Resource) -> bool:
        """Tell whether it routes for this proxy at all (gateways, exportTo). Whether a delegate
        does is up to those that delegate to it."""
        spec = _spec(resource)
        if spec.is_delegate:
            return True
        if spec.gateways and MESH not in spec.gateways:
            return False
        return exported_to(spec.export_to, resource.key.namespace, self._namespace)

    def update(self, key: Key, old: Resource | None, new: Resource | None) -> Iterator[str]:
        """Take over one change; gives the hosts (maybe wildcards) whose routes it may change."""
        for resource, adding in ((old, False), (new, True)):
            if resource is None or not self.is_visible(resource):
                continue
            self.mentions.change(key, self._named(resource), adding)
            self._change_delegation(resource, adding)
            for host in self.hosts_of(resource):
                yield host
                table = self._wildcards if is_wildcard(host) else self._exact
                owners = [item for item in table.get(host, ()) if item.key != key]
                if adding:
                    owners.append(resource)
                    owners.sort(key=self._order)
                if owners:
                    table[host] = owners
                else:
                    table.pop(host, None)
            for root in self._roots.get(key, {}).values():
                yield from self.hosts_of(root)

    def lookup(self, host: str) -> Resource | None:
        """Give the VirtualService with the most specific host that covers `host`."""
        owners = self._exact.get(host)
        if owners:
            return owners[0]
        best = min(
            (item for item in self._wildcards if covers(item, host)), key=specificity, default=None
        )
        return self._wildcards[best][0] if best is not None else None

    def tcp_rules(self, host: str) -> Iterator[TcpRule]:
        """Give the tcp rules for a host, of all VirtualServices that cover it: here, unlike for
        http, none owns the host."""
        owners = list(self._exact.get(host, ()))
        for pattern, others in self._wildcards.items():
            if covers(pattern, host):
                owners += others
        unique = {owner.key: owner for owner in owners}
        for owner in sorted(unique.values(), key=self._order):
            for index, rule in enumerate(_spec(owner).tcp):
                yield TcpRule(owner, index, rule)

    def owner(self, host: str) -> Resource | None:
        """Give the VirtualService that owns exactly this host (or wildcard)."""
        owners = self._exact.get(host) or self._wildcards.get(host)
        return owners[0] if owners else None

    def delegate(self, root: Resource, wanted: Delegate) -> Resource | None:
        """Give the VirtualService that a rule of `root` delegates to, if `root` may see it."""
        found = self._delegates.get(_delegate_key(root, wanted))
        if found is None:
            return None
        exports = _spec(found).export_to
        namespace = root.key.namespace
        return found if exported_to(exports, found.key.namespace, namespace) else None

    def is_delegated_to(self, key: Key) -> bool:
        return bool(self._roots.get(key))

    def rules(self, owner: Resource) -> Iterator[Rule]:
        """Give the http rules of a VirtualService, those of delegates in their place."""
        for index, rule in enumerate(_spec(owner).http):
            if rule.delegate is None:
                yield Rule(owner, index, rule)
                continue
            source = self.delegate(owner, rule.delegate)
            for at, own in enumerate(_spec(source).http if source is not None else ()):
                joined = delegate.join(rule, own) if own.delegate is None else None
                if source is not None and joined is not None:
                    yield Rule(source, at, joined)

    def _change_delegation(self, resource: Resource, adding: bool) -> None:
        spec = _spec(resource)
        if spec.is_delegate:
            if adding:
                self._delegates[resource.key] = resource
            else:
                self._delegates.pop(resource.key, None)
        for rule in spec.http:
            if rule.delegate is None:
                continue
            roots = self._roots.setdefault(_delegate_key(resource, rule.delegate), {})
            if adding:
                roots[resource.key] = resource
            else:
                roots.pop(resource.key, None)

    def _named(self, resource: Resource) -> set[str]:
        written = {destination.host for _, destination in _spec(resource).destinations()}
        namespace = resource.key.namespace
        full = {resolve(host, namespace, self._cluster_domain) for host in written}
        return full | set(self.hosts_of(resource))

    def _order(self, resource: Resource) -> tuple[int, str, str, str]:
        """Own private objects first, then those exported here by name, then public ones."""
        export_to = _spec(resource).export_to
        if not export_to or "*" in export_to:
            return (2, *age_order(resource))
        return (1 if self._namespace in export_to else 0, *age_order(resource))


def _spec(resource: Resource) -> VirtualServiceSpec:
    assert isinstance(resource.model, VirtualService)
    return resource.model.spec


def _delegate_key(root: Resource, wanted: Delegate) -> Key:
    return Key("VirtualService", wanted.namespace or root.key.namespace, wanted.name)
