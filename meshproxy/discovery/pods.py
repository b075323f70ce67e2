"""Endpoints of a service from its Pods and WorkloadEntries, by the rules of Kubernetes' own
EndpointSlice controller."""

from __future__ import annotations

from collections.abc import Iterator

from meshproxy.config.deployment import Deployment
from meshproxy.config.pod import Pod
from meshproxy.config.problem import Finding, quote
from meshproxy.config.resource import Resource
from meshproxy.config.service import Service, ServicePort
from meshproxy.config.service_entry import ServiceEntry
from meshproxy.config.workload_entry import WorkloadEntry

from .endpoint import Endpoint, canonical_address
from .entries import name_of, place_endpoints
from .locality import of_labels
from .probes import probe_findings
from .resolution import Resolved

FINISHED_PHASES = frozenset({"Failed", "Succeeded"})


def labels_of(resource: Resource) -> dict[str, str]:
    """Give the labels that selectors and subsets see."""
    model = resource.model
    if isinstance(model, WorkloadEntry):
        return {**model.metadata.labels, **model.spec.labels}
    return model.metadata.labels


def hostname_of(resource: Resource | None, service: str) -> str:
    """Give the name of a Pod under a headless service, "" when it has none."""
    model = resource.model if resource is not None else None
    if isinstance(model, Pod) and model.spec.subdomain == service:
        return model.spec.hostname.lower()
    return ""


def pod_is_ready(pod: Pod) -> bool:
    """The Ready condition; a Pod written by hand, without any conditions, counts as ready."""
    conditions = pod.status.conditions
    if conditions is None:
        return True
    return any(item.type == "Ready" and item.status == "True" for item in conditions)


def pod_findings(resource: Resource, is_looked_up: bool) -> Iterator[Finding]:
    """Say what is assumed about a Pod or WorkloadEntry, and why it may have no endpoint.
    `is_looked_up`: something selects it that allows a DNS name as address."""
    model = resource.model
    if isinstance(model, WorkloadEntry):
        if name_of(model.spec.address) and not is_looked_up:
            yield Finding(
                "MP406",
                ("spec", "address"),
                f"expected an IP address, found {quote(model.spec.address)}: not used, as names"
                " are for a ServiceEntry with resolution DNS",
            )
    elif isinstance(model, Pod):
        if model.status.pod_ip and canonical_address(model.status.pod_ip) is None:
            yield Finding(
                "MP406",
                ("status", "podIP"),
                f"expected an IP address, found {quote(model.status.pod_ip)}: not used",
            )
        elif serving_address(model) is not None and model.status.conditions is None:
            yield Finding("MP405", ("status",), "no conditions: taken as ready")
        yield from probe_findings(model.spec.containers, "spec", "containers")
        yield from probe_findings(model.spec.init_containers, "spec", "initContainers")
    elif isinstance(model, Deployment):
        containers = model.spec.template.spec.containers
        yield from probe_findings(containers, "spec", "template", "spec", "containers")


def serving_address(pod: Pod) -> str | None:
    """Give where a Pod is reached, None when it has finished or has no usable address yet."""
    if not pod.status.pod_ip or pod.status.phase in FINISHED_PHASES:
        return None
    return canonical_address(pod.status.pod_ip)


def workload_endpoints(
    service: Resource, port: ServicePort, resource: Resource, resolved: Resolved | None
) -> Iterator[Endpoint]:
    """Give the endpoints of one selected workload for one port of a Service or ServiceEntry."""
    model = resource.model
    if isinstance(model, WorkloadEntry):
        name, labels = resource.key.qualified_name, labels_of(resource)
        known = resolved if allows_names(service) else {}
        yield from place_endpoints(model.spec, port, known, name, labels, of_labels(labels))
    elif isinstance(model, Pod):
        endpoint = _pod_endpoint(service, port, model, resource)
        if endpoint is not None:
            yield endpoint


def allows_names(service: Resource) -> bool:
    """Tell whether a WorkloadEntry that this selects may have a DNS name for an address."""
    return isinstance(service.model, ServiceEntry) and service.model.spec.resolves


def _pod_endpoint(
    service: Resource, port: ServicePort, pod: Pod, resource: Resource
) -> Endpoint | None:
    address = serving_address(pod)
    if address is None:
        return None
    terminating = pod.metadata.deletion_timestamp is not None
    healthy = pod_is_ready(pod) and not terminating
    model = service.model
    if isinstance(model, Service) and model.spec.publish_not_ready_addresses:
        healthy = True
    elif terminating:
        return None  # Istio drops an endpoint that is not ready and terminating
    number = _pod_port(port, pod)
    if number is None:
        return None
    labels = labels_of(resource)
    known_as = hostname_of(resource, service.key.name) if isinstance(model, Service) else ""
    name = resource.key.qualified_name
    return Endpoint(address, number, healthy, 1, name, labels, of_labels(labels), known_as)


def _pod_port(port: ServicePort, pod: Pod) -> int | None:
    target = port.target_port
    if target is None:
        return port.port
    if isinstance(target, int):
        return target
    for container in pod.spec.serving_containers:
        for candidate in container.ports:
            if candidate.name == target and candidate.protocol == port.protocol:
                return candidate.container_port
    return None
