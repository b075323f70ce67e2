"""connectionPool of a DestinationRule: timeouts and limits towards one cluster."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from .model import Model, pending
from .scalar import DurationMs, DurationOrZeroMs

Count = Annotated[int, Field(ge=0, le=2**31 - 1)]


class TcpKeepalive(Model):
    probes: Count | None = Field(default=None, description="Probes without answer until it ends.")
    time: DurationMs | None = Field(default=None, description="Idle time before the first probe.")
    interval: DurationMs | None = Field(default=None, description="Time between two probes.")


class TcpSettings(Model):
    max_connections: Count = Field(
        default=0, description="Connections to the cluster; 0 = no limit."
    )
    connect_timeout: DurationMs | None = Field(
        default=None, description="Time to connect to an endpoint; default 10s."
    )
    tcp_keepalive: TcpKeepalive | None = Field(default=None, description="SO_KEEPALIVE.")
    max_connection_duration: DurationMs | None = Field(
        default=None, description="A connection ends after it; default: never."
    )
    idle_timeout: DurationOrZeroMs | None = Field(
        default=None,
        description="Idle time of a TCP session, and of an upstream HTTP connection unless"
        " http.idleTimeout is set; default 1h, 0s = none.",
    )


class HttpSettings(Model):
    PENDING: ClassVar[Mapping[str, tuple[object, ...]]] = pending(
        "http2KeepAlive", "maxConcurrentStreams"
    )
    LATER: ClassVar[Mapping[str, str]] = {
        "h2UpgradePolicy": "HTTP/1.1 is spoken to endpoints",
        "useClientProtocol": "HTTP/1.1 is spoken to endpoints",
    }

    http1_max_pending_requests: Count = Field(
        default=0,
        alias="http1MaxPendingRequests",
        description="Requests that wait for a connection, of any HTTP version; 0 = no limit.",
    )
    http2_max_requests: Count = Field(
        default=0,
        alias="http2MaxRequests",
        description="Active requests to the cluster, HTTP/1.1 ones too; 0 = no limit.",
    )
    max_requests_per_connection: Count = Field(
        default=0, description="A connection ends after it; 1 = no keep-alive, 0 = no limit."
    )
    max_retries: Count = Field(default=0, description="Retries at one time; 0 = no limit.")
    idle_timeout: DurationOrZeroMs | None = Field(
        default=None, description="Idle time of an upstream connection; default 1h, 0s = none."
    )
    h2_upgrade_policy: Literal["DEFAULT", "DO_NOT_UPGRADE", "UPGRADE"] = Field(
        default="DEFAULT", alias="h2UpgradePolicy", description="HTTP/2 to endpoints."
    )
    use_client_protocol: bool = Field(
        default=False, description="Speak to endpoints what the client speaks."
    )


class ConnectionPool(Model):
    tcp: TcpSettings = Field(default_factory=TcpSettings, description="Of every connection.")
    http: HttpSettings = Field(default_factory=HttpSettings, description="Of HTTP connections.")
