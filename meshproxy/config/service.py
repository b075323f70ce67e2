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

    name: str = ""
    port: Port
    target_port: IntOrString | None = None
    protocol: Literal["TCP", "UDP", "SCTP"] = "TCP"
    app_protocol: str | None = None


class ClientIpConfig(Model):
    timeout_seconds: Annotated[int, Field(ge=1, le=86_400)] | None = None


class AffinityConfig(Model):
    client_ip: ClientIpConfig | None = Field(default=None, alias="clientIP")


class ServiceSpec(Model):
    PENDING: ClassVar[Mapping[str, tuple[object, ...]]] = pending(
        internalTrafficPolicy="Cluster",
    )
    LATER: ClassVar[Mapping[str, str]] = {
        "sessionAffinity": "connections of one client are balanced like any other",
    }
    IGNORED: ClassVar[frozenset[str]] = frozenset(
        {
            "allocateLoadBalancerNodePorts", "externalIPs", "externalTrafficPolicy",
            "healthCheckNodePort", "ipFamilies", "ipFamilyPolicy", "loadBalancerClass",
            "loadBalancerIP", "loadBalancerSourceRanges",
        }
    )  # fmt: skip

    type: Literal["ClusterIP", "NodePort", "LoadBalancer", "ExternalName"] = "ClusterIP"
    selector: dict[str, str] = Field(default_factory=dict)
    ports: list[ServicePort] = Field(default_factory=list)
    cluster_ip: str | None = Field(default=None, alias="clusterIP")
    cluster_ips: list[str] = Field(default_factory=list, alias="clusterIPs")
    publish_not_ready_addresses: bool = False
    external_name: str = ""
    session_affinity: Literal["None", "ClientIP"] = "None"
    session_affinity_config: AffinityConfig | None = None
    traffic_distribution: Literal["", "PreferClose", "PreferSameZone", "PreferSameNode"] = ""

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
    spec: ServiceSpec = Field(default_factory=ServiceSpec)
