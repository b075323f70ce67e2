"""One address that can serve a port of a service."""

from __future__ import annotations

import functools
import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Endpoint:
    """`healthy` is readiness as discovery sees it; unhealthy endpoints are known but not used."""

    address: str  # IPv4 or IPv6 literal, no brackets
    port: int
    healthy: bool
    weight: int  # >= 1
    name: str  # "namespace/pod", "" when unknown
    labels: Mapping[str, str]
    locality: str = ""  # "region/zone/subzone" without empty parts at the end, "" = unknown
    hostname: str = ""  # of a pod of a headless service
    dns_name: str = ""  # whose address it is, "" = the address was given
    is_failing: bool = False  # an active health check found it failing, so it is not healthy

    @property
    def identity(self) -> str:
        """What a health check's result is kept under: all ports of a pod share it."""
        return identity_of(self.name, self.address, self.port)

    @property
    def sort_key(self) -> tuple[str, str, int]:
        """Name first, so that a pod keeps its turn when its address changes."""
        return self.name, self.address, self.port


def identity_of(name: str, address: str, port: int) -> str:
    """Endpoint.identity of its parts."""
    return name or f"{address}:{port}"


@functools.lru_cache(maxsize=65536)
def canonical_address(text: str) -> str | None:
    """Give an IP literal in its shortest form, None when it is not one."""
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return None
