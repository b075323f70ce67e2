"""Istio ServiceEntry: hosts outside of Kubernetes, or inside without a Service."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import Field

from .metadata import Resource
from .model import Model, pending
from .scalar import Port
from .service import ServicePort
from .workload_entry import WorkloadEntrySpec

PROTOCOLS = frozenset(
    {"HTTP", "HTTPS", "GRPC", "GRPC-WEB", "HTTP2", "MONGO", "TCP", "TLS", "REDIS", "MYSQL", "UDP"}
)


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
            app_protocol=self.protocol.lower() or None,
        )


class WorkloadSelector(Model):
    labels: dict[str, str] = Field(
        default_factory=dict, description="Every label must be on the Pod or WorkloadEntry."
    )


class ServiceEntrySpec(Model):
    PENDING: ClassVar[Mapping[str, tuple[object, ...]]] = pending("subjectAltNames")
    IGNORED: ClassVar[frozenset[str]] = frozenset({"location"})

    hosts: list[str] = Field(
        default_factory=list, description="Each one is a service; `*.suffix` with STATIC."
    )
    addresses: list[str] = Field(
        default_factory=list, description="Virtual IPs, which a Host header may carry."
    )
    ports: list[EntryPort] = Field(default_factory=list, description="Ports of the service.")
    resolution: Literal["NONE", "STATIC", "DNS", "DNS_ROUND_ROBIN", "DYNAMIC_DNS"] = Field(
        default="NONE",
        description="STATIC: endpoints as written or selected; DNS: all addresses of the names;"
        " DNS_ROUND_ROBIN: the first one. NONE and DYNAMIC_DNS are not served: they need the"
        " connection's original destination.",
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
    def resolves(self) -> bool:
        """Whether addresses are looked up in DNS."""
        return self.resolution in ("DNS", "DNS_ROUND_ROBIN")


class ServiceEntry(Resource):
    spec: ServiceEntrySpec
