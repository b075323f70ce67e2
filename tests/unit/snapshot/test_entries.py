"""ServiceEntries and ExternalNames to clusters and virtual hosts."""

from __future__ import annotations

import pytest
from mesh_text import (
    Mesh,
    destination_rule,
    external_name,
    pod,
    service,
    service_entry,
    to,
    virtual_service,
    workload_entry,
)

HTTP = "ports: [{number: 80, name: http, protocol: HTTP}]"
API = "outbound|80||api.example.com"
DNS = service_entry("api", f"hosts: [api.example.com], {HTTP}, resolution: DNS")


def targets(mesh: Mesh, name: str = API) -> list[tuple[str, int]]:
    return [(item["address"], item["port"]) for item in mesh.cluster(name)["endpoints"]]


def test_static_endpoints_have_address_port_weight_labels_and_locality(tmp_path):
    spec = """hosts: [api.example.com], resolution: STATIC,
        ports: [{number: 80, name: http, protocol: HTTP, targetPort: 8080},
                {number: 90, name: more, protocol: HTTP}],
        endpoints: [{address: 10.0.0.1, ports: {more: 9999}, weight: 3, labels: {version: v1},
                     locality: eu/a}, {address: "fd00::1"}]"""
    mesh = Mesh(tmp_path, service_entry("api", spec))
    assert targets(mesh) == [("10.0.0.1", 8080), ("fd00::1", 8080)]
    assert targets(mesh, "outbound|90||api.example.com") == [("10.0.0.1", 9999), ("fd00::1", 90)]
    first = mesh.cluster(API)["endpoints"][0]
    assert (first["weight"], first["labels"], first["locality"]) == (3, {"version": "v1"}, "eu/a")
    assert mesh.problems == []


def test_every_host_is_a_service_with_its_addresses(tmp_path):
    spec = f"hosts: [A.example.com, '*.b.com'], {HTTP}, resolution: STATIC,"
    spec += " addresses: [10.9.0.1, 'FD00::0:9'], endpoints: [{address: 10.0.0.1}]"
    mesh = Mesh(tmp_path, service_entry("api", spec))
    for name in ("a.example.com", "a.example.com.", "10.9.0.1", "[fd00::9]"):
        assert mesh.host_for(name) == "a.example.com:80"
    assert mesh.host_for("*.b.com") == "*.b.com:80"
    assert targets(mesh, "outbound|80||*.b.com") == [("10.0.0.1", 80)]


@pytest.mark.parametrize(
    ("port", "protocol"),
    [("HTTP", "http"), ("grpc", "http"), ("HTTP2", "http"), ("TCP", "tcp"), ("HTTPS", "tcp"),
     ("MONGO", "tcp"), ("TLS", "tcp"), ("''", "http")],
)  # fmt: skip
def test_protocol_of_a_port_is_the_field_and_never_its_name(tmp_path, port, protocol):
    ports = f"ports: [{{number: 80, name: tcp-but-not-read, protocol: {port}}}]"
    spec = f"hosts: [api.example.com], {ports}, resolution: STATIC, addresses: [10.9.0.1],"
    mesh = Mesh(tmp_path, service_entry("api", spec + " endpoints: [{address: 10.0.0.1}]"))
    assert mesh.cluster(API)["protocol"] == protocol
    assert mesh.codes == ([] if port != "''" else ["MP325"])


def test_dns_takes_all_addresses_of_the_host_and_keeps_their_order_stable(tmp_path):
    mesh = Mesh(tmp_path, DNS)
    assert mesh.builder.names == {"api.example.com"}
    assert targets(mesh) == [] and mesh.codes == ["MP407"]
    update = mesh.resolve("api.example.com", "10.0.0.2", "10.0.0.1", "fd00::1")
    assert set(update["clusters"]) == {mesh.cluster(API)["id"]}
    assert update["virtual_hosts"] == {} and update["domains"] is None
    assert targets(mesh) == [("10.0.0.1", 80), ("10.0.0.2", 80), ("fd00::1", 80)]
    assert mesh.codes == []
    assert mesh.resolve("api.example.com", "fd00::1", "10.0.0.1", "10.0.0.2") is None
    assert mesh.resolve("api.example.com", "10.0.0.1", "10.0.0.2") is not None


