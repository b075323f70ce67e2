"""TCPRoute and TLSRoute: rules of a VirtualService for connections."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import Field

from .destination import Destination
from .model import Model
from .places import Path
from .scalar import Port


class L4Match(Model):
    """All that is set must hold; port and caller are known before a connection comes."""

    destination_subnets: list[str] = Field(default_factory=list)
    port: Port | None = None
    source_subnet: str = ""
    source_labels: dict[str, str] = Field(default_factory=dict)
    source_namespace: str = ""
    gateways: list[str] = Field(default_factory=list)


class TlsMatch(L4Match):
    sni_hosts: list[str]


class L4Destination(Model):
    destination: Destination
    weight: int | None = None


class L4Route(Model):
    route: list[L4Destination] = Field(default_factory=list)

    def destinations(self) -> Iterator[tuple[Path, Destination]]:
        """Give every destination with its place in the rule."""
        for index, entry in enumerate(self.route):
            yield ("route", index, "destination"), entry.destination


class TcpRoute(L4Route):
    match: list[L4Match] = Field(default_factory=list)


class TlsRoute(L4Route):
    match: list[TlsMatch]
