"""One object at a time: unknown fields, types, own rules, each with code and place."""

from __future__ import annotations

import textwrap

import pytest

from meshproxy.config.admission import MAX_PROBLEMS, admit
from meshproxy.config.document import parse

SERVICE = """\
apiVersion: v1
kind: Service
metadata:
  name: nginx
spec:
  selector: {app: nginx}
  ports:
  - port: 80
"""

VIRTUAL_SERVICE = """\
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: nginx
spec:
  hosts: [nginx]
  http:
  - route:
    - destination:
        host: nginx
"""


def judge(text: str):
    documents = parse(textwrap.dedent(text))
    results = [admit(document, "f.yaml", 0, "default") for document in documents]
    assert len(results) == 1
    return results[0]


def codes(result):
    return [problem.code for problem in result.problems]


def annotated(annotation: str) -> str:
    return VIRTUAL_SERVICE.replace("metadata:", f"metadata:\n  annotations: {{{annotation}}}", 1)


def rule(text: str) -> str:
    """A VirtualService with one http rule."""
    return (
        VIRTUAL_SERVICE.split("  http:")[0]
        + "  http:\n"
        + textwrap.indent(textwrap.dedent(text), "  ")
    )


@pytest.mark.parametrize("version", ["v1", "v1beta1", "v1alpha3"])
def test_virtual_service_in_each_version_is_accepted(version):
    result = judge(VIRTUAL_SERVICE.replace("io/v1", f"io/{version}"))
    assert not result.problems
    assert result.resources[0].key == ("VirtualService", "default", "nginx")


def test_unknown_field_in_istio_rejects_with_a_hint_and_place():
    result = judge(VIRTUAL_SERVICE.replace("host: nginx\n", "host: nginx\n      weigth: 5\n"))
    (problem,) = result.problems
    assert (problem.code, problem.severity, problem.line) == ("MP101", "error", 11)
    assert problem.path == "spec.http[0].route[0].weigth"
    assert problem.object == "VirtualService default/nginx"
    assert 'did you mean "weight"?' in problem.message
    assert result.rejected and not result.resources


def test_unknown_field_in_kubernetes_is_a_warning():
    result = judge(SERVICE + "  prots: []\n")
    assert [(item.code, item.severity) for item in result.problems] == [("MP101", "warning")]
    assert result.resources


@pytest.mark.parametrize(
    ("field", "code", "line"), [("port: true", "MP102", 8), ("port: 80\n  - port: 80", "MP311", 9)]
)
def test_error_behind_many_warnings_is_reported_and_rejects(field, code, line):
    unknown = "".join(f"  field{n}: 1\n" for n in range(3 * MAX_PROBLEMS))
    result = judge(SERVICE.replace("port: 80", field) + unknown)
    assert len(result.problems) == MAX_PROBLEMS
    first = result.problems[0]
    assert (first.code, first.severity, first.line) == (code, "error", line)
    assert result.rejected and not result.resources


def test_pending_field_warns_by_name_and_keeps_the_object():
    tls = "  tls: [{match: [{sniHosts: [nginx]}], route: [{destination: {host: nginx}}]}]\n"
    result = judge(VIRTUAL_SERVICE + tls)
    assert [(item.code, item.path) for item in result.problems] == [("MP105", "spec.tls")]
    assert result.resources


def test_pending_field_with_its_harmless_value_is_silent():
    assert not judge(SERVICE + "  internalTrafficPolicy: Cluster\n").problems
    assert codes(judge(SERVICE + "  internalTrafficPolicy: Local\n")) == ["MP105"]


def test_ordinary_kubernetes_fields_are_silent():
    text = SERVICE.replace("  name: nginx\n", "  name: nginx\n  annotations: {a: b}\n  uid: x\n")
    assert not judge(text + "  ipFamilies: [IPv4]\nstatus: {loadBalancer: {}}\n").problems


def test_all_problems_of_an_object_are_reported_at_once():
    result = judge(SERVICE.replace("port: 80", "port: '80'\n    targetPort: 0\n    nmae: x"))
    assert sorted(codes(result)) == ["MP101", "MP102", "MP104"]