def test_dns_names_of_endpoints_are_looked_up_instead_of_the_host(tmp_path):
    spec = f"""hosts: ['*.example.com'], {HTTP}, resolution: DNS, endpoints: [
        {{address: One.example.org., ports: {{http: 8080}}, weight: 2, labels: {{v: a}}}},
        {{address: two.example.org}}, {{address: 10.0.0.9}}]"""
    mesh = Mesh(tmp_path, service_entry("api", spec))
    name = "outbound|80||*.example.com"
    assert mesh.builder.names == {"one.example.org", "two.example.org"}
    mesh.resolve("one.example.org", "10.0.0.1", "10.0.0.2")
    assert targets(mesh, name) == [("10.0.0.1", 8080), ("10.0.0.2", 8080), ("10.0.0.9", 80)]
    weights = [item["weight"] for item in mesh.cluster(name)["endpoints"]]
    assert weights == [2, 2, 1]
    assert [item.get("dns_name") for item in mesh.cluster(name)["endpoints"]] == [
        "one.example.org", "one.example.org", None,
    ]  # fmt: skip
    assert [(item.code, item.path) for item in mesh.problems] == [
        ("MP407", "spec.endpoints[1].address")
    ]


def test_dns_round_robin_takes_the_first_address_of_the_answer(tmp_path):
    mesh = Mesh(tmp_path, DNS.replace("DNS}", "DNS_ROUND_ROBIN}"))
    mesh.resolve("api.example.com", "10.0.0.2", "10.0.0.1")
    assert targets(mesh) == [("10.0.0.2", 80)]
    mesh.resolve("api.example.com", "10.0.0.1", "10.0.0.2")
    assert targets(mesh) == [("10.0.0.1", 80)]


def test_none_looks_the_host_up_or_takes_its_addresses(tmp_path):
    none = service_entry("api", f"hosts: [api.example.com, '*.b.com'], {HTTP}, resolution: NONE")
    mesh = Mesh(tmp_path, none)
    assert mesh.builder.names == {"api.example.com"}
    mesh.resolve("api.example.com", "10.0.0.1")
    assert targets(mesh) == [("10.0.0.1", 80)]
    assert targets(mesh, "outbound|80||*.b.com") == []
    mesh.write(none.replace("NONE", "NONE, addresses: [10.9.0.1/32, 10.9.0.2, 10.8.0.0/16]"))
    assert mesh.builder.names == set()
    assert targets(mesh) == [("10.9.0.1", 80), ("10.9.0.2", 80)]


def test_failed_lookup_keeps_endpoints_and_says_so(tmp_path):
    mesh = Mesh(tmp_path, DNS)
    mesh.resolve("api.example.com", error="no server answered")
    (problem,) = mesh.problems
    assert (problem.code, problem.path, problem.line) == ("MP408", "spec.hosts[0]", 4)
    assert problem.message == '"api.example.com": no server answered; it has no endpoints'
    mesh.resolve("api.example.com", "10.0.0.1")
    assert mesh.resolve("api.example.com", "10.0.0.1", error="no server answered") is None
    (problem,) = mesh.problems
    assert problem.message.endswith("its last addresses stay: 10.0.0.1")
    assert targets(mesh) == [("10.0.0.1", 80)]
    mesh.resolve("api.example.com", *(f"10.0.0.{item}" for item in range(9)), error="none")
    (problem,) = mesh.problems
    assert problem.message.endswith("10.0.0.4 and 4 more")


def test_edit_of_the_entry_keeps_what_is_known_of_its_name(tmp_path):
    mesh = Mesh(tmp_path, DNS)
    mesh.resolve("api.example.com", "10.0.0.1")
    mesh.write(DNS.replace("protocol: HTTP", "protocol: HTTP, targetPort: 8080"))
    assert targets(mesh) == [("10.0.0.1", 8080)]
    mesh.write(service("web"))
    assert mesh.builder.names == set()
    mesh.write(DNS)
    assert targets(mesh) == [] and mesh.codes == ["MP407"]


