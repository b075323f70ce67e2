"""Virtual hosts of one host: one per HTTP port of a service, or one for a VirtualService whose
host is no service."""

from __future__ import annotations

from dataclasses import dataclass, field

from meshproxy.config.virtual_service import VirtualService

from .domain import HTTP_PORT, address_names, domain, names_of
from .mesh_service import MeshService
from .model import DomainData, VirtualHostData
from .protocol import port_protocol
from .registry import Registry
from .route import RouteCompiler, SlotKeys
from .slots import Slots


@dataclass(slots=True)
class HostUnit:
    """What one host compiles to."""

    virtual_hosts: list[VirtualHostData] = field(default_factory=list)
    domains: list[DomainData] = field(default_factory=list)
    targets: set[str] = field(default_factory=set)  # hosts that its routes go to
    slots: SlotKeys = field(default_factory=SlotKeys)
    is_service: bool = False


class VirtualHostCompiler:
    """Makes HostUnits; owns the virtual host ids."""

    def __init__(self, ids: Slots, registry: Registry, routes: RouteCompiler) -> None:
        self.ids = ids
        self._registry = registry
        self._routes = routes

    def compile(self, host: str) -> HostUnit:
        """Compile one host; empty when nothing is served for it."""
        service = self._registry.services.get(host)
        if service is not None:
            return self._service(service)
        return self._foreign(host)

    def _service(self, service: MeshService) -> HostUnit:
        unit = HostUnit(is_service=True)
        host = service.host
        ports: dict[int, int] = {}
        for port in (self._registry.meant(service) or service).ports:
            if port_protocol(port) == "http" and port.port not in ports:
                ports[port.port] = self._add(unit, host, port.port, True)
        if ports:
            scope = self._registry.scope
            names = [*names_of(host, scope.namespace, scope.cluster_domain)]
            names.extend(address_names(service.addresses))
            unit.domains = [domain(name, ports) for name in dict.fromkeys(names)]
        return unit

    def _foreign(self, host: str) -> HostUnit:
        unit = HostUnit()
        if self._registry.routes.owner(host) is not None:
            ports = {HTTP_PORT: self._add(unit, host, HTTP_PORT, False)}
            scope = self._registry.scope
            names = names_of(host, scope.namespace, scope.cluster_domain)
            unit.domains = [domain(name, ports) for name in names]
        return unit

    def _add(self, unit: HostUnit, host: str, port: int, is_service: bool) -> int:
        name = f"{host}:{port}"
        identity = self.ids.take(name)
        index = self._registry.routes
        owner = self._registry.route_owner(host) if is_service else index.owner(host)
        model = owner.model if owner is not None else None
        unit.targets.add(host)
        if owner is not None and isinstance(model, VirtualService) and model.spec.http:
            rules = index.rules(owner)
            routes, targets = self._routes.routes(name, port, rules, unit.slots)
            unit.targets |= targets
        elif is_service:
            routes = self._routes.default(name, host, port, unit.slots)
        else:
            routes = []
        unit.virtual_hosts.append({"id": identity, "name": name, "routes": routes})
        return identity
