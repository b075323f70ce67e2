"""ServiceEntry and WorkloadEntry by themselves: each rule has a code and a place."""

from __future__ import annotations

import pytest

from meshproxy.config.admission import admit
from meshproxy.config.document import parse

PORTS = "ports: [{number: 80, name: http, protocol: HTTP}]"
STATIC = "resolution: STATIC, endpoints: [{address: 10.0.0.1}]"
TCP = "ports: [{number: 5432, name: tcp, protocol: TCP}], addresses: [10.9.0.1]"


def judge(spec: str, kind: str = "ServiceEntry") -> list[tuple[str, str, str]]:
    """(severity, code, path) of every problem."""
    text = (
        f"apiVersion: networking.istio.io/v1\nkind: {kind}\nmetadata: {{name: ext}}\n"
        f"spec: {{{spec}}}\n"
    )
    (document,) = parse(text)
    result = admit(document, "f.yaml", 0, "default")
    is_refused = any(item.severity == "error" for item in result.problems)
    assert bool(result.rejected) is is_refused and bool(result.resources) is not is_refused
    return [(item.severity, item.code, item.path) for item in result.problems]


@pytest.mark.parametrize(
    "spec",
    [
        f"hosts: [a.com], {PORTS}, resolution: DNS",
        f"hosts: [a.com, b.com], {PORTS}, resolution: DNS, location: MESH_INTERNAL",
        f"hosts: [a.com, b.com], ports: [{{number: 443, name: tls, protocol: TLS}}], {STATIC}",
        f"hosts: ['*.a.com'], {PORTS}, {STATIC}",
        f"hosts: ['*.a.com'], {PORTS}, resolution: DNS, endpoints: [{{address: b.com}}]",
        f"hosts: [a.com], {PORTS}, resolution: DNS_ROUND_ROBIN, endpoints: [{{address: b.com}}]",
        f"hosts: [a.com], {PORTS}, resolution: DNS, workloadSelector: {{labels: {{app: a}}}}",
        f"hosts: [a.com], {PORTS}, resolution: NONE, addresses: [10.0.0.1, 'fd00::1/128']",
        f"hosts: [a.com], {TCP}, {STATIC}",
        f"hosts: [a.com], {PORTS}, {STATIC}, exportTo: ['~']",
        "hosts: [a.com], ports: [{number: 80, name: http, protocol: http, targetPort: 8080}],"
        " resolution: STATIC, endpoints: [{address: '::1', ports: {http: 1}, weight: 3,"
        " labels: {version: v1}, locality: eu/a}]",
    ],
)
def test_service_entry_as_istio_has_it_has_no_problem(spec):
    assert judge(spec) == []


