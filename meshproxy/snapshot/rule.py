"""A rule with the object that it was written in, and whether it applies to this caller."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from meshproxy.config.http_match import HttpMatch
from meshproxy.config.http_route import HttpRoute
from meshproxy.config.l4_route import L4Match, TcpRoute
from meshproxy.config.resource import Resource

MESH = "mesh"


@dataclass(frozen=True, slots=True)
class Rule:
    """One entry of spec.http. `owner` is the delegate when one stands in: its namespace resolves
    short names, and problems and origins point there."""

    owner: Resource
    index: int
    http: HttpRoute


@dataclass(frozen=True, slots=True)
class TcpRule:
    """One entry of spec.tcp."""

    owner: Resource
    index: int
    tcp: TcpRoute


@dataclass(frozen=True, slots=True)
class Caller:
    """Who sends the requests, for sourceNamespace and sourceLabels."""

    namespace: str
    labels: Mapping[str, str] = field(default_factory=dict)

    def takes(self, match: HttpMatch | L4Match, port: int) -> bool:
        """Decide what does not depend on the request."""
        if match.port is not None and match.port != port:
            return False
        if match.gateways:
            if MESH not in match.gateways:
                return False
            if isinstance(match, HttpMatch):
                return True  # Istio then asks for nothing else of the caller
        if match.source_namespace and match.source_namespace != self.namespace:
            return False
        return match.source_labels.items() <= self.labels.items()
