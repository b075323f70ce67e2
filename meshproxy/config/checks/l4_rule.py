"""Rules that the tcp and tls rules of a VirtualService must keep by themselves."""

from __future__ import annotations

from collections.abc import Iterator

from ..host import covers, invalid_reason, is_address, is_network
from ..l4_route import L4Match, L4Route, TcpRoute, TlsMatch, TlsRoute
from ..places import Path
from ..problem import Finding, quote
from . import caller, http_rule

MAX_COMPARED = 300  # match entries; comparing is quadratic


def check_tcp(rules: list[TcpRoute]) -> Iterator[Finding]:
    """Give what is wrong or doubtful, in the order of the rules."""
    earlier: list[tuple[str, L4Match]] = []
    for index, rule in enumerate(rules):
        path: Path = ("spec", "tcp", index)
        yield from _route(rule, path)
        for at, match in enumerate(rule.match):
            yield from _match(match, (*path, "match", at))
        own = [(f"tcp[{index}].match[{at}]", match) for at, match in enumerate(rule.match)]
        own = own or [(f"tcp[{index}]", L4Match())]
        takers = [
            next((name for name, wide in earlier if _covers(wide, match)), None)
            for _, match in own
        ]
        if all(takers):
            message = f"{takers[0]} takes every connection that this rule could match"
            yield Finding("MP303", path, message)
        earlier += own[: MAX_COMPARED - len(earlier)]


def check_tls(rules: list[TlsRoute], hosts: list[str]) -> Iterator[Finding]:
    """Judge tls rules; `hosts` are those of the VirtualService."""
    if rules:
        message = "tls rules are not served yet: connections go to the Service's own endpoints"
        yield Finding("MP105", ("spec", "tls"), message)
    for index, rule in enumerate(rules):
        path: Path = ("spec", "tls", index)
        if not rule.match:
            yield Finding("MP103", (*path, "match"), "expected at least one match, found none")
        yield from _route(rule, path)
        for at, match in enumerate(rule.match):
            where = (*path, "match", at)
            yield from _names(match, hosts, where)
            yield from _match(match, where)


def _route(rule: L4Route, path: Path) -> Iterator[Finding]:
    if not rule.route:
        yield Finding("MP103", (*path, "route"), "expected at least one destination, found none")
    yield from http_rule.weights(rule.route, (*path, "route"))
    for place, destination in rule.destinations():
        yield from http_rule.check_destination(destination, (*path, *place))


def _names(match: TlsMatch, hosts: list[str], path: Path) -> Iterator[Finding]:
    if not match.sni_hosts:
        yield Finding("MP103", (*path, "sniHosts"), "expected at least one, found none")
    for index, name in enumerate(match.sni_hosts):
        where = (*path, "sniHosts", index)
        if is_address(name):
            message = f"no client sends an address as server name, found {quote(name)}"
            yield Finding("MP315", where, message)
            continue
        reason = invalid_reason(name)
        if reason:
            yield Finding("MP115", where, reason)
            continue
        is_known = any(covers(host.lower(), name.lower()) for host in hosts)
        if not is_known and all("." in host or host == "*" for host in hosts):
            message = f"expected a name that spec.hosts covers, found {quote(name)}"
            yield Finding("MP104", where, message)


def _match(match: L4Match, path: Path) -> Iterator[Finding]:
    for index, subnet in enumerate(match.destination_subnets):
        where = (*path, "destinationSubnets", index)
        if not is_network(subnet):
            yield Finding("MP104", where, f"expected an address or CIDR, found {quote(subnet)}")
    yield from caller.check(match.source_labels, match.source_namespace, match.gateways, path)
    if match.source_subnet:
        where = (*path, "sourceSubnet")
        yield Finding("MP315", where, "has no effect: Istio ignores it as well")


def _covers(wide: L4Match, narrow: L4Match) -> bool:
    """Tell whether every connection that `narrow` takes is one that `wide` takes; False in
    doubt."""
    return (
        wide.port in (None, narrow.port)
        and wide.source_namespace in ("", narrow.source_namespace)
        and (not wide.gateways or wide.gateways == narrow.gateways)
        and wide.source_labels.items() <= narrow.source_labels.items()
        and (
            not wide.destination_subnets or wide.destination_subnets == narrow.destination_subnets
        )
    )
