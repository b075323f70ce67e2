"""Endpoints that a ServiceEntry or an ExternalName gives by address or by DNS name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from meshproxy.config.host import is_wildcard
from meshproxy.config.resource import Resource
from meshproxy.config.service import Service, ServicePort
from meshproxy.config.service_entry import ServiceEntry
from meshproxy.config.workload_entry import UNIX, WorkloadEntry, WorkloadEntrySpec

from .endpoint import Endpoint, canonical_address
from .resolution import Resolved


def names_of(resource: Resource) -> list[str]:
    """Give the DNS names that an object has endpoints for."""
    model = resource.model
    if isinstance(model, WorkloadEntry):
        items = [model.spec]
    elif isinstance(model, ServiceEntry):
        items = [item for host in model.spec.hosts for item in written_endpoints(resource, host)]
    else:
        items = written_endpoints(resource)
    return list(dict.fromkeys(filter(None, (name_of(item.address) for item in items))))


def name_of(address: str) -> str:
    """Give the DNS name that stands in place of an address, "" when it is one."""
    is_name = canonical_address(address) is None and not address.startswith(UNIX)
    return address.lower().removesuffix(".") if is_name else ""


def may_have_names(resource: Resource) -> bool:
    """Tell whether endpoints of a service can come from DNS at all."""
    model = resource.model
    if isinstance(model, ServiceEntry):
        return model.spec.resolves or model.spec.resolution == "NONE"
    return isinstance(model, Service) and model.spec.type == "ExternalName"


def is_round_robin(resource: Resource) -> bool:
    """Tell whether only the first address of a name counts (Envoy: LOGICAL_DNS)."""
    model = resource.model
    return isinstance(model, ServiceEntry) and model.spec.resolution == "DNS_ROUND_ROBIN"


def written_endpoints(resource: Resource, host: str = "") -> list[WorkloadEntrySpec]:
    """Give the endpoints that an object itself names for one of its hosts; with DNS an address
    may be a name."""
    model = resource.model
    if isinstance(model, Service):
        name = model.spec.external_name if model.spec.type == "ExternalName" else ""
        return [WorkloadEntrySpec(address=name)] if name else []
    assert isinstance(model, ServiceEntry)
    spec = model.spec
    own = [] if is_wildcard(host) else [WorkloadEntrySpec(address=host)]
    if spec.resolution == "NONE":
        return [WorkloadEntrySpec(address=item) for item in spec.plain_addresses] or own
    if spec.resolves and not spec.endpoints and spec.workload_selector is None:
        return own
    return spec.endpoints


def entry_endpoints(
    resource: Resource, port: ServicePort, host: str, resolved: Resolved | None
) -> Iterator[Endpoint]:
    """Give the endpoints of an object that are written in place, names by their addresses; None:
    with names as addresses."""
    only_first = is_round_robin(resource)
    for item in written_endpoints(resource, host):
        found = list(place_endpoints(item, port, resolved))
        yield from found[:1] if only_first else found


def place_endpoints(
    item: WorkloadEntrySpec,
    port: ServicePort,
    resolved: Resolved | None,
    workload: str = "",
    labels: Mapping[str, str] | None = None,
    locality: str = "",
) -> Iterator[Endpoint]:
    """Give the endpoints of one written address, or of all addresses of a name; None: the name
    as it is. `workload`, `labels`, `locality`: of the object that it is written in."""
    name = name_of(item.address)
    addresses: Iterable[str | None] = [canonical_address(item.address)]
    if name and resolved is None:
        addresses = [name]
    elif name and resolved is not None:
        known = resolved.get(name)
        addresses = map(canonical_address, known.addresses) if known is not None else ()
    number = port_number(item, port)
    for address in addresses:
        if address is not None:
            weight, where = item.weight or 1, item.locality or locality
            own = item.labels if labels is None else labels
            yield Endpoint(address, number, True, weight, workload, own, where, dns_name=name)


def port_number(item: WorkloadEntrySpec, port: ServicePort) -> int:
    """Give the port of an endpoint: its own by the name of the service port, else targetPort."""
    target = port.target_port if isinstance(port.target_port, int) else port.port
    return item.ports.get(port.name, target)
