"""Rules that a VirtualService must keep by itself (Istio's admission checks and lint)."""

from __future__ import annotations

from collections.abc import Iterator

from ..host import covers, invalid_reason, is_network, split_port
from ..l4_route import L4Match, TcpRoute, TlsRoute
from ..metadata import UPGRADE_ANNOTATION
from ..places import Path
from ..problem import Finding, quote
from ..virtual_service import VirtualService, VirtualServiceSpec
from . import http_rule, reach
from .export_to import check_export_to


def check(resource: VirtualService) -> Iterator[Finding]:
    """Give what is wrong or doubtful, in the order of the fields."""
    spec = resource.spec
    yield from _hosts(spec)
    for index, gateway in enumerate(spec.gateways):
        if gateway != "mesh":
            yield Finding(
                "MP308",
                ("spec", "gateways", index),
                f'expected "mesh", found {quote(gateway)}: the rules are not served for it',
            )
    yield from check_export_to(spec.export_to, resource.metadata.namespace)
    yield from _annotations(resource.metadata.annotations)
    if not spec.http and not spec.tcp and not spec.tls:
        yield Finding("MP103", ("spec", "http"), "expected at least one http rule, found none")
    for index, rule in enumerate(spec.http):
        path: Path = ("spec", "http", index)
        yield from http_rule.check(rule, path)
        if spec.is_delegate and rule.delegate is not None:
            message = "expected no delegate in a VirtualService without hosts: one level only"
            yield Finding("MP104", (*path, "delegate"), message)
    yield from reach.check(spec.http)
    yield from _tcp(spec.tcp)
    yield from _tls(spec.tls, spec)


def _annotations(annotations: dict[str, str]) -> Iterator[Finding]:
    for key, value in annotations.items():
        path: Path = ("metadata", "annotations", key)
        if key == UPGRADE_ANNOTATION and value not in ("on", "off"):
            yield Finding("MP315", path, f'expected "on" or "off", found {quote(value)}: it is on')
        elif key.startswith("meshproxy.io/") and key != UPGRADE_ANNOTATION:
            yield Finding("MP315", path, f"expected {UPGRADE_ANNOTATION}, found {quote(key)}")


def _hosts(spec: VirtualServiceSpec) -> Iterator[Finding]:
    if spec.is_delegate:
        for name in ("gateways", "tcp", "tls"):
            if getattr(spec, name):
                message = f"expected at least one host, found none (and {name})"
                yield Finding("MP103", ("spec", "hosts"), message)
                return
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
        for other in spec.hosts[:index]:
            if host.lower() == other.lower():
                yield Finding("MP311", path, f"expected each host once, found {quote(host)} again")
                break
            if _overlap(host.lower(), other.lower()):
                message = f"expected hosts that do not overlap, found {quote(host)}"
                yield Finding("MP311", path, f"{message} and {quote(other)}")
                break
        if host == "*" and (not spec.gateways or "mesh" in spec.gateways):
            yield Finding(
                "MP307", path, 'Istio refuses the host "*" for sidecars; here it means every host'
            )


def _overlap(one: str, two: str) -> bool:
    """The host `*` has a verdict of its own."""
    return "*" not in (one, two) and (covers(one, two) or covers(two, one))


def _tcp(rules: list[TcpRoute]) -> Iterator[Finding]:
    closed: int | None = None
    for index, rule in enumerate(rules):
        path: Path = ("spec", "tcp", index)
        if not rule.route:
            message = "expected at least one destination, found none"
            yield Finding("MP103", (*path, "route"), message)
        yield from http_rule.weights(rule.route, (*path, "route"))
        for place, destination in rule.destinations():
            yield from http_rule.check_destination(destination, (*path, *place))
        if closed is not None:
            yield Finding("MP303", path, f"tcp[{closed}] takes every connection before this rule")
        elif not rule.match or any(match == L4Match() for match in rule.match):
            closed = index
        for at, match in enumerate(rule.match):
            yield from _l4_match(match, (*path, "match", at))


def _tls(rules: list[TlsRoute], spec: VirtualServiceSpec) -> Iterator[Finding]:
    if rules:
        yield Finding("MP105", ("spec", "tls"), "tls is not honoured yet: TLS is not served")
    for index, rule in enumerate(rules):
        path: Path = ("spec", "tls", index)
        if not rule.match:
            yield Finding("MP103", (*path, "match"), "expected at least one match, found none")
        yield from http_rule.weights(rule.route, (*path, "route"))
        for place, destination in rule.destinations():
            yield from http_rule.check_destination(destination, (*path, *place))
        for at, match in enumerate(rule.match):
            where = (*path, "match", at)
            if not match.sni_hosts:
                yield Finding("MP103", (*where, "sniHosts"), "expected at least one, found none")
            for position, name in enumerate(match.sni_hosts):
                known = any(covers(host.lower(), name.lower()) for host in spec.hosts)
                if not known and all("." in host or host == "*" for host in spec.hosts):
                    message = f"expected a name that spec.hosts covers, found {quote(name)}"
                    yield Finding("MP104", (*where, "sniHosts", position), message)
            yield from _l4_match(match, where)


def _l4_match(match: L4Match, path: Path) -> Iterator[Finding]:
    for index, subnet in enumerate(match.destination_subnets):
        where = (*path, "destinationSubnets", index)
        if not is_network(subnet):
            yield Finding("MP104", where, f"expected an address or CIDR, found {quote(subnet)}")
    if match.source_subnet:
        where = (*path, "sourceSubnet")
        yield Finding("MP315", where, "has no effect: Istio ignores it as well")
