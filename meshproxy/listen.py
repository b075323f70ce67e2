"""Where the proxy listens: `ADDR:PORT[=SERVICE:PORT[/tcp]]` and the sockets behind it."""

from __future__ import annotations

import errno
import os
import socket
from dataclasses import dataclass

from meshproxy.config.host import is_address

DNS_PORT = 53
BACKLOG = 4096  # the kernel cuts it to net.core.somaxconn


class ListenError(Exception):
    """The address cannot be listened on; the message is one line for the user."""


@dataclass(frozen=True, slots=True)
class Address:
    """An IP address and a port to bind."""

    host: str  # IPv4 or IPv6 literal, or "localhost"; no brackets
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class ListenSpec:
    """One `--listen`. Without a service, the Host header of each request names it."""

    address: Address
    service: str = ""  # as the user wrote it: "redis.cache"; "" = by Host
    service_port: int = 0
    force_tcp: bool = False

    def __str__(self) -> str:
        if not self.service:
            return str(self.address)
        suffix = "/tcp" if self.force_tcp else ""
        return f"{self.address}={self.service}:{self.service_port}{suffix}"


def parse_address(text: str) -> Address:
    """Parse `ADDR:PORT`; IPv6 in brackets, nothing before the colon means every address."""
    host, colon, port = text.rpartition(":")
    if not colon:
        raise ValueError(f"expected ADDR:PORT such as 127.0.0.1:8080, found {text!r}")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise ValueError(
            f"expected an IPv6 address in brackets such as [::1]:8080, found {text!r}"
        )
    return Address(host or "0.0.0.0", _parse_port(port, text, lowest=0))


def parse_resolver(text: str) -> tuple[str, int] | None:
    """Parse `ADDR[:PORT]` of a DNS server; nothing is None."""
    if not text:
        return None
    found = Address(text, DNS_PORT) if is_address(text) else parse_address(text)
    if not is_address(found.host) or not found.port:
        raise ValueError(f"expected ADDR[:PORT] of a DNS server, found {text!r}")
    return found.host, found.port


def parse_listen(text: str) -> ListenSpec:
    """Parse `ADDR:PORT[=SERVICE:PORT[/tcp]]`."""
    where, equals, target = text.partition("=")
    if not equals and where.endswith("/tcp"):
        raise ValueError(f"/tcp needs a service: ADDR:PORT=SERVICE:PORT/tcp, found {text!r}")
    address = parse_address(where)
    if not equals:
        return ListenSpec(address)
    target, slash, protocol = target.partition("/")
    if slash and protocol != "tcp":
        raise ValueError(f"expected /tcp or nothing after the service port, found {text!r}")
    service, colon, port = target.rpartition(":")
    if not colon or not service:
        raise ValueError(
            f"expected SERVICE:PORT such as redis.cache:6379 after '=', found {text!r}"
        )
    return ListenSpec(address, service, _parse_port(port, text, lowest=1), bool(slash))


def open_listener(address: Address) -> socket.socket:
    """Bind and listen, non-blocking. Raises ListenError."""
    try:
        family, _, _, _, target = socket.getaddrinfo(
            address.host,
            address.port,
            type=socket.SOCK_STREAM,
            flags=socket.AI_NUMERICSERV | socket.AI_PASSIVE,
        )[0]
    except (socket.gaierror, UnicodeError) as error:
        raise ListenError(f"cannot listen on {address}: not an address") from error
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind(target)
        sock.listen(BACKLOG)
        sock.setblocking(False)
    except OSError as error:
        sock.close()
        raise ListenError(f"cannot listen on {address}: {_reason(error)}") from error
    return sock


def bound_address(sock: socket.socket) -> Address:
    """Where a listening socket really is: port 0 became a number."""
    host, port = sock.getsockname()[:2]
    return Address(host, port)


def _parse_port(text: str, whole: str, lowest: int) -> int:
    if not (text.isascii() and text.isdigit()) or not lowest <= int(text) <= 65535:
        raise ValueError(f"expected a port from {lowest} to 65535, found {text!r} in {whole!r}")
    return int(text)


def _reason(error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return "the address is in use by another process"
    if error.errno == errno.EACCES:
        return "permission denied (ports below 1024 need CAP_NET_BIND_SERVICE)"
    if error.errno == errno.EADDRNOTAVAIL:
        return "no interface of this machine has that address"
    return os.strerror(error.errno or 0).lower()
