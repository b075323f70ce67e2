"""Rules between objects: hosts, subsets, ports and labels that must exist for traffic to flow.

Uses the registry that compiling uses, so a reference that passes here has a cluster there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from meshproxy.config.destination import Destination
from meshproxy.config.destination_rule import DestinationRule
from meshproxy.config.host import covers, is_wildcard, resolve
from meshproxy.config.http_route import HttpRoute
from meshproxy.config.places import Path
from meshproxy.config.problem import Finding, hint, quote
from meshproxy.config.resource import Resource
from meshproxy.config.service import Service
from meshproxy.config.service_entry import ServiceEntry
from meshproxy.config.virtual_service import VirtualService
from meshproxy.discovery.pods import pod_findings

from . import claims, defaults, protocol, subsets
from .destination import DestinationResolver
from .effect import EffectCheck
from .protocol import port_protocol
from .registry import Registry


class ReferenceCheck:
    """Judges one object at a time against the whole."""

    def __init__(self, registry: Registry, resolver: DestinationResolver) -> None:
        self._registry = registry
        self._resolver = resolver
        self._effect = EffectCheck(registry, resolver)

    def findings(self, resource: Resource) -> Iterator[Finding]:
        """Give what is wrong between this object and the others."""
        model = resource.model
        if isinstance(model, VirtualService):
            if self._registry.routes.is_visible(resource):
                yield from self._virtual_service(resource, model)
                yield from defaults.findings(model, resource.key.namespace, self._resolver)
        elif isinstance(model, DestinationRule):
            if self._registry.policies.is_visible(resource):
                yield from self._destination_rule(resource, model)
        elif isinstance(model, Service | ServiceEntry):
            if isinstance(model, Service):
                yield from self._effect.of_service(model)
                yield from protocol.undeclared(model.spec.ports)
            yield from claims.findings(self._registry, resource)
        else:
            yield from pod_findings(resource, self._registry.is_looked_up(resource.key))
            yield from claims.names(self._registry, resource)

    def _virtual_service(self, resource: Resource, model: VirtualService) -> Iterator[Finding]:
        scope = self._registry.scope
        if model.spec.is_delegate and not self._registry.routes.is_delegated_to(resource.key):
            yield Finding("MP317", ("spec",), "without hosts its rules apply to no request")
        hosts: list[str] = []
        for index, host in enumerate(model.spec.hosts):
            full = resolve(host, resource.key.namespace, scope.cluster_domain)
            path: Path = ("spec", "hosts", index)
            owner = self._registry.routes.owner(full)
            if owner is not None and owner.key != resource.key and model.spec.http:
                yield Finding("MP304", path, f"{quote(host)} is routed by {owner.key} already")
            elif full.endswith(f".svc.{scope.cluster_domain}") and not self._is_known(full):
                yield Finding("MP206", path, f"no Service {quote(host)}{self._near(full)}")
            written = [item.lower() for item in model.spec.hosts[:index]]
            if full in hosts and host.lower() not in written:
                message = f"expected each host once, found {quote(host)} again, which is {full}"
                yield Finding("MP311", path, message, "warning")
            hosts.append(full)
        for index, rule in enumerate(model.spec.http):
            yield from self._delegate(resource, rule, ("spec", "http", index, "delegate"))
        yield from self._effect.of_rules(model.spec, hosts)
        for where, destination in model.spec.destinations():
            yield from self._destination(destination, resource.key.namespace, where)

    def _delegate(self, root: Resource, rule: HttpRoute, path: Path) -> Iterator[Finding]:
        if rule.delegate is None:
            return
        routes = self._registry.routes
        if routes.delegate(root, rule.delegate) is None:
            wanted = f"{rule.delegate.namespace or root.key.namespace}/{rule.delegate.name}"
            message = f"expected a VirtualService without hosts, found no {quote(wanted)}"
            yield Finding("MP209", path, message)

    def _destination(
        self, destination: Destination, namespace: str, path: Path
    ) -> Iterator[Finding]:
        host = self._resolver.host_of(destination, namespace)
        service = self._resolver.service(host)
        if service is None:
            message = f"expected the host of a service, found {quote(destination.host)}"
            yield Finding("MP201", (*path, "host"), message + self._near(host))
            return
        ports = [port.port for port in service.ports if port_protocol(port) is not None]
        if destination.port is not None and destination.port.number not in ports:
            shown = ", ".join(str(port) for port in ports) or "none"
            message = f"expected a port of {shown}, found {destination.port.number}"
            yield Finding("MP204", (*path, "port", "number"), message)
        elif destination.port is None and len(ports) > 1:
            shown = ", ".join(str(port) for port in ports)
            message = f"the Service has the ports {shown}: without port.number the port of the"
            yield Finding("MP205", path, message + " request is used")
        known = self._resolver.policy(host).subsets
        if destination.subset and destination.subset not in known:
            shown = ", ".join(sorted(known)[:10]) or "none (no DestinationRule defines any)"
            message = f"expected a subset of {shown}, found {quote(destination.subset)}"
            message += hint(destination.subset, known)
            yield Finding("MP202", (*path, "subset"), message)

    def _destination_rule(self, resource: Resource, model: DestinationRule) -> Iterator[Finding]:
        host = self._registry.policies.host_of(resource)
        yield from self._effect.of_policies(model, host)
        if not self._is_known(host):
            found = quote(model.spec.host)
            message = f"expected the host of a service, found {found}{self._near(host)}"
            yield Finding("MP206", ("spec", "host"), message)
            return
        service = self._registry.services.get(host)
        if service is None:
            return
        counted = self._resolver.policy_host(host)
        if counted != host:
            message = f"the host stands for {counted}, whose rules count, and this one not at all"
            yield Finding("MP324", ("spec", "host"), message)
            return
        yield from subsets.findings(model, service, self._registry)
        yield from subsets.rivals(resource, model, self._resolver.policy(host))

    def _is_known(self, host: str) -> bool:
        services = self._registry.services
        if is_wildcard(host):
            return any(covers(host, service) for service in services)
        return host in services

    def _near(self, host: str) -> str:
        """A service of the same name elsewhere, a missing suffix, or a similar name."""
        services = self._registry.services
        domain = self._registry.scope.cluster_domain
        for suffix in (f".svc.{domain}", f".{domain}"):
            if host + suffix in services:
                return f'; did you mean "{host}{suffix}"?'
        name = host.split(".", 1)[0]
        for service in self._sample(services):
            if service.split(".", 1)[0] == name:
                return f'; did you mean "{service}"?'
        short = {service.split(".", 1)[0] for service in self._sample(services)}
        return hint(name, short)

    @staticmethod
    def _sample(services: Iterable[str]) -> list[str]:
        """Near misses are looked for among this many services, so a check stays linear."""
        return [host for _, host in zip(range(1000), services, strict=False)]
