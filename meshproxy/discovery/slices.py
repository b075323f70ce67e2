"""Endpoints of a service from its EndpointSlices, joined by port name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from meshproxy.config.endpoint_slice import SERVICE_LABEL, EndpointSlice, SliceEndpoint
from meshproxy.config.problem import Finding, hint, quote
from meshproxy.config.resource import Key, Resource
from meshproxy.config.service import ServicePort

from .endpoint import Endpoint, canonical_address
from .locality import of_labels
from .pods import hostname_of, labels_of


def service_of(resource: Resource) -> Key | None:
    """Give the service that a slice belongs to."""
    name = resource.model.metadata.labels.get(SERVICE_LABEL)
    return Key("Service", resource.key.namespace, name) if name else None


def target_of(resource: Resource, endpoint: SliceEndpoint) -> Key | None:
    """Give the Pod behind an endpoint, as its targetRef names it."""
    reference = endpoint.target_ref
    if reference is None or reference.kind != "Pod" or not reference.name:
        return None
    return Key("Pod", reference.namespace or resource.key.namespace, reference.name)


def targets(resource: Resource) -> Iterator[Key]:
    """Give every Pod that a slice refers to."""
    model = resource.model
    if isinstance(model, EndpointSlice):
        for endpoint in model.endpoints:
            pod = target_of(resource, endpoint)
            if pod is not None:
                yield pod


def slice_endpoints(
    port: ServicePort, slices: Iterable[Resource], pods: Mapping[Key, Resource]
) -> Iterator[Endpoint]:
    """Give the endpoints of one port; labels come from the Pod when it is known."""
    for resource in slices:
        model = resource.model
        if not isinstance(model, EndpointSlice) or model.address_type == "FQDN":
            continue
        numbers = [
            item.port
            for item in model.ports
            if item.port is not None and item.name == port.name and item.protocol == port.protocol
        ]
        for number in numbers[:1]:
            for endpoint in model.endpoints:
                yield from _endpoint(resource, endpoint, number, pods)


def unserved_ports(ports: Sequence[ServicePort], slices: Iterable[Resource]) -> Iterator[Finding]:
    """Say which ports of a service no slice has; they are joined by name."""
    names = {
        item.name
        for resource in slices
        if isinstance(resource.model, EndpointSlice)
        for item in resource.model.ports
    }
    for index, port in enumerate(ports):
        if port.name not in names:
            message = f"expected an EndpointSlice with a port {quote(port.name)}, found none"
            yield Finding("MP207", ("spec", "ports", index), message + hint(port.name, names))


def _endpoint(
    resource: Resource, endpoint: SliceEndpoint, port: int, pods: Mapping[Key, Resource]
) -> Iterator[Endpoint]:
    healthy = endpoint.conditions.ready is not False
    if not healthy and endpoint.conditions.terminating is not False:
        return  # not ready, and terminating or not said: Istio drops it
    target = target_of(resource, endpoint)
    pod = pods.get(target) if target is not None else None
    name = target.qualified_name if target is not None else ""
    labels = labels_of(pod) if pod is not None else {}
    for text in endpoint.addresses[:1]:  # Kubernetes: further addresses are for nobody
        address = canonical_address(text)
        if address is not None:
            where = of_labels(labels, endpoint.zone)
            service = resource.model.metadata.labels.get(SERVICE_LABEL, "")
            known_as = endpoint.hostname or hostname_of(pod, service)
            yield Endpoint(address, port, healthy, 1, name, labels, where, known_as)
