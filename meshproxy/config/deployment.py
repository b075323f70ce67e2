"""Kubernetes Deployment: no pods of its own here; says which labels they will have."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from .metadata import Metadata, Resource
from .model import Model


class PodTemplate(Model):
    IGNORED: ClassVar[frozenset[str]] = frozenset({"spec"})

    metadata: Metadata = Field(
        default_factory=Metadata, description="Labels that its pods will have."
    )


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
