"""Kubernetes Service."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from .metadata import Resource
from .model import Model, pending
from .scalar import IntOrString, Port

DEFAULT_AFFINITY_S = 10_800  # Kubernetes: three hours


class ServicePort(Model):
    IGNORED: ClassVar[frozenset[str]] = frozenset({"nodePort"})

    name: str = Field(
        default="",
        description="Its first word declares the protocol (`http-web`), unless appProtocol does.",
    )
    port: Port = Field(description="What clients ask for.")
    target_port: IntOrString | None = Field(
        default=None,
        description="Port of the pods, by number or by the name of a container port; default:"
        " port.",
    )
    protocol: Literal["TCP", "UDP", "SCTP"] = Field(
        default="TCP", description="TCP. Ports of UDP and SCTP are not served."
    )
    app_protocol: str | None = Field(
        default=None,
        description="Protocol: http, http2, grpc, tcp, redis, ...; what is unknown counts as "
        "HTTP.",
    )


class ClientIpConfig(Model):
    timeout_seconds: Annotated[int, Field(ge=1, le=86_400)] | None = Field(
        default=None, description="How long a client keeps its endpoint; default 10800."
    )


class AffinityConfig(Model):
    client_ip: ClientIpConfig | None = Field(
        default=None, alias="clientIP", description="Of sessionAffinity ClientIP."
    )


class ServiceSpec(Model):
    PENDING: ClassVar[Mapping[str, tuple[object, ...]]] = pending(
        internalTrafficPolicy="Cluster",
    )
    IGNORED: ClassVar[frozenset[str]] = frozenset(
        {
            "allocateLoadBalancerNodePorts", "externalIPs", "externalTrafficPolicy",
            "healthCheckNodePort", "ipFamilies", "ipFamilyPolicy", "loadBalancerClass",
            "loadBalancerIP", "loadBalancerSourceRanges",
        }
    )  # fmt: skip

    type: Literal["ClusterIP", "NodePort", "LoadBalancer", "ExternalName"] = Field(
        default="ClusterIP",
        description="ExternalName stands for another name; the others are alike here.",
    )
    selector: dict[str, str] = Field(
        default_factory=dict,
        description="Labels of its pods. EndpointSlices of the Service count instead, if "
        "there are any.",
    )
    ports: list[ServicePort] = Field(default_factory=list, description="What is served.")
    cluster_ip: str | None = Field(
        default=None,
        alias="clusterIP",
        description="A Host header may carry it; `None`: headless, each named pod is a host too.",
    )
    cluster_ips: list[str] = Field(
        default_factory=list, alias="clusterIPs", description="Further ones."
    )
    publish_not_ready_addresses: bool = Field(
        default=False, description="Pods that are not ready get traffic too."
    )
    external_name: str = Field(
        default="", description="The name that is meant: a service of the mesh, or a DNS name."
    )
    session_affinity: Literal["None", "ClientIP"] = Field(
        default="None",
        description="ClientIP: connections of one client go to one endpoint. Requests of HTTP"
        " ports are balanced all the same, as in Istio.",
    )
    session_affinity_config: AffinityConfig | None = Field(default=None, description="How long.")
    traffic_distribution: Literal["", "PreferClose", "PreferSameZone", "PreferSameNode"] = Field(
        default="",
        description="PreferClose and its like: endpoints of the proxy's own zone first "
        "(`--locality`).",
    )

    @property
    def is_headless(self) -> bool:
        return self.cluster_ip == "None" and self.type != "ExternalName"

    @property
    def affinity_s(self) -> int:
        """How long a client keeps its endpoint; 0 = no affinity."""
        if self.session_affinity != "ClientIP":
            return 0
        given = self.session_affinity_config
        client = given.client_ip if given is not None else None
        return (client.timeout_seconds if client is not None else None) or DEFAULT_AFFINITY_S

    @property
    def addresses(self) -> list[str]:
        """The virtual IPs; empty for a headless service."""
        found = list(self.cluster_ips)
        if self.cluster_ip and self.cluster_ip not in found:
            found.insert(0, self.cluster_ip)
        return [address for address in found if address not in ("", "None")]


class Service(Resource):
    spec: ServiceSpec = Field(default_factory=ServiceSpec, description="Ports and selector.")
