"""VirtualServices to routes."""

from __future__ import annotations

import pytest
from mesh_text import Mesh, destination_rule, pod, service, to, virtual_service

from meshproxy.snapshot.scope import Scope

SUBSETS = destination_rule(
    "web", "host: web, subsets: [{name: v1, labels: {version: v1}}, {name: v2, labels: {}}]"
)
BASE = (
    service("web"),
    service("api", "{name: http, port: 8080}"),
    pod("web", "web", "10.0.0.1"),
    pod("api", "api", "10.0.0.2"),
    SUBSETS,
)
WEB = "web.default.svc.cluster.local"


def mesh_of(tmp_path, http: str, more: str = "", hosts: str = "web", **settings) -> Mesh:
    return Mesh(tmp_path, *BASE, virtual_service("vs", hosts, http, more), **settings)


def names(mesh: Mesh) -> list[str]:
    return [route["name"] for route in mesh.routes()]


def test_service_without_virtual_service_has_the_default_route(tmp_path):
    mesh = Mesh(tmp_path, service("web"), pod("a", "web", "10.0.0.1"))
    (route,) = mesh.routes()
    assert (route["name"], route["rule"], route["virtual_service"]) == ("default", -1, "")
    assert route["cluster_names"] == [f"outbound|80||{WEB}"]
    assert route["clusters"] == [(mesh.cluster(f"outbound|80||{WEB}")["id"], 100)]
    assert (route["conditions"], route["timeout_ms"]) == ([], 0)


def test_weights_drop_zeros_and_one_destination_is_everything(tmp_path):
    split = f"{{match: [{{uri: {{exact: /s}}}}], route: [{to('web', 'v1', 99)}, {to('web', 'v2', 1)}, {to('api', '', 0)}]}}"  # noqa: E501
    single = f"{{route: [{to('web', 'v1', 0)}]}}"
    mesh = mesh_of(tmp_path, f"{split}, {single}")
    first, last = mesh.routes()
    assert [weight for _, weight in first["clusters"]] == [99, 1]
    assert first["cluster_names"] == [f"outbound|80|v1|{WEB}", f"outbound|80|v2|{WEB}"]
    assert [weight for _, weight in last["clusters"]] == [100]


def test_each_match_entry_is_a_route_with_all_its_conditions(tmp_path):
    http = f"""{{name: r, match: [
      {{name: one, uri: {{prefix: /A}}, ignoreUriCase: true, method: {{exact: GET}},
        headers: {{X-B: {{regex: "b+"}}, x-a: {{}}}}}},
      {{withoutHeaders: {{x-c: {{exact: d}}}}, queryParams: {{q: {{prefix: e}}}},
        authority: {{exact: web}}, scheme: {{exact: http}}}}],
      route: [{to("web")}], timeout: 1500ms}}"""
    mesh = mesh_of(tmp_path, http)
    one, two = mesh.routes()
    assert (one["name"], two["name"], one["timeout_ms"]) == ("r.one", "r", 1500)
    assert one["conditions"] == [
        ("uri", "", "prefix", "/A", True, False),
        ("method", "", "exact", "GET", False, False),
        ("header", "x-a", "present", "", False, False),
        ("header", "x-b", "regex", "b+", False, False),
    ]
    assert two["conditions"] == [
        ("scheme", "", "exact", "http", False, False),
        ("authority", "", "exact", "web", False, False),
        ("header", "x-c", "exact", "d", False, True),
        ("query", "q", "prefix", "e", False, False),
    ]
    assert one["slot"] == two["slot"]


@pytest.mark.parametrize("match", ["", "match: [{}],", "match: [{uri: {prefix: /}}],"])
def test_nothing_is_emitted_after_a_catch_all(tmp_path, match):
    http = f"{{name: all, {match} route: [{to('web')}]}}, {{name: late, route: [{to('api')}]}}"
    mesh = mesh_of(tmp_path, http)
    assert names(mesh) == ["all"]
    assert mesh.codes == ["MP303"]


def test_destination_port_defaults_to_the_only_port_else_that_of_the_request(tmp_path):
    two = service("two", "{name: http, port: 80}, {name: http-b, port: 81}")
    http = f"{{match: [{{uri: {{exact: /a}}}}], route: [{to('api')}]}}, {{route: [{to('two')}]}}"
    mesh = Mesh(
        tmp_path, *BASE, two, pod("c", "two", "10.0.0.3"), virtual_service("vs", "web", http)
    )
    assert [route["cluster_names"] for route in mesh.routes()] == [
        ["outbound|8080||api.default.svc.cluster.local"],
        ["outbound|80||two.default.svc.cluster.local"],
    ]
    assert mesh.codes == ["MP205"]


@pytest.mark.parametrize(
    ("destination", "name", "code"),
    [
        (to("nobody"), "outbound|80||nobody.default.svc.cluster.local", "MP201"),
        (to("web.default"), "outbound|80||web.default", "MP201"),
        (to("web", "v9"), f"outbound|80|v9|{WEB}", "MP202"),
        (to("web", port=81), f"outbound|81||{WEB}", "MP204"),
    ],
)
def test_unknown_destination_keeps_its_name_and_has_no_cluster(tmp_path, destination, name, code):
    mesh = mesh_of(tmp_path, f"{{route: [{destination}]}}")
    (route,) = mesh.routes()
    assert route["clusters"] == [(-1, 100)]
    assert route["cluster_names"] == [name]
    assert code in mesh.codes
    (problem,) = [item for item in mesh.problems if item.code == code]
    assert problem.severity == "error"
    assert problem.path.startswith("spec.http[0].route[0].destination.")


