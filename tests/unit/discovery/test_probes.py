"""What readinessProbes ask for, and which pods they are asked of."""

from __future__ import annotations

from pathlib import Path

import pytest

from meshproxy.config.problem import Problem
from meshproxy.discovery.probes import Target
from meshproxy.snapshot.build import Builder

SERVICE = """\
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  selector: {app: web}
  ports: [{name: http, port: 80, targetPort: 8080}]
"""
SLICE = """\
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web-1, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
ports: [{name: http, port: 8080}]
endpoints: [{addresses: [10.0.0.7], targetRef: {kind: Pod, name: web-x, namespace: default}}]
"""
CONTAINER = "{name: web, ports: [{name: http, containerPort: 8080}], readinessProbe: {%s}}"


def pod(probe: str, name: str = "web", app: str = "web", meta: str = "", ip: str = "10.0.0.1"):
    return f"""\
apiVersion: v1
kind: Pod
metadata: {{name: {name}, labels: {{app: {app}}}{meta}}}
spec: {{containers: [{CONTAINER % probe}]}}
status: {{podIP: "{ip}", conditions: [{{type: Ready, status: "True"}}]}}
"""


def deployment(probe: str, name: str = "web") -> str:
    return f"""\
apiVersion: apps/v1
kind: Deployment
metadata: {{name: {name}}}
spec:
  template:
    metadata: {{labels: {{app: web}}}}
    spec: {{containers: [{CONTAINER % probe}]}}
"""


def load(folder: Path, *documents: str) -> tuple[Builder, list[Problem]]:
    path = folder / "mesh.yaml"
    path.write_text("---\n".join(documents), encoding="utf-8")
    builder = Builder()
    return builder, builder.load([str(path)])


def targets(folder: Path, *documents: str) -> list[Target]:
    return load(folder, *documents)[0].probe_targets()


def test_probe_without_figures_has_those_of_kubernetes(tmp_path: Path) -> None:
    (target,) = targets(tmp_path, SERVICE, pod("httpGet: {path: /ready, port: http}"))
    assert target == Target(
        identity="default/web",
        container=0,
        address="10.0.0.1",
        port=8080,
        request=(
            b"GET /ready HTTP/1.1\r\nhost: 10.0.0.1:8080\r\nuser-agent: meshproxy-probe\r\n"
            b"accept: */*\r\nconnection: close\r\n\r\n"
        ),
        initial_delay_s=0,
        period_s=10,
        timeout_s=1,
        successes=1,
        failures=3,
    )
    assert target.what == "GET /ready"


def test_probe_takes_every_figure_and_header(tmp_path: Path) -> None:
    probe = (
        "httpGet: {port: 9000, httpHeaders: [{name: Host, value: web.test},"
        " {name: X-A, value: b}]}, initialDelaySeconds: 5, periodSeconds: 2,"
        " timeoutSeconds: 3, successThreshold: 4, failureThreshold: 6,"
        " terminationGracePeriodSeconds: 9"
    )
    (target,) = targets(tmp_path, SERVICE, pod(probe, ip="fd00::1"))
    assert (target.initial_delay_s, target.period_s, target.timeout_s) == (5, 2, 3)
    assert (target.successes, target.failures, target.port) == (4, 6, 9000)
    assert b"Host: web.test\r\nX-A: b\r\n" in target.request
    assert b"host: [" not in target.request and target.request.startswith(b"GET / HTTP/1.1\r\n")


@pytest.mark.parametrize(("port", "number"), [("9000", 9000), ('"9000"', 9000), ("http", 8080)])
def test_probe_port_is_a_number_or_a_name(tmp_path: Path, port: str, number: int) -> None:
    (target,) = targets(tmp_path, SERVICE, pod(f"tcpSocket: {{port: {port}}}"))
    assert target.port == number


def test_tcp_probe_needs_no_request(tmp_path: Path) -> None:
    (target,) = targets(tmp_path, SERVICE, pod("tcpSocket: {port: 6379, host: 10.9.9.9}"))
    assert (target.address, target.port, target.request) == ("10.9.9.9", 6379, b"")
    assert target.what == "TCP connect"


