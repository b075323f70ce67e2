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

    destination_subnets: list[str] = Field(
        default_factory=list,
        description="Addresses of the Service (clusterIP) that the rule is for; the longest wins.",
    )
    port: Port | None = Field(default=None, description="Port of the Service.")
    source_subnet: str = Field(default="", description="No effect, as in Istio.")
    source_labels: dict[str, str] = Field(
        default_factory=dict, description="Labels of the proxy (`--labels`)."
    )
    source_namespace: str = Field(default="", description="Namespace of the proxy.")
    gateways: list[str] = Field(
        default_factory=list, description="Must hold `mesh`; none = those of the object."
    )


class TlsMatch(L4Match):
    sni_hosts: list[str] = Field(description="Server names, `*.suffix` for all below it.")


class L4Destination(Model):
    destination: Destination = Field(description="Where connections go.")
    weight: int | None = Field(
        default=None, description="Share among the destinations; exact for each connection."
    )


class L4Route(Model):
    route: list[L4Destination] = Field(
        default_factory=list, description="Destinations, at least one."
    )

    def destinations(self) -> Iterator[tuple[Path, Destination]]:
        """Give every destination with its place in the rule."""
        for index, entry in enumerate(self.route):
            yield ("route", index, "destination"), entry.destination


class TcpRoute(L4Route):
    match: list[L4Match] = Field(
        default_factory=list, description="Any of them must hold; none = every connection."
    )


class TlsRoute(L4Route):
    match: list[TlsMatch] = Field(description="Any of them must hold.")
