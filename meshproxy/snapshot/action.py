"""What a route does besides choosing an upstream (ISTIO 1.11 to 1.19)."""

from __future__ import annotations

from typing import Literal

from meshproxy.config.http_action import (
    CorsPolicy,
    HttpDirectResponse,
    HttpFault,
    HttpRedirect,
    HttpRetry,
    RegexRewrite,
)
from meshproxy.config.http_match import HttpMatch
from meshproxy.config.http_route import HttpRoute

from .model import (
    CorsData,
    DirectResponseData,
    FaultData,
    RedirectData,
    RetryData,
    RewriteData,
)

DEFAULT_ATTEMPTS = 2
DEFAULT_RETRY_ON = "connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes"
BY_STATUS = "retriable-status-codes"
BACKOFF_MS = 25
ALL_PPM = 1_000_000
_Origin = tuple[Literal["exact", "prefix", "regex"], str]
_Kind = Literal["none", "prefix", "full", "regex"]
GRPC_ABORT_STATUS = 200  # what Envoy answers callers that do not speak gRPC


DEFAULT_PORTS = {"http": 80, "https": 443}


def redirect_of(redirect: HttpRedirect, match: HttpMatch | None, port: int) -> RedirectData:
    """`port` is that of the listener."""
    path: RewriteData | None = None
    if redirect.uri:
        path = _rewrite("full", value=redirect.uri)
    elif redirect.prefix_rewrite:
        path = matched_rewrite(redirect.prefix_rewrite, match)
    chosen = -1 if redirect.port is None else redirect.port
    if redirect.derive_port == "FROM_REQUEST_PORT":
        chosen = port
    # istiod leaves the default port of the scheme out: then the port of the Host stays
    if chosen == DEFAULT_PORTS[redirect.scheme or "http"]:
        chosen = -1
    return {
        "status": redirect.redirect_code,
        "path": path,
        "scheme": redirect.scheme,
        "authority": redirect.authority,
        "port": chosen,
    }


def direct_response_of(direct: HttpDirectResponse) -> DirectResponseData:
    body = direct.body.content if direct.body is not None else b""
    return {"status": direct.status, "body": body}


def rewrite_of(rule: HttpRoute, match: HttpMatch | None, authority: str) -> RewriteData | None:
    """`authority` is what header operations ask for; rewrite.authority comes first."""
    made = _rewrite("none")
    if rule.rewrite is not None:
        authority = rule.rewrite.authority or authority
        if rule.rewrite.uri_regex_rewrite is not None:
            made = _regex_rewrite(rule.rewrite.uri_regex_rewrite)
        elif rule.rewrite.uri:
            made = matched_rewrite(rule.rewrite.uri, match)
    made["authority"] = authority
    return made if authority or made["kind"] != "none" else None


def matched_rewrite(value: str, match: HttpMatch | None) -> RewriteData:
    """Replace what the uri condition matched: its prefix, else the whole path. Without one the
    implicit condition is the prefix "/", so one byte is replaced."""
    uri = match.uri if match is not None else None
    if uri is None or uri.is_presence:
        return _rewrite("prefix", length=1, value=value)
    if uri.prefix is not None:
        return _rewrite("prefix", length=len(uri.prefix.encode()), value=value)
    return _rewrite("full", value=value)


def fault_of(fault: HttpFault) -> FaultData | None:
    made: FaultData = {"delay_ms": 0, "delay_ppm": 0, "abort_status": 0, "abort_ppm": 0}
    if fault.delay is not None:
        percent = (fault.delay.percent or 0) * 10_000
        share = fault.delay.percentage
        made["delay_ppm"] = share.ppm if share is not None else percent
        made["delay_ms"] = fault.delay.fixed_delay if made["delay_ppm"] else 0
    if fault.abort is not None and fault.abort.percentage is not None:
        status = fault.abort.http_status or (GRPC_ABORT_STATUS if fault.abort.grpc_status else 0)
        made["abort_ppm"] = fault.abort.percentage.ppm if status else 0
        made["abort_status"] = status if made["abort_ppm"] else 0
    return made if made["delay_ms"] or made["abort_status"] else None


def cors_of(cors: CorsPolicy) -> CorsData | None:
    """None when no origin is allowed: then the policy does nothing."""
    origins: list[_Origin] = []
    for origin in cors.allow_origins:
        if origin.exact is not None:
            origins.append(("exact", origin.exact))
        elif origin.prefix is not None:
            origins.append(("prefix", origin.prefix))
        elif origin.regex is not None:
            origins.append(("regex", origin.regex))
    if not cors.allow_origins:
        origins = [("exact", text) for text in cors.allow_origin]
    if not origins:
        return None
    return {
        "origins": origins,
        "methods": ",".join(cors.allow_methods),
        "headers": ",".join(cors.allow_headers),
        "expose": ",".join(cors.expose_headers),
        "max_age": str(cors.max_age // 1000) if cors.max_age is not None else "",
        "credentials": bool(cors.allow_credentials),
        "ignore_unmatched": cors.unmatched_preflights == "IGNORE",
    }


def retry_of(retry: HttpRetry | None, is_hashed: bool) -> RetryData | None:
    """`is_hashed`: one destination with consistentHash, whose ring walks on by itself. None when
    the rule turns retries off."""
    is_default = retry is None
    if retry is None:
        retry = HttpRetry.model_construct(attempts=DEFAULT_ATTEMPTS)
    if retry.attempts <= 0:
        return None
    tokens = (retry.retry_on or DEFAULT_RETRY_ON).split(",")
    codes = [int(token) for token in tokens if token.isdigit()]
    names = [token for token in tokens if not token.isdigit()]
    if codes and BY_STATUS not in names:
        names.append(BY_STATUS)
    avoid = retry.retry_ignore_previous_hosts
    return {
        "attempts": retry.attempts,
        "per_try_timeout_ms": retry.per_try_timeout or 0,
        "retry_on": names,
        "status_codes": codes,
        "backoff_ms": retry.backoff or BACKOFF_MS,
        "avoid_previous": not is_hashed if avoid is None else avoid,
        "remote_localities": retry.retry_remote_localities,
        "is_default": is_default,
    }


def mirror_ppm(rule: HttpRoute) -> int:
    """The share of `mirror`."""
    if rule.mirror_percentage is not None:
        return rule.mirror_percentage.ppm
    return ALL_PPM if rule.mirror_percent is None else rule.mirror_percent * 10_000


def _regex_rewrite(rewrite: RegexRewrite) -> RewriteData:
    return _rewrite("regex", pattern=rewrite.match, value=rewrite.rewrite)


def _rewrite(kind: _Kind, length: int = 0, pattern: str = "", value: str = "") -> RewriteData:
    return {
        "kind": kind,
        "length": length,
        "pattern": pattern,
        "value": value,
        "authority": "",
    }
