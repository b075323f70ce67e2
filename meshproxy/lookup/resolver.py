"""Looks one DNS name up: in the hosts file, else A and AAAA at the servers of resolv.conf.

Over UDP, and over TCP when an answer is truncated. Knows no time but that of one lookup:
`names.NameWatch` decides when to ask again.
"""

from __future__ import annotations

import asyncio
import socket
from typing import Literal

import dns.asyncresolver
import dns.exception
import dns.nameserver
import dns.rcode
import dns.rdatatype
import dns.resolver

from .hosts_file import HostsFile, Signature, signature_of
from .names import Answer, LookupFailed, NoSuchName

RESOLV_CONF = "/etc/resolv.conf"
HOSTS_TTL_S = 5.0  # when the hosts file is looked at again
LIFETIME_S = 5.0  # of a lookup, all servers and attempts included
TIMEOUT_S = 2.0  # of one attempt

Found = tuple[tuple[str, ...], float]  # addresses and seconds


class Resolver:
    """`server` (address, port) is asked in place of those of resolv.conf."""

    def __init__(
        self,
        server: tuple[str, int] | None = None,
        hosts: HostsFile | None = None,
        resolv_conf: str = RESOLV_CONF,
    ) -> None:
        self._server = server
        self._hosts = hosts or HostsFile()
        self._resolv_conf = resolv_conf
        self._signature: Signature = None
        self._dns: dns.asyncresolver.Resolver | None = None

    async def lookup(self, name: str) -> Answer:
        """Give the addresses of a lower-case name. Raises LookupFailed, NoSuchName."""
        local = self._hosts.addresses(name)
        if local:
            return Answer(_reachable(local), HOSTS_TTL_S)
        resolver = self._configured()
        four, six = await asyncio.gather(
            _ask(resolver, name, dns.rdatatype.A), _ask(resolver, name, dns.rdatatype.AAAA)
        )
        failures = [item for item in (four, six) if isinstance(item, LookupFailed)]
        found = [item for item in (four, six) if not isinstance(item, LookupFailed) and item[0]]
        if not found:
            lasting = [item for item in failures if not isinstance(item, NoSuchName)]
            missing = NoSuchName("the name has neither an A nor an AAAA record")
            raise next(iter([*lasting, *failures, missing]))
        addresses = tuple(address for item, _ in found for address in item)
        failed: Literal["", "A", "AAAA"] = ""
        if failures:
            failed = "A" if isinstance(four, LookupFailed) else "AAAA"
        return Answer(_reachable(addresses), min(ttl_s for _, ttl_s in found), failed)

    def _configured(self) -> dns.asyncresolver.Resolver:
        """resolv.conf is read again when it changed: networks come and go."""
        signature = signature_of(self._resolv_conf) if self._server is None else None
        if self._dns is None or signature != self._signature:
            self._signature = signature
            self._dns = self._configure()
        return self._dns

    def _configure(self) -> dns.asyncresolver.Resolver:
        if self._server is None:
            try:
                resolver = dns.asyncresolver.Resolver(self._resolv_conf)
            except (dns.exception.DNSException, OSError, ValueError):
                raise LookupFailed(f"no DNS server is named in {self._resolv_conf}") from None
        else:
            resolver = dns.asyncresolver.Resolver(configure=False)
            resolver.nameservers = [dns.nameserver.Do53Nameserver(*self._server)]
        resolver.lifetime = LIFETIME_S
        resolver.timeout = TIMEOUT_S
        return resolver


async def _ask(
    resolver: dns.asyncresolver.Resolver, name: str, kind: dns.rdatatype.RdataType
) -> Found | LookupFailed:
    """Give the failure rather than raise it: the other half may do."""
    try:
        # only a name without a dot is completed by the search list: the others are whole
        answer = await resolver.resolve(
            name, kind, raise_on_no_answer=False, search="." not in name
        )
    except dns.resolver.NXDOMAIN:
        return NoSuchName("there is no such name")
    except dns.resolver.LifetimeTimeout:
        return LookupFailed(f"no DNS server answered within {LIFETIME_S:g} s")
    except dns.resolver.NoNameservers as error:
        return LookupFailed(_reason(error))
    except (dns.exception.DNSException, OSError) as error:
        return LookupFailed(f"{type(error).__name__}: {error}")
    if answer.rrset is None:
        return (), 0.0
    addresses = tuple(record.address for record in answer.rrset)
    return addresses, float(answer.chaining_result.minimum_ttl)


def _reason(error: dns.resolver.NoNameservers) -> str:
    """What the last server said."""
    errors = error.kwargs.get("errors") or [(None,) * 5]
    server, _, _, failure, response = errors[-1][:5]
    if response is not None:
        return f"the DNS server answered {dns.rcode.to_text(response.rcode())}"
    return f"{server or 'no DNS server'}: {failure or 'no usable answer'}"


def _reachable(addresses: tuple[str, ...]) -> tuple[str, ...]:
    """Leave IPv6 addresses out that this machine has no route to (RFC 6724 5, rule 1)."""
    return tuple(item for item in addresses if ":" not in item or _has_route(item)) or addresses


def _has_route(address: str) -> bool:
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
            sock.connect((address, 53))  # sends nothing: the kernel only looks for a route
    except OSError:
        return False
    return True
