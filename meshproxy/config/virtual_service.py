"""Istio VirtualService."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import Field

from .destination import Destination
from .http_match import HttpMatch, StringMatch
from .http_route import HttpRoute
from .l4_route import TcpRoute, TlsRoute
from .metadata import Resource
from .model import Model
from .places import Path

__all__ = [
    "Destination",
    "HttpMatch",
    "HttpRoute",
    "StringMatch",
    "VirtualService",
    "VirtualServiceSpec",
]


class VirtualServiceSpec(Model):
    hosts: list[str] = Field(
        default_factory=list,
        description="Hosts that the rules are for: a short name is a Service of the same "
        "namespace; `*.suffix` and `*` take what no closer host does. None: a "
        "delegate.",
    )
    gateways: list[str] = Field(
        default_factory=list,
        description="Only `mesh` (the default) is served: rules of other gateways are "
        "checked, and named.",
    )
    http: list[HttpRoute] = Field(
        default_factory=list,
        description="Rules for requests, in order; the first that matches decides.",
    )
    tcp: list[TcpRoute] = Field(
        default_factory=list, description="Rules for connections to ports that are not HTTP."
    )
    tls: list[TlsRoute] = Field(
        default_factory=list, description="Rules by server name, for TLS that is passed through."
    )
    export_to: list[str] = Field(
        default_factory=list,
        description="Namespaces of proxies that see it; `.` its own, `*` all (default).",
    )

    @property
    def is_delegate(self) -> bool:
        """Its rules apply only through another VirtualService."""
        return not self.hosts

    def destinations(self) -> Iterator[tuple[Path, Destination]]:
        """Give every destination that traffic can take, with its place in the object."""
        for index, rule in enumerate(self.http):
            for path, destination in rule.destinations():
                yield ("spec", "http", index, *path), destination
        for index, entry in enumerate(self.tcp):
            for path, destination in entry.destinations():
                yield ("spec", "tcp", index, *path), destination


class VirtualService(Resource):
    spec: VirtualServiceSpec = Field(description="Hosts and rules.")