def test_unknown_names_come_with_a_near_miss(tmp_path):
    http = f"{{match: [{{uri: {{exact: /}}}}], route: [{to('weeb')}]}}, {{route: [{to('web.default')}]}}"  # noqa: E501
    first, second = mesh_of(tmp_path, http).problems
    assert 'did you mean "web"?' in first.message
    assert f'did you mean "{WEB}"?' in second.message


def test_most_specific_host_serves_a_service(tmp_path):
    wide = virtual_service("wide", "'*.default.svc.cluster.local'", f"{{route: [{to('api')}]}}")
    exact = virtual_service("exact", "web", f"{{route: [{to('web')}]}}")
    mesh = Mesh(tmp_path, *BASE, wide, exact)
    assert mesh.routes()[0]["virtual_service"] == "default/exact"
    api = mesh.routes("api.default.svc.cluster.local:8080")
    assert api[0]["virtual_service"] == "default/wide"


def test_second_virtual_service_of_a_host_is_named_and_waits(tmp_path):
    one = virtual_service("one", "web", f"{{route: [{to('web')}]}}")
    two = virtual_service("two", WEB, f"{{route: [{to('api')}]}}")
    mesh = Mesh(tmp_path, *BASE, two, one)
    assert mesh.routes()[0]["virtual_service"] == "default/one"
    assert [(item.code, item.object) for item in mesh.problems] == [
        ("MP304", "VirtualService default/two")
    ]
    mesh.write(*BASE, two)
    assert mesh.routes()[0]["virtual_service"] == "default/two"
    assert mesh.codes == []


def test_older_virtual_service_of_a_host_wins(tmp_path):
    stamp = "creationTimestamp: {}, name"
    young = virtual_service("a", "web", f"{{route: [{to('web')}]}}")
    old = virtual_service("b", "web", f"{{route: [{to('web')}]}}")
    mesh = Mesh(
        tmp_path,
        *BASE,
        young.replace("name: a", stamp.format("2024-02-01T00:00:00Z") + ": a"),
        old.replace("name: b", stamp.format("2024-01-01T00:00:00Z") + ": b"),
    )
    assert mesh.routes()[0]["virtual_service"] == "default/b"


@pytest.mark.parametrize(
    ("more", "applies"),
    [
        ("", True),
        (", gateways: [mesh]", True),
        (", gateways: [web-gateway, mesh]", True),
        (", gateways: [web-gateway]", False),
        (", exportTo: ['*']", True),
        (", exportTo: ['.']", True),
        (", exportTo: [other]", False),
        (", exportTo: [default]", True),
    ],
)
def test_gateways_and_export_decide_whether_rules_apply(tmp_path, more, applies):
    mesh = mesh_of(tmp_path, f"{{route: [{to('web')}]}}", more)
    assert (mesh.routes()[0]["name"] == "default") is not applies


@pytest.mark.parametrize(
    ("match", "applies"),
    [
        ("port: 80", True),
        ("port: 81", False),
        ("sourceNamespace: default", True),
        ("sourceNamespace: other", False),
        ("sourceLabels: {app: me}", True),
        ("sourceLabels: {app: you}", False),
        ("gateways: [mesh], sourceNamespace: other", True),
        ("gateways: [web]", False),
    ],
)
def test_match_on_caller_and_port_is_decided_when_compiling(tmp_path, match, applies):
    http = f"{{name: a, match: [{{{match}}}], route: [{to('web')}]}}, {{name: b, route: [{to('api')}]}}"  # noqa: E501
    mesh = mesh_of(tmp_path, http, scope=Scope(labels={"app": "me"}))
    assert names(mesh) == (["a"] if applies else ["b"])


def test_route_slot_follows_the_rule_when_rules_move(tmp_path):
    a = f"{{name: a, match: [{{uri: {{exact: /a}}}}], route: [{to('web', 'v1')}]}}"
    b = f"{{name: b, match: [{{uri: {{exact: /b}}}}], route: [{to('web', 'v2')}]}}"
    mesh = mesh_of(tmp_path, f"{a}, {b}")
    before = {route["name"]: route["slot"] for route in mesh.routes()}
    mesh.write(*BASE, virtual_service("vs", "web", f"{b}, {a}"))
    assert {route["name"]: route["slot"] for route in mesh.routes()} == before


def test_origin_of_a_route_names_object_file_and_line(tmp_path):
    mesh = mesh_of(tmp_path, f"{{route: [{to('web', 'v1')}]}}")
    (route,) = mesh.routes()
    origin = mesh.builder.origins.route(route)
    assert str(origin.key) == "VirtualService default/vs"
    assert mesh.path.read_text().splitlines()[origin.line - 1].startswith("spec: {hosts: [web]")
    cluster = mesh.cluster(f"outbound|80|v1|{WEB}")
    assert [str(item.key) for item in mesh.builder.origins.cluster(cluster)] == [
        "DestinationRule default/web"
    ]
    assert mesh.builder.origins.service(cluster).key.name == "web"


@pytest.mark.parametrize(("value", "upgrades"), [("off", False), ("on", True), ("no", True)])
def test_annotation_turns_upgrades_of_a_virtual_service_off(tmp_path, value, upgrades):
    text = virtual_service("vs", "web", f"{{route: [{to('web')}]}}")
    named = "metadata: {name: vs"
    assert named in text
    annotations = f'annotations: {{meshproxy.io/upgrade: "{value}"}}'
    mesh = Mesh(tmp_path, *BASE, text.replace(named, f"metadata: {{{annotations}, name: vs"))
    (route,) = mesh.routes()
    assert route.get("upgrades", True) is upgrades
