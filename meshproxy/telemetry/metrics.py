"""Prometheus metrics, read from the scoreboard when somebody scrapes.

Names and labels are Istio's and Envoy's, so that existing dashboards and alerts work. No label is
taken from a request: the number of series depends on the configuration alone.
"""

from __future__ import annotations

import platform
from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

from prometheus_client import generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
    UnknownMetricFamily,
)
from prometheus_client.registry import Collector, CollectorRegistry

from meshproxy import __version__
from meshproxy._fast.scoreboard import CONNECTION, EJECTED_BY, HISTOGRAM_BOUNDS_MS
from meshproxy.snapshot.model import ClusterData
from meshproxy.telemetry.health import is_ejected
from meshproxy.telemetry.status import ProxyStatus

_ISTIO_LABELS = (
    "reporter",
    "source_workload",
    "source_workload_namespace",
    "destination_workload",
    "destination_workload_namespace",
    "destination_service",
    "destination_service_name",
    "destination_service_namespace",
    "destination_version",
    "request_protocol",
    "connection_security_policy",
)
_CLUSTER = "envoy_cluster_name"
_CLASS = "envoy_response_code_class"
_PREFIX = "envoy_http_conn_manager_prefix"

# scoreboard key -> metric; `_total` is appended by the exposition format
_CLUSTER_COUNTERS = {
    "rq_total": "envoy_cluster_upstream_rq",
    "cx_total": "envoy_cluster_upstream_cx",
}
# Envoy has these without `_total`: untyped is the only way to say so in the text format
_CLUSTER_UNTYPED = {
    "rq_timeout": "envoy_cluster_upstream_rq_timeout",
    "rq_retry": "envoy_cluster_upstream_rq_retry",
    "cx_connect_fail": "envoy_cluster_upstream_cx_connect_fail",
    "cx_none_healthy": "envoy_cluster_upstream_cx_none_healthy",
    "cx_overflow": "envoy_cluster_upstream_cx_overflow",
    "rq_overflow": "envoy_cluster_upstream_rq_pending_overflow",
    "rq_retry_success": "envoy_cluster_upstream_rq_retry_success",
    "rq_retry_overflow": "envoy_cluster_upstream_rq_retry_overflow",
    "ejections": "envoy_cluster_outlier_detection_ejections_enforced_total",
    "ejections_overflow": "envoy_cluster_outlier_detection_ejections_overflow",
}
# scoreboard key -> how a request was kept from a connection that its endpoint was closing
_RACES_AVOIDED = {"rq_replayed": "replayed", "cx_aged": "retired"}
_CLUSTER_GAUGES = {
    "rq_active": "envoy_cluster_upstream_rq_active",
    "cx_active": "envoy_cluster_upstream_cx_active",
    "rq_pending": "envoy_cluster_upstream_rq_pending_active",
}
# family, `envoy_http_` name, scoreboard key, help; Envoy has the untyped ones without `_total`
_DOWNSTREAM = (
    (CounterMetricFamily, "downstream_cx", "downstream_cx_total", "From clients."),
    (GaugeMetricFamily, "downstream_cx_active", "downstream_cx_active", "Open now."),
    (CounterMetricFamily, "downstream_rq", "downstream_rq_total", "From clients."),
    (GaugeMetricFamily, "downstream_rq_active", "downstream_rq_active", "Open now."),
    (CounterMetricFamily, "downstream_cx_upgrades", "upgrades", "Switched to another protocol."),
    (GaugeMetricFamily, "downstream_cx_upgrades_active", "upgrades_active", "Open now."),
    (UnknownMetricFamily, "no_route", "no_route", "No host or rule: 404 NR."),
    (UnknownMetricFamily, "no_cluster", "no_cluster", "A rule to what does not exist: 503 NC."),
    (UnknownMetricFamily, "downstream_cx_protocol_error", "codec_error", "Not HTTP/1.1: DPE."),
    (UnknownMetricFamily, "downstream_rq_header_timeout", "header_timeout", "Slow heads: 408."),
)


