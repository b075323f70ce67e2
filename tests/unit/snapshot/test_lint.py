"""What Kubernetes and `istioctl analyze` would say of an object that no other test is about."""

from __future__ import annotations

import pytest
from mesh_text import Mesh, destination_rule, pod, service, to, virtual_service

WEB = (service("web"), pod("p", "web", "10.0.0.1"))
RULE = f"{{route: [{to('web')}]}}"


def service_of(spec: str) -> str:
    return f"apiVersion: v1\nkind: Service\nmetadata: {{name: api}}\nspec: {{{spec}}}\n"


def slice_of(more: str = "", port: str = "http", address: str = "10.0.0.9") -> str:
    return (
        "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n"
        f"metadata: {{name: s{more}}}\naddressType: {'FQDN' if address == 'a.b' else 'IPv4'}\n"
        f"ports: [{{name: {port}, port: 8080}}]\nendpoints: [{{addresses: [{address}]}}]\n"
    )


OF_WEB = ", labels: {kubernetes.io/service-name: web}"
SELECTS = "selector: {app: web}, ports: "
CASES = [
    (service_of(SELECTS + "[{name: http, port: 80}, {name: http, port: 81}]"),
     "error MP311", "spec.ports[1].name"),
    (service_of(SELECTS + "[{name: http, port: 80}, {name: http-b, port: 80}]"),
     "error MP311", "spec.ports[1].port"),
    (service_of(SELECTS + "[{name: http, port: 80}, {port: 81, appProtocol: http}]"),
     "warning MP103", "spec.ports[1].name"),
    (service_of(SELECTS + "[{name: dns, port: 53, protocol: UDP}]"),
     "info MP327", "spec.ports[0].protocol"),
    (service_of("selector: {app: web}"), "warning MP103", "spec.ports"),
    (service_of("type: ExternalName, ports: [{name: http, port: 80}]"),
     "error MP103", "spec.externalName"),
    (service_of("ports: [{name: http, port: 80}]"), "warning MP207", "spec"),
    (service_of(SELECTS + "[{name: web, port: 80}]"), "info MP325", "spec.ports[0]"),
    (slice_of(), "warning MP103", "metadata.labels"),
    (slice_of(OF_WEB, address="a.b"), "warning MP327", "addressType"),
    (slice_of(OF_WEB, address="web-1"), "warning MP406", "endpoints[0].addresses[0]"),
    (slice_of(OF_WEB, port="htp"), "warning MP207", "spec.ports[0]"),
    (virtual_service("v", "web, web.default.svc.cluster.local", RULE),
     "warning MP311", "spec.hosts[1]"),
    (virtual_service("v", "a.1", RULE), "error MP115", "spec.hosts[0]"),
    (virtual_service("v", "web", f"{{match: [{{port: 81}}], route: [{to('web')}]}}"),
     "warning MP310", "spec.http[0].match[0].port"),
    (destination_rule("d", "host: web, exportTo: ['A_']"), "error MP104", "spec.exportTo[0]"),
    (destination_rule("d", "host: web, workloadSelector: {matchLabels: {a: b}}, exportTo: [x]"),
     "error MP111", "spec.exportTo"),
    (destination_rule("d", "host: web, trafficPolicy: {portLevelSettings: [{port: {number: 81},"
     " loadBalancer: {simple: RANDOM}}]}"),
     "warning MP315", "spec.trafficPolicy.portLevelSettings[0].port.number"),
    (destination_rule("d", "host: web, subsets: [{name: a, trafficPolicy: {outlierDetection: "
     "{maxEjectionPercent: 99}}}]"),
     "warning MP322", "spec.subsets[0].trafficPolicy.outlierDetection"),
    (destination_rule("d", "host: web.default.svc.cluster.local", ns="elsewhere"),
     "warning MP324", "metadata.namespace"),
    (service_of("type: ExternalName, externalName: web.default.svc.cluster.local,"
                " ports: [{name: http, port: 80}]") + "---\n" + destination_rule("d", "host: api"),
     "warning MP324", "spec.host"),
]  # fmt: skip


@pytest.mark.parametrize(("document", "verdict", "path"), CASES)
def test_doubtful_object_gets_its_verdict_and_no_other(tmp_path, document, verdict, path):
    mesh = Mesh(tmp_path, *WEB, document)
    assert [(f"{item.severity} {item.code}", item.path) for item in mesh.problems] == [
        (verdict, path)
    ]


def test_ejection_of_one_in_ten_is_possible(tmp_path):
    pods = [pod(f"p{i}", "web", f"10.0.1.{i}") for i in range(10)]
    rule = destination_rule("d", "host: web, trafficPolicy: {outlierDetection: {interval: 1s}}")
    mesh = Mesh(tmp_path, service("web"), *pods, rule)
    assert mesh.codes == []
    mesh.write(service("web"), *pods[1:], rule)
    assert mesh.codes == ["MP322"]


def test_rule_that_comes_into_use_loses_its_verdict(tmp_path):
    first = destination_rule("a", "host: web, trafficPolicy: {loadBalancer: {simple: RANDOM}}")
    second = destination_rule("b", "host: web, trafficPolicy: {loadBalancer: {simple: RANDOM}}")
    mesh = Mesh(tmp_path, *WEB, first, second)
    assert [(item.code, item.object) for item in mesh.problems] == [
        ("MP324", "DestinationRule default/b")
    ]
    mesh.write(*WEB, second)
    assert mesh.codes == []


@pytest.mark.parametrize(
    ("rules", "policy", "expected"),
    [
        (RULE, "", ("spec.http[0]", "a fifth of the requests")),
        (RULE, "trafficPolicy: {retryBudget: {percent: 20}}", ("spec.http[0]", "a POST is not")),
        (f"{{retries: {{attempts: 0}}, route: [{to('web')}]}}, {RULE}, {RULE}", "",
         ("spec.http[1]", "(and for 1 more rule)")),
        (f"{{retries: {{attempts: 3}}, route: [{to('web')}]}}", "",
         ("spec.http[0].retries", "no maxRetries or retryBudget is set")),
        (f"{{retries: {{attempts: 3}}, route: [{to('web')}]}}",
         "trafficPolicy: {connectionPool: {http: {maxRetries: 3}}}", None),
        ("{redirect: {uri: /a}}", "", None),
    ],
)  # fmt: skip
def test_default_that_differs_from_istios_is_told_once(tmp_path, rules, policy, expected):
    more = [destination_rule("d", f"host: web, {policy}")] if policy else []
    mesh = Mesh(tmp_path, *WEB, virtual_service("v", "web", rules), *more)
    found = [item for item in mesh.builder.problems() if item.code == "MP316"]
    assert [item.path for item in found] == ([expected[0]] if expected else [])
    assert all(expected[1] in item.message for item in found)
