"""Rules that a VirtualService must keep by itself (Istio's admission checks and lint)."""

from __future__ import annotations

from collections.abc import Iterator

from ..host import covers, invalid_reason, split_port
from ..metadata import UPGRADE_ANNOTATION
from ..places import Path
from ..problem import Finding, quote
from ..virtual_service import VirtualService, VirtualServiceSpec
from . import caller, http_rule, l4_rule, reach
from .export_to import check_export_to


def check(resource: VirtualService) -> Iterator[Finding]:
    """Give what is wrong or doubtful, in the order of the fields."""
    spec = resource.spec
    yield from _hosts(spec)
    yield from _gateways(spec.gateways)
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
    yield from l4_rule.check_tcp(spec.tcp)
    yield from l4_rule.check_tls(spec.tls, spec.hosts)


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


def _gateways(names: list[str]) -> Iterator[Finding]:
    scope = "are for gateways only, and none is served here"
    if "mesh" in names:
        scope = "are served in the mesh, not for this gateway"
    for index, name in enumerate(names):
        path: Path = ("spec", "gateways", index)
        if not caller.is_gateway(name):
            yield Finding("MP104", path, caller.gateway_expected(name))
        elif name != "mesh":
            yield Finding(
                "MP308", path, f'expected "mesh", found {quote(name)}: the rules {scope}'
            )


def _overlap(one: str, two: str) -> bool:
    """The host `*` has a verdict of its own."""
    return "*" not in (one, two) and (covers(one, two) or covers(two, one))
