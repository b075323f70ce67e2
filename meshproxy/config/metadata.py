"""metadata of any object, and the base of all top-level resources."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from .model import Model


class Metadata(Model):
    IGNORED: ClassVar[frozenset[str]] = frozenset(
        {
            "annotations", "clusterName", "deletionGracePeriodSeconds", "finalizers",
            "generateName", "generation", "managedFields", "ownerReferences",
            "resourceVersion", "selfLink", "uid",
        }
    )  # fmt: skip

    name: str = ""
    namespace: str | None = None
    labels: dict[str, str] = Field(default_factory=dict)
    creation_timestamp: str | None = None
    deletion_timestamp: str | None = None


class Resource(Model):
    """A whole object. `apiVersion` and `kind` are checked before the model is chosen."""

    IGNORED: ClassVar[frozenset[str]] = frozenset({"apiVersion", "kind", "status"})

    metadata: Metadata