@dataclass(frozen=True, slots=True)
class ClusterName:
    """The parts of `outbound|80|v1|reviews.default.svc.cluster.local`."""

    port: str
    subset: str
    host: str

    @classmethod
    def parse(cls, name: str) -> ClusterName:
        parts = name.split("|", 3)
        if len(parts) != 4:
            return cls("", "", name)
        return cls(parts[1], parts[2], parts[3])

    @property
    def service(self) -> str:
        return self.host.partition(".")[0]

    @property
    def namespace(self) -> str:
        labels = self.host.split(".")
        return labels[1] if len(labels) > 2 and labels[2] == "svc" else "unknown"


class ScoreboardCollector(Collector):
    """Builds every metric family anew at each scrape; keeps nothing. Runs in a thread: what the
    control process changes meanwhile is copied before it is looked through."""

    def __init__(self, status: ProxyStatus) -> None:
        self._status = status

    def collect(self) -> Iterator[Metric]:
        clusters = [c for c in self._status.snapshot["clusters"].values() if c is not None]
        yield from self._collect_requests(clusters)
        yield from self._collect_connections(clusters)
        yield from self._collect_clusters(clusters)
        yield from self._collect_downstream()
        yield from self._collect_proxy()

    def _collect_requests(self, clusters: list[ClusterData]) -> Iterator[Metric]:
        scoreboard = self._status.scoreboard
        totals: dict[tuple[str, ...], int] = {}
        buckets: dict[tuple[str, ...], list[int]] = {}
        sums: dict[tuple[str, ...], float] = {}
        for cluster in clusters:
            codes = [
                item for item in scoreboard.cluster_codes(cluster["id"]) if item[0] != CONNECTION
            ]
            if not codes:
                continue
            # subsets and ports of a service may share all labels: their counts add up
            labels = _istio_labels(cluster)
            for status, flags, count in codes:
                key = (*labels, str(status) if status < 1000 else "unknown", flags)
                totals[key] = totals.get(key, 0) + count
            counts, sum_ms = scoreboard.cluster_histogram(cluster["id"])
            before = buckets.get(labels)
            buckets[labels] = (
                [a + b for a, b in zip(before, counts, strict=True)] if before else counts
            )
            sums[labels] = sums.get(labels, 0.0) + sum_ms
        requests = CounterMetricFamily(
            "istio_requests",
            "Requests by the response the client got.",
            labels=[*_ISTIO_LABELS, "response_code", "response_flags"],
        )
        for key, count in totals.items():
            requests.add_metric(key, count)
        yield requests
        durations = HistogramMetricFamily(
            "istio_request_duration_milliseconds",
            "From the request's first byte to the response's last.",
            labels=_ISTIO_LABELS,
        )
        for labels, counts in buckets.items():
            durations.add_metric(labels, _cumulative(counts), sums[labels])
        yield durations

    def _collect_connections(self, clusters: list[ClusterData]) -> Iterator[Metric]:
        """Of L4. What a connection to an HTTP cluster carried is counted with its requests."""
        labels = [*_ISTIO_LABELS, "response_flags"]
        closed = CounterMetricFamily(
            "istio_tcp_connections_closed", "Connections by how they ended.", labels=labels
        )
        others = {
            "cx_total": CounterMetricFamily(
                "istio_tcp_connections_opened", "Connections to an endpoint.", labels=labels
            ),
            "request_bytes": CounterMetricFamily(
                "istio_tcp_received_bytes", "Bytes from clients.", labels=labels
            ),
            "response_bytes": CounterMetricFamily(
                "istio_tcp_sent_bytes", "Bytes to clients.", labels=labels
            ),
        }
        ends: dict[tuple[str, ...], int] = {}
        sums: dict[tuple[str, ...], dict[str, int]] = {}
        for cluster in clusters:
            own = _istio_labels(cluster)
            for status, flags, count in self._status.scoreboard.cluster_codes(cluster["id"]):
                if status == CONNECTION:
                    ends[*own, flags] = ends.get((*own, flags), 0) + count
            if cluster["protocol"] == "tcp":
                counts = self._status.scoreboard.cluster(cluster["id"])
                before = sums.get((*own, "-"), {})
                sums[*own, "-"] = {name: before.get(name, 0) + counts[name] for name in others}
        for key, count in ends.items():
            closed.add_metric(key, count)
        for key, own_sums in sums.items():
            for name, count in own_sums.items():
                others[name].add_metric(key, count)
        yield closed
        yield from others.values()

    def _collect_clusters(self, clusters: list[ClusterData]) -> Iterator[Metric]:
        families: dict[str, Metric] = {}
        for key, name in _CLUSTER_COUNTERS.items():
            families[key] = CounterMetricFamily(name, _title(name), labels=[_CLUSTER])
        for key, name in _CLUSTER_UNTYPED.items():
            families[key] = UnknownMetricFamily(name, _title(name), labels=[_CLUSTER])
        for key, name in _CLUSTER_GAUGES.items():
            families[key] = GaugeMetricFamily(name, _title(name), labels=[_CLUSTER])
        by_class = UnknownMetricFamily(
            "envoy_cluster_upstream_rq_xx",
            "Upstream responses by class of status.",
            labels=[_CLASS, _CLUSTER],
        )
        healthy = GaugeMetricFamily(
            "envoy_cluster_membership_healthy", "Ready endpoints.", labels=[_CLUSTER]
        )
        total = GaugeMetricFamily(
            "envoy_cluster_membership_total", "Endpoints.", labels=[_CLUSTER]
        )
        ejected = GaugeMetricFamily(
            "envoy_cluster_outlier_detection_ejections_active",
            "Endpoints out for their failures.",
            labels=[_CLUSTER],
        )
        ejections = {
            counter: UnknownMetricFamily(
                f"envoy_cluster_outlier_detection_ejections_enforced_{counter}",
                f"Ejections because {counter} reached its threshold.",
                labels=[_CLUSTER],
            )
            for counter in EJECTED_BY
            if counter
        }
        races = CounterMetricFamily(
            "meshproxy_keepalive_race_avoided",
            "Requests kept from a connection that its endpoint was closing.",
            labels=[_CLUSTER, "how"],
        )
        retries = CounterMetricFamily(
            "meshproxy_cluster_retries",
            "Retries by how the attempt before ended.",
            labels=[_CLUSTER, "after"],
        )
        for cluster in clusters:
            name = cluster["name"]
            counters = self._status.scoreboard.cluster(cluster["id"])
            for key, family in families.items():
                family.add_metric([name], counters[key])  # type: ignore[attr-defined]
            for code_class, count in self._count_classes(cluster["id"]).items():
                by_class.add_metric([code_class, name], count)
            healthy.add_metric([name], sum(e["healthy"] for e in cluster["endpoints"]))
            total.add_metric([name], len(cluster["endpoints"]))
            out = sum(is_ejected(self._status.scoreboard, e["slot"]) for e in cluster["endpoints"])
            ejected.add_metric([name], out)
            for counter, count in self._status.scoreboard.cluster_ejections(cluster["id"]).items():
                ejections[counter].add_metric([name], count)
            for key, how in _RACES_AVOIDED.items():
                races.add_metric([name, how], counters[key])
            for reason, count in self._status.scoreboard.cluster_retries(cluster["id"]).items():
                retries.add_metric([name, reason], count)
        moves = GaugeMetricFamily(
            "meshproxy_hash_keys_moved_ratio",
            "Share of hash keys that the last change of endpoints or weights moved.",
            labels=[_CLUSTER],
        )
        for name, ratio in list(self._status.hash_moves.ratios.items()):
            moves.add_metric([name], ratio)
        yield moves
        yield from families.values()
        yield from self._collect_health_checks()
        yield from ejections.values()
        yield races
        yield retries
        yield by_class
        yield healthy
        yield total
        yield ejected

    def _collect_health_checks(self) -> Iterator[Metric]:
        for key in ("attempt", "success", "failure"):
            name = f"envoy_cluster_health_check_{key}"
            family = UnknownMetricFamily(name, _title(name), labels=[_CLUSTER])
            for cluster, counts in list(self._status.health_checks.items()):
                family.add_metric([cluster], getattr(counts, key))
            yield family

    def _count_classes(self, cluster_id: int) -> dict[str, int]:
        classes: dict[str, int] = {}
        for status, _, count in self._status.scoreboard.cluster_codes(cluster_id):
            if 100 <= status < 600:
                code_class = str(status // 100)
                classes[code_class] = classes.get(code_class, 0) + count
        return classes

    def _collect_downstream(self) -> Iterator[Metric]:
        process = self._status.scoreboard.process()
        for kind, name, key, help_text in _DOWNSTREAM:
            family = kind(f"envoy_http_{name}", help_text, labels=[_PREFIX])
            family.add_metric(["outbound"], cast("int", process[key]))
            yield family
        exceeded = CounterMetricFamily(
            "meshproxy_limit_exceeded", "What a --limit refused or ended.", labels=["limit"]
        )
        for name, count in cast("dict[str, int]", process["exceeded"]).items():
            exceeded.add_metric([name], count)
        yield exceeded
        for key, help_text in (
            ("trailers_dropped", "Fields behind a body that were not passed on."),
            ("spliced_bytes", "Bytes passed on without being copied."),
        ):
            count = cast("int", process[key])
            yield CounterMetricFamily(f"meshproxy_{key}", help_text, value=count)
        by_class = UnknownMetricFamily(
            "envoy_http_downstream_rq_xx",
            "Responses to clients by class of status.",
            labels=[_CLASS, _PREFIX],
        )
        counts = cast("list[int]", process["downstream_rq_xx"])
        for code_class, count in enumerate(counts):
            if code_class:
                by_class.add_metric([str(code_class), "outbound"], count)
        yield by_class

    def _collect_proxy(self) -> Iterator[Metric]:
        status = self._status
        build = GaugeMetricFamily(
            "meshproxy_build_info", "Always 1.", labels=["version", "python_version"]
        )
        build.add_metric([__version__, platform.python_version()], 1)
        yield build
        gauges = {
            "envoy_server_live": ("1 while serving and not draining.", int(status.is_ready)),
            "meshproxy_config_generation": (
                "Number of the snapshot that is live.",
                status.snapshot["generation"],
            ),
            "meshproxy_config_age_seconds": (
                "Since that snapshot became live.",
                status.config_age_s,
            ),
            "meshproxy_config_rejected_objects": (
                "Objects whose present text is not what is live.",
                status.rejected_objects,
            ),
            "meshproxy_dns_names_failing": (
                "DNS names whose latest lookup gave no address.",
                status.failing_names,
            ),
            "meshproxy_workers": ("Worker processes alive.", len(status.workers)),
            "meshproxy_uptime_seconds": ("Since the control process began.", status.uptime_s),
        }
        for name, (documentation, value) in gauges.items():
            yield GaugeMetricFamily(name, documentation, value=value)
        yield CounterMetricFamily(
            "meshproxy_worker_restarts", "Workers replaced.", value=status.worker_restarts
        )


def render_metrics(status: ProxyStatus) -> bytes:
    """Give the text exposition format."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(ScoreboardCollector(status))
    return generate_latest(registry)


def _istio_labels(cluster: ClusterData) -> tuple[str, ...]:
    name = ClusterName.parse(cluster["name"])
    versions = {endpoint["labels"].get("version", "") for endpoint in cluster["endpoints"]}
    version = versions.pop() if len(versions) == 1 else ""
    return (
        "source",
        "unknown",
        "unknown",
        "unknown",
        name.namespace,
        name.host,
        name.service,
        name.namespace,
        version or "unknown",
        cluster["protocol"],
        "none",
    )


def _cumulative(counts: list[int]) -> list[tuple[str, float]]:
    bounds = [*(str(bound) for bound in HISTOGRAM_BOUNDS_MS), "+Inf"]
    total = 0
    buckets: list[tuple[str, float]] = []
    for bound, count in zip(bounds, counts, strict=True):
        total += count
        buckets.append((bound, total))
    return buckets


def _title(name: str) -> str:
    return name.removeprefix("envoy_cluster_").replace("_", " ") + "."
