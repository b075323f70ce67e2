"""DestinationRules to clusters."""

from __future__ import annotations

import pytest
from mesh_text import Mesh, destination_rule, pod, service, to, virtual_service

from meshproxy._fast.ketama import build_ring
from meshproxy.snapshot.compile import Capacities

WEB = "web.default.svc.cluster.local"
PODS = (pod("a", "web", "10.0.0.1"), pod("b", "web", "10.0.0.2", "v2"))
PLAIN = f"outbound|80||{WEB}"


def policy(tmp_path, *rules: str, name: str = PLAIN, **settings) -> dict:
    return Mesh(tmp_path, service("web"), *PODS, *rules, **settings).cluster(name)


@pytest.mark.parametrize(
    ("balancer", "expected"),
    [
        ("{simple: ROUND_ROBIN}", "ROUND_ROBIN"),
        ("{simple: LEAST_REQUEST}", "LEAST_REQUEST"),
        ("{simple: LEAST_CONN}", "LEAST_REQUEST"),
        ("{simple: RANDOM}", "RANDOM"),
        ("{}", "LEAST_REQUEST"),
        ("{consistentHash: {httpHeaderName: X-User}}", "RING_HASH"),
    ],
)
def test_load_balancer_in_each_form_gives_its_policy(tmp_path, balancer, expected):
    rule = destination_rule("web", f"host: web, trafficPolicy: {{loadBalancer: {balancer}}}")
    assert policy(tmp_path, rule)["lb"]["policy"] == expected


def test_cluster_without_rule_has_istio_defaults(tmp_path):
    cluster = policy(tmp_path)
    assert cluster["lb"] == {"policy": "LEAST_REQUEST"}
    assert (cluster["connect_timeout_ms"], cluster["idle_timeout_ms"]) == (10_000, 3_600_000)
    assert [item["name"] for item in cluster["endpoints"]] == ["default/a", "default/b"]


def test_subset_selects_by_labels_and_replaces_whole_blocks(tmp_path):
    rule = destination_rule(
        "web",
        """host: web, trafficPolicy: {loadBalancer: {simple: RANDOM},
        connectionPool: {tcp: {connectTimeout: 1s}, http: {idleTimeout: 2s}}},
        subsets: [{name: v1, labels: {version: v1}},
                  {name: v2, labels: {version: v2}, trafficPolicy:
                   {connectionPool: {tcp: {connectTimeout: 3s}}}}]""",
    )
    mesh = Mesh(tmp_path, service("web"), *PODS, rule)
    one, two = (mesh.cluster(f"outbound|80|{name}|{WEB}") for name in ("v1", "v2"))
    assert [item["address"] for item in one["endpoints"]] == ["10.0.0.1"]
    assert [item["address"] for item in two["endpoints"]] == ["10.0.0.2"]
    assert (one["connect_timeout_ms"], one["idle_timeout_ms"]) == (1000, 2000)
    assert (two["connect_timeout_ms"], two["idle_timeout_ms"]) == (3000, 3_600_000)
    assert two["lb"]["policy"] == "RANDOM"


def test_port_level_settings_replace_the_whole_policy(tmp_path):
    rule = destination_rule(
        "web",
        """host: web, trafficPolicy: {loadBalancer: {simple: RANDOM},
        connectionPool: {tcp: {connectTimeout: 1s}},
        portLevelSettings: [{port: {number: 80}, loadBalancer: {simple: ROUND_ROBIN}}]}""",
    )
    cluster = policy(tmp_path, rule)
    assert cluster["lb"]["policy"] == "ROUND_ROBIN"
    assert cluster["connect_timeout_ms"] == 10_000


def rule_in(namespace: str, host: str, simple: str, more: str = "") -> str:
    spec = f"host: '{host}', trafficPolicy: {{loadBalancer: {{simple: {simple}}}}}{more}"
    return destination_rule(f"r-{simple.lower().replace('_', '-')}", spec, namespace)


