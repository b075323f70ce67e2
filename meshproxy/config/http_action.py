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
    value: float = Field(default=0, description="0 to 100, in steps of 0.0001.")

    @property
    def ppm(self) -> int:
        """Parts per million."""
        return round(self.value * 10_000)


class HttpRedirect(Model):
    uri: str = Field(
        default="", description="The whole path; the query stays unless this has one."
    )
    prefix_rewrite: str = Field(
        default="", description="Replaces the prefix that matched, the rest stays."
    )
    authority: str = Field(default="", description="Host; default: that of the request.")
    port: Port | None = Field(default=None, description="Port; default: that of the request.")
    derive_port: Literal["FROM_PROTOCOL_DEFAULT", "FROM_REQUEST_PORT"] | None = Field(
        default=None,
        description="FROM_PROTOCOL_DEFAULT: 80 or 443, left out; FROM_REQUEST_PORT: the port "
        "of the service.",
    )
    scheme: str = Field(default="", description="http or https; default: that of the request.")
    redirect_code: int = Field(default=301, description="301 (default), 302, 303, 307 or 308.")


class HttpBody(Model):
    string: str | None = Field(default=None, description="The body as text.")
    data: Base64 | None = Field(
        default=None, alias="bytes", description="The body as base64, at most 1 MiB."
    )

    @property
    def content(self) -> bytes:
        return (self.string or "").encode() if self.data is None else self.data


class HttpDirectResponse(Model):
    status: int = Field(description="200 to 599.")
    body: HttpBody | None = Field(
        default=None, description="Sent as text/plain, unless headers.response says otherwise."
    )


class RegexRewrite(Model):
    match: Regex = Field(description="RE2; every place in the path where it holds is replaced.")
    rewrite: str = Field(
        description="What stands there instead; `\\1` is the first group, `\\0` all."
    )


class HttpRewrite(Model):
    uri: str = Field(
        default="",
        description="Replaces the prefix that matched, or the whole path of an exact or regex"
        " match.",
    )
    authority: str = Field(default="", description="The Host that the upstream sees.")
    uri_regex_rewrite: RegexRewrite | None = Field(
        default=None, description="Replaces what a regex finds in the path."
    )


class HeaderOperations(Model):
    set: dict[str, str] = Field(
        default_factory=dict,
        description="Replaces all lines of that name by one; `%...%` variables are filled in."
        " An empty value does nothing.",
    )
    add: dict[str, str] = Field(default_factory=dict, description="Adds a line.")
    remove: list[str] = Field(
        default_factory=list, description="Removes all lines of that name, before the others act."
    )


class Headers(Model):
    request: HeaderOperations = Field(
        default_factory=HeaderOperations,
        description="On the request, before an endpoint is chosen.",
    )
    response: HeaderOperations = Field(
        default_factory=HeaderOperations,
        description="On the response, answers of the proxy itself included.",
    )


class HttpRetry(Model):
    attempts: int = Field(default=0, description="Retries, not tries; 0 turns them off.")
    per_try_timeout: DurationMs | None = Field(
        default=None, description="Time for each attempt; default: the timeout of the rule alone."
    )
    retry_on: str = Field(
        default="",
        description="Envoy's conditions and status codes, separated by commas; default: "
        "connect-failure and its like.",
    )
    retry_remote_localities: bool = Field(
        default=False, description="Go to other localities after two attempts."
    )
    retry_ignore_previous_hosts: bool | None = Field(
        default=None,
        description="Prefer endpoints that were not tried; default true, but for a hash.",
    )
    backoff: DurationMs | None = Field(
        default=None,
        description="Longest wait before the first retry; doubles, up to ten times; default 25ms.",
    )


class Delay(Model):
    fixed_delay: DurationMs = Field(description="How long the request is held back.")
    percentage: Percent | None = Field(
        default=None, description="Share of the requests; default: none."
    )
    percent: int | None = Field(default=None, description="Deprecated: percentage.value.")


class Abort(Model):
    http_status: int | None = Field(default=None, description="Status of the answer, 200 to 599.")
    grpc_status: Literal[GRPC_STATUSES] | None = Field(  # type: ignore[valid-type]
        default=None,
        description="Name of a gRPC status. gRPC is not served yet: callers get 200 with the "
        "text of the abort.",
    )
    percentage: Percent | None = Field(
        default=None, description="Share of the requests; default: none."
    )


class HttpFault(Model):
    delay: Delay | None = Field(default=None, description="Comes first.")
    abort: Abort | None = Field(default=None, description="Answers without an upstream.")


class HttpMirror(Model):
    destination: Destination = Field(description="Where copies go.")
    percentage: Percent | None = Field(
        default=None, description="Share of the requests; default 100."
    )


class CorsPolicy(Model):
    allow_origin: list[str] = Field(
        default_factory=list, description="Deprecated: allowOrigins with exact."
    )
    allow_origins: list[StringMatch] = Field(
        default_factory=list,
        description="Origins that may read responses; exact `*`: all. None: the policy does "
        "nothing.",
    )
    allow_methods: list[str] = Field(
        default_factory=list, description="Answer to a preflight; `*`: what it asks for."
    )
    allow_headers: list[str] = Field(
        default_factory=list, description="Answer to a preflight; `*`: what it asks for."
    )
    expose_headers: list[str] = Field(
        default_factory=list, description="Headers that scripts may read."
    )
    max_age: DurationOrZeroMs | None = Field(
        default=None, description="How long the answer to a preflight holds; whole seconds."
    )
    allow_credentials: bool | None = Field(default=None, description="Scripts may send cookies.")
    unmatched_preflights: Literal["UNSPECIFIED", "FORWARD", "IGNORE"] = Field(
        default="UNSPECIFIED",
        description="Preflights of other origins: FORWARD (default) to the upstream, or "
        "IGNORE: answered without leave.",
    )
