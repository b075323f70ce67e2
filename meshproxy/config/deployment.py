"""Kubernetes Deployment: no pods of its own here; says which labels and probes they will have."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from .metadata import Metadata, Resource
from .model import Model
from .pod import Container, PodSpec


class TemplateSpec(Model):
    IGNORED: ClassVar[frozenset[str]] = PodSpec.IGNORED | {
        "hostname",
        "initContainers",
        "subdomain",
    }

    containers: list[Container] = Field(
        default_factory=list, description="Their probes, for pods that only EndpointSlices name."
    )


class PodTemplate(Model):
    metadata: Metadata = Field(
        default_factory=Metadata, description="Labels that its pods will have."
    )
    spec: TemplateSpec = Field(default_factory=TemplateSpec, description="Of its pods.")


class DeploymentSpec(Model):
    IGNORED: ClassVar[frozenset[str]] = frozenset(
        {
            "minReadySeconds", "paused", "progressDeadlineSeconds", "replicas",
            "revisionHistoryLimit", "selector", "strategy",
        }
    )  # fmt: skip

    template: PodTemplate = Field(
        default_factory=PodTemplate,
        description="The pods to be: subsets and selectors that will select them get no warning.",
    )


class Deployment(Resource):
    spec: DeploymentSpec = Field(default_factory=DeploymentSpec, description="Its template.")
