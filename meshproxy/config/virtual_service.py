"""Istio VirtualService."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import Field, model_validator

from .metadata import Resource
from .model import Model, pending
from .scalar import DurationMs, Port, Regex, refuse


class StringMatch(Model):
    """At most one of the three; none of them means "is present"."""

    exact: str | None = None
    prefix: str | None = None
    regex: Regex | None = None

    @model_validator(mode="after")
    def _one_form(self) -> StringMatch:
        found = [name for name in ("exact", "prefix", "regex") if getattr(self, name) is not None]
        if len(found) > 1:
            raise refuse(
                "MP111", f"expected one of exact, prefix, regex, found {' and '.join(found)}"
            )
        return self


class HttpMatch(Model):
    PENDING: ClassVar[Mapping[str, tuple[object, ...]]] = pending("statPrefix")

    name: str = ""
    uri: StringMatch | None = None
    ignore_uri_case: bool = False
    scheme: StringMatch | None = None
    method: StringMatch | None = None
    authority: StringMatch | None = None
    headers: dict[str, StringMatch] = Field(default_factory=dict)
    without_headers: dict[str, StringMatch] = Field(default_factory=dict)
    query_params: dict[str, StringMatch] = Field(default_factory=dict)
    port: Port | None = None
    source_labels: dict[str, str] = Field(default_factory=dict)
    source_namespace: str = ""
    gateways: list[str] = Field(default_factory=list)


class PortSelector(Model):
    number: Port


class Destination(Model):
    host: str
    subset: str = ""
    port: PortSelector | None = None


class WeightedDestination(Model):
    PENDING: ClassVar[Mapping[str, tuple[object, ...]]] = pending("headers")

    destination: Destination
    weight: int | None = None


class HttpRoute(Model):
    """One rule. The fields of type Any are pending: only their presence is looked at."""

    PENDING: ClassVar[Mapping[str, tuple[object, ...]]] = pending(
        "corsPolicy",
        "delegate",
        "directResponse",
        "fault",
        "headers",
        "mirror",
        "mirrorPercent",
        "mirrorPercentage",
        "mirrors",
        "redirect",
        "retries",
        "rewrite",
    )

    name: str = ""
    match: list[HttpMatch] = Field(default_factory=list)
    route: list[WeightedDestination] = Field(default_factory=list)
    timeout: DurationMs | None = None
    redirect: Any = None
    direct_response: Any = None
    delegate: Any = None


class VirtualServiceSpec(Model):
    PENDING: ClassVar[Mapping[str, tuple[object, ...]]] = pending("tcp", "tls")

    hosts: list[str] = Field(default_factory=list)
    gateways: list[str] = Field(default_factory=list)
    http: list[HttpRoute] = Field(default_factory=list)
    tcp: Any = None
    tls: Any = None
    export_to: list[str] = Field(default_factory=list)


class VirtualService(Resource):
    spec: VirtualServiceSpec