def test_selector_takes_workload_entries_and_pods_and_their_changes(tmp_path):
    spec = f"hosts: [api.example.com], {HTTP}, resolution: STATIC,"
    entry = service_entry("api", spec + " workloadSelector: {labels: {app: vm}}")
    vm = workload_entry("a", "address: 10.0.0.1, ports: {http: 8080}, weight: 4")
    mesh = Mesh(tmp_path, entry, vm, pod("b", "vm", "10.0.0.2"), workload_entry("c", "address: n"))
    assert targets(mesh) == [("10.0.0.1", 8080), ("10.0.0.2", 80)]
    assert mesh.cluster(API)["endpoints"][0]["name"] == "default/a"
    assert [(item.code, item.object) for item in mesh.problems] == [
        ("MP406", "WorkloadEntry default/c")
    ]
    mesh.write(entry, vm.replace("10.0.0.1", "10.0.0.3"))
    assert targets(mesh) == [("10.0.0.3", 8080)]
    mesh.write(entry)
    assert mesh.codes == ["MP207"] and targets(mesh) == []


def test_selected_workload_entry_may_have_a_name_with_dns(tmp_path):
    spec = f"hosts: [api.example.com], {HTTP}, resolution: DNS,"
    entry = service_entry("api", spec + " workloadSelector: {labels: {app: vm}}")
    mesh = Mesh(tmp_path, entry, workload_entry("a", "address: vm.example.org"))
    assert mesh.builder.names == {"vm.example.org"}
    assert [(item.code, item.object) for item in mesh.problems] == [
        ("MP407", "WorkloadEntry default/a")
    ]
    mesh.resolve("vm.example.org", "10.0.0.1")
    assert targets(mesh) == [("10.0.0.1", 80)] and mesh.codes == []
    mesh.write(entry.replace("DNS", "STATIC"), workload_entry("a", "address: vm.example.org"))
    assert mesh.codes == ["MP406"] and mesh.builder.names == set()


@pytest.mark.parametrize(
    ("first", "second", "winner"),
    [
        (("a", "", "default"), ("b", "", "default"), "a"),
        (("a", "2024-01-02T00:00:00Z", "default"), ("b", "2024-01-01T00:00:00Z", "default"), "b"),
        (("a", "2024-01-01T00:00:00Z", "other"), ("b", "2024-01-02T00:00:00Z", "default"), "b"),
    ],
)
def test_host_defined_twice_belongs_to_the_nearer_then_the_older_entry(
    tmp_path, first, second, winner
):
    texts = []
    for name, created, namespace in (first, second):
        more = f', creationTimestamp: "{created}"' if created else ""
        spec = f"hosts: [api.example.com], {HTTP}, resolution: STATIC, endpoints: "
        spec += f"[{{address: 10.0.0.{1 if name == 'a' else 2}}}]"
        texts.append(service_entry(name, spec, namespace, more))
    mesh = Mesh(tmp_path, *texts)
    assert targets(mesh) == [("10.0.0.1" if winner == "a" else "10.0.0.2", 80)]
    (problem,) = mesh.problems
    assert (problem.code, problem.path) == ("MP326", "spec.hosts[0]")
    assert problem.object.endswith("/b" if winner == "a" else "/a")
    mesh.write(texts[0] if winner == "b" else texts[1])
    assert mesh.codes == []
    assert targets(mesh) == [("10.0.0.2" if winner == "a" else "10.0.0.1", 80)]


def test_kubernetes_service_beats_a_service_entry_whose_name_is_not_looked_up(tmp_path):
    spec = f"hosts: [web.default.svc.cluster.local], {HTTP}, resolution: DNS"
    mesh = Mesh(tmp_path, service_entry("web", spec), service("web"), pod("a", "web", "10.0.0.1"))
    assert targets(mesh, "outbound|80||web.default.svc.cluster.local") == [("10.0.0.1", 80)]
    assert mesh.builder.names == set() and mesh.codes == ["MP326"]


