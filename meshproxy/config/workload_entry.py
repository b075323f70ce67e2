"""Istio WorkloadEntry: an endpoint that is not a Pod."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

from pydantic import Field

from .metadata import Resource
from .model import Model, pending
from .scalar import Port


class WorkloadEntrySpec(Model):
    PENDING: ClassVar[Mapping[str, tuple[object, ...]]] = pending("network")
    IGNORED: ClassVar[frozenset[str]] = frozenset({"serviceAccount"})

    address: str
    ports: dict[str, Port] = Field(default_factory=dict)
    labels: dict[str, str] = Field(default_factory=dict)
    weight: Annotated[int, Field(ge=0, le=2**31 - 1)] = 0  # 0 = unset = 1
    locality: str = ""


class WorkloadEntry(Resource):
    spec: WorkloadEntrySpec
