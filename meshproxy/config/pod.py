"""Kubernetes Pod, as far as endpoints need it."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from .metadata import Resource
from .model import Model
from .scalar import Port


class ContainerPort(Model):
    IGNORED: ClassVar[frozenset[str]] = frozenset({"hostIP", "hostPort"})

    name: str = ""
    container_port: Port
    protocol: Literal["TCP", "UDP", "SCTP"] = "TCP"


class Container(Model):
    IGNORED: ClassVar[frozenset[str]] = frozenset(
        {
            "args", "command", "env", "envFrom", "image", "imagePullPolicy", "lifecycle",
            "livenessProbe", "name", "readinessProbe", "resizePolicy", "resources",
            "restartPolicyRules", "securityContext", "startupProbe", "stdin", "stdinOnce",
            "terminationMessagePath", "terminationMessagePolicy", "tty", "volumeDevices",
            "volumeMounts", "workingDir",
        }
    )  # fmt: skip

    ports: list[ContainerPort] = Field(default_factory=list)
    restart_policy: str | None = None


class PodSpec(Model):
    IGNORED: ClassVar[frozenset[str]] = frozenset(
        {
            "activeDeadlineSeconds", "affinity", "automountServiceAccountToken", "dnsConfig",
            "dnsPolicy", "enableServiceLinks", "ephemeralContainers", "hostAliases", "hostIPC",
            "hostNetwork", "hostPID", "hostUsers", "hostnameOverride",
            "imagePullSecrets", "nodeName", "nodeSelector", "os", "overhead",
            "preemptionPolicy", "priority", "priorityClassName", "readinessGates",
            "resourceClaims", "resources", "restartPolicy", "runtimeClassName", "schedulerName",
            "schedulingGates", "securityContext", "serviceAccount", "serviceAccountName",
            "setHostnameAsFQDN", "shareProcessNamespace",
            "terminationGracePeriodSeconds", "tolerations", "topologySpreadConstraints",
            "volumes", "workloadRef",
        }
    )  # fmt: skip

    containers: list[Container] = Field(default_factory=list)
    init_containers: list[Container] = Field(default_factory=list)
    hostname: str = ""
    subdomain: str = ""


class PodCondition(Model):
    IGNORED: ClassVar[frozenset[str]] = frozenset(
        {"lastProbeTime", "lastTransitionTime", "message", "observedGeneration", "reason"}
    )

    type: str
    status: str


class PodStatus(Model):
    IGNORED: ClassVar[frozenset[str]] = frozenset(
        {
            "allocatedResources", "containerStatuses", "ephemeralContainerStatuses",
            "extendedResourceClaimStatus", "hostIP", "hostIPs", "initContainerStatuses",
            "message", "nominatedNodeName", "observedGeneration", "podIPs", "qosClass", "reason",
            "resize", "resourceClaimStatuses", "resources", "startTime",
        }
    )  # fmt: skip

    phase: str = ""
    pod_ip: str = Field(default="", alias="podIP")
    conditions: list[PodCondition] | None = None


class Pod(Resource):
    IGNORED: ClassVar[frozenset[str]] = frozenset({"apiVersion", "kind"})

    spec: PodSpec = Field(default_factory=PodSpec)
    status: PodStatus = Field(default_factory=PodStatus)
