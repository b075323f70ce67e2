"""Kubernetes EndpointSlice."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import Field

from .metadata import Resource
from .model import Model, pending
from .scalar import Port

SERVICE_LABEL = "kubernetes.io/service-name"


class Conditions(Model):
    ready: bool | None = None
    serving: bool | None = None
    terminating: bool | None = None


class TargetRef(Model):
    IGNORED: ClassVar[frozenset[str]] = frozenset(
        {"apiVersion", "fieldPath", "resourceVersion", "uid"}
    )

    kind: str = ""
    name: str = ""
    namespace: str | None = None


class SliceEndpoint(Model):
    PENDING: ClassVar[Mapping[str, tuple[object, ...]]] = pending("hints")
    IGNORED: ClassVar[frozenset[str]] = frozenset({"deprecatedTopology", "nodeName"})

    addresses: list[str]
    conditions: Conditions = Field(default_factory=Conditions)
    target_ref: TargetRef | None = None
    hostname: str = ""
    zone: str = ""


class SlicePort(Model):
    IGNORED: ClassVar[frozenset[str]] = frozenset({"appProtocol"})

    name: str = ""
    port: Port | None = None
    protocol: Literal["TCP", "UDP", "SCTP"] = "TCP"


class EndpointSlice(Resource):
    address_type: Literal["IPv4", "IPv6", "FQDN"]
    endpoints: list[SliceEndpoint] = Field(default_factory=list)
    ports: list[SlicePort] = Field(default_factory=list)
