"""Rules that a VirtualService must keep by itself (Istio's admission checks and lint)."""

from __future__ import annotations

from collections.abc import Iterator

from ..host import invalid_reason, split_port
from ..places import Path
from ..problem import Finding, quote
from ..virtual_service import (
    HttpMatch,
    HttpRoute,
    StringMatch,
    VirtualService,
    VirtualServiceSpec,
)


def check(resource: VirtualService) -> Iterator[Finding]:
    """Give what is wrong or doubtful, in the order of the fields."""
    spec = resource.spec
    yield from _check_hosts(spec)
    for index, gateway in enumerate(spec.gateways):
        if gateway != "mesh":
            yield Finding(
                "MP308",
                ("spec", "gateways", index),
                f'expected "mesh", found {quote(gateway)}: the rules are not served for it',
            )
    if not spec.http and spec.tcp is None and spec.tls is None:
        yield Finding("MP103", ("spec", "http"), "expected at least one http rule, found none")
    for index, rule in enumerate(spec.http):
        yield from _check_rule(rule, ("spec", "http", index))
    yield from _check_reach(spec)


def is_catch_all(match: HttpMatch) -> bool:
    """Tell whether a match entry accepts every request of every caller and port."""
    uri = match.uri
    any_uri = uri is None or uri.prefix in ("", "/") or uri.regex in (".*", "/.*")
    others = (match.scheme, match.method, match.authority, match.port)
    maps = (match.headers, match.without_headers, match.query_params, match.source_labels)
    return (
        any_uri
        and all(other is None for other in others)
        and not any(maps)
        and not match.source_namespace
        and not match.gateways
    )


def _check_hosts(spec: VirtualServiceSpec) -> Iterator[Finding]:
    if not spec.hosts:
        yield Finding(
            "MP103" if spec.gateways else "MP105",
            ("spec", "hosts"),
            "expected at least one host, found none"
            + ("" if spec.gateways else ": delegates are not honoured yet"),
        )
    seen: set[str] = set()
    for index, host in enumerate(spec.hosts):
        path: Path = ("spec", "hosts", index)
        with_port = split_port(host)
        if with_port:
            yield Finding(
                "MP305",
                path,
                f"expected a host without a port, found {quote(host)}: it never matches; "
                f'did you mean "{with_port[0]}"?',
            )
            continue
        reason = invalid_reason(host)
        if reason:
            yield Finding("MP115", path, reason)
        if host.lower() in seen:
            yield Finding("MP311", path, f"expected each host once, found {quote(host)} again")
        seen.add(host.lower())
        if host == "*" and (not spec.gateways or "mesh" in spec.gateways):
            yield Finding(
                "MP307", path, 'Istio refuses the host "*" for sidecars; here it means every host'
            )


def _check_rule(rule: HttpRoute, path: Path) -> Iterator[Finding]:
    for index, match in enumerate(rule.match):
        yield from _check_match(match, (*path, "match", index))
    if rule.route:
        yield from _check_weights(rule, (*path, "route"))
    elif rule.redirect is None and rule.direct_response is None and rule.delegate is None:
        yield Finding("MP103", (*path, "route"), "expected at least one destination, found none")
    else:
        yield Finding(
            "MP312", path, "the rule has no route that is honoured yet: requests get 503 NC"
        )


def _check_weights(rule: HttpRoute, path: Path) -> Iterator[Finding]:
    total = 0
    for index, entry in enumerate(rule.route):
        weight = entry.weight or 0
        if weight < 0:
            yield Finding(
                "MP302", (*path, index, "weight"), f"expected 0 or more, found {str(weight)[:40]}"
            )
        elif weight > 2**31 - 1:
            yield Finding(
                "MP104",
                (*path, index, "weight"),
                f"expected at most {2**31 - 1}, found {str(weight)[:40]}",
            )
        total += weight
        where = (*path, index, "destination", "host")
        host = entry.destination.host
        reason = invalid_reason(host)
        if host.startswith("*"):
            reason = f"expected the host of one service, found {quote(host)}"
        if split_port(host):
            reason = f"expected a host without a port, found {quote(host)}: use port.number"
        if reason:
            yield Finding("MP115", where, reason)
    if len(rule.route) > 1 and total == 0:
        yield Finding("MP301", path, "expected at least one weight above 0, found none")


def _check_match(match: HttpMatch, path: Path) -> Iterator[Finding]:
    for name, condition in (
        ("scheme", match.scheme),
        ("method", match.method),
        ("authority", match.authority),
    ):
        if condition is not None:
            yield from _check_prefix(condition, (*path, name))
    for name, conditions in (
        ("headers", match.headers),
        ("withoutHeaders", match.without_headers),
        ("queryParams", match.query_params),
    ):
        for key, condition in conditions.items():
            yield from _check_prefix(condition, (*path, name, key))
            if not key:
                yield Finding("MP104", (*path, name), "expected a name, found an empty key")


def _check_prefix(condition: StringMatch, path: Path) -> Iterator[Finding]:
    if condition.prefix == "":
        yield Finding("MP104", (*path, "prefix"), "expected a prefix, found an empty string")


def _check_reach(spec: VirtualServiceSpec) -> Iterator[Finding]:
    """Nothing after the first catch-all can match."""
    closed: str | None = None
    for index, rule in enumerate(spec.http):
        path: Path = ("spec", "http", index)
        if closed is not None:
            yield Finding("MP303", path, f"{closed} matches every request before this rule")
            continue
        if not rule.match:
            closed = f"http[{index}]"
        for at, match in enumerate(rule.match):
            if closed is not None:
                yield Finding("MP303", (*path, "match", at), f"{closed} matches every request")
            elif is_catch_all(match):
                closed = f"http[{index}].match[{at}]"
