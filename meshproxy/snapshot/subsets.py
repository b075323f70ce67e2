"""What a DestinationRule says of the endpoints that are there: subsets, ejection, and other rules
for the same host."""

from __future__ import annotations

from collections.abc import Iterator

from meshproxy.config.destination_rule import DestinationRule
from meshproxy.config.places import Path
from meshproxy.config.problem import Finding, quote
from meshproxy.config.resource import Resource
from meshproxy.config.traffic_policy import TrafficPolicy
from meshproxy.discovery.endpoint import Endpoint

from .mesh_service import MeshService
from .policy import DestinationPolicy
from .registry import Registry
from .settings import MAX_EJECTION_PERCENT


def findings(
    model: DestinationRule, service: MeshService, registry: Registry
) -> Iterator[Finding]:
    """Give subsets without endpoints, and ejections that can never happen."""
    by_port = registry.endpoints_of(service).values()
    endpoints: list[Endpoint] = max(by_port, key=len, default=[])
    top: Path = ("spec", "trafficPolicy")
    yield from _ejection(model.spec.traffic_policy, top, len(endpoints))
    yield from _ports(model.spec.traffic_policy, top, service)
    for index, subset in enumerate(model.spec.subsets):
        path: Path = ("spec", "subsets", index)
        wanted = subset.labels.items()
        own = sum(wanted <= item.labels.items() for item in endpoints)
        yield from _ejection(subset.traffic_policy, (*path, "trafficPolicy"), own)
        yield from _ports(subset.traffic_policy, (*path, "trafficPolicy"), service)
        if own or not endpoints:  # no endpoint at all is another problem
            continue
        if not registry.endpoints.will_select(service.resource, subset.labels):
            shown = ", ".join(f"{key}={value}" for key, value in wanted)
            message = f"no endpoint of {service.key.name} has {quote(shown)}: 503 UH"
            yield Finding("MP203", (*path, "labels"), message)


def rivals(
    resource: Resource, model: DestinationRule, counting: DestinationPolicy
) -> Iterator[Finding]:
    """Another rule for the same host may count alone, or be the one whose policy counts."""
    if not counting.keys:
        message = "expected a rule in the namespace of the proxy, of the host or istio-system"
        found = f", found {quote(resource.key.namespace)}: it does not count"
        yield Finding("MP324", ("metadata", "namespace"), message + found)
    elif resource.key not in counting.keys:
        message = f"{counting.keys[0]} counts for this host, and this rule not at all"
        yield Finding("MP324", ("spec", "host"), message)
    elif model.spec.traffic_policy and counting.top_key != resource.key:
        message = f"that of {counting.top_key} counts for this host: subsets alone are merged"
        yield Finding("MP324", ("spec", "trafficPolicy"), message)


def _ports(policy: TrafficPolicy | None, path: Path, service: MeshService) -> Iterator[Finding]:
    """Say which settings are for ports that the service does not have."""
    known = [port.port for port in service.ports]
    for index, setting in enumerate(policy.port_level_settings if policy is not None else ()):
        if setting.port.number not in known:
            shown = ", ".join(map(str, known)) or "none"
            message = f"has no effect: {service.key} has the ports {shown}"
            where = (*path, "portLevelSettings", index, "port", "number")
            yield Finding("MP315", where, message)


def _ejection(policy: TrafficPolicy | None, path: Path, endpoints: int) -> Iterator[Finding]:
    """Istio's default of ten percent ejects nothing below ten endpoints."""
    outlier = policy.outlier_detection if policy is not None else None
    if outlier is None or not endpoints:
        return
    percent = outlier.max_ejection_percent or MAX_EJECTION_PERCENT
    if endpoints * percent < 100:
        least = -(-100 // endpoints)
        count = f"{endpoints} endpoint" + ("s" if endpoints > 1 else "")
        message = f"expected maxEjectionPercent of at least {least} for {count}, found {percent}"
        yield Finding("MP322", (*path, "outlierDetection"), f"{message}: none is ever ejected")
