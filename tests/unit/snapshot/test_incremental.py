"""Step by step gives what all at once gives, and every update leads there."""

from __future__ import annotations

import itertools
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
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
from property.profile import bounded

from meshproxy.discovery.resolution import Resolution
from meshproxy.snapshot import delta

SLICE = """\
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: {name}, namespace: default, labels: {{kubernetes.io/service-name: {service}}}}}
addressType: IPv4
ports: [{{name: http, port: 8080}}]
endpoints: [{{addresses: [{address}], targetRef: {{kind: Pod, name: {pod}}}}}]
"""

DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata: {{name: d, namespace: default}}
spec: {{template: {{metadata: {{labels: {{app: {}, version: v2}}}}}}}}
"""

SUBSETS = "subsets: [{name: v1, labels: {version: v1}}, {name: v2, labels: {version: v2}}]"
EJECT = (
    "trafficPolicy: {outlierDetection: {maxEjectionPercent: 50}, retryBudget: {percent: 10},"
    " portLevelSettings: [{port: {number: 81}, loadBalancer: {simple: RANDOM}}]}"
)
HASH = "trafficPolicy: {loadBalancer: {consistentHash: {httpHeaderName: x-user}}}"
HTTP = "ports: [{number: 80, name: http, protocol: HTTP}]"
SELECT = "workloadSelector: {labels: {app: vm}}"
NAMES = (
    "ext.com", "other.com", "vm.test",
    *(f"{name}.default.svc.cluster.local" for name in ("a", "b", "x1", "x2")),
)  # fmt: skip
RESOLUTIONS = (
    Resolution(("10.9.0.2", "10.9.0.1")), Resolution(("10.9.0.3",)), Resolution((), "gone"),
    Resolution(("10.9.0.1",), "no answer"),
)  # fmt: skip

# Each object in its versions; the empty one means that it is absent.
VERSIONS: list[list[str]] = [
    ["", service("a"), service("a", "{name: tcp, port: 80}"),
     service("a", "{name: http, port: 81}"), service("a", more=", clusterIP: 10.1.1.1")],
    ["", service("b"), service("b", "{name: http, port: 80}, {name: http-x, port: 81}")],
    ["", service("c", ns="other")],
    ["", pod("p1", "a", "10.0.0.1"), pod("p1", "b", "10.0.0.1"), pod("p1", "a", "10.0.0.9", "v2"),
     pod("p1", "a", "10.0.0.1", ready="False")],
    ["", pod("p2", "a", "10.0.0.2", "v2"), pod("p2", "b", "10.0.0.2")],
    ["", SLICE.format(name="s1", service="a", address="10.2.0.1", pod="p1"),
     SLICE.format(name="s1", service="b", address="10.2.0.1", pod="p2")],
    ["", SLICE.format(name="s2", service="a", address="10.2.0.2", pod="p1")],
    ["", destination_rule("a", f"host: a, {SUBSETS}"), destination_rule("a", f"host: a, {HASH}"),
     destination_rule("a", f"host: b, {SUBSETS}, {HASH}"),
     destination_rule("a", f"host: a, {SUBSETS}, {EJECT}")],
    ["", destination_rule("also", f"host: a, {EJECT}"),
     destination_rule("also", "host: a.default.svc.cluster.local", ns="other"),
     destination_rule("also", f"host: x1, {HASH}")],
    ["", destination_rule("wide", f"host: '*.svc.cluster.local', {SUBSETS}"),
     destination_rule("wide", f"host: '*.default.svc.cluster.local', {HASH}")],
    ["", virtual_service("r", "a", f"{{route: [{to('a', 'v1', 9)}, {to('b', '', 1)}]}}"),
     virtual_service("r", "a, ext.com",
                     f"{{match: [{{port: 81}}, {{port: 80}}], route: [{to('b')}]}}"),
     virtual_service("r", "b", f"{{route: [{to('a', 'v2')}]}}")],
    ["", virtual_service("w", "'*.svc.cluster.local'", f"{{route: [{to('a')}]}}"),
     virtual_service("w", "a", f"{{route: [{to('b')}]}}"),
     virtual_service("w", "ext.com, '*'", f"{{route: [{to('c.other.svc.cluster.local')}]}}")],
    ["", DEPLOYMENT.format("a"), DEPLOYMENT.format("b")],
    ["", service_entry("e1", f"hosts: [ext.com, other.com], {HTTP}, resolution: DNS"),
     service_entry("e1", f"hosts: [ext.com], {HTTP}, resolution: NONE"),
     service_entry("e1", f"hosts: [a.default.svc.cluster.local], {HTTP}, resolution: DNS"),
     service_entry("e1", f"hosts: [ext.com], {HTTP}, resolution: STATIC, {SELECT}")],
    ["", service_entry("e2", f"hosts: [ext.com], {HTTP}, resolution: DNS, {SELECT}", "default",
                       ', creationTimestamp: "2020-01-01T00:00:00Z"'),
     service_entry("e2", f"hosts: ['*.com'], {HTTP}, resolution: DNS_ROUND_ROBIN,"
                   " endpoints: [{address: other.com}], exportTo: ['.']"),
     service_entry("e2", f"hosts: [ext.com], {HTTP}, resolution: DNS", "other")],
    ["", workload_entry("w1", "address: vm.test"), workload_entry("w1", "address: 10.0.0.7"),
     workload_entry("w1", "address: vm.test", "app: a, version: v1")],
    ["", external_name("x1", "ext.com"), external_name("x1", "x2.default.svc.cluster.local"),
     external_name("x1", "a.default.svc.cluster.local")],
    ["", external_name("x2", "x1.default.svc.cluster.local"),
     external_name("x2", "b.default.svc.cluster.local"), service("x2")],
]  # fmt: skip

states = st.tuples(*(st.integers(0, len(versions) - 1) for versions in VERSIONS))


def texts(state: tuple[int, ...]) -> list[str]:
    chosen = (versions[index] for versions, index in zip(VERSIONS, state, strict=True))
    return [text for text in chosen if text]


def verdicts(mesh: Mesh) -> list[tuple[str, str, str, str]]:
    found = mesh.builder.problems()
    return sorted((item.code, item.object, item.path, item.message) for item in found)


def by_name(snapshot: Any) -> dict[str, Any]:
    """A snapshot without ids, slots and generation."""
    hosts = {item["id"]: item["name"] for item in snapshot["virtual_hosts"].values()}
    clusters = {}
    for item in snapshot["clusters"].values():
        endpoints = [{**endpoint, "slot": None} for endpoint in item["endpoints"]]
        clusters[item["name"]] = {**item, "id": None, "endpoints": endpoints}
    names = {item["id"]: item["name"] for item in snapshot["clusters"].values()}
    names[-1] = None
    virtual_hosts = {}
    for item in snapshot["virtual_hosts"].values():
        virtual_hosts[item["name"]] = [
            {
                **route,
                "slot": None,
                "clusters": [(names[key], weight) for key, weight in route["clusters"]],
            }
            for route in item["routes"]
        ]
    domains = {
        item["domain"]: (
            {port: hosts[key] for port, key in item["ports"].items()},
            hosts.get(item["default"]),
        )
        for item in snapshot["domains"]
    }
    return {"clusters": clusters, "hosts": virtual_hosts, "domains": domains}


def check_ids(snapshot: Any) -> None:
    slots = [
        endpoint["slot"]
        for item in snapshot["clusters"].values()
        for endpoint in item["endpoints"]
    ]
    assert len(slots) == len(set(slots))
    assert all(key == item["id"] for key, item in snapshot["clusters"].items())
    assert all(key == item["id"] for key, item in snapshot["virtual_hosts"].items())
    routes: dict[int, set[tuple]] = {}
    for item in snapshot["virtual_hosts"].values():
        for route in item["routes"]:
            rule = (item["name"], route["virtual_service"], route["rule"])
            routes.setdefault(route["slot"], set()).add(rule)
    assert all(len(rules) == 1 for rules in routes.values())


answers = st.dictionaries(st.sampled_from(NAMES), st.sampled_from(RESOLUTIONS))


def known(mesh: Mesh, answer: dict[str, Resolution]) -> dict[str, Resolution]:
    """What a proxy would report: names that are looked up, and no others."""
    return {name: answer[name] for name in mesh.builder.names & answer.keys()}


@bounded(80)
@given(
    steps=st.lists(st.tuples(states, answers), min_size=2, max_size=6),
    last=st.fixed_dictionaries({name: st.sampled_from(RESOLUTIONS) for name in NAMES}),
)
def test_step_by_step_equals_at_once_and_updates_lead_there(steps, last):
    with tempfile.TemporaryDirectory() as folder:
        mesh = Mesh(Path(folder))
        held = mesh.builder.snapshot
        for state, answer in steps:
            for change in (
                lambda state=state: mesh.write(*texts(state)),
                lambda answer=answer: mesh.builder.resolve(known(mesh, answer))[0],
            ):
                before = held
                frozen = repr(before)
                update = change()
                whole = mesh.builder.snapshot
                assert repr(before) == frozen, "a snapshot given out was changed"
                held = held if update is None else delta.apply(held, update)
                assert held == whole
                check_ids(whole)
        fresh_folder = Path(folder) / "fresh"
        fresh_folder.mkdir()
        fresh = Mesh(fresh_folder, *texts(steps[-1][0]))
        assert mesh.builder.names == fresh.builder.names <= set(NAMES)
        for each in (mesh, fresh):
            each.builder.resolve(known(each, last))
        assert by_name(mesh.builder.snapshot) == by_name(fresh.builder.snapshot)
        assert verdicts(mesh) == verdicts(fresh)


def test_same_name_keeps_its_ids_while_others_come_and_go(tmp_path):
    mesh = Mesh(tmp_path, service("a"), pod("p1", "a", "10.0.0.1"), pod("p2", "a", "10.0.0.2"))
    name = "outbound|80||a.default.svc.cluster.local"
    before = mesh.cluster(name)
    for number in range(5):
        mesh.write(service("a"), service(f"x{number}"), pod("p2", "a", "10.0.0.2"))
        after = mesh.cluster(name)
        assert after["id"] == before["id"]
        assert after["endpoints"][0]["slot"] == before["endpoints"][1]["slot"]


def test_one_endpoint_change_updates_one_cluster_only(tmp_path):
    services = [service(f"s{i}") for i in range(50)]
    pods = [pod(f"p{i}", f"s{i}", f"10.0.0.{i}") for i in range(50)]
    mesh = Mesh(tmp_path, *services, *pods)
    untouched = mesh.builder.snapshot
    pods[7] = pod("p7", "s7", "10.0.9.9")
    update = mesh.write(*services, *pods)
    assert [item["name"] for item in update["clusters"].values()] == [
        "outbound|80||s7.default.svc.cluster.local"
    ]
    assert (update["virtual_hosts"], update["domains"], update["listeners"]) == ({}, None, None)
    assert (update["generation"], update["full"]) == (untouched["generation"] + 1, False)


def test_rewriting_the_same_text_changes_nothing(tmp_path):
    mesh = Mesh(tmp_path, service("a"), pod("p", "a", "10.0.0.1"))
    before = mesh.builder.snapshot
    assert mesh.write(service("a"), pod("p", "a", "10.0.0.1")) is None
    assert mesh.write("# a comment\n" + service("a"), pod("p", "a", "10.0.0.1")) is None
    assert mesh.builder.snapshot is before


def test_rejected_object_keeps_routing_by_its_last_good_version(tmp_path):
    good = virtual_service("r", "a", f"{{name: good, route: [{to('a')}]}}")
    bad = virtual_service("r", "a", f"{{name: bad, route: [{to('a')}], timeout: soon}}")
    base = (service("a"), pod("p", "a", "10.0.0.1"))
    mesh = Mesh(tmp_path, *base, good)
    update = mesh.write(*base, bad, service("b"), pod("q", "b", "10.0.0.2"))
    assert mesh.routes("a.default.svc.cluster.local:80")[0]["name"] == "good"
    assert [item["name"] for item in update["virtual_hosts"].values()] == [
        "b.default.svc.cluster.local:80"
    ]
    assert mesh.codes == ["MP402", "MP113"]
    assert mesh.builder.rejected_count == 1
    verdicts = {str(key): verdict for key, verdict in mesh.builder.verdicts().items()}
    assert verdicts["VirtualService default/r"] == "rejected"
    assert verdicts["Service default/a"] == "accepted"
    mesh.write(*base, bad.replace("soon", "5s"))
    assert mesh.routes("a.default.svc.cluster.local:80")[0]["name"] == "bad"
    assert mesh.codes == [] and mesh.builder.rejected_count == 0


def test_all_orders_of_files_give_the_same_snapshot(tmp_path):
    routes = texts(tuple(int(index == 9) for index in range(len(VERSIONS))))
    documents = [service("a"), pod("p", "a", "10.0.0.1"), *routes]
    seen = []
    for number, order in enumerate(itertools.permutations(documents)):
        folder = tmp_path / str(number)
        folder.mkdir()
        seen.append(Mesh(folder, *order).builder.snapshot)
    assert all(item == seen[0] for item in seen)
