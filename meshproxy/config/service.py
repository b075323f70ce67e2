"""Kubernetes Service."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import Field

from .metadata import Resource
from .model import Model, pending
from .scalar import IntOrString, Port


class ServicePort(Model):
    IGNORED: ClassVar[frozenset[str]] = frozenset({"nodePort"})

    name: str = ""
    port: Port
    target_port: IntOrString | None = None
    protocol: Literal["TCP", "UDP", "SCTP"] = "TCP"
    app_protocol: str | None = None


class ServiceSpec(Model):
    PENDING: ClassVar[Mapping[str, tuple[object, ...]]] = pending(
        "externalName",
        "trafficDistribution",
        sessionAffinity="None",
        internalTrafficPolicy="Cluster",
    )
    IGNORED: ClassVar[frozenset[str]] = frozenset(
        {
            "allocateLoadBalancerNodePorts", "externalIPs", "externalTrafficPolicy",
            "healthCheckNodePort", "ipFamilies", "ipFamilyPolicy", "loadBalancerClass",
            "loadBalancerIP", "loadBalancerSourceRanges", "sessionAffinityConfig",
        }
    )  # fmt: skip

    type: Literal["ClusterIP", "NodePort", "LoadBalancer", "ExternalName"] = "ClusterIP"
    selector: dict[str, str] = Field(default_factory=dict)
    ports: list[ServicePort] = Field(default_factory=list)
    cluster_ip: str | None = Field(default=None, alias="clusterIP")
    cluster_ips: list[str] = Field(default_factory=list, alias="clusterIPs")
    publish_not_ready_addresses: bool = False

    @property
    def addresses(self) -> list[str]:
        """The virtual IPs; empty for a headless service."""
        found = list(self.cluster_ips)
        if self.cluster_ip and self.cluster_ip not in found:
            found.insert(0, self.cluster_ip)
        return [address for address in found if address not in ("", "None")]


class Service(Resource):
    spec: ServiceSpec = Field(default_factory=ServiceSpec)
