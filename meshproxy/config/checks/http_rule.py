"""Rules that one http rule of a VirtualService must keep by itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..destination import Destination
from ..host import invalid_reason, split_port
from ..http_route import HttpRoute, WeightedDestination
from ..l4_route import L4Destination
from ..places import Path
from ..problem import Finding, quote
from . import caller, headers, http_action, http_match

_ACTIONS = ("route", "redirect", "directResponse", "delegate")
MAX_WEIGHT = 2**31 - 1


def check(rule: HttpRoute, path: Path) -> Iterator[Finding]:
    """Give what is wrong or doubtful, in the order of the fields."""
    for index, match in enumerate(rule.match):
        yield from http_match.check(match, (*path, "match", index))
    yield from _one_action(rule, path)
    yield from weights(rule.route, (*path, "route"))
    for place, destination in rule.destinations():
        yield from check_destination(destination, (*path, *place))
    for index, entry in enumerate(rule.route):
        if entry.headers is not None:
            yield from headers.check(entry.headers, (*path, "route", index, "headers"))
    if rule.headers is not None:
        yield from headers.check(rule.headers, (*path, "headers"))
    own = headers.authority_count(rule.headers)
    if own + bool(rule.rewrite is not None and rule.rewrite.authority) > 1:
        message = "expected the authority to be set once, found it in headers again"
        yield Finding("MP111", path, message)
    yield from http_action.check(rule, path)


def weights(
    entries: Sequence[WeightedDestination | L4Destination], path: Path
) -> Iterator[Finding]:
    """Judge the weights of one split."""
    total = 0
    for index, entry in enumerate(entries):
        weight = entry.weight or 0
        where = (*path, index, "weight")
        if weight < 0:
            yield Finding("MP302", where, f"expected 0 or more, found {str(weight)[:40]}")
        elif weight > MAX_WEIGHT:
            message = f"expected at most {MAX_WEIGHT}, found {str(weight)[:40]}"
            yield Finding("MP104", where, message)
        total += weight
    if len(entries) > 1 and total == 0:
        yield Finding("MP301", path, "expected at least one weight above 0, found none")
    if len(entries) == 1 and entries[0].weight == 0:
        message = "has no effect: a single destination gets every request"
        yield Finding("MP315", (*path, 0, "weight"), message)


def check_destination(destination: Destination, path: Path) -> Iterator[Finding]:
    """Judge host and subset of a destination."""
    host = destination.host
    reason = invalid_reason(host)
    if host.startswith("*"):
        reason = f"expected the host of one service, found {quote(host)}"
    if split_port(host):
        reason = f"expected a host without a port, found {quote(host)}: use port.number"
    if reason:
        yield Finding("MP115", (*path, "host"), reason)
    if destination.subset and not caller.is_namespace(destination.subset):
        message = f"expected a DNS label, found {quote(destination.subset)}"
        yield Finding("MP104", (*path, "subset"), message)


def _one_action(rule: HttpRoute, path: Path) -> Iterator[Finding]:
    given = (bool(rule.route), rule.redirect, rule.direct_response, rule.delegate)
    found = [
        name for name, value in zip(_ACTIONS, given, strict=True) if value not in (None, False)
    ]
    if not found:
        message = "expected at least one destination, found none"
        yield Finding("MP103", (*path, "route"), message)
    elif len(found) > 1:
        message = f"expected one of route, redirect, directResponse, found {' and '.join(found)}"
        yield Finding("MP111", path, message)
    if rule.redirect is not None or rule.direct_response is not None:
        answer = "redirect" if rule.redirect is not None else "directResponse"
        for name, value in (("fault", rule.fault), ("rewrite", rule.rewrite)):
            if value is not None:
                yield Finding("MP111", (*path, name), f"expected no {name} beside {answer}")
        for name, is_set in (
            ("timeout", rule.timeout is not None),
            ("retries", rule.retries is not None),
            ("mirror", rule.mirror is not None),
            ("mirrors", bool(rule.mirrors)),
            ("corsPolicy", rule.cors_policy is not None),
        ):
            if is_set:
                message = f"has no effect: the {answer} answers without an upstream"
                yield Finding("MP315", (*path, name), message)
