"""Istio DestinationRule."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from .metadata import Resource
from .model import Model, pending
from .scalar import DurationMs, DurationOrZeroMs, Port, refuse

DEFAULT_RING_SIZE = 1024  # Istio and Envoy
MAX_RING_SIZE = 8_388_608  # Envoy's maximum_ring_size
RingSize = Annotated[int, Field(ge=0, le=MAX_RING_SIZE)]


class RingHash(Model):
    minimum_ring_size: RingSize = 0


class ConsistentHash(Model):
    PENDING: ClassVar[Mapping[str, tuple[object, ...]]] = pending(
        "httpCookie", "httpQueryParameterName", "maglev", useSourceIp=False
    )

    http_header_name: str | None = None
    ring_hash: RingHash | None = None
    minimum_ring_size: RingSize | None = None

    @model_validator(mode="after")
    def _one_ring(self) -> ConsistentHash:
        if self.ring_hash is not None and self.minimum_ring_size:
            raise refuse("MP111", "expected ringHash or minimumRingSize, found both")
        if self.http_header_name == "":
            raise refuse("MP104", "expected a header name in httpHeaderName, found an empty one")
        return self

    @property
    def ring_size(self) -> int:
        """The least number of points on the ring."""
        given = self.ring_hash.minimum_ring_size if self.ring_hash else self.minimum_ring_size
        return given or DEFAULT_RING_SIZE


class LoadBalancer(Model):
    PENDING: ClassVar[Mapping[str, tuple[object, ...]]] = pending(
        "localityLbSetting", "zoneAwareLbSetting", "warmupDurationSecs", "warmup"
    )

    simple: (
        Literal[
            "UNSPECIFIED", "LEAST_CONN", "RANDOM", "PASSTHROUGH", "ROUND_ROBIN", "LEAST_REQUEST"
        ]
        | None
    ) = None
    consistent_hash: ConsistentHash | None = None

    @model_validator(mode="after")
    def _one_policy(self) -> LoadBalancer:
        if self.simple is not None and self.consistent_hash is not None:
            raise refuse("MP111", "expected simple or consistentHash, found both")
        return self


class TcpSettings(Model):
    PENDING: ClassVar[Mapping[str, tuple[object, ...]]] = pending(
        "idleTimeout", "maxConnectionDuration", "maxConnections", "tcpKeepalive"
    )

    connect_timeout: DurationMs | None = None


class HttpSettings(Model):
    PENDING: ClassVar[Mapping[str, tuple[object, ...]]] = pending(
        "http1MaxPendingRequests",
        "http2KeepAlive",
        "http2MaxRequests",
        "maxConcurrentStreams",
        "maxRequestsPerConnection",
        "maxRetries",
        h2UpgradePolicy="DEFAULT",
        useClientProtocol=False,
    )

    idle_timeout: DurationOrZeroMs | None = None


class ConnectionPool(Model):
    tcp: TcpSettings = Field(default_factory=TcpSettings)
    http: HttpSettings = Field(default_factory=HttpSettings)


class PortSelector(Model):
    number: Port


class PortPolicy(Model):
    """One entry of portLevelSettings: replaces the whole policy for its port."""

    PENDING: ClassVar[Mapping[str, tuple[object, ...]]] = pending("outlierDetection", "tls")

    port: PortSelector
    load_balancer: LoadBalancer | None = None
    connection_pool: ConnectionPool | None = None


class TrafficPolicy(Model):
    PENDING: ClassVar[Mapping[str, tuple[object, ...]]] = pending(
        "outlierDetection", "proxyProtocol", "retryBudget", "tls", "tunnel"
    )

    load_balancer: LoadBalancer | None = None
    connection_pool: ConnectionPool | None = None
    port_level_settings: list[PortPolicy] = Field(default_factory=list)


class Subset(Model):
    name: str
    labels: dict[str, str] = Field(default_factory=dict)
    traffic_policy: TrafficPolicy | None = None


class DestinationRuleSpec(Model):
    PENDING: ClassVar[Mapping[str, tuple[object, ...]]] = pending("workloadSelector")

    host: str
    traffic_policy: TrafficPolicy | None = None
    subsets: list[Subset] = Field(default_factory=list)
    export_to: list[str] = Field(default_factory=list)


class DestinationRule(Resource):
    spec: DestinationRuleSpec
