"""Endpoints that a ServiceEntry or an ExternalName gives by address or by DNS name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from meshproxy.config.resource import Resource
from meshproxy.config.service import Service, ServicePort
from meshproxy.config.service_entry import ServiceEntry
from meshproxy.config.workload_entry import WorkloadEntrySpec

from .endpoint import Endpoint, canonical_address

Resolved = Mapping[str, Sequence[str]]
"""Addresses of each name that was looked up, in the order of the answer."""


def names_of(resource: Resource) -> list[str]:
    """Give the DNS names that an object needs looked up."""
    model = resource.model
    if isinstance(model, Service):
        names = [model.spec.external_name] if model.spec.type == "ExternalName" else []
    elif isinstance(model, ServiceEntry) and model.spec.resolves:
        spec = model.spec
        names = [item.address for item in spec.endpoints] or list(spec.hosts)
    else:
        return []
    wanted = (name.lower().removesuffix(".") for name in names)
    return [name for name in dict.fromkeys(wanted) if _is_name(name)]


def entry_endpoints(
    entry: ServiceEntry, port: ServicePort, host: str, resolved: Resolved
) -> Iterator[Endpoint]:
    """Give the endpoints that are written in place, or looked up for `host`."""
    spec = entry.spec
    if spec.resolution == "STATIC":
        for item in spec.endpoints:
            yield from _endpoints(item, port, [item.address])
    elif spec.resolves:
        only_first = spec.resolution == "DNS_ROUND_ROBIN"
        for item in spec.endpoints or [WorkloadEntrySpec(address=host)]:
            addresses = _addresses(item.address, resolved)
            yield from _endpoints(item, port, addresses[:1] if only_first else addresses)


def external_endpoints(
    service: Service, port: ServicePort, resolved: Resolved
) -> Iterator[Endpoint]:
    """Give the endpoints of an ExternalName."""
    item = WorkloadEntrySpec(address=service.spec.external_name)
    yield from _endpoints(item, port, _addresses(item.address, resolved))


def _addresses(address: str, resolved: Resolved) -> Sequence[str]:
    name = address.lower().removesuffix(".")
    return resolved.get(name, ()) if _is_name(name) else [address]


def _is_name(text: str) -> bool:
    return bool(text) and canonical_address(text) is None and not text.startswith(("unix:", "*"))


def _endpoints(
    item: WorkloadEntrySpec, port: ServicePort, addresses: Sequence[str]
) -> Iterator[Endpoint]:
    target = port.target_port if isinstance(port.target_port, int) else port.port
    number = item.ports.get(port.name, target)
    for text in addresses:
        address = canonical_address(text)
        if address is not None:
            weight = item.weight or 1
            yield Endpoint(address, number, True, weight, "", item.labels, item.locality)
