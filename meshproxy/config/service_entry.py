"""Istio ServiceEntry: hosts outside of Kubernetes, or inside without a Service."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import Field

from .host import single_address
from .metadata import Resource
from .model import Model, pending
from .scalar import Port
from .service import ServicePort
from .workload_entry import WorkloadEntrySpec

HTTP_PROTOCOLS = frozenset({"HTTP", "HTTP2", "HTTP_PROXY", "GRPC", "GRPC-WEB"})
PROTOCOLS = HTTP_PROTOCOLS | {"", "HTTPS", "MONGO", "MYSQL", "REDIS", "TCP", "TLS", "UDP"}


class EntryPort(Model):
    number: Port = Field(description="What clients ask for.")
    protocol: str = Field(
        default="", description="HTTP, HTTP2, GRPC, HTTPS, TLS, TCP, MONGO; empty counts as HTTP."
    )
    name: str = Field(default="", description="By which endpoints give their own port.")
    target_port: Port | None = Field(
        default=None, description="Port of the endpoints; default: number."
    )

    def as_service_port(self) -> ServicePort:
        """Give the port as a Service would declare it."""
        return ServicePort.model_construct(
            name=self.name,
            port=self.number,
            target_port=self.target_port,
            protocol="UDP" if self.protocol.upper() == "UDP" else "TCP",
            app_protocol=self.protocol.lower(),
        )


class WorkloadSelector(Model):
    labels: dict[str, str] = Field(
        default_factory=dict, description="Every label must be on the Pod or WorkloadEntry."
    )


class ServiceEntrySpec(Model):
    PENDING: ClassVar[Mapping[str, tuple[object, ...]]] = pending("subjectAltNames")

    hosts: list[str] = Field(
        default_factory=list,
        description="Each one is a service; `*.suffix` where endpoints are given.",
    )
    addresses: list[str] = Field(
        default_factory=list,
        description="Virtual IPs, which a Host header may carry; a CIDR names nothing here.",
    )
    ports: list[EntryPort] = Field(default_factory=list, description="Ports of the service.")
    location: Literal["MESH_EXTERNAL", "MESH_INTERNAL"] = Field(
        default="MESH_EXTERNAL", description="Checked only: in Istio it decides about mTLS."
    )
    resolution: Literal["NONE", "STATIC", "DNS", "DNS_ROUND_ROBIN", "DYNAMIC_DNS"] = Field(
        default="NONE",
        description="STATIC: endpoints as written or selected; DNS: all addresses of the names;"
        " DNS_ROUND_ROBIN: the first one. NONE: `addresses`, else all addresses of the host, as"
        " there is no original destination. DYNAMIC_DNS is not served.",
    )
    endpoints: list[WorkloadEntrySpec] = Field(
        default_factory=list, description="Endpoints written in place."
    )
    workload_selector: WorkloadSelector | None = Field(
        default=None, description="Selects WorkloadEntries and Pods of the same namespace."
    )
    export_to: list[str] = Field(
        default_factory=list, description="Namespaces that see it; `.` its own, `*` all (default)."
    )

    @property
    def plain_addresses(self) -> list[str]:
        """`addresses` in their shortest form, without those that are really networks."""
        found = (single_address(text) for text in self.addresses)
        return [address for address in found if address is not None]

    @property
    def resolves(self) -> bool:
        """Whether endpoints may be given by DNS names."""
        return self.resolution in ("DNS", "DNS_ROUND_ROBIN")


class ServiceEntry(Resource):
    spec: ServiceEntrySpec = Field(description="Hosts, ports and endpoints.")
