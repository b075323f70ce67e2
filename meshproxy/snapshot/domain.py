"""Host names under which a virtual host is reached (Istio: virtual host domains of a sidecar)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from meshproxy.config.host import is_address

from .model import DomainData

HTTP_PORT = 80


def names_of(host: str, namespace: str, cluster_domain: str) -> Iterator[str]:
    """Give all spellings of a host for a proxy in `namespace`."""
    if is_address(host):
        yield f"[{host}]" if ":" in host else host
        return
    yield host
    if host.startswith("*"):
        return
    yield host + "."
    short, dot, suffix = host.removesuffix(f".svc.{cluster_domain}").rpartition(".")
    if not dot or suffix == "" or not host.endswith(f".svc.{cluster_domain}"):
        return
    yield f"{short}.{suffix}.svc"
    yield f"{short}.{suffix}"
    if suffix == namespace:
        yield short


def address_names(addresses: Iterable[str]) -> Iterator[str]:
    """Give the virtual IPs of a service as they stand in a Host header."""
    for address in addresses:
        yield f"[{address.lower()}]" if ":" in address else address


def default_port(ports: dict[int, int]) -> int:
    """Give the virtual host for a Host without a known port: port 80, else the only port,
    else -1."""
    if HTTP_PORT in ports:
        return ports[HTTP_PORT]
    return next(iter(ports.values())) if len(ports) == 1 else -1


def domain(name: str, ports: dict[int, int]) -> DomainData:
    return {"domain": name, "ports": ports, "default": default_port(ports)}
