"""tcp rules: which of them takes the connections to a service port, and where they go."""

from __future__ import annotations

from typing import Any

import pytest
from mesh_text import ISTIO, Mesh, destination_rule, pod, service

from meshproxy.listen import Address, ListenSpec
from meshproxy.snapshot.scope import Scope

DB = "db.default.svc.cluster.local"
PORTS = "{name: tcp-a, port: 5432}, {name: tcp-b, port: 5433}, {name: https, port: 443}"
BASE = (
    service("db", PORTS, ", clusterIP: 10.1.2.3"),
    pod("db-1", "db", "10.9.0.1", "v1"),
    pod("db-2", "db", "10.9.0.2", "v2"),
    service("web"),
    destination_rule(
        "db",
        "host: db,"
        " subsets: [{name: v1, labels: {version: v1}}, {name: v2, labels: {version: v2}}]",
    ),
)
ANYWHERE = Address("127.0.0.1", 0)
SCOPE = Scope(labels={"app": "me"})


def rules(tcp: str, name: str = "db", hosts: str = "db", more: str = "", created: str = "") -> str:
    stamp = f', creationTimestamp: "{created}"' if created else ""
    return (
        f"{ISTIO}kind: VirtualService\nmetadata: {{name: {name}{stamp}}}\n"
        f"spec: {{hosts: [{hosts}], tcp: [{tcp}]{more}}}\n"
    )


def to(subset: str, match: str = "") -> str:
    arm = f"{{destination: {{host: db, subset: {subset}}}}}"
    return f"{{{f'match: [{match}], ' if match else ''}route: [{arm}]}}"


def listening(tmp_path: Any, *documents: str, port: int = 5432, **binding: Any) -> dict[str, Any]:
    listen = ListenSpec(ANYWHERE, **{"service": "db", "service_port": port, **binding})
    mesh = Mesh(tmp_path, *BASE, *documents, listeners=[listen], scope=SCOPE)
    (made,) = mesh.builder.snapshot["listeners"]
    assert made["protocol"] == "tcp"
    return dict(made)


def goes_to(tmp_path: Any, *documents: str, **more: Any) -> str:
    """The subset that the only cluster of the listener is; "" = the whole service."""
    (name,) = listening(tmp_path, *documents, **more)["cluster_names"]
    return name.split("|")[2]


@pytest.mark.parametrize(
    ("match", "holds"),
    [
        ("{}", True),
        ("{port: 5432}", True),
        ("{port: 5433}", False),
        ("{port: 5433}, {port: 5432}", True),
        ("{sourceLabels: {app: me}}", True),
        ("{sourceLabels: {app: other}}", False),
        ("{sourceNamespace: default}", True),
        ("{sourceNamespace: shop}", False),
        ("{gateways: [mesh]}", True),
        ("{gateways: [mesh, edge]}", True),
        ("{gateways: [edge]}", False),
        # unlike http, gateways do not switch the others off
        ("{gateways: [mesh], sourceLabels: {app: other}}", False),
        ("{destinationSubnets: [10.1.2.3]}", True),
        ("{destinationSubnets: [192.168.0.0/16, 10.1.0.0/16]}", True),
        ("{destinationSubnets: [10.2.0.0/16]}", False),
        ("{destinationSubnets: [10.1.0.0/16], port: 5433}", False),
        ('{destinationSubnets: ["fd00::/8"]}', False),
    ],
)
def test_rule_applies_when_all_of_a_match_holds(tmp_path, match, holds):
    assert goes_to(tmp_path, rules(to("v1", match))) == ("v1" if holds else "")


@pytest.mark.parametrize(
    ("tcp", "subset"),
    [
        ((to("v1"), to("v2")), "v1"),
        ((to("v1", "{port: 1}"), to("v2")), "v2"),
        ((to("v2", "{port: 5432}"), to("v1", "{port: 5432}")), "v2"),
        # the longest subnet wins whatever the order; of equals the first
        ((to("v1", "{destinationSubnets: [10.0.0.0/8]}"),
          to("v2", "{destinationSubnets: [10.1.0.0/16]}")), "v2"),
        ((to("v1", "{destinationSubnets: [10.0.0.0/8]}"),
          to("v2", "{destinationSubnets: [10.0.0.0/8]}")), "v1"),
        # a subnet comes before a rule without, but only if it stands earlier
        ((to("v1", "{destinationSubnets: [10.0.0.0/8]}"), to("v2")), "v1"),
        ((to("v2"), to("v1", "{destinationSubnets: [10.0.0.0/8]}")), "v2"),
    ],
)  # fmt: skip
def test_first_rule_wins_and_the_longest_subnet_before_it(tmp_path, tcp, subset):
    assert goes_to(tmp_path, rules(", ".join(tcp))) == subset


def test_rules_of_all_virtual_services_of_a_host_count_oldest_first(tmp_path):
    young = rules(to("v1"), "young", created="2025-01-02T00:00:00Z")
    old = rules(to("v2", "{port: 5433}"), "old", created="2025-01-01T00:00:00Z")
    wide = rules(to("v2"), "wide", '"*.svc.cluster.local"', created="2025-01-03T00:00:00Z")
    assert goes_to(tmp_path, young, old, wide) == "v1"
    assert goes_to(tmp_path, young, old, wide, port=5433) == "v2"


