from __future__ import annotations

from dataclasses import dataclass

import pytest
from mesh_text import Mesh, external_name, service, service_entry


@dataclass(frozen=True)
class Listen:
    service: str = ""
    service_port: int = 0
    force_tcp: bool = False


BASE = (
    service("web"),
    service("redis", "{name: redis, port: 6379}", ns="cache"),
    service("two", "{name: http, port: 80}, {name: http-b, port: 81}"),
)


def listener(tmp_path, *bindings: Listen):
    mesh = Mesh(tmp_path, *BASE, listeners=bindings)
    mesh_problems = [item for item in mesh.problems if item.code != "MP207"]
    return mesh, mesh.builder.snapshot["listeners"], [item.code for item in mesh_problems]


def test_unbound_listener_routes_by_host(tmp_path):
    _, listeners, codes = listener(tmp_path, Listen())
    assert listeners == [{"id": 0, "protocol": "http", "virtual_host": -1, "cluster": -1}]
    assert codes == []


@pytest.mark.parametrize("name", ["web", "web.default", "web.default.svc.cluster.local", "WEB."])
def test_bound_http_listener_has_its_virtual_host_for_each_name(tmp_path, name):
    mesh, listeners, codes = listener(tmp_path, Listen(), Listen(name, 80))
    host = mesh.virtual_host("web.default.svc.cluster.local:80")
    assert listeners[1] == {
        "id": 1, "protocol": "http", "virtual_host": host["id"], "cluster": -1,
    }  # fmt: skip
    assert codes == []


@pytest.mark.parametrize(
    ("binding", "cluster"),
    [
        (Listen("redis.cache", 6379), "outbound|6379||redis.cache.svc.cluster.local"),
        (Listen("redis.cache"), "outbound|6379||redis.cache.svc.cluster.local"),
        (Listen("web", 80, True), "outbound|80||web.default.svc.cluster.local"),
    ],
)
def test_tcp_listener_goes_to_the_cluster_of_the_port(tmp_path, binding, cluster):
    mesh, listeners, codes = listener(tmp_path, binding)
    assert listeners[0]["protocol"] == "tcp"
    assert listeners[0]["cluster"] == mesh.cluster(cluster)["id"]
    assert codes == []


@pytest.mark.parametrize(
    ("binding", "code"),
    [(Listen("nobody", 80), "MP201"), (Listen("web", 81), "MP204"), (Listen("two", 99), "MP204")],
)
def test_listener_of_an_unknown_port_refuses_and_says_so(tmp_path, binding, code):
    _, listeners, codes = listener(tmp_path, binding)
    assert listeners[0] == {"id": 0, "protocol": "tcp", "virtual_host": -1, "cluster": -1}
    assert codes == [code]


def test_listeners_exist_before_and_without_any_manifest(tmp_path):
    mesh = Mesh(tmp_path, listeners=[Listen(), Listen("web", 80)])
    assert mesh.builder.generation == 0
    assert [item["cluster"] for item in mesh.builder.snapshot["listeners"]] == [-1, -1]
    update = mesh.write(*BASE)
    assert update["listeners"][1]["virtual_host"] >= 0


def test_listener_bound_to_a_service_entry_or_an_external_name_goes_to_its_cluster(tmp_path):
    spec = "hosts: [db.example.com], ports: [{number: 5432, name: tcp, protocol: TCP}],"
    entry = service_entry("db", spec + " resolution: DNS")
    alias = external_name("alias", "redis.cache.svc.cluster.local", "")
    outside = external_name("outside", "db.example.org", "{name: tcp, port: 5432}")
    bindings = (Listen("DB.example.com", 5432), Listen("alias", 6379), Listen("outside"))
    mesh = Mesh(tmp_path, *BASE, entry, alias, outside, listeners=bindings)
    names = ("outbound|5432||db.example.com", "outbound|6379||redis.cache.svc.cluster.local",
             "outbound|5432||outside.default.svc.cluster.local")  # fmt: skip
    found = [(item["protocol"], item["cluster"]) for item in mesh.builder.snapshot["listeners"]]
    assert found == [("tcp", mesh.cluster(name)["id"]) for name in names]
    update = mesh.resolve("db.example.com", "10.0.0.1")
    assert update["listeners"] is None and mesh.addresses(names[0]) == ["10.0.0.1"]
