"""Istio DestinationRule."""

from __future__ import annotations

from pydantic import Field

from .metadata import BALANCE_ANNOTATION, Resource
from .model import Model
from .traffic_policy import TrafficPolicy


class Subset(Model):
    name: str = Field(description="What a route's destination calls it; a DNS label.")
    labels: dict[str, str] = Field(
        default_factory=dict,
        description="Endpoints that have all of them; none = all endpoints.",
    )
    traffic_policy: TrafficPolicy | None = Field(
        default=None, description="Its blocks replace those of the rule."
    )


class ProxySelector(Model):
    match_labels: dict[str, str] = Field(
        default_factory=dict, description="Labels of the proxy, not of endpoints."
    )


class DestinationRuleSpec(Model):
    host: str = Field(
        description="Host of a service; a short name is one of the rule's own namespace;"
        " `*.suffix` and `*` for all that have no closer rule."
    )
    traffic_policy: TrafficPolicy | None = Field(
        default=None, description="For all ports and subsets."
    )
    subsets: list[Subset] = Field(
        default_factory=list, description="Named parts of the endpoints, a cluster each."
    )
    export_to: list[str] = Field(
        default_factory=list,
        description="Namespaces of proxies that see it; `.` its own, `*` all (default).",
    )
    workload_selector: ProxySelector | None = Field(
        default=None, description="Only for proxies of its namespace that have these labels."
    )


class DestinationRule(Resource):
    spec: DestinationRuleSpec = Field(description="Host, policy and subsets.")

    @property
    def hash_balance_factor(self) -> int | None:
        """Percent, 0 = not bounded; None when the annotation is not one."""
        text = self.metadata.annotations.get(BALANCE_ANNOTATION, "0")
        if text == "0":
            return 0
        is_number = text.isascii() and text.isdigit() and len(text) < 7
        return int(text) if is_number and int(text) >= 100 else None
