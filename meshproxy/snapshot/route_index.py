"""VirtualServices: which one serves a host."""

from __future__ import annotations

from collections.abc import Iterator

from meshproxy.config.host import covers, is_wildcard, resolve, specificity, split_port
from meshproxy.config.resource import Key, Resource
from meshproxy.config.virtual_service import VirtualService

from .mention import MentionIndex
from .visibility import age_order, exported_to

MESH = "mesh"


class RouteIndex:
    """All VirtualServices that a proxy of one namespace sees, by host."""

    def __init__(self, namespace: str, cluster_domain: str) -> None:
        self._namespace = namespace
        self._cluster_domain = cluster_domain
        self.mentions = MentionIndex()  # by their own hosts and their destinations
        self._exact: dict[str, list[Resource]] = {}
        self._wildcards: dict[str, list[Resource]] = {}

    def hosts_of(self, resource: Resource) -> list[str]:
        """Give the full hosts of a VirtualService."""
        model = resource.model
        assert isinstance(model, VirtualService)
        hosts = (
            resolve(host, resource.key.namespace, self._cluster_domain)
            for host in model.spec.hosts
            if split_port(host) is None
        )
        return list(dict.fromkeys(hosts))

    def is_visible(self, resource: Resource) -> bool:
        """Tell whether it routes for this proxy at all (gateways, exportTo)."""
        model = resource.model
        assert isinstance(model, VirtualService)
        spec = model.spec
        if spec.gateways and MESH not in spec.gateways:
            return False
        return exported_to(spec.export_to, resource.key.namespace, self._namespace)

    def update(self, key: Key, old: Resource | None, new: Resource | None) -> Iterator[str]:
        """Take over one change; gives the hosts (maybe wildcards) whose routes it may change."""
        for resource, adding in ((old, False), (new, True)):
            if resource is None or not self.is_visible(resource):
                continue
            self.mentions.change(key, self._named(resource), adding)
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

    def lookup(self, host: str) -> Resource | None:
        """Give the VirtualService with the most specific host that covers `host`."""
        owners = self._exact.get(host)
        if owners:
            return owners[0]
        best = min(
            (item for item in self._wildcards if covers(item, host)), key=specificity, default=None
        )
        return self._wildcards[best][0] if best is not None else None

    def owner(self, host: str) -> Resource | None:
        """Give the VirtualService that owns exactly this host (or wildcard)."""
        owners = self._exact.get(host) or self._wildcards.get(host)
        return owners[0] if owners else None

    def _named(self, resource: Resource) -> set[str]:
        model = resource.model
        assert isinstance(model, VirtualService)
        entries = (entry for rule in model.spec.http for entry in rule.route)
        written = {entry.destination.host for entry in entries}
        namespace = resource.key.namespace
        full = {resolve(host, namespace, self._cluster_domain) for host in written}
        return full | set(self.hosts_of(resource))

    def _order(self, resource: Resource) -> tuple[int, str, str, str]:
        """Own private objects first, then those exported here by name, then public ones."""
        model = resource.model
        assert isinstance(model, VirtualService)
        export_to = model.spec.export_to
        if not export_to or "*" in export_to:
            return (2, *age_order(resource))
        return (1 if self._namespace in export_to else 0, *age_order(resource))
