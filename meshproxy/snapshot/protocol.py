"""What a service port speaks, from its appProtocol, its name or its number (as Istio)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

from meshproxy.config.problem import Finding, quote
from meshproxy.config.service import ServicePort

Protocol = Literal["http", "tcp"]

_HTTP = frozenset({"http", "http2", "http_proxy", "grpc", "grpc-web"})
_TCP = frozenset({"https", "tls", "tcp", "mongo", "redis", "mysql"})
_APP_PROTOCOLS = {"kubernetes.io/h2c": "http2", "kubernetes.io/ws": "http"}
_APP_PROTOCOLS["kubernetes.io/wss"] = "https"
_SERVER_FIRST = frozenset({25, 53, 3306, 27017})


def port_protocol(port: ServicePort) -> Protocol | None:
    """Give the class of a port, None when it is not proxied. A port that declares nothing
    counts as HTTP, unless its number is that of a protocol in which the server speaks first."""
    if port.protocol != "TCP":
        return None
    token = _declared(port)
    if token in _HTTP:
        return "http"
    if token == "udp":
        return None
    if token in _TCP or port.port in _SERVER_FIRST:
        return "tcp"
    return "http"


def speaks_tls(port: ServicePort) -> bool:
    """Tell whether a port declares that its connections begin with TLS."""
    return _declared(port) in ("https", "tls")


def undeclared(ports: Sequence[ServicePort]) -> Iterator[Finding]:
    """Say which ports declare no protocol, and what they count as."""
    for index, port in enumerate(ports):
        if port.protocol != "TCP" or _declared(port) in _HTTP | _TCP | {"udp"}:
            continue
        found = quote(port.name) if port.name else "nothing"
        message = f"expected appProtocol, or a name such as http-web, found {found}"
        message += f": the port counts as {(port_protocol(port) or '').upper()}"
        yield Finding("MP325", ("spec", "ports", index), message)


def _declared(port: ServicePort) -> str:
    text = port.app_protocol if port.app_protocol is not None else port.name
    text = _APP_PROTOCOLS.get(text.lower(), text.lower())
    return "grpc-web" if text.startswith("grpc-web") else text.split("-", 1)[0]