def test_rule_lookup_goes_by_namespace_before_specificity(tmp_path):
    exact_in_service = rule_in("prod", "web", "ROUND_ROBIN")
    wide_in_proxy = rule_in("default", "*.prod.svc.cluster.local", "RANDOM")
    elsewhere = rule_in("nowhere", "web.prod.svc.cluster.local", "LEAST_REQUEST")
    name = "outbound|80||web.prod.svc.cluster.local"
    base = service("web", ns="prod")
    assert Mesh(tmp_path, base, exact_in_service, wide_in_proxy).cluster(name)["lb"] == {
        "policy": "RANDOM"
    }
    assert Mesh(tmp_path, base, exact_in_service, elsewhere).cluster(name)["lb"] == {
        "policy": "ROUND_ROBIN"
    }
    private = rule_in("prod", "web", "ROUND_ROBIN", ", exportTo: ['.']")
    root = rule_in("istio-system", "web.prod.svc.cluster.local", "RANDOM")
    assert Mesh(tmp_path, base, private, root).cluster(name)["lb"] == {"policy": "RANDOM"}


def test_rules_of_one_host_merge_subsets_and_keep_the_first_policy(tmp_path):
    one = destination_rule("a", "host: web, subsets: [{name: v1, labels: {version: v1}}]")
    two = destination_rule(
        "b",
        """host: web, trafficPolicy: {loadBalancer: {simple: RANDOM}},
        subsets: [{name: v1, labels: {version: v2}}, {name: v2, labels: {version: v2}}]""",
    )
    mesh = Mesh(tmp_path, service("web"), *PODS, two, one)
    assert mesh.addresses(f"outbound|80|v1|{WEB}") == ["10.0.0.1"]
    assert mesh.addresses(f"outbound|80|v2|{WEB}") == ["10.0.0.2"]
    assert mesh.cluster(PLAIN)["lb"]["policy"] == "RANDOM"


HASH = destination_rule(
    "web",
    """host: web, trafficPolicy: {loadBalancer: {consistentHash: {httpHeaderName: X-User,
    ringHash: {minimumRingSize: 32}}}}, subsets: [{name: v1, labels: {version: v1}}]""",
)


def test_ring_holds_the_healthy_endpoints(tmp_path):
    pods = (
        pod("a", "web", "10.0.0.1", ready="False"),
        pod("b", "web", "10.0.0.2", "v2"),
        pod("c", "web", "'fd00::3'", "v2"),
    )
    mesh = Mesh(tmp_path, service("web"), *pods, HASH)
    lb = mesh.cluster(PLAIN)["lb"]
    hashes, owners = build_ring([b"10.0.0.2:80", b"[fd00::3]:80"], [1, 1], 32)
    assert lb["ring_size"] == 32
    assert lb["tables"][0][0] == hashes
    assert lb["tables"][0][1] == owners  # among the ready ones
    assert mesh.cluster(f"outbound|80|v1|{WEB}")["lb"]["tables"] == {}


def test_ring_is_made_anew_only_when_endpoints_or_weights_change(tmp_path):
    mesh = Mesh(tmp_path, service("web"), pod("a", "web", "10.0.0.1"), HASH)
    first = mesh.cluster(PLAIN)["lb"]["tables"][0]
    mesh.write(service("web"), pod("a", "web", "10.0.0.1", "v2"), HASH)
    assert mesh.cluster(PLAIN)["endpoints"][0]["labels"]["version"] == "v2"
    assert mesh.cluster(PLAIN)["lb"]["tables"][0] is first
    mesh.write(service("web"), pod("a", "web", "10.0.0.2", "v2"), HASH)
    assert mesh.cluster(PLAIN)["lb"]["tables"][0] != first


def test_hash_policies_of_all_destinations_are_concatenated(tmp_path):
    http = f"{{route: [{to('web', 'v1', 1)}, {to('web', '', 1)}, {to('api', '', 1)}]}}"
    mesh = Mesh(tmp_path, service("web"), service("api"), HASH, virtual_service("vs", "web", http))
    assert mesh.routes()[0]["hash_policies"] == [("header", "x-user")] * 2
    mesh.write(service("web"), HASH)
    assert mesh.routes()[0]["hash_policies"] == [("header", "x-user")]