def test_label_written_as_number_is_read_as_written_with_a_warning():
    result = judge(SERVICE.replace("{app: nginx}", "{version: 1.10, on: yes}"))
    assert codes(result) == ["MP110", "MP110"]
    assert 'version: "1.10"' in result.problems[0].message
    assert result.resources[0].model.spec.selector == {"version": "1.10", "on": "yes"}


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("Sidecar", ["MP107"]),
        ("HTTPRoute", ["MP107"]),
        ("ConfigMap", []),
        ("StatefulSet", []),
        ("VirtualServce", ["MP106"]),
    ],
)
def test_kind_that_is_not_read_gets_the_right_verdict(kind, expected):
    result = judge(f"apiVersion: x/v1\nkind: {kind}\nmetadata: {{name: a}}\n")
    assert codes(result) == expected
    assert not result.resources


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("just text", "MP008"),
        ("[1, 2]", "MP008"),
        ("a: 1", "MP008"),
        (SERVICE.replace("v1", "v2"), "MP108"),
        (SERVICE.replace("  name: nginx\n", "  name: Bad_Name\n"), "MP109"),
        (SERVICE.replace("  name: nginx\n", "  labels: {}\n"), "MP109"),
        (SERVICE.replace("metadata:\n  name: nginx\n", "metadata: 3\n"), "MP109"),
        (SERVICE.replace("port: 80", "port: 80\n    port: 81"), "MP004"),
        (SERVICE.replace("port: 80", "port: 99999"), "MP104"),
        (SERVICE.replace("port: 80", "port: " + "9" * 4000), "MP102"),
        (SERVICE.replace("port: 80", "name: x"), "MP103"),
        (SERVICE.replace("port: 80", "port: 80\n    protocol: TPC"), "MP104"),
        (VIRTUAL_SERVICE.replace("hosts: [nginx]", "gateways: [mesh]"), "MP103"),
        (VIRTUAL_SERVICE.replace("[nginx]", "['a b']"), "MP115"),
        (VIRTUAL_SERVICE.replace("host: nginx", "host: '*'"), "MP115"),
        (VIRTUAL_SERVICE.replace("host: nginx", "subset: v1"), "MP103"),
        (rule("- match: [{uri: {prefix: /}}]"), "MP103"),
        (rule("- match: [{uri: {prefix: /, exact: /}}]\n  route: [{destination: {host: a}}]"),
         "MP111"),
        (rule("- match: [{headers: {a: {regex: '('}}}]\n  route: [{destination: {host: a}}]"),
         "MP112"),
        (rule("- match: [{headers: {a: null}}]\n  route: [{destination: {host: a}}]"), "MP102"),
        (rule("- match: [{headers: {a: {prefix: ''}}}]\n  route: [{destination: {host: a}}]"),
         "MP104"),
        (rule("- timeout: 5\n  route: [{destination: {host: a}}]"), "MP113"),
        (rule("- route: [{destination: {host: a}, weight: -1}]"), "MP302"),
        (rule("- route: [{destination: {host: a}}, {destination: {host: b}, weight: 0}]"),
         "MP301"),
    ],
)  # fmt: skip
def test_object_that_cannot_work_is_rejected_with_one_code(text, code):
    result = judge(text)
    assert codes(result) == [code]
    assert result.problems[0].severity == "error"
    assert result.problems[0].line >= 1
    assert not result.resources


@pytest.mark.parametrize(
    ("text", "code", "path"),
    [
        (VIRTUAL_SERVICE.replace("[nginx]", "['nginx:80']"), "MP305", "spec.hosts[0]"),
        (VIRTUAL_SERVICE.replace("[nginx]", "['*']"), "MP307", "spec.hosts[0]"),
        (VIRTUAL_SERVICE + "  gateways: [web]\n", "MP308", "spec.gateways[0]"),
        (VIRTUAL_SERVICE + "  - route: [{destination: {host: b}}]\n", "MP303", "spec.http[1]"),
        (rule("- match: [{uri: {prefix: /}}, {uri: {exact: /a}}]\n"
              "  route: [{destination: {host: a}}]"), "MP303", "spec.http[0].match[1]"),
        (annotated("meshproxy.io/upgrade: 'no'"), "MP315",
         'metadata.annotations["meshproxy.io/upgrade"]'),
        (annotated("meshproxy.io/upgrades: 'off'"), "MP315",
         'metadata.annotations["meshproxy.io/upgrades"]'),
    ],
)  # fmt: skip
def test_doubtful_object_is_accepted_with_a_warning(text, code, path):
    result = judge(text)
    assert (code, path) in [(item.code, item.path) for item in result.problems]
    assert all(item.severity == "warning" for item in result.problems)
    assert result.resources


def test_list_gives_each_item_its_own_verdict():
    items = textwrap.indent(SERVICE, "  ").replace("  apiVersion", "- apiVersion", 1)
    bad = items.replace("nginx", "other").replace("port: 80", "port: x")
    result = judge(f"apiVersion: v1\nkind: List\nitems:\n{items}{bad}")
    assert [item.key.name for item in result.resources] == ["nginx"]
    (problem,) = result.problems
    assert problem.object == "Service default/other"
    assert problem.path == "spec.ports[0].port"
    assert problem.line == 19


def test_subset_and_policy_rules_of_a_destination_rule():
    text = """\
    apiVersion: networking.istio.io/v1
    kind: DestinationRule
    metadata: {name: a}
    spec:
      host: a
      trafficPolicy:
        loadBalancer: {simple: LEAST_CONN}
        outlierDetection: {consecutive5xxErrors: 3}
      subsets:
      - {name: v1, labels: {version: v1}}
      - {name: v1}
    """
    assert sorted(codes(judge(text))) == ["MP114", "MP311"]
    both = text.replace("simple: LEAST_CONN", "simple: RANDOM, consistentHash: {}")
    assert "MP111" in codes(judge(both))


def test_problem_prints_as_one_documented_line():
    result = judge(SERVICE.replace("port: 80", "port: true"))
    assert str(result.problems[0]) == (
        "f.yaml:8:5: error MP102 Service default/nginx spec.ports[0].port: "
        "expected a whole number, found the boolean true"
    )
