from __future__ import annotations

import pytest
from prometheus_client.parser import text_string_to_metric_families
from support.status import FixedStatus, cluster, endpoint

from meshproxy.telemetry.metrics import ClusterName, render_metrics

NAME = "outbound|80|v1|nginx.shop.svc.cluster.local"


def test_render_metrics_is_valid_exposition_with_the_expected_names() -> None:
    status = FixedStatus(cluster(1, NAME, endpoint(1), endpoint(2, healthy=False)))
    text = render_metrics(status).decode()
    samples = {
        sample.name: sample
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    assert samples["envoy_cluster_membership_healthy"].value == 1
    assert samples["envoy_cluster_membership_total"].value == 2
    assert samples["envoy_cluster_membership_total"].labels == {"envoy_cluster_name": NAME}
    assert samples["meshproxy_config_generation"].value == 3
    assert samples["meshproxy_config_age_seconds"].value == 1.5
    assert samples["meshproxy_config_rejected_objects"].value == 1
    assert samples["meshproxy_dns_names_failing"].value == 2
    assert samples["meshproxy_worker_restarts_total"].value == 2
    assert samples["meshproxy_workers"].value == 1
    assert {
        "envoy_cluster_upstream_rq_total",
        "envoy_cluster_upstream_rq_active",
        "envoy_cluster_upstream_cx_active",
        "envoy_cluster_upstream_cx_connect_fail",
        "envoy_http_downstream_rq_xx",
        "envoy_http_downstream_cx_active",
        "meshproxy_build_info",
        "meshproxy_keepalive_race_avoided_total",
        "meshproxy_cluster_retries_total",
    } <= set(samples)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (NAME, ("80", "v1", "nginx", "shop")),
        ("outbound|443||api.example.com", ("443", "", "api", "unknown")),
        ("plain", ("", "", "plain", "unknown")),
    ],
)
def test_cluster_name_parts(name: str, expected: tuple[str, str, str, str]) -> None:
    parsed = ClusterName.parse(name)
    assert (parsed.port, parsed.subset, parsed.service, parsed.namespace) == expected
