"""An ejection is told in the log, on the admin page and in the metrics, with what tripped it."""

from __future__ import annotations

import asyncio
from pathlib import Path

from support.manifests import service, write
from support.proxy import MeshproxyRun
from support.upstream import Request, Upstream, response

RULE = """
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: web}
spec:
  host: web
  trafficPolicy:
    outlierDetection: {consecutive5xxErrors: 2, maxEjectionPercent: 100, baseEjectionTime: 60s}
"""


async def fail(request: Request, writer: asyncio.StreamWriter) -> None:
    writer.write(response(b"no", "503 Busy"))


def test_ejection_names_its_counter_and_value_everywhere(
    tmp_path: Path, meshproxy_run: MeshproxyRun
) -> None:
    with Upstream(script=fail) as up:
        write(tmp_path, service("web", up.port) + RULE)
        proxy = meshproxy_run(tmp_path, "--admin", "127.0.0.1:0", "--workers", "2")
        with proxy.admin() as admin:
            bodies = []
            for _ in range(4):  # a connection each: workers take turns
                with proxy.client() as client:
                    bodies.append(client.get("web").body)
            assert bodies == [b"no", b"no", b"no healthy upstream", b"no healthy upstream"]
            proxy.wait_line(
                r"ejected 127\.0\.0\.1:\d+ of \S+ for \d+ ms: consecutive_5xx reached 2"
            )
            page = admin.get("/clusters").text
            assert "last_ejection::consecutive_5xx reached 2" in page
            assert "health_flags::/failed_outlier_check" in page
            metrics = admin.get("/stats/prometheus").text
    name = "envoy_cluster_outlier_detection_ejections_enforced_consecutive_5xx"
    labels = '{envoy_cluster_name="outbound|80||web.default.svc.cluster.local"}'
    assert f"{name}{labels} 1.0" in metrics
