"""Kubernetes Pod, as far as endpoints need it."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from .metadata import Resource
from .model import Model
from .probe import Probe
from .scalar import Port


class ContainerPort(Model):
    IGNORED: ClassVar[frozenset[str]] = frozenset({"hostIP", "hostPort"})

    name: str = Field(default="", description="What a targetPort may call it.")
    container_port: Port = Field(description="Number of the port.")
    protocol: Literal["TCP", "UDP", "SCTP"] = Field(
        default="TCP", description="Must be that of the port of the Service."
    )


class Container(Model):
    IGNORED: ClassVar[frozenset[str]] = frozenset(
        {
            "args", "command", "env", "envFrom", "image", "imagePullPolicy", "lifecycle",
            "livenessProbe", "name", "resizePolicy", "resources",
            "restartPolicyRules", "securityContext", "startupProbe", "stdin", "stdinOnce",
            "terminationMessagePath", "terminationMessagePolicy", "tty", "volumeDevices",
            "volumeMounts", "workingDir",
        }
    )  # fmt: skip

    ports: list[ContainerPort] = Field(default_factory=list, description="Named ports.")
    restart_policy: str | None = Field(
        default=None,
        description="Of an init container: `Always` makes it a sidecar, whose ports count.",
    )
    readiness_probe: Probe | None = Field(
        default=None, description="Carried out with `--health-checks on`."
    )


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

    containers: list[Container] = Field(
        default_factory=list, description="Their named ports count."
    )
    init_containers: list[Container] = Field(
        default_factory=list, description="Those of sidecars too."
    )
    hostname: str = Field(default="", description="Name of its own below a headless Service.")
    subdomain: str = Field(default="", description="Must be the name of that Service.")

    @property
    def serving_containers(self) -> list[Container]:
        """Those that run as long as the pod: init containers that are sidecars, too."""
        sidecars = (item for item in self.init_containers if item.restart_policy == "Always")
        return [*self.containers, *sidecars]


class PodCondition(Model):
    IGNORED: ClassVar[frozenset[str]] = frozenset(
        {"lastProbeTime", "lastTransitionTime", "message", "observedGeneration", "reason"}
    )

    type: str = Field(description="Ready decides.")
    status: str = Field(description="True: gets traffic.")


class PodStatus(Model):
    IGNORED: ClassVar[frozenset[str]] = frozenset(
        {
            "allocatedResources", "containerStatuses", "ephemeralContainerStatuses",
            "extendedResourceClaimStatus", "hostIP", "hostIPs", "initContainerStatuses",
            "message", "nominatedNodeName", "observedGeneration", "podIPs", "qosClass", "reason",
            "resize", "resourceClaimStatuses", "resources", "startTime",
        }
    )  # fmt: skip

    phase: str = Field(default="", description="Succeeded and Failed: no endpoint.")
    pod_ip: str = Field(
        default="", alias="podIP", description="Address of the endpoint; none: no endpoint."
    )
    conditions: list[PodCondition] | None = Field(
        default=None, description="Absent: counts as ready (MP405)."
    )


class Pod(Resource):
    IGNORED: ClassVar[frozenset[str]] = frozenset({"apiVersion", "kind"})

    spec: PodSpec = Field(default_factory=PodSpec, description="Containers.")
    status: PodStatus = Field(default_factory=PodStatus, description="Address and readiness.")
