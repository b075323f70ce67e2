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
    ready: bool | None = Field(default=None, description="false: no traffic; absent: ready.")
    serving: bool | None = Field(default=None, description="Read; ready decides.")
    terminating: bool | None = Field(
        default=None,
        description="An endpoint that is not ready stays known only if this is false.",
    )


class TargetRef(Model):
    IGNORED: ClassVar[frozenset[str]] = frozenset(
        {"apiVersion", "fieldPath", "resourceVersion", "uid"}
    )

    kind: str = Field(default="", description="Pod: its labels are those of the endpoint.")
    name: str = Field(default="", description="Name of the Pod.")
    namespace: str | None = Field(default=None, description="Default: that of the slice.")


class SliceEndpoint(Model):
    PENDING: ClassVar[Mapping[str, tuple[object, ...]]] = pending("hints")
    IGNORED: ClassVar[frozenset[str]] = frozenset({"deprecatedTopology", "nodeName"})

    addresses: list[str] = Field(description="The first one counts, as in Kubernetes.")
    conditions: Conditions = Field(
        default_factory=Conditions, description="Whether it gets traffic."
    )
    target_ref: TargetRef | None = Field(default=None, description="What is behind it.")
    hostname: str = Field(default="", description="Name of its own below a headless Service.")
    zone: str = Field(default="", description="Zone, for localities.")


class SlicePort(Model):
    IGNORED: ClassVar[frozenset[str]] = frozenset({"appProtocol"})

    name: str = Field(default="", description="Name of the port of the Service.")
    port: Port | None = Field(default=None, description="Port of the endpoints.")
    protocol: Literal["TCP", "UDP", "SCTP"] = Field(
        default="TCP", description="TCP; other ports are passed over."
    )


class EndpointSlice(Resource):
    address_type: Literal["IPv4", "IPv6", "FQDN"] = Field(
        description="IPv4 or IPv6; FQDN is not served."
    )
    endpoints: list[SliceEndpoint] = Field(default_factory=list, description="Who serves.")
    ports: list[SlicePort] = Field(default_factory=list, description="On which port.")
