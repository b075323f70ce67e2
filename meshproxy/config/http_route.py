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
    destination: Destination
    weight: int | None = None
    headers: Headers | None = None


class Delegate(Model):
    """Another VirtualService, without hosts, whose rules stand in for this one."""

    name: str
    namespace: str = ""


class HttpRoute(Model):
    name: str = ""
    match: list[HttpMatch] = Field(default_factory=list)
    route: list[WeightedDestination] = Field(default_factory=list)
    redirect: HttpRedirect | None = None
    direct_response: HttpDirectResponse | None = None
    delegate: Delegate | None = None
    rewrite: HttpRewrite | None = None
    timeout: DurationMs | None = None
    retries: HttpRetry | None = None
    fault: HttpFault | None = None
    mirror: Destination | None = None
    mirror_percentage: Percent | None = None
    mirror_percent: int | None = None  # deprecated
    mirrors: list[HttpMirror] = Field(default_factory=list)
    cors_policy: CorsPolicy | None = None
    headers: Headers | None = None

    def destinations(self) -> Iterator[tuple[Path, Destination]]:
        """Give every destination with its place in the rule."""
        for index, entry in enumerate(self.route):
            yield ("route", index, "destination"), entry.destination
        if self.mirror is not None:
            yield ("mirror",), self.mirror
        for index, mirror in enumerate(self.mirrors):
            yield ("mirrors", index, "destination"), mirror.destination
