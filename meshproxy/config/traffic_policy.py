"""trafficPolicy of a DestinationRule, at its three levels. Blocks replace each other whole."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import Field

from .connection_pool import ConnectionPool, Count
from .destination import PortSelector
from .load_balancer import LoadBalancer
from .model import Model
from .outlier_detection import OutlierDetection
from .scalar import DurationOrZeroMs


class ClientTls(Model):
    """TLS towards endpoints. Only DISABLE is served."""

    mode: Literal["DISABLE", "SIMPLE", "MUTUAL", "ISTIO_MUTUAL"] = Field(
        default="DISABLE", description="DISABLE: plain text. The others are not served yet."
    )
    client_certificate: str = Field(default="", description="File, for MUTUAL.")
    private_key: str = Field(default="", description="File, for MUTUAL.")
    ca_certificates: str = Field(default="", description="File; default: the system's.")
    ca_crl: str = Field(default="", description="File with revoked certificates.")
    credential_name: str = Field(default="", description="Secret instead of files.")
    subject_alt_names: list[str] = Field(
        default_factory=list, description="Names that the certificate must carry one of."
    )
    sni: str = Field(default="", description="Server name; default: the Host.")
    insecure_skip_verify: bool = Field(default=False, description="Accept any certificate.")


class Tunnel(Model):
    protocol: str = Field(default="", description="CONNECT (default) or POST.")
    target_host: str = Field(default="", description="Host to connect to.")
    target_port: int = Field(default=0, description="Port to connect to.")


class ProxyProtocol(Model):
    version: Literal["V1", "V2"] = Field(default="V1", description="Version of the header.")


class RetryBudget(Model):
    percent: float = Field(
        default=20.0, description="Retries in percent of active requests; default 20."
    )
    min_retry_concurrency: Count = Field(
        default=3, description="Retries that are allowed at any rate; default 3."
    )
    budget_interval: DurationOrZeroMs = Field(
        default=0, description="Over which requests count; 0 = active ones only."
    )


class PortPolicy(Model):
    """One entry of portLevelSettings: replaces the whole policy for its port."""

    port: PortSelector = Field(description="Which port.")
    load_balancer: LoadBalancer | None = Field(default=None, description="As above, for the port.")
    connection_pool: ConnectionPool | None = Field(
        default=None, description="As above, for the port."
    )
    outlier_detection: OutlierDetection | None = Field(
        default=None, description="As above, for the port."
    )
    tls: ClientTls | None = Field(default=None, description="As above, for the port.")


class TrafficPolicy(Model):
    LATER: ClassVar[Mapping[str, str]] = {
        "tunnel": "connections go to endpoints directly",
        "proxyProtocol": "no PROXY header is sent",
    }

    load_balancer: LoadBalancer | None = Field(
        default=None, description="How an endpoint is chosen."
    )
    connection_pool: ConnectionPool | None = Field(
        default=None, description="Timeouts and limits."
    )
    outlier_detection: OutlierDetection | None = Field(
        default=None, description="Ejection of endpoints that fail; `{}` has defaults."
    )
    tls: ClientTls | None = Field(default=None, description="TLS towards endpoints.")
    port_level_settings: list[PortPolicy] = Field(
        default_factory=list,
        description="Whole policies of single ports: what they leave out is unset, not inherited.",
    )
    tunnel: Tunnel | None = Field(default=None, description="TCP through an HTTP proxy.")
    proxy_protocol: ProxyProtocol | None = Field(
        default=None, description="PROXY header towards endpoints."
    )
    retry_budget: RetryBudget | None = Field(
        default=None, description="Limit of retries; takes the place of http.maxRetries."
    )
