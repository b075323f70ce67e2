"""What a rule of a VirtualService does to a request besides choosing a destination."""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from .destination import Destination
from .http_match import StringMatch
from .model import Model
from .problem import describe
from .scalar import DurationMs, DurationOrZeroMs, Port, Regex, refuse


def _decode(value: Any) -> bytes:
    if isinstance(value, str):
        try:
            return base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError):
            pass
    raise refuse("MP104", f"expected base64 text, found {describe(value)}")


Base64 = Annotated[bytes, BeforeValidator(_decode)]

GRPC_STATUSES = (
    "OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND",
    "ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED",
    "OUT_OF_RANGE", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED",
)  # fmt: skip


class Percent(Model):
    value: float = 0

    @property
    def ppm(self) -> int:
        """Parts per million."""
        return round(self.value * 10_000)


class HttpRedirect(Model):
    uri: str = ""
    prefix_rewrite: str = ""
    authority: str = ""
    port: Port | None = None
    derive_port: Literal["FROM_PROTOCOL_DEFAULT", "FROM_REQUEST_PORT"] | None = None
    scheme: str = ""
    redirect_code: int = 301


class HttpBody(Model):
    string: str | None = None
    data: Base64 | None = Field(default=None, alias="bytes")

    @property
    def content(self) -> bytes:
        return (self.string or "").encode() if self.data is None else self.data


class HttpDirectResponse(Model):
    status: int
    body: HttpBody | None = None


class RegexRewrite(Model):
    match: Regex
    rewrite: str


class HttpRewrite(Model):
    uri: str = ""
    authority: str = ""
    uri_regex_rewrite: RegexRewrite | None = None


class HeaderOperations(Model):
    set: dict[str, str] = Field(default_factory=dict)
    add: dict[str, str] = Field(default_factory=dict)
    remove: list[str] = Field(default_factory=list)


class Headers(Model):
    request: HeaderOperations = Field(default_factory=HeaderOperations)
    response: HeaderOperations = Field(default_factory=HeaderOperations)


class HttpRetry(Model):
    attempts: int = 0
    per_try_timeout: DurationMs | None = None
    retry_on: str = ""
    retry_remote_localities: bool = False
    retry_ignore_previous_hosts: bool | None = None
    backoff: DurationMs | None = None


class Delay(Model):
    fixed_delay: DurationMs
    percentage: Percent | None = None
    percent: int | None = None  # deprecated


class Abort(Model):
    http_status: int | None = None
    grpc_status: Literal[GRPC_STATUSES] | None = None  # type: ignore[valid-type]
    percentage: Percent | None = None


class HttpFault(Model):
    delay: Delay | None = None
    abort: Abort | None = None


class HttpMirror(Model):
    destination: Destination
    percentage: Percent | None = None


class CorsPolicy(Model):
    allow_origin: list[str] = Field(default_factory=list)  # deprecated
    allow_origins: list[StringMatch] = Field(default_factory=list)
    allow_methods: list[str] = Field(default_factory=list)
    allow_headers: list[str] = Field(default_factory=list)
    expose_headers: list[str] = Field(default_factory=list)
    max_age: DurationOrZeroMs | None = None
    allow_credentials: bool | None = None
    unmatched_preflights: Literal["UNSPECIFIED", "FORWARD", "IGNORE"] = "UNSPECIFIED"
