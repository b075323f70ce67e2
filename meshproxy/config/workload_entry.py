"""Istio WorkloadEntry: an endpoint that is not a Pod; ServiceEntries hold some inline."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

from pydantic import Field

from .metadata import Resource
from .model import Model, pending
from .scalar import Port

UNIX = "unix:"


class WorkloadEntrySpec(Model):
    PENDING: ClassVar[Mapping[str, tuple[object, ...]]] = pending("network")
    IGNORED: ClassVar[frozenset[str]] = frozenset({"serviceAccount"})

    address: str = Field(description="An IP address; for a ServiceEntry with DNS also a name.")
    ports: dict[str, Port] = Field(
        default_factory=dict,
        description="Port of the endpoint by name of the service port; default: its targetPort.",
    )
    labels: dict[str, str] = Field(
        default_factory=dict, description="What selectors and subsets see."
    )
    weight: Annotated[int, Field(ge=0, le=2**31 - 1)] = Field(
        default=0, description="Share among the endpoints of the service; 0 counts as 1."
    )
    locality: str = Field(
        default="", description="region/zone/subzone, the last two may be left out."
    )


class WorkloadEntry(Resource):
    spec: WorkloadEntrySpec = Field(description="Address, ports and labels.")
