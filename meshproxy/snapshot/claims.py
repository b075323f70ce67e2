"""Verdicts on what defines hosts: who counts for a host, and DNS names without addresses."""

from __future__ import annotations

from collections.abc import Iterator

from meshproxy.config.metadata import Resource as Model
from meshproxy.config.places import Path
from meshproxy.config.problem import Finding, quote
from meshproxy.config.resource import Resource
from meshproxy.config.service import Service
from meshproxy.config.service_entry import ServiceEntry
from meshproxy.discovery.entries import name_of, names_of

from .mesh_service import entry_host
from .protocol import port_protocol
from .registry import Registry

_MOST_SHOWN = 5  # addresses of a name


def findings(registry: Registry, resource: Resource) -> Iterator[Finding]:
    """Judge a Service or ServiceEntry; none is given for one that this proxy does not see."""
    model = resource.model
    if not registry.hosts_of(resource.key):
        return
    if isinstance(model, ServiceEntry):
        hosts = [entry_host(host) for host in model.spec.hosts]
        for host, winner in registry.rivals(resource.key):
            message = f"{quote(host)} is defined by {winner.key} already, which counts"
            yield Finding("MP326", ("spec", "hosts", hosts.index(host)), message)
        for index, port in enumerate(model.spec.ports):
            if not port.protocol:
                counts = (port_protocol(port.as_service_port()) or "").upper()
                message = f"expected a protocol, found none: the port counts as {counts}"
                yield Finding("MP325", ("spec", "ports", index), message)
    elif isinstance(model, Service) and model.spec.type == "ExternalName":
        yield from _external(registry, resource, model)
    yield from registry.endpoints.findings(resource)
    yield from names(registry, resource)


def names(registry: Registry, resource: Resource) -> Iterator[Finding]:
    """Say which DNS names of an object are not known to have addresses, where they stand."""
    if not registry.is_looked_up(resource.key):
        return
    for name in names_of(resource):
        path = _place_of(name, resource.model)
        known = registry.endpoints.resolved.get(name)
        if known is None:
            yield Finding("MP407", path, f"{quote(name)} is looked up once the proxy runs")
        elif known.error:
            kept = ", ".join(known.addresses[:_MOST_SHOWN])
            if len(known.addresses) > _MOST_SHOWN:
                kept += f" and {len(known.addresses) - _MOST_SHOWN} more"
            left = f"its last addresses stay: {kept}" if kept else "it has no endpoints"
            yield Finding("MP408", path, f"{quote(name)}: {known.error}; {left}")


def _external(registry: Registry, resource: Resource, model: Service) -> Iterator[Finding]:
    if not model.spec.external_name:
        message = "expected a DNS name, found none: 503 UH"
        yield Finding("MP103", ("spec", "externalName"), message)
    (host,) = registry.hosts_of(resource.key)
    meant = registry.meant(registry.services[host])
    if meant is None:
        if not model.spec.ports:
            message = "expected ports, found none: nothing is served under this name"
            yield Finding("MP315", ("spec",), message)
        return
    known = {port.port for port in meant.ports}
    for index, port in enumerate(model.spec.ports):
        if port.port not in known:
            shown = ", ".join(map(str, sorted(known))) or "none"
            message = f"{meant.key} counts, and it has the ports {shown}, not {port.port}"
            yield Finding("MP315", ("spec", "ports", index), message)


def _place_of(name: str, model: Model) -> Path:
    if isinstance(model, Service):
        return "spec", "externalName"
    if not isinstance(model, ServiceEntry):
        return "spec", "address"
    for index, item in enumerate(model.spec.endpoints):
        if name_of(item.address) == name:
            return "spec", "endpoints", index, "address"
    return "spec", "hosts", [name_of(host) for host in model.spec.hosts].index(name)
