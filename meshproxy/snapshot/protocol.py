"""What a service port speaks, from its appProtocol, its name or its number (as Istio)."""

from __future__ import annotations

from typing import Literal

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
    declared = port.app_protocol if port.app_protocol is not None else port.name
    declared = _APP_PROTOCOLS.get(declared.lower(), declared.lower())
    token = "grpc-web" if declared.startswith("grpc-web") else declared.split("-", 1)[0]
    if token in _HTTP:
        return "http"
    if token == "udp":
        return None
    if token in _TCP or port.port in _SERVER_FIRST:
        return "tcp"
    return "http"