@pytest.mark.parametrize(
    "documents",
    [
        (pod("tcpSocket: {port: 1}"),),
        (SERVICE, pod("tcpSocket: {port: 1}", app="other")),
        (SERVICE, pod("tcpSocket: {port: 1}", meta=", deletionTimestamp: 2026-01-01T00:00:00Z")),
        (SERVICE, pod("tcpSocket: {port: 1}", ip="")),
        (SERVICE, SLICE),
        (SERVICE, SLICE, *(deployment("tcpSocket: {port: 1}", name) for name in ("a", "b"))),
    ],
    ids=["no-service", "not-selected", "terminating", "no-address", "no-probe", "whose-pod"],
)
def test_pod_that_gets_no_traffic_or_has_no_probe_is_not_asked(
    tmp_path: Path, documents: tuple[str, ...]
) -> None:
    assert targets(tmp_path, *documents) == []


def test_pod_that_a_slice_names_has_its_deployments_probe(tmp_path: Path) -> None:
    (target,) = targets(tmp_path, SERVICE, SLICE, deployment("tcpSocket: {port: http}"))
    assert (target.identity, target.address, target.port) == ("default/web-x", "10.0.0.7", 8080)


@pytest.mark.parametrize(
    ("probe", "code"),
    [
        ("exec: {command: [ls]}", "MP330"),
        ("grpc: {port: 9000}", "MP330"),
        ("httpGet: {port: 1, scheme: HTTPS}", "MP330"),
        ("httpGet: {port: 1, host: web.test}", "MP330"),
        ("httpGet: {port: nowhere}", "MP208"),
    ],
)
def test_probe_that_is_not_carried_out_is_said(tmp_path: Path, probe: str, code: str) -> None:
    for workload in (pod(probe), deployment(probe)):
        builder, problems = load(tmp_path, SERVICE, workload)
        assert [item.code for item in problems if "readinessProbe" in item.path] == [code]
        assert builder.probe_targets() == []


@pytest.mark.parametrize(
    ("probe", "code"),
    [
        ("periodSeconds: 5", "MP103"),
        ("httpGet: {port: 1}, tcpSocket: {port: 1}", "MP111"),
        ("tcpSocket: {port: 0}", "MP104"),
        ("tcpSocket: {}", "MP103"),
        ("tcpSocket: {port: 1}, timeoutSeconds: -1", "MP104"),
        ('tcpSocket: {port: 1}, periodSeconds: "5"', "MP102"),
        ('httpGet: {port: 1, path: "/a b"}', "MP104"),
        ('httpGet: {port: 1, httpHeaders: [{name: "a:", value: b}]}', "MP104"),
        ('httpGet: {port: 1, httpHeaders: [{name: a, value: "b\\r\\nc: d"}]}', "MP104"),
        ("tcpSocket: {port: 1, sport: 2}", "MP101"),
    ],
)
def test_probe_that_kubernetes_refuses_is_told(tmp_path: Path, probe: str, code: str) -> None:
    _, problems = load(tmp_path, SERVICE, pod(probe))
    assert code in [item.code for item in problems if "readinessProbe" in item.path]


def test_failing_pod_is_not_ready_in_every_cluster_and_comes_back(tmp_path: Path) -> None:
    builder, _ = load(
        tmp_path, SERVICE, pod("tcpSocket: {port: 1}"), pod("exec: {}", "b", ip="10.0.0.2")
    )

    def ready() -> list[tuple[str, bool, bool]]:
        (cluster,) = builder.snapshot["clusters"].values()
        assert cluster is not None
        return [(e["name"], e["healthy"], e.get("failing", False)) for e in cluster["endpoints"]]

    update = builder.set_failing(frozenset({"default/web"}))
    assert update is not None and not update["full"] and len(update["clusters"]) == 1
    assert ready() == [("default/b", True, False), ("default/web", False, True)]
    assert builder.set_failing(frozenset({"default/web"})) is None
    assert builder.set_failing(frozenset()) is not None
    assert ready() == [("default/b", True, False), ("default/web", True, False)]


def test_failing_pod_stays_in_a_service_that_publishes_what_is_not_ready(tmp_path: Path) -> None:
    service = SERVICE + "  publishNotReadyAddresses: true\n"
    builder, _ = load(tmp_path, service, pod("tcpSocket: {port: 1}"))
    assert builder.set_failing(frozenset({"default/web"})) is None