@pytest.mark.parametrize(
    ("export_to", "is_seen"), [("[]", True), ("['*']", True), ("[default]", True),
                               ("['.']", False), ("['~']", False), ("[third]", False)]
)  # fmt: skip
def test_export_to_decides_who_sees_the_entry_of_another_namespace(tmp_path, export_to, is_seen):
    spec = f"hosts: [api.example.com], {HTTP}, resolution: DNS, exportTo: {export_to}"
    mesh = Mesh(tmp_path, service_entry("api", spec, "other"))
    assert (mesh.host_for("api.example.com") is not None) is is_seen
    assert mesh.builder.names == ({"api.example.com"} if is_seen else set())


def test_destination_rule_and_virtual_service_apply_to_an_entry(tmp_path):
    spec = f"hosts: [api.example.com], {HTTP}, resolution: STATIC, endpoints: ["
    spec += "{address: 10.0.0.1, labels: {version: v1}}, {address: 10.0.0.2}]"
    rule = destination_rule(
        "api", "host: api.example.com, trafficPolicy: {loadBalancer: {simple: RANDOM}},"
        " subsets: [{name: v1, labels: {version: v1}}]"
    )  # fmt: skip
    split = ", ".join([to("api.example.com", "v1", 1), to("api.example.com", "", 3)])
    mesh = Mesh(
        tmp_path, service_entry("api", spec), rule,
        virtual_service("api", "api.example.com", f"{{name: split, route: [{split}]}}"),
    )  # fmt: skip
    assert mesh.problems == []
    assert mesh.cluster(API)["lb"] == {"policy": "RANDOM"}
    assert targets(mesh, "outbound|80|v1|api.example.com") == [("10.0.0.1", 80)]
    (route,) = mesh.routes("api.example.com:80")
    assert route["name"] == "split" and [weight for _, weight in route["clusters"]] == [1, 3]


def test_external_name_of_an_unknown_host_is_looked_up(tmp_path):
    mesh = Mesh(tmp_path, external_name("ext", "Api.example.com."))
    name = "outbound|80||ext.default.svc.cluster.local"
    assert mesh.builder.names == {"api.example.com"}
    assert [(item.code, item.path) for item in mesh.problems] == [("MP407", "spec.externalName")]
    mesh.resolve("api.example.com", "10.0.0.1")
    assert targets(mesh, name) == [("10.0.0.1", 80)] and mesh.codes == []


def test_external_name_of_a_known_host_is_another_word_for_it(tmp_path):
    web = service("web", "{name: http, port: 8080}")
    second = external_name("second", "first.default.svc.cluster.local", "")
    first = external_name("first", "web.default.svc.cluster.local")
    mesh = Mesh(tmp_path, web, first, second, pod("a", "web", "10.0.0.1"))
    for name in ("first", "second"):
        assert mesh.host_for(name) == f"{name}.default.svc.cluster.local:8080"
        (route,) = mesh.routes(f"{name}.default.svc.cluster.local:8080")
        assert route["cluster_names"] == ["outbound|8080||web.default.svc.cluster.local"]
        assert route["clusters"][0][0] >= 0
    assert mesh.builder.names == set()
    assert [(item.code, item.object, item.path) for item in mesh.problems] == [
        ("MP315", "Service default/first", "spec.ports[0]")
    ]
    mesh.write(first, second)  # web went: now it is a name outside
    assert mesh.builder.names == {"web.default.svc.cluster.local"}


def test_external_names_in_a_circle_are_looked_up_outside(tmp_path):
    a = external_name("a", "b.default.svc.cluster.local")
    mesh = Mesh(tmp_path, a, external_name("b", "a.default.svc.cluster.local"))
    assert mesh.builder.names == {"a.default.svc.cluster.local", "b.default.svc.cluster.local"}


def test_external_name_without_a_name_is_an_error(tmp_path):
    mesh = Mesh(tmp_path, external_name("ext", "''"))
    assert [(item.code, item.severity) for item in mesh.problems] == [("MP103", "error")]


def test_external_name_without_ports_is_told_that_nothing_is_served(tmp_path):
    mesh = Mesh(tmp_path, external_name("ext", "api.example.com", ""))
    assert mesh.codes == ["MP315", "MP407"]
