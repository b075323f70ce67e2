"""A host with ports, whatever kind of object defines it.

A Service is one, a ServiceEntry one for each of its hosts, and each named pod of a headless
Service one more.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from meshproxy.config.resource import Key, Resource
from meshproxy.config.service import Service, ServicePort
from meshproxy.config.service_entry import ServiceEntry

EXPORT_ANNOTATION = "networking.istio.io/exportTo"
DISTRIBUTION_ANNOTATION = "networking.istio.io/traffic-distribution"


@dataclass(frozen=True, slots=True)
class MeshService:
    """What routes and clusters need to know of a host."""

    host: str  # full name, lower case; `*.suffix` for some ServiceEntries
    resource: Resource  # where it is written
    ports: tuple[ServicePort, ...]
    addresses: tuple[str, ...] = ()  # virtual IPs
    alias: str = ""  # ExternalName: the name that is meant
    pod: str = ""  # host name of the only pod that serves it
    policy_host: str = ""  # whose DestinationRules count, when not those of `host`

    @property
    def key(self) -> Key:
        return self.resource.key

    @property
    def namespace(self) -> str:
        return self.resource.key.namespace

    @property
    def distribution(self) -> str:
        """trafficDistribution, "" when there is none."""
        model = self.resource.model
        annotated = model.metadata.annotations.get(DISTRIBUTION_ANNOTATION, "")
        return annotated or (model.spec.traffic_distribution if isinstance(model, Service) else "")

    @property
    def affinity_s(self) -> int:
        """sessionAffinity ClientIP, in seconds; 0 = none."""
        model = self.resource.model
        return model.spec.affinity_s if isinstance(model, Service) else 0

    @property
    def order(self) -> tuple[bool, str, str, str]:
        """Sort key among objects that claim one host: Services, then the oldest."""
        created = self.resource.model.metadata.creation_timestamp or ""
        return self.key.kind != "Service", created, self.key.name, self.key.namespace


def export_to(resource: Resource) -> list[str]:
    """Give the namespaces that a Service or ServiceEntry is for; none = all."""
    if isinstance(resource.model, ServiceEntry):
        return resource.model.spec.export_to
    written = resource.model.metadata.annotations.get(EXPORT_ANNOTATION, "")
    return [name.strip() for name in written.split(",") if name.strip()]


def services_of(resource: Resource, cluster_domain: str) -> Iterator[MeshService]:
    """Give the hosts that an object defines by itself, without pods."""
    model = resource.model
    if isinstance(model, Service):
        yield MeshService(
            service_host(resource.key, cluster_domain),
            resource,
            tuple(model.spec.ports),
            tuple(model.spec.addresses),
            model.spec.external_name.lower().removesuffix("."),
        )
    elif isinstance(model, ServiceEntry):
        ports = tuple(port.as_service_port() for port in model.spec.ports)
        addresses = tuple(model.spec.plain_addresses)
        for host in dict.fromkeys(map(entry_host, model.spec.hosts)):
            yield MeshService(host, resource, ports, addresses)
            addresses = ()  # they can stand for one host only


def meant_by(service: MeshService, services: Mapping[str, MeshService]) -> MeshService | None:
    """Give the known service at the end of a chain of ExternalNames; None for a name outside,
    and for a circle."""
    seen = {service.host}
    found: MeshService | None = None
    following = services.get(service.alias)
    while following is not None:
        if following.host in seen:
            return None
        seen.add(following.host)
        found, following = following, services.get(following.alias)
    return found


def pod_service(service: MeshService, pod: str) -> MeshService:
    """Give the host of one pod of a headless service."""
    host = f"{pod}.{service.host}"
    return MeshService(host, service.resource, service.ports, (), "", pod, service.host)


def entry_host(host: str) -> str:
    """Give the full name of a host of a ServiceEntry."""
    return host.lower().removesuffix(".")


def service_host(key: Key, cluster_domain: str) -> str:
    """Give the full name of a Service."""
    return f"{key.name}.{key.namespace}.svc.{cluster_domain}"
