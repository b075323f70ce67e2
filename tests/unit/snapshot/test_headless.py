"""Headless Services: balanced by their own name, and each named pod by its."""

from __future__ import annotations

import pytest
from mesh_text import Mesh, destination_rule, service

WEB = "web.default.svc.cluster.local"
HEADLESS = service("web", more=", clusterIP: None")
SLICE = """\
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web-1, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
ports: [{name: http, port: 8080}]
endpoints:
- {addresses: [10.0.0.1], hostname: web-0}
- {addresses: [10.0.0.2], hostname: web-1, conditions: {ready: false, terminating: false}}
- {addresses: [10.0.0.3]}
"""


def pod(number: int, more: str = "", ready: str = "True") -> str:
    return (
        f"apiVersion: v1\nkind: Pod\nmetadata: {{name: web-{number}, labels: {{app: web}}}}\n"
        f"spec: {{containers: []{more}}}\n"
        f"status: {{podIP: 10.0.0.{number + 1}, "
        f'conditions: [{{type: Ready, status: "{ready}"}}]}}\n'
    )


def named(number: int, subdomain: str = "web", ready: str = "True") -> str:
    return pod(number, f", hostname: web-{number}, subdomain: {subdomain}", ready)


def addresses(mesh: Mesh, host: str) -> list[str]:
    return mesh.addresses(f"outbound|80||{host}")


def test_pods_of_a_stateful_set_are_reached_by_every_form_of_their_name(tmp_path):
    mesh = Mesh(tmp_path, HEADLESS, named(0), named(1))
    assert addresses(mesh, WEB) == ["10.0.0.1", "10.0.0.2"]
    for name in ("web-1.web", "web-1.web.default", "web-1.web.default.svc", f"web-1.{WEB}",
                 f"web-1.{WEB}."):  # fmt: skip
        assert mesh.host_for(name) == f"web-1.{WEB}:80"
    assert addresses(mesh, f"web-1.{WEB}") == ["10.0.0.2"]
    (route,) = mesh.routes(f"web-1.{WEB}:80")
    assert route["cluster_names"] == [f"outbound|80||web-1.{WEB}"]


@pytest.mark.parametrize(
    ("web", "text"),
    [(HEADLESS, pod(0)), (HEADLESS, named(0, "other")), (service("web"), named(0))],
    ids=["no hostname", "another subdomain", "not headless"],
)
def test_pod_without_a_name_under_the_service_has_none_here(tmp_path, web, text):
    mesh = Mesh(tmp_path, web, text)
    assert addresses(mesh, WEB) == ["10.0.0.1"]
    assert mesh.host_for("web-0.web") is None


def test_pods_come_and_go_with_their_names(tmp_path):
    mesh = Mesh(tmp_path, HEADLESS, named(0))
    assert mesh.host_for("web-1.web") is None
    mesh.write(HEADLESS, named(0), named(1, ready="False"))
    assert mesh.host_for("web-1.web") == f"web-1.{WEB}:80"
    (endpoint,) = mesh.cluster(f"outbound|80||web-1.{WEB}")["endpoints"]
    assert endpoint["healthy"] is False
    mesh.write(HEADLESS, named(1))
    assert mesh.host_for("web-0.web") is None and mesh.host_for("web-1.web") is not None
    mesh.write(named(1))
    assert mesh.domains() == {}


def test_hostnames_of_a_slice_are_names_too(tmp_path):
    mesh = Mesh(tmp_path, HEADLESS, SLICE)
    assert addresses(mesh, WEB) == ["10.0.0.1", "10.0.0.2", "10.0.0.3"]
    assert addresses(mesh, f"web-0.{WEB}") == ["10.0.0.1"]
    assert mesh.host_for("web-1.web") == f"web-1.{WEB}:80"


def test_destination_rule_of_the_service_holds_for_its_pods(tmp_path):
    rule = destination_rule(
        "web", "host: web, trafficPolicy: {connectionPool: {tcp: {connectTimeout: 250ms}}},"
        " subsets: [{name: v1, labels: {app: web}}]"
    )  # fmt: skip
    mesh = Mesh(tmp_path, HEADLESS, named(0), rule)
    names = {item["name"] for item in mesh.builder.snapshot["clusters"].values()}
    assert names == {f"outbound|80||{WEB}", f"outbound|80|v1|{WEB}", f"outbound|80||web-0.{WEB}"}
    assert mesh.cluster(f"outbound|80||web-0.{WEB}")["connect_timeout_ms"] == 250
