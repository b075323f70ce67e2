"""What tcp and tls rules must keep by themselves (ISTIO 5.2)."""

from __future__ import annotations

import pytest

from meshproxy.config.admission import admit
from meshproxy.config.document import parse

HEAD = (
    "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: db}\n"
    "spec:\n  hosts: [db.test]\n"
)
ROUTE = "route: [{destination: {host: db}}]"


def found(text: str) -> list[tuple[str, str]]:
    (document,) = parse(HEAD + text)
    problems = admit(document, "f.yaml", 0, "default").problems
    return [(item.code, item.path) for item in problems]


@pytest.mark.parametrize(
    ("rules", "code", "path"),
    [
        ("[{}]", "MP103", "spec.tcp[0].route"),
        ("[{route: []}]", "MP103", "spec.tcp[0].route"),
        ("[{route: [{}]}]", "MP103", "spec.tcp[0].route[0].destination"),
        ("[{route: [{destination: {}}]}]", "MP103", "spec.tcp[0].route[0].destination.host"),
        ("[{route: [{destination: {host: ''}}]}]", "MP115",
         "spec.tcp[0].route[0].destination.host"),
        ("[{route: [{destination: {host: '*'}}]}]", "MP115",
         "spec.tcp[0].route[0].destination.host"),
        ("[{route: [{destination: {host: db, port: {number: 0}}}]}]", "MP104",
         "spec.tcp[0].route[0].destination.port.number"),
        ("[{route: [{destination: {host: db, subset: A_b}}]}]", "MP104",
         "spec.tcp[0].route[0].destination.subset"),
        ("[{route: [{destination: {host: db}, weight: -1}]}]", "MP302",
         "spec.tcp[0].route[0].weight"),
        ("[{route: [{destination: {host: a}, weight: 0}, {destination: {host: b}}]}]", "MP301",
         "spec.tcp[0].route"),
        ("[{match: [{destinationSubnets: [10.0.0.0/33]}], %s}]", "MP104",
         "spec.tcp[0].match[0].destinationSubnets[0]"),
        ("[{match: [{destinationSubnets: [db]}], %s}]", "MP104",
         "spec.tcp[0].match[0].destinationSubnets[0]"),
        ("[{match: [{port: 70000}], %s}]", "MP104", "spec.tcp[0].match[0].port"),
        ("[{match: [{sourceLabels: {'a b': c}}], %s}]", "MP104",
         "spec.tcp[0].match[0].sourceLabels[\"a b\"]"),
        ("[{match: [{sourceLabels: {a: -c}}], %s}]", "MP104",
         "spec.tcp[0].match[0].sourceLabels.a"),
        ("[{match: [{sourceNamespace: A}], %s}]", "MP104", "spec.tcp[0].match[0].sourceNamespace"),
        ("[{match: [{gateways: [a/b/c]}], %s}]", "MP104", "spec.tcp[0].match[0].gateways[0]"),
        ("[{match: [{sourceSubnet: 10.0.0.0/8}], %s}]", "MP315",
         "spec.tcp[0].match[0].sourceSubnet"),
        ("[{%s}, {match: [{port: 1}], %s}]", "MP303", "spec.tcp[1]"),
        ("[{match: [{port: 1}, {port: 2}], %s}, {match: [{port: 2}], %s}]", "MP303",
         "spec.tcp[1]"),
        ("[{match: [{sni: a}], %s}]", "MP101", "spec.tcp[0].match[0].sni"),
    ],
)  # fmt: skip
def test_tcp_rule_that_istio_refuses_or_ignores_has_a_verdict(rules, code, path):
    assert found(f"  tcp: {rules.replace('%s', ROUTE)}\n") == [(code, path)]


@pytest.mark.parametrize(
    "rules",
    [
        "[{%s}]",
        "[{match: [{port: 1, gateways: [mesh]}], %s}, {match: [{port: 2}], %s}, {%s}]",
        "[{match: [{destinationSubnets: [10.0.0.1, 10.0.0.1/8, 'fd00::/8']}], %s}, {%s}]",
        "[{match: [{sourceLabels: {app.kubernetes.io/name: a_b.c}}], %s}]",
    ],
)
def test_tcp_rules_that_are_right_pass(rules):
    assert found(f"  tcp: {rules.replace('%s', ROUTE)}\n") == []


@pytest.mark.parametrize(
    ("rules", "code", "path"),
    [
        ("[{match: [{sniHosts: [db.test]}], %s}]", "MP105", "spec.tls"),
        ("[{match: [], %s}]", "MP103", "spec.tls[0].match"),
        ("[{match: [{sniHosts: []}], %s}]", "MP103", "spec.tls[0].match[0].sniHosts"),
        ("[{match: [{}], %s}]", "MP103", "spec.tls[0].match[0].sniHosts"),
        ("[{%s}]", "MP103", "spec.tls[0].match"),
        ("[{match: [{sniHosts: [db.test]}]}]", "MP103", "spec.tls[0].route"),
        ("[{match: [{sniHosts: [other.test]}], %s}]", "MP104", "spec.tls[0].match[0].sniHosts[0]"),
        ("[{match: [{sniHosts: ['a b']}], %s}]", "MP115", "spec.tls[0].match[0].sniHosts[0]"),
        ("[{match: [{sniHosts: [10.0.0.1]}], %s}]", "MP315", "spec.tls[0].match[0].sniHosts[0]"),
        ("[{match: [{sniHosts: [db.test], destinationSubnets: [x]}], %s}]", "MP104",
         "spec.tls[0].match[0].destinationSubnets[0]"),
    ],
)  # fmt: skip
def test_tls_rules_are_judged_and_named_as_not_served(rules, code, path):
    assert (code, path) in found(f"  tls: {rules.replace('%s', ROUTE)}\n")


@pytest.mark.parametrize("name", ["Edge", "a/b/c", "/a", "a/", ""])
def test_gateway_that_no_object_can_be_called_is_refused(name):
    text = f"  gateways: ['{name}']\n  tcp: [{{{ROUTE}}}]\n"
    assert found(text) == [("MP104", "spec.gateways[0]")]


@pytest.mark.parametrize("kind", ["tcp", "tls", "http"])
def test_gateways_of_the_object_alone_are_named_for_every_kind_of_rule(kind):
    match = "match: [{sniHosts: [db.test]}], " if kind == "tls" else ""
    rest = f"  {kind}: [{{{match}{ROUTE}}}]\n"
    served = [item for item in found(rest) if item[0] == "MP308"]
    assert served == []
    for gateways, wanted in (
        ("[mesh]", []),
        ("[edge]", ["spec.gateways[0]"]),
        ("[mesh, shop/edge]", ["spec.gateways[1]"]),
    ):
        told = found(f"  gateways: {gateways}\n{rest}")
        assert [path for code, path in told if code == "MP308"] == wanted
