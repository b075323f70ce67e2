"""Rules for what a rule does besides choosing a destination."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..host import authority_reason
from ..http_action import (
    CorsPolicy,
    HttpDirectResponse,
    HttpFault,
    HttpRedirect,
    HttpRetry,
    HttpRewrite,
    Percent,
)
from ..http_route import HttpRoute
from ..places import Path
from ..problem import Finding, describe, hint, quote
from ..scalar import regex_groups

REDIRECT_CODES = (301, 302, 303, 307, 308)
MAX_BODY_BYTES = 2**20
LARGE_BODY_BYTES = 100 * 1024
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "CONNECT", "OPTIONS", "TRACE", "*")
RETRY_CONDITIONS = frozenset(
    {
        "5xx", "gateway-error", "reset", "reset-before-request", "connect-failure",
        "envoy-ratelimited", "retriable-4xx", "refused-stream", "retriable-status-codes",
        "retriable-headers", "http3-post-connect-failure", "cancelled", "deadline-exceeded",
        "internal", "resource-exhausted", "unavailable",
    }
)  # fmt: skip
_REFERENCE = re.compile(r"\\(.?)", re.S)
_SPLITS = re.compile(r"[\x00-\x20\x7f]")  # ends a request line, or a field


def check(rule: HttpRoute, path: Path) -> Iterator[Finding]:
    """Give what is wrong or doubtful, in the order of the fields."""
    if rule.redirect is not None:
        yield from _redirect(rule.redirect, rule, (*path, "redirect"))
    if rule.direct_response is not None:
        yield from _direct_response(rule.direct_response, (*path, "directResponse"))
    if rule.rewrite is not None:
        yield from _rewrite(rule.rewrite, (*path, "rewrite"))
    if rule.retries is not None:
        yield from _retries(rule.retries, rule.timeout, (*path, "retries"))
    if rule.fault is not None:
        yield from _fault(rule.fault, (*path, "fault"))
    if rule.cors_policy is not None:
        yield from _cors(rule.cors_policy, (*path, "corsPolicy"))
    yield from _mirrors(rule, path)


def _redirect(redirect: HttpRedirect, rule: HttpRoute, path: Path) -> Iterator[Finding]:
    wanted = (redirect.uri, redirect.prefix_rewrite, redirect.authority, redirect.scheme)
    if not any(wanted) and redirect.port is None and redirect.derive_port is None:
        message = "expected one of authority, derivePort, port, prefixRewrite, scheme, uri"
        yield Finding("MP103", path, f"{message}, found none")
    if redirect.uri and redirect.prefix_rewrite:
        yield Finding("MP111", path, "expected one of uri, prefixRewrite, found both")
    if redirect.port is not None and redirect.derive_port is not None:
        yield Finding("MP111", path, "expected one of port, derivePort, found both")
    if redirect.scheme not in ("", "http", "https"):
        message = f"expected http or https, found {quote(redirect.scheme)}"
        yield Finding("MP104", (*path, "scheme"), message)
    yield from _whole(redirect.uri, (*path, "uri"))
    yield from _whole(redirect.prefix_rewrite, (*path, "prefixRewrite"))
    yield from _authority(redirect.authority, (*path, "authority"))
    if redirect.redirect_code not in REDIRECT_CODES:
        codes = ", ".join(str(code) for code in REDIRECT_CODES)
        message = f"expected one of {codes}, found {str(redirect.redirect_code)[:40]}"
        yield Finding("MP104", (*path, "redirectCode"), message)
    if redirect.prefix_rewrite:
        for match in rule.match:
            if match.uri is not None and match.uri.prefix is None:
                message = "expected only uri.prefix in the matches of this rule"
                yield Finding("MP104", (*path, "prefixRewrite"), message)
                break


def _whole(value: str, path: Path) -> Iterator[Finding]:
    """Judge what becomes a part of a request line or of Location."""
    if _SPLITS.search(value):
        message = f"expected no space and no control character, found {quote(value)}"
        yield Finding("MP104", path, message)


def _authority(value: str, path: Path) -> Iterator[Finding]:
    reason = authority_reason(value) if value else None
    if reason is not None:
        yield Finding("MP104", path, reason)


def _direct_response(direct: HttpDirectResponse, path: Path) -> Iterator[Finding]:
    if not 200 <= direct.status <= 599:
        message = f"expected a status from 200 to 599, found {str(direct.status)[:40]}"
        yield Finding("MP104", (*path, "status"), message)
    if direct.body is None:
        return
    if direct.body.string is not None and direct.body.data is not None:
        yield Finding("MP111", (*path, "body"), "expected one of string, bytes, found both")
    size = len(direct.body.content)
    if size > MAX_BODY_BYTES:
        message = f"expected at most {MAX_BODY_BYTES} bytes, found {size}"
        yield Finding("MP104", (*path, "body"), message)
    elif size > LARGE_BODY_BYTES:
        message = f"{size} bytes: Istio warns above {LARGE_BODY_BYTES}"
        yield Finding("MP104", (*path, "body"), message, "warning")


def _rewrite(rewrite: HttpRewrite, path: Path) -> Iterator[Finding]:
    regex = rewrite.uri_regex_rewrite
    if not rewrite.uri and not rewrite.authority and regex is None:
        message = "expected one of authority, uri, uriRegexRewrite, found none"
        yield Finding("MP103", path, message)
    yield from _whole(rewrite.uri, (*path, "uri"))
    yield from _authority(rewrite.authority, (*path, "authority"))
    if regex is None:
        return
    yield from _whole(regex.rewrite, (*path, "uriRegexRewrite", "rewrite"))
    if rewrite.uri:
        yield Finding("MP111", path, "expected one of uri, uriRegexRewrite, found both")
    groups = regex_groups(regex.match)
    for found in _REFERENCE.findall(regex.rewrite):
        if found != "\\" and (not found.isdigit() or int(found) > groups):
            known = f"\\0 to \\{groups}" if groups else "\\0"
            message = f"expected {known} or \\\\ after a backslash, found {quote(regex.rewrite)}"
            yield Finding("MP104", (*path, "uriRegexRewrite", "rewrite"), message)
            break
    if not regex.rewrite:
        where = (*path, "uriRegexRewrite", "rewrite")
        yield Finding("MP104", where, "expected a replacement, found an empty string")


def _retries(retry: HttpRetry, timeout: int | None, path: Path) -> Iterator[Finding]:
    if retry.attempts < 0:
        message = f"expected 0 or more, found {str(retry.attempts)[:40]}"
        yield Finding("MP104", (*path, "attempts"), message)
    elif retry.attempts > 2**31 - 1:
        yield Finding("MP104", (*path, "attempts"), f"expected at most {2**31 - 1}, found more")
    if not retry.attempts:
        for name, is_set in (
            ("perTryTimeout", retry.per_try_timeout is not None),
            ("retryOn", bool(retry.retry_on)),
            ("retryRemoteLocalities", retry.retry_remote_localities),
        ):
            if is_set:
                message = (
                    "expected retries.attempts above 0 beside it, found 0: nothing is retried"
                )
                yield Finding("MP104", (*path, name), message)
    for token in retry.retry_on.split(",") if retry.retry_on else ():
        if token not in RETRY_CONDITIONS and not (token.isdigit() and 100 <= int(token[:9]) < 600):
            near = hint(token.strip(), RETRY_CONDITIONS)
            message = f"expected conditions such as 5xx,reset,503, found {quote(token)}{near}"
            yield Finding("MP104", (*path, "retryOn"), message)
    if timeout is not None and (retry.per_try_timeout or 0) >= timeout:
        message = f"has no effect: the timeout of the rule is {timeout}ms"
        yield Finding("MP315", (*path, "perTryTimeout"), message)


def _fault(fault: HttpFault, path: Path) -> Iterator[Finding]:
    if fault.delay is None and fault.abort is None:
        yield Finding("MP103", path, "expected one of abort, delay, found none")
    if fault.delay is not None:
        where = (*path, "delay")
        percent = fault.delay.percent
        if percent is not None:
            yield Finding("MP114", (*where, "percent"), "deprecated: use percentage.value")
            if not 0 <= percent <= 100:
                message = f"expected 0 to 100, found {str(percent)[:40]}"
                yield Finding("MP104", (*where, "percent"), message)
        yield from _percentage(fault.delay.percentage, where, percent is None)
    if fault.abort is not None:
        where = (*path, "abort")
        http, grpc = fault.abort.http_status, fault.abort.grpc_status
        if http is not None and grpc is not None:
            yield Finding("MP111", where, "expected one of httpStatus, grpcStatus, found both")
        if http is None and grpc is None:
            yield Finding(
                "MP315", where, "has no effect: neither httpStatus nor grpcStatus is set"
            )
        if http is not None and not 200 <= http <= 599:
            message = f"expected a status from 200 to 599, found {str(http)[:40]}"
            yield Finding("MP104", (*where, "httpStatus"), message)
        if grpc is not None:
            message = "gRPC is not served yet: callers get status 200 with the text of the abort"
            yield Finding("MP105", (*where, "grpcStatus"), message)
        yield from _percentage(fault.abort.percentage, where, True)


def _percentage(percentage: Percent | None, path: Path, is_needed: bool) -> Iterator[Finding]:
    """Of a fault; it has a step of its own, as Istio counts in parts per million."""
    if percentage is None:
        if is_needed:
            yield Finding("MP315", path, "has no effect: without percentage no request is chosen")
        return
    value = percentage.value
    where = (*path, "percentage", "value")
    if value != 0 and not 0.0001 <= value <= 100:
        yield Finding("MP104", where, f"expected 0 or 0.0001 to 100, found {describe(value)}")


def _mirrors(rule: HttpRoute, path: Path) -> Iterator[Finding]:
    if rule.mirror is not None and rule.mirrors:
        yield Finding("MP111", path, "expected one of mirror, mirrors, found both")
    shares = [(("mirrorPercentage", "value"), rule.mirror_percentage)]
    shares += [
        (("mirrors", index, "percentage", "value"), item.percentage)  # type: ignore[misc]
        for index, item in enumerate(rule.mirrors)
    ]
    for place, share in shares:
        if share is not None and not 0 <= share.value <= 100:
            yield Finding("MP104", (*path, *place), f"expected 0 to 100, found {share.value}")
    if rule.mirror_percent is not None:
        where = (*path, "mirrorPercent")
        yield Finding("MP114", where, "deprecated: use mirrorPercentage.value")
        if not 0 <= rule.mirror_percent <= 100:
            message = f"expected 0 to 100, found {str(rule.mirror_percent)[:40]}"
            yield Finding("MP104", where, message)
        if rule.mirror_percentage is not None:
            yield Finding("MP315", where, "has no effect: mirrorPercentage is set")
    if rule.mirror is None:
        for name, value in (
            ("mirrorPercentage", rule.mirror_percentage),
            ("mirrorPercent", rule.mirror_percent),
        ):
            if value is not None:
                why = "mirrors have their own percentage" if rule.mirrors else "there is no mirror"
                yield Finding("MP315", (*path, name), f"has no effect: {why}")


def _cors(cors: CorsPolicy, path: Path) -> Iterator[Finding]:
    if cors.allow_origin:
        where = (*path, "allowOrigin")
        yield Finding("MP114", where, "deprecated: use allowOrigins with exact")
        if cors.allow_origins:
            yield Finding("MP315", where, "has no effect: allowOrigins is set")
    elif not cors.allow_origins:
        yield Finding("MP315", path, "has no effect: no origin is allowed")
    for index, origin in enumerate(cors.allow_origins):
        if origin.is_presence or "" in (origin.exact, origin.prefix):
            message = "expected one of exact, prefix, regex, found none"
            yield Finding("MP104", (*path, "allowOrigins", index), message)
    for index, method in enumerate(cors.allow_methods):
        if method not in METHODS:
            near = hint(method, METHODS)
            message = f"expected a method such as GET, found {quote(method)}{near}"
            yield Finding("MP104", (*path, "allowMethods", index), message)
    for name in ("allowHeaders", "exposeHeaders"):
        listed = cors.allow_headers if name == "allowHeaders" else cors.expose_headers
        for index, header in enumerate(listed):
            if not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", header):
                message = f"expected a header name, found {quote(header)}"
                yield Finding("MP104", (*path, name, index), message)
    if cors.max_age is not None and cors.max_age % 1000:
        yield Finding("MP113", (*path, "maxAge"), "expected whole seconds")