@pytest.mark.parametrize(
    ("spec", "code", "path"),
    [
        (f"{PORTS}, {STATIC}", "MP103", "hosts"),
        (f"hosts: ['*'], {PORTS}, {STATIC}", "MP115", "hosts[0]"),
        (f"hosts: [a_b.com], {PORTS}, {STATIC}", "MP115", "hosts[0]"),
        (f"hosts: ['a.com:80'], {PORTS}, {STATIC}", "MP115", "hosts[0]"),
        (f"hosts: [a.com, A.com], {PORTS}, {STATIC}", "MP311", "hosts[1]"),
        (f"hosts: ['*.a.com'], {PORTS}, resolution: DNS", "MP115", "hosts[0]"),
        (f"hosts: ['*.a.com'], {PORTS}, resolution: DNS_ROUND_ROBIN", "MP115", "hosts[0]"),
        (f"hosts: [a.com], {PORTS}, {STATIC}, addresses: [here]", "MP104", "addresses[0]"),
        (f"hosts: [a.com], {PORTS}, resolution: DNS, addresses: [10.0.0.0/8]", "MP111",
         "addresses[0]"),
        ("hosts: [a.com], ports: [{number: 80, name: a}, {number: 80, name: b}], resolution: DNS",
         "MP311", "ports[1].number"),
        ("hosts: [a.com], ports: [{number: 80, name: a}, {number: 81, name: a}], resolution: DNS",
         "MP311", "ports[1].name"),
        ("hosts: [a.com], ports: [{number: 80, name: A_B}], resolution: DNS", "MP104",
         "ports[0].name"),
        ("hosts: [a.com], ports: [{number: 80, name: a, protocol: HTPP}], resolution: DNS",
         "MP104", "ports[0].protocol"),
        (f"hosts: [a.com, b.com], {TCP}, resolution: DNS", "MP104", "ports[0].protocol"),
        (f"hosts: [a.com], {PORTS}, resolution: NONE, addresses: [10.0.0.1],"
         " endpoints: [{address: 10.0.0.1}]", "MP111", "endpoints"),
        (f"hosts: [a.com], {PORTS}, resolution: DNS_ROUND_ROBIN,"
         " endpoints: [{address: b.com}, {address: c.com}]", "MP104", "endpoints"),
        (f"hosts: [a.com], {PORTS}, resolution: STATIC, endpoints: [{{address: b.com}}]", "MP104",
         "endpoints[0].address"),
        (f"hosts: [a.com], {PORTS}, resolution: DNS, endpoints: [{{address: '*.b.com'}}]", "MP115",
         "endpoints[0].address"),
        (f"hosts: [a.com], {PORTS}, resolution: STATIC,"
         " endpoints: [{address: 10.0.0.1, ports: {htp: 1}}]", "MP104", "endpoints[0].ports.htp"),
        (r'hosts: [a.com], ports: [{number: 80, name: "\x1f"}], resolution: STATIC,'
         " endpoints: [{address: 10.0.0.1}]", "MP104", "ports[0].name"),
        (f"hosts: [a.com], {PORTS}, {STATIC}, workloadSelector: {{labels: {{app: a}}}}", "MP111",
         "workloadSelector"),
        (f"hosts: [a.com], {PORTS}, resolution: STATIC, workloadSelector: {{labels: {{a: '*'}}}}",
         "MP104", "workloadSelector.labels.a"),
        (f"hosts: [a.com], {PORTS}, {STATIC}, exportTo: ['~', b]", "MP111", "exportTo[0]"),
        (f"hosts: [a.com], {PORTS}, {STATIC}, exportTo: [b, b]", "MP311", "exportTo[1]"),
        (f"hosts: [a.com], {PORTS}, resolution: DYNAMIC_DNS", "MP115", "hosts"),
        (f"hosts: [a.com], {PORTS}, resolution: DNS, location: OUTSIDE", "MP104", "location"),
    ],
)  # fmt: skip
def test_service_entry_that_istio_refuses_is_refused(spec, code, path):
    assert judge(spec) == [("error", code, f"spec.{path}")]


@pytest.mark.parametrize(
    ("spec", "problem"),
    [
        (f"hosts: [a.com], {PORTS}, resolution: NONE", ("info", "MP328", "resolution")),
        (f"hosts: ['*.a.com'], {PORTS}", ("warning", "MP327", "hosts[0]")),
        (f"hosts: ['*.a.com'], {PORTS}, resolution: DYNAMIC_DNS",
         ("warning", "MP327", "hosts[0]")),
        (f"hosts: [a.com], {PORTS}, {STATIC}, addresses: [10.0.0.0/8]",
         ("warning", "MP315", "addresses[0]")),
        (f"hosts: [a.com], {PORTS}, resolution: STATIC", ("warning", "MP207", "resolution")),
        ("hosts: [a.com], resolution: DNS", ("warning", "MP103", "ports")),
        ("hosts: [a.com], ports: [{number: 80, protocol: HTTP}], resolution: DNS",
         ("warning", "MP103", "ports[0].name")),
        ("hosts: [a.com], ports: [{number: 53, name: dns, protocol: UDP}], resolution: DNS",
         ("warning", "MP327", "ports[0].protocol")),
        ("hosts: [a.com], ports: [{number: 53, name: a, protocol: MONGO}], resolution: DNS",
         ("info", "MP329", "ports[0].protocol")),
        (f"hosts: [a.com], {PORTS}, resolution: STATIC, endpoints: [{{address: 'unix:///a'}}]",
         ("warning", "MP406", "endpoints[0].address")),
        (f"hosts: [a.com], {PORTS}, resolution: STATIC, workloadSelector: {{}}",
         ("warning", "MP315", "workloadSelector.labels")),
        (f"hosts: [a.com], {PORTS}, resolution: NONE, addresses: [10.0.0.1],"
         " workloadSelector: {labels: {a: b}}", ("warning", "MP315", "workloadSelector")),
        (f"hosts: [a.com], {PORTS}, resolution: DNS, subjectAltNames: [a]",
         ("warning", "MP105", "subjectAltNames")),
    ],
)  # fmt: skip
def test_service_entry_that_means_little_here_is_told_so(spec, problem):
    severity, code, path = problem
    assert judge(spec) == [(severity, code, f"spec.{path}")]


@pytest.mark.parametrize(
    ("address", "codes"),
    [("10.0.0.1", []), ("vm.a.com", []), ("a b", ["MP115"]), ("unix:///a", ["MP406"])],
)
def test_workload_entry_address_is_judged(address, codes):
    assert [code for _, code, _ in judge(f"address: '{address}'", "WorkloadEntry")] == codes