@pytest.mark.parametrize(
    ("documents", "more"),
    [
        ((rules(to("v1"), more=", gateways: [edge]"),), {}),
        ((rules(to("v1"), more=", exportTo: [shop]"),), {}),
        ((rules(to("v1"), hosts="other"),), {}),
        ((rules(to("v1")),), {"port": 443}),  # tls rules are for these
    ],
)
def test_rules_of_others_leave_the_service_as_it_is(tmp_path, documents, more):
    made = listening(tmp_path, *documents, **more)
    assert made["cluster_names"] == [f"outbound|{more.get('port', 5432)}||{DB}"]
    assert "virtual_service" not in made


def test_split_has_a_cursor_of_its_own_that_stays(tmp_path):
    split = (
        "{route: [{destination: {host: db, subset: v1}, weight: 99},"
        " {destination: {host: db, subset: v2}, weight: 1},"
        " {destination: {host: db}, weight: 0}]}"
    )
    ports = ((5432, False), (5432, True), (5433, False))
    listen = [ListenSpec(ANYWHERE, "db", port, is_forced) for port, is_forced in ports]
    mesh = Mesh(tmp_path, *BASE, rules(split), listeners=listen)
    first, second, other = mesh.builder.snapshot["listeners"]
    ids = [mesh.cluster(f"outbound|5432|{subset}|{DB}")["id"] for subset in ("v1", "v2")]
    assert first["clusters"] == [(ids[0], 99), (ids[1], 1)]
    assert (first["virtual_service"], first["rule"]) == ("default/db", 0)
    assert first["slot"] == second["slot"] != other["slot"]
    web = [route["slot"] for route in mesh.routes()]
    assert first["slot"] not in web
    mesh.write(*BASE, rules(to("v1", "{port: 1}") + ", " + split))
    after = mesh.builder.snapshot["listeners"][0]
    assert (after["slot"], after["rule"]) == (first["slot"], 1)


def test_unknown_destination_has_no_cluster_and_a_verdict(tmp_path):
    text = rules("{route: [{destination: {host: absent}}]}")
    made = listening(tmp_path, text)
    assert (made["cluster"], made["rule"]) == (-1, 0)
    mesh = Mesh(tmp_path, *BASE, text)
    (problem,) = [item for item in mesh.problems if item.code == "MP201"]
    assert problem.path == "spec.tcp[0].route[0].destination.host"


def test_destination_without_port_keeps_the_port_of_the_listener(tmp_path):
    made = listening(tmp_path, rules("{route: [{destination: {host: web}}]}"))
    assert made["cluster_names"] == ["outbound|80||web.default.svc.cluster.local"]  # its only one
    made = listening(tmp_path, rules(to("v1")), port=5433)
    assert made["cluster_names"] == [f"outbound|5433|v1|{DB}"]


def test_forced_tcp_listener_of_an_http_port_follows_tcp_rules(tmp_path):
    text = rules("{route: [{destination: {host: db, port: {number: 5433}}}]}", hosts="web")
    made = listening(tmp_path, text, port=80, service="web", force_tcp=True)
    assert made["cluster_names"] == [f"outbound|5433||{DB}"]


@pytest.mark.parametrize(
    ("text", "code", "path"),
    [
        (rules(to("v1", "{gateways: [edge]}")), "MP310", "spec.tcp[0].match[0].gateways"),
        (rules(to("v1", "{sourceNamespace: shop}")), "MP310",
         "spec.tcp[0].match[0].sourceNamespace"),
        (rules(to("v1", "{gateways: [mesh], sourceLabels: {app: other}}")), "MP310",
         "spec.tcp[0].match[0].sourceLabels"),
        (rules(to("v1", "{destinationSubnets: [10.2.0.0/16]}")), "MP310",
         "spec.tcp[0].match[0].destinationSubnets"),
        (rules(to("v1"), hosts="web"), "MP315", "spec.tcp"),
        (rules("", more=", http: [{route: [{destination: {host: db}}]}]"), "MP315", "spec.http"),
        (rules("", more=", tls: [{match: [{sniHosts: [db], gateways: [edge]}],"
               " route: [{destination: {host: db}}]}]"), "MP310",
         "spec.tls[0].match[0].gateways"),
        (rules(to("v1"), more=", gateways: [edge]"), "MP308", "spec.gateways[0]"),
        (destination_rule("d2", "host: db, trafficPolicy:"
                          " {loadBalancer: {consistentHash: {httpHeaderName: x}}}"), "MP315",
         "spec.trafficPolicy.loadBalancer.consistentHash"),
        (service("kept", more=", sessionAffinity: ClientIP"), "MP315", "spec.sessionAffinity"),
    ],
)  # fmt: skip
def test_what_cannot_apply_here_has_a_verdict(tmp_path, text, code, path):
    mesh = Mesh(tmp_path, *BASE, text, scope=SCOPE)
    found = [(item.code, item.path) for item in mesh.problems if item.code in ("MP308", code)]
    assert found == [(code, path)]


def test_second_virtual_service_with_tcp_rules_alone_is_not_a_rival(tmp_path):
    mesh = Mesh(tmp_path, *BASE, rules(to("v1")), rules(to("v2", "{port: 5433}"), "more"))
    assert "MP304" not in mesh.codes
