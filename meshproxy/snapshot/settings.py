"""The blocks of a DestinationRule as cluster data, with Istio's and Envoy's defaults."""

from __future__ import annotations

from meshproxy.config.connection_pool import TcpKeepalive
from meshproxy.config.load_balancer import LoadBalancer
from meshproxy.config.outlier_detection import OutlierDetection

from .model import ClusterData, LimitsData, OutlierData, WarmupData
from .policy import Policy

CONNECT_TIMEOUT_MS = 10_000  # Istio's mesh default
IDLE_TIMEOUT_MS = 3_600_000  # Envoy's default for upstream connections, 1 h
CONSECUTIVE_5XX = 5  # Envoy's defaults of outlier detection
CONSECUTIVE_LOCAL = 5
INTERVAL_MS = 10_000
BASE_EJECTION_MS = 30_000
MAX_EJECTION_PERCENT = 10
WARMUP_PERCENT = 10.0  # Envoy's min_weight_percent


def timeouts(policy: Policy) -> tuple[int, int]:
    """Give (connect, idle) of upstream connections, in ms."""
    pool = policy.connection_pool
    if pool is None:
        return CONNECT_TIMEOUT_MS, IDLE_TIMEOUT_MS
    idle = (pool.http.idle_timeout, pool.tcp.idle_timeout, IDLE_TIMEOUT_MS)
    return (
        CONNECT_TIMEOUT_MS if pool.tcp.connect_timeout is None else pool.tcp.connect_timeout,
        next(item for item in idle if item is not None),
    )


def add_settings(cluster: ClusterData, policy: Policy) -> None:
    """Put what is configured into a cluster that is being made."""
    if policy.outlier is not None:
        cluster["outlier"] = outlier_of(policy.outlier)
        if policy.outlier.min_health_percent:
            cluster["panic_percent"] = policy.outlier.min_health_percent
    limits = limits_of(policy)
    if limits is not None:
        cluster["limits"] = limits
    warmup = warmup_of(policy.load_balancer)
    if warmup is not None:
        cluster["warmup"] = warmup
    if policy.connection_pool is not None:
        tcp = policy.connection_pool.tcp
        if tcp.tcp_keepalive is not None:
            cluster["tcp_keepalive"] = _keepalive(tcp.tcp_keepalive)
        if tcp.idle_timeout is not None:
            cluster["tcp_idle_timeout_ms"] = tcp.idle_timeout
    balancer = policy.load_balancer
    hashing = balancer.consistent_hash if balancer is not None else None
    if hashing is not None and hashing.use_source_ip:
        cluster["tcp_hashes_source"] = True


def outlier_of(outlier: OutlierDetection) -> OutlierData:
    server, local = outlier.consecutive_5xx_errors, outlier.consecutive_local_origin_failures
    splits = outlier.split_external_local_origin_errors
    local = CONSECUTIVE_LOCAL if local is None else local
    return {
        "consecutive_5xx": CONSECUTIVE_5XX if server is None else server,
        "consecutive_gateway": outlier.consecutive_gateway_errors or 0,
        "consecutive_local": local if splits else 0,
        "split_local": splits,
        "interval_ms": outlier.interval or INTERVAL_MS,
        "base_ejection_ms": outlier.base_ejection_time or BASE_EJECTION_MS,
        "max_ejection_percent": outlier.max_ejection_percent or MAX_EJECTION_PERCENT,
    }


def limits_of(policy: Policy) -> LimitsData | None:
    """Give the limits, None when nothing is limited."""
    pool, budget = policy.connection_pool, policy.retry_budget
    tcp, http = (pool.tcp, pool.http) if pool is not None else (None, None)
    limits: LimitsData = {
        "max_connections": tcp.max_connections if tcp else 0,
        "max_pending": http.http1_max_pending_requests if http else 0,
        "max_requests": http.http2_max_requests if http else 0,
        "max_requests_per_connection": http.max_requests_per_connection if http else 0,
        "max_retries": http.max_retries if http and budget is None else 0,
        "max_connection_ms": (tcp.max_connection_duration or 0) if tcp else 0,
        "retry_budget_percent": budget.percent if budget else 0.0,
        "retry_budget_least": budget.min_retry_concurrency if budget else 0,
    }
    return limits if any(limits.values()) else None


def warmup_of(balancer: LoadBalancer | None) -> WarmupData | None:
    """Give the slow start, None when there is none or the policy has no weights."""
    if balancer is None or balancer.consistent_hash is not None:
        return None
    if balancer.simple in ("RANDOM", "PASSTHROUGH"):
        return None
    if balancer.warmup is not None:
        return {
            "duration_ms": balancer.warmup.duration,
            "minimum_percent": balancer.warmup.minimum_percent,
            "aggression": balancer.warmup.aggression,
        }
    if balancer.warmup_duration_secs is None:
        return None
    return {
        "duration_ms": balancer.warmup_duration_secs,
        "minimum_percent": WARMUP_PERCENT,
        "aggression": 1.0,
    }


def _keepalive(given: TcpKeepalive) -> dict[str, int]:
    found = {
        "probes": given.probes,
        "time_s": given.time // 1000 if given.time else None,
        "interval_s": given.interval // 1000 if given.interval else None,
    }
    return {key: value for key, value in found.items() if value}