def test_full_endpoint_table_keeps_the_cluster_as_it_was_and_says_so(tmp_path):
    capacities = Capacities(clusters=4, endpoints=2, routes=1)
    mesh = Mesh(tmp_path, service("web"), PODS[0], capacities=capacities)
    assert mesh.codes == []
    more = [pod(f"p{i}", "web", f"10.0.1.{i}") for i in range(5)]
    mesh.write(service("web"), PODS[0], *more)
    assert mesh.addresses(PLAIN) == ["10.0.0.1"]
    assert mesh.codes == ["MP404"]
    mesh.write(service("web"), PODS[0], more[0])
    assert mesh.addresses(PLAIN) == ["10.0.0.1", "10.0.1.0"]
    assert mesh.codes == []


def test_full_cluster_table_leaves_out_the_rest(tmp_path):
    services = [service(f"s{i}") for i in range(4)]
    mesh = Mesh(tmp_path, *services, *PODS, capacities=Capacities(2, 10, 10))
    assert len(mesh.builder.snapshot["clusters"]) == 2
    assert mesh.codes.count("MP404") == 2


def test_subset_that_selects_nothing_is_named_unless_a_deployment_will(tmp_path):
    rule = destination_rule("web", "host: web, subsets: [{name: v9, labels: {version: v9}}]")
    deployment = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web-v9, namespace: default}
spec: {replicas: 1, template: {metadata: {labels: {app: web, version: v9}}, spec: {}}}
"""
    assert Mesh(tmp_path, service("web"), *PODS, rule).codes == ["MP203"]
    assert Mesh(tmp_path, service("web"), *PODS, rule, deployment).codes == []
    assert Mesh(tmp_path, service("web"), rule, deployment).codes == []
    assert Mesh(tmp_path, service("web"), rule).codes == ["MP207"]


def balanced(factor: str, balancer: str = "{consistentHash: {httpHeaderName: x-user}}") -> str:
    return (
        "apiVersion: networking.istio.io/v1\nkind: DestinationRule\n"
        "metadata: {name: web, annotations: {meshproxy.io/hash-balance-factor: "
        f'"{factor}"}}}}\n'
        f"spec: {{host: web, trafficPolicy: {{loadBalancer: {balancer}}}}}\n"
    )


def test_annotation_bounds_the_load_of_a_hash_policy(tmp_path):
    assert policy(tmp_path, balanced("125"))["lb"]["balance_factor"] == 125
    assert "balance_factor" not in policy(tmp_path, balanced("0"))["lb"]


@pytest.mark.parametrize("factor", ["99", "1.25", "-1", "high", ""])
def test_annotation_that_is_no_bound_is_refused(tmp_path, factor):
    mesh = Mesh(tmp_path, service("web"), *PODS, balanced(factor))
    (problem,) = mesh.problems
    assert (problem.code, problem.severity) == ("MP104", "error")
    assert problem.path == 'metadata.annotations["meshproxy.io/hash-balance-factor"]'
    assert mesh.cluster(PLAIN)["lb"] == {"policy": "LEAST_REQUEST"}  # the rule is not in force


def test_annotation_without_a_hash_policy_has_no_effect_and_says_so(tmp_path):
    mesh = Mesh(tmp_path, service("web"), *PODS, balanced("125", "{simple: RANDOM}"))
    assert mesh.codes == ["MP315"]
    assert mesh.cluster(PLAIN)["lb"] == {"policy": "RANDOM"}


def test_subset_follows_the_pods_that_have_its_labels(tmp_path):
    rule = destination_rule("web", "host: web, subsets: [{name: v2, labels: {version: v2}}]")
    subset = f"outbound|80|v2|{WEB}"
    mesh = Mesh(tmp_path, service("web"), PODS[0], rule)
    assert (mesh.addresses(subset), mesh.addresses(PLAIN)) == ([], ["10.0.0.1"])
    mesh.write(service("web"), *PODS, rule)
    assert mesh.addresses(subset) == ["10.0.0.2"]
    mesh.write(service("web"), *PODS, pod("c", "web", "10.0.0.3", "v2"), rule)
    assert mesh.addresses(subset) == ["10.0.0.2", "10.0.0.3"]
    mesh.write(service("web"), PODS[0], pod("b", "web", "10.0.0.2", "v3"), rule)
    assert mesh.addresses(subset) == []
