"""Which Host reaches which virtual host."""

from __future__ import annotations

import pytest
from mesh_text import Mesh, service, to, virtual_service

WEB = "web.default.svc.cluster.local"


@pytest.mark.parametrize(
    "name", ["web", "web.default", "web.default.svc", WEB, WEB + ".", "10.1.1.1", "[fd00::1]"]
)
def test_service_in_the_own_namespace_is_reached_by_every_name(tmp_path, name):
    mesh = Mesh(tmp_path, service("web", more=", clusterIPs: [10.1.1.1, 'fd00::1']"))
    assert mesh.host_for(name) == f"{WEB}:80"


def test_service_in_another_namespace_has_no_short_name(tmp_path):
    mesh = Mesh(tmp_path, service("web", ns="prod"))
    assert mesh.host_for("web") is None
    assert mesh.host_for("web.prod") == "web.prod.svc.cluster.local:80"


def test_proxy_namespace_decides_about_short_names_and_bare_objects(tmp_path):
    bare = service("web").replace(", namespace: default", "")
    mesh = Mesh(tmp_path, bare, namespace="prod")
    assert mesh.host_for("web") == "web.prod.svc.cluster.local:80"


@pytest.mark.parametrize(
    ("ports", "expected"),
    [
        ([80], 80),
        ([8080], 8080),
        ([80, 8080], 80),
        ([8080, 9090], None),
    ],
)
def test_host_without_port_means_80_else_the_only_port(tmp_path, ports, expected):
    text = ", ".join(f"{{name: http-{port}, port: {port}}}" for port in ports)
    mesh = Mesh(tmp_path, service("web", text))
    assert mesh.host_for("web") == (f"{WEB}:{expected}" if expected else None)
    for port in ports:
        assert mesh.host_for("web", port) == f"{WEB}:{port}"


@pytest.mark.parametrize(
    ("port", "protocol"),
    [
        ("{name: http, port: 80}", "http"),
        ("{name: http-api, port: 80}", "http"),
        ("{name: GRPC-web-x, port: 80}", "http"),
        ("{name: anything, port: 80}", "http"),
        ("{port: 80}", "http"),
        ("{name: tcp-x, port: 80}", "tcp"),
        ("{name: redis, port: 80}", "tcp"),
        ("{name: https, port: 80}", "tcp"),
        ("{port: 3306}", "tcp"),
        ("{name: tcp, port: 80, appProtocol: http}", "http"),
        ("{name: http, port: 80, appProtocol: kubernetes.io/wss}", "tcp"),
        ("{name: http, port: 80, appProtocol: unknown}", "http"),
        ("{name: HTTP2-x, port: 80}", "http"),
        ("{name: http_proxy-x, port: 80}", "http"),
        ("{name: grpc, port: 3306}", "http"),
        ("{name: httpx, port: 80}", "http"),
        ("{name: httpx, port: 3306}", "tcp"),
        ("{name: mongo-x, port: 80}", "tcp"),
        ("{name: mysql, port: 80}", "tcp"),
        ("{name: tls-x, port: 80}", "tcp"),
        ("{port: 25}", "tcp"),
        ("{port: 53}", "tcp"),
        ("{port: 27017}", "tcp"),
        ("{name: tcp, port: 80, appProtocol: kubernetes.io/h2c}", "http"),
        ("{name: tcp, port: 80, appProtocol: kubernetes.io/ws}", "http"),
        ("{name: http, port: 80, appProtocol: HTTPS}", "tcp"),
        ("{name: http, port: 3306, appProtocol: unknown}", "tcp"),
        ("{name: udp-x, port: 80}", None),
        ("{name: dns, port: 53, protocol: UDP}", None),
    ],
)
def test_port_protocol_follows_app_protocol_name_and_number(tmp_path, port, protocol):
    mesh = Mesh(tmp_path, service("web", port))
    clusters = list(mesh.builder.snapshot["clusters"].values())
    assert [cluster["protocol"] for cluster in clusters] == ([protocol] if protocol else [])
    assert bool(mesh.builder.snapshot["virtual_hosts"]) is (protocol == "http")


def test_foreign_hosts_of_a_virtual_service_are_served_on_port_80(tmp_path):
    rule = f"{{route: [{to('web')}]}}"
    hosts = "shop.example.com, '*.example.org', other"
    mesh = Mesh(tmp_path, service("web"), virtual_service("a", hosts, rule))
    assert mesh.host_for("shop.example.com") == "shop.example.com:80"
    assert mesh.host_for("shop.example.com", 8080) == "shop.example.com:80"
    assert mesh.host_for("*.example.org") == "*.example.org:80"
    assert mesh.host_for("other") == "other.default.svc.cluster.local:80"
    assert mesh.routes("*.example.org:80")[0]["virtual_service"] == "default/a"


def test_name_that_two_hosts_claim_belongs_to_the_service(tmp_path):
    rule = f"{{route: [{to('web')}]}}"
    mesh = Mesh(tmp_path, service("web"), virtual_service("a", "web.default", rule))
    assert mesh.host_for("web.default") == f"{WEB}:80"
