"""The admin pages of a running proxy."""

from __future__ import annotations

from pathlib import Path

import httpx
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample
from support import manifests
from support.proxy import MeshproxyRun
from support.upstream import Upstream
from support.wait import until_equal

ROUTE_TO_NOWHERE = """\
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: lost}
spec:
  hosts: [lost]
  http: [{route: [{destination: {host: absent}}]}]
"""
CLUSTER = "outbound|80||web.default.svc.cluster.local"


def test_admin_counts_requests_by_service_code_and_endpoint(
    meshproxy_run: MeshproxyRun, upstream: Upstream, tmp_path: Path
) -> None:
    path = manifests.write(tmp_path, manifests.service("web", upstream.port))
    proxy = meshproxy_run(path, "--admin=127.0.0.1:0", "--workers=2")
    for _ in range(4):
        with proxy.client() as client:
            for _ in range(5):
                assert client.get("web").status == 200
    with proxy.admin() as admin:
        # a request is counted once its answer is sent: the client may be ahead
        until_equal(lambda: samples_of(admin)["istio_requests_total", "200"].value, 20)
        samples = samples_of(admin)
        total = samples["istio_requests_total", "200"]
        assert total.labels["destination_service"] == "web.default.svc.cluster.local"
        assert total.labels["destination_service_name"] == "web"
        assert total.labels["response_flags"] == "-"
        assert samples["istio_request_duration_milliseconds_count", ""].value == 20
        assert samples["envoy_cluster_upstream_rq_total", ""].value == 20
        assert samples["meshproxy_config_generation", ""].value == 1
        assert samples["meshproxy_workers", ""].value == 2
        lines = admin.get("/clusters").text.splitlines()
        assert f"{CLUSTER}::127.0.0.1:{upstream.port}::rq_success::20" in lines
        assert f"{CLUSTER}::127.0.0.1:{upstream.port}::pod::default/web-0" in lines


def test_admin_counts_what_reached_no_cluster_by_its_reason(
    meshproxy_run: MeshproxyRun, upstream: Upstream, tmp_path: Path
) -> None:
    lost = manifests.service("lost", upstream.port) + ROUTE_TO_NOWHERE
    proxy = meshproxy_run(manifests.write(tmp_path, lost), "--admin=127.0.0.1:0")
    with proxy.client() as client:
        assert client.get("nobody").status == 404
        assert client.get("nobody").status == 404
        assert client.get("lost").status == 503
        client.send(b"GET / HTTP/1.1\nHost: lost\n\n")
        assert client.read_response().status == 400
    with proxy.admin() as admin:
        until_equal(lambda: samples_of(admin)["envoy_http_no_route", ""].value, 2)
        samples = samples_of(admin)
        assert samples["envoy_http_no_cluster", ""].value == 1
        assert samples["envoy_http_downstream_cx_protocol_error", ""].value == 1
        assert samples["envoy_http_downstream_rq_header_timeout", ""].value == 0


def samples_of(admin: httpx.Client) -> dict[tuple[str, str], Sample]:
    """By name and response code."""
    return {
        (sample.name, sample.labels.get("response_code", "")): sample
        for family in text_string_to_metric_families(admin.get("/stats/prometheus").text)
        for sample in family.samples
    }


def test_admin_shows_the_live_snapshot_and_the_listeners(
    meshproxy_run: MeshproxyRun, upstream: Upstream, tmp_path: Path
) -> None:
    path = manifests.write(tmp_path, manifests.service("web", upstream.port))
    proxy = meshproxy_run(path, "--admin=127.0.0.1:0")
    with proxy.admin() as admin:
        dumped = admin.get("/config_dump").json()
        assert dumped["generation"] == 1
        assert any(c["name"] == CLUSTER for c in dumped["clusters"].values())
        assert admin.get("/listeners").text == f"0::127.0.0.1:{proxy.port}\n"
        assert admin.get("/server_info").json()["workers"] == proxy.workers()


def test_admin_rejected_objects_are_counted(
    meshproxy_run: MeshproxyRun, upstream: Upstream, tmp_path: Path
) -> None:
    bad = """\
---
kind: VirtualService
apiVersion: networking.istio.io/v1
metadata: {name: bad}
spec: 7
"""
    good = manifests.service("web", upstream.port)
    proxy = meshproxy_run(manifests.write(tmp_path, good + bad), "--admin=127.0.0.1:0")
    with proxy.admin() as admin:
        assert "meshproxy_config_rejected_objects 1.0" in admin.get("/stats/prometheus").text


def test_admin_is_live_once_traffic_is_served(
    meshproxy_run: MeshproxyRun, upstream: Upstream, tmp_path: Path
) -> None:
    path = manifests.write(tmp_path, manifests.service("web", upstream.port))
    proxy = meshproxy_run(path, "--admin=127.0.0.1:0")
    with proxy.client() as client:
        assert client.get("web").status == 200
    with proxy.admin() as admin:
        assert admin.get("/ready").text == "LIVE\n"
