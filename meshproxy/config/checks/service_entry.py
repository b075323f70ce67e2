"""Rules that a ServiceEntry must keep by itself (Istio's admission checks and lint)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from ..host import invalid_reason, is_address, is_network, is_wildcard, single_address, split_port
from ..places import Path
from ..problem import Finding, hint, quote
from ..service_entry import HTTP_PROTOCOLS, PROTOCOLS, ServiceEntry, ServiceEntrySpec
from ..workload_entry import UNIX, WorkloadEntry, WorkloadEntrySpec
from .export_to import check_export_to

_LABEL = re.compile(r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?")
_TLS = frozenset({"HTTPS", "TLS"})


def check(resource: ServiceEntry) -> Iterator[Finding]:
    """Give what is wrong or doubtful, in the order of the fields."""
    spec = resource.spec
    yield from _hosts(spec)
    yield from _addresses(spec)
    yield from _ports(spec)
    yield from _resolution(spec)
    for index, endpoint in enumerate(spec.endpoints):
        yield from _endpoint(spec, endpoint, ("spec", "endpoints", index))
    yield from _selector(spec)
    yield from check_export_to(spec.export_to, resource.metadata.namespace, can_be_nobody=True)


def check_workload(resource: WorkloadEntry) -> Iterator[Finding]:
    """The same for a WorkloadEntry of its own."""
    yield from _address(resource.spec, ("spec",))


def _hosts(spec: ServiceEntrySpec) -> Iterator[Finding]:
    if not spec.hosts:
        yield Finding("MP103", ("spec", "hosts"), "expected at least one host, found none")
    for index, host in enumerate(spec.hosts):
        path: Path = ("spec", "hosts", index)
        with_port = split_port(host)
        reason = invalid_reason(host)
        if host == "*":
            reason = 'expected a host or "*.suffix", found "*"'
        elif with_port:
            reason = f"expected a host without a port, found {quote(host)}"
            reason += f'; did you mean "{with_port[0]}"?'
        if reason:
            yield Finding("MP115", path, reason)
        elif host.lower() in (other.lower() for other in spec.hosts[:index]):
            yield Finding("MP311", path, f"expected each host once, found {quote(host)} again")
        elif is_wildcard(host) and spec.resolves and not spec.endpoints:
            message = f"expected endpoints, or a host that can be looked up, found {quote(host)}"
            yield Finding("MP115", path, message)
        elif is_wildcard(host) and spec.resolution in ("NONE", "DYNAMIC_DNS"):
            message = f"{spec.resolution}: a wildcard is not looked up for each request: 503 UH"
            yield Finding("MP327", path, f"{message}; name the hosts, or give endpoints")


def _addresses(spec: ServiceEntrySpec) -> Iterator[Finding]:
    for index, text in enumerate(spec.addresses):
        path: Path = ("spec", "addresses", index)
        if single_address(text) is not None:
            continue
        if not is_network(text):
            yield Finding("MP104", path, f"expected an address or CIDR, found {quote(text)}")
        elif spec.resolution not in ("NONE", "STATIC"):
            message = f"expected an address with resolution {spec.resolution}, found the CIDR "
            yield Finding("MP111", path, message + quote(text))
        else:
            message = f"no Host header names a CIDR such as {quote(text)}: only addresses count"
            yield Finding("MP315", path, message)


def _ports(spec: ServiceEntrySpec) -> Iterator[Finding]:
    if not spec.ports:
        message = "expected at least one port, found none: nothing is served"
        yield Finding("MP103", ("spec", "ports"), message, "warning")
    for index, port in enumerate(spec.ports):
        path: Path = ("spec", "ports", index)
        before = spec.ports[:index]
        if port.number in (other.number for other in before):
            message = f"expected each port once, found {port.number} again"
            yield Finding("MP311", (*path, "number"), message)
        if not port.name:
            message = "expected a name, found none: Istio refuses that"
            yield Finding("MP103", (*path, "name"), message, "warning")
        elif port.name in (other.name for other in before):
            message = f"expected each name once, found {quote(port.name)} again"
            yield Finding("MP311", (*path, "name"), message)
        elif not _LABEL.fullmatch(port.name):
            yield Finding(
                "MP104", (*path, "name"), f"expected a DNS label, found {quote(port.name)}"
            )
        protocol = port.protocol.upper()
        where = (*path, "protocol")
        if protocol not in PROTOCOLS:
            shown = quote(port.protocol) + hint(port.protocol, PROTOCOLS)
            message = f"expected one of {', '.join(sorted(PROTOCOLS))}, found {shown}"
            yield Finding("MP104", where, message)
        elif protocol == "UDP":
            yield Finding("MP327", where, "UDP is not served: the port has no effect")
        elif protocol and protocol not in HTTP_PROTOCOLS | _TLS and not spec.addresses:
            message = f"{protocol} without addresses: only a --listen that names it serves it"
            yield Finding("MP329", where, message)
        if spec.resolution == "NONE" or len(spec.hosts) < 2:
            continue
        if protocol not in HTTP_PROTOCOLS | _TLS:
            message = f"expected HTTP or TLS, as there are several hosts, found {quote(protocol)}"
            yield Finding("MP104", where, message)


def _resolution(spec: ServiceEntrySpec) -> Iterator[Finding]:
    path: Path = ("spec", "resolution")
    if spec.resolution == "NONE":
        if any(not is_wildcard(host) for host in spec.hosts) and not spec.plain_addresses:
            message = "NONE: there is no original destination here, so the host is looked up"
            yield Finding("MP328", path, message)
        if spec.endpoints:
            message = "expected no endpoints with resolution NONE; did you mean STATIC or DNS?"
            yield Finding("MP111", ("spec", "endpoints"), message)
    elif spec.resolution == "DYNAMIC_DNS":
        if any(not is_wildcard(host) for host in spec.hosts):
            message = 'expected hosts such as "*.suffix" with resolution DYNAMIC_DNS'
            yield Finding("MP115", ("spec", "hosts"), message)
        if spec.endpoints:
            message = "expected no endpoints with resolution DYNAMIC_DNS"
            yield Finding("MP111", ("spec", "endpoints"), message)
    elif spec.resolution == "DNS_ROUND_ROBIN" and len(spec.endpoints) > 1:
        message = f"expected at most one with DNS_ROUND_ROBIN, found {len(spec.endpoints)}"
        yield Finding("MP104", ("spec", "endpoints"), message)
    elif spec.resolution == "STATIC" and not spec.endpoints and spec.workload_selector is None:
        message = "expected endpoints or a workloadSelector, found neither: 503 UH"
        yield Finding("MP207", path, message)


def _endpoint(spec: ServiceEntrySpec, item: WorkloadEntrySpec, path: Path) -> Iterator[Finding]:
    yield from _address(item, path, None if spec.resolves else spec.resolution)
    names: Mapping[str, object] = {port.name: port for port in spec.ports if port.name}
    if item.address.startswith(UNIX):
        if item.ports:
            message = "expected no ports with a unix socket, found some"
            yield Finding("MP111", (*path, "ports"), message)
        return
    for name in item.ports:
        if name not in names:
            shown = ", ".join(quote(known) for known in list(names)[:10]) or "none"
            message = f"expected the name of a port of {shown}, found {quote(name)}"
            yield Finding("MP104", (*path, "ports", name), message + hint(name, names))


def _address(
    item: WorkloadEntrySpec, path: Path, resolution: str | None = None
) -> Iterator[Finding]:
    """`resolution`: the one that allows no names."""
    where = (*path, "address")
    if item.address.startswith(UNIX):
        message = f"unix sockets are not served, found {quote(item.address)}: not used"
        yield Finding("MP406", where, message)
    elif is_address(item.address):
        return
    elif resolution is not None:
        message = f"expected an IP address with resolution {resolution}, found "
        yield Finding("MP104", where, message + quote(item.address))
    elif is_wildcard(item.address) or invalid_reason(item.address):
        message = f"expected an IP address or a DNS name, found {quote(item.address)}"
        yield Finding("MP115", where, message)


def _selector(spec: ServiceEntrySpec) -> Iterator[Finding]:
    selector = spec.workload_selector
    if selector is None:
        return
    path: Path = ("spec", "workloadSelector")
    if spec.endpoints:
        yield Finding("MP111", path, "expected endpoints or a workloadSelector, found both")
    elif spec.resolution in ("NONE", "DYNAMIC_DNS"):
        message = f"has no effect with resolution {spec.resolution}; did you mean STATIC?"
        yield Finding("MP315", path, message)
    if not selector.labels:
        yield Finding("MP315", (*path, "labels"), "no labels: nothing is selected")
    for key, value in selector.labels.items():
        if not key or "*" in key or "*" in value:
            yield Finding("MP104", (*path, "labels", key), 'expected labels as they are, not "*"')
