"""HTTPRoute: one rule of a VirtualService."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import Field

from .destination import Destination
from .http_action import (
    CorsPolicy,
    Headers,
    HttpDirectResponse,
    HttpFault,
    HttpMirror,
    HttpRedirect,
    HttpRetry,
    HttpRewrite,
    Percent,
)
from .http_match import HttpMatch
from .model import Model
from .places import Path
from .scalar import DurationMs


class WeightedDestination(Model):
    destination: Destination = Field(description="Where the request goes.")
    weight: int | None = Field(
        default=None,
        description="Share of the requests, relative to the others: exact in every 100. Of a "
        "single destination it does not count.",
    )
    headers: Headers | None = Field(
        default=None, description="Header operations for requests that go here."
    )


class Delegate(Model):
    """Another VirtualService, without hosts, whose rules stand in for this one."""

    name: str = Field(description="A VirtualService without hosts.")
    namespace: str = Field(default="", description="Its namespace; default: that of the rule.")


class HttpRoute(Model):
    name: str = Field(default="", description="Name in access logs, metrics and explain.")
    match: list[HttpMatch] = Field(
        default_factory=list, description="Any of these must hold; none: every request."
    )
    route: list[WeightedDestination] = Field(
        default_factory=list, description="Destinations; several make a split by weight."
    )
    redirect: HttpRedirect | None = Field(
        default=None, description="Answer with a redirect instead."
    )
    direct_response: HttpDirectResponse | None = Field(
        default=None, description="Answer without an upstream instead."
    )
    delegate: Delegate | None = Field(
        default=None,
        description="Rules of another VirtualService stand in for this one, one level deep; "
        "both match.",
    )
    rewrite: HttpRewrite | None = Field(
        default=None, description="Change path or host before the request is sent."
    )
    timeout: DurationMs | None = Field(
        default=None,
        description="Time from the whole request to the whole response, retries included; "
        "then 504. Default: none.",
    )
    retries: HttpRetry | None = Field(
        default=None,
        description="Further attempts after a failure. Default: two, as in Istio, but a POST "
        "only before it was sent.",
    )
    fault: HttpFault | None = Field(
        default=None,
        description="Delay or abort a share of the requests, for tests of those who call.",
    )
    mirror: Destination | None = Field(
        default=None,
        description="A copy of each request goes there too; its answer is thrown away.",
    )
    mirror_percentage: Percent | None = Field(
        default=None, description="Share of the requests that is copied; default 100."
    )
    mirror_percent: int | None = Field(
        default=None, description="Deprecated: mirrorPercentage.value."
    )
    mirrors: list[HttpMirror] = Field(
        default_factory=list, description="Several places for copies, each with its own share."
    )
    cors_policy: CorsPolicy | None = Field(
        default=None, description="Answer preflights, and say who may read responses."
    )
    headers: Headers | None = Field(
        default=None, description="Header operations on requests and responses of this rule."
    )

    def destinations(self) -> Iterator[tuple[Path, Destination]]:
        """Give every destination with its place in the rule."""
        for index, entry in enumerate(self.route):
            yield ("route", index, "destination"), entry.destination
        if self.mirror is not None:
            yield ("mirror",), self.mirror
        for index, mirror in enumerate(self.mirrors):
            yield ("mirrors", index, "destination"), mirror.destination
