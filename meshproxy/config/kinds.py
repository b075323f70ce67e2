"""Which kinds are read, and what becomes of the others."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from .checks import destination_rule as destination_rule_check
from .checks import endpoint_slice as endpoint_slice_check
from .checks import service as service_check
from .checks import service_entry as service_entry_check
from .checks import virtual_service as virtual_service_check
from .deployment import Deployment
from .destination_rule import DestinationRule
from .endpoint_slice import EndpointSlice
from .lenient import Reading, as_written, straighten
from .metadata import Resource
from .places import Places
from .pod import Pod
from .problem import Finding
from .service import Service
from .service_entry import ServiceEntry
from .virtual_service import VirtualService
from .workload_entry import WorkloadEntry


def _nothing(_model: Any) -> Iterable[Finding]:
    return ()


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind that is read. `strict`: an unknown field rejects the object (Istio kinds); elsewhere
    it is a warning, as Kubernetes adds fields with every release."""

    name: str
    api_versions: tuple[str, ...]  # preferred first
    model: type[Resource]
    strict: bool = False
    check: Callable[[Any], Iterable[Finding]] = _nothing
    read: Callable[[dict[str, Any], Places], Reading] = as_written


_NETWORKING = tuple(f"networking.istio.io/{version}" for version in ("v1", "v1beta1", "v1alpha3"))

KINDS: Mapping[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind("Service", ("v1",), Service, check=service_check.check),
        Kind("Pod", ("v1",), Pod),
        Kind(
            "EndpointSlice",
            ("discovery.k8s.io/v1", "discovery.k8s.io/v1beta1"),
            EndpointSlice,
            check=endpoint_slice_check.check,
        ),
        Kind("Deployment", ("apps/v1", "apps/v1beta2", "apps/v1beta1"), Deployment),
        Kind(
            "WorkloadEntry",
            _NETWORKING,
            WorkloadEntry,
            strict=True,
            check=service_entry_check.check_workload,
        ),
        Kind(
            "ServiceEntry",
            _NETWORKING,
            ServiceEntry,
            strict=True,
            check=service_entry_check.check,
        ),
        Kind(
            "VirtualService",
            _NETWORKING,
            VirtualService,
            strict=True,
            check=virtual_service_check.check,
            read=straighten,
        ),
        Kind(
            "DestinationRule",
            _NETWORKING,
            DestinationRule,
            strict=True,
            check=destination_rule_check.check,
        ),
    )
}

PENDING_KINDS = frozenset(
    {
        "AuthorizationPolicy", "Endpoints", "EnvoyFilter", "GRPCRoute",
        "Gateway", "HTTPRoute", "Ingress", "PeerAuthentication", "ProxyConfig", "ReferenceGrant",
        "RequestAuthentication", "Sidecar", "TCPRoute", "TLSRoute", "Telemetry",
        "WasmPlugin", "WorkloadGroup",
    }
)  # fmt: skip
"""Kinds that would change traffic if they were honoured: each gets a warning."""

SILENT_KINDS = frozenset(
    {
        "APIService", "ClusterRole", "ClusterRoleBinding", "ConfigMap", "ControllerRevision",
        "CronJob", "CustomResourceDefinition", "DaemonSet", "Event", "GatewayClass",
        "HorizontalPodAutoscaler", "IngressClass", "IstioOperator", "Job", "Kustomization",
        "Lease", "LimitRange", "MutatingWebhookConfiguration", "Namespace", "NetworkPolicy",
        "Node", "PersistentVolume", "PersistentVolumeClaim", "PodDisruptionBudget",
        "PodMonitor", "PodTemplate", "PriorityClass", "PrometheusRule", "ReplicaSet",
        "ReplicationController", "ResourceQuota", "Role", "RoleBinding", "RuntimeClass",
        "Secret", "ServiceAccount", "ServiceMonitor", "StatefulSet", "StorageClass",
        "ValidatingWebhookConfiguration", "VerticalPodAutoscaler",
    }
)  # fmt: skip
"""Kinds that say nothing about traffic."""

LIST_KINDS = frozenset({"List"} | {f"{name}List" for name in KINDS})
