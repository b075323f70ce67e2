"""`meshproxy explain` and `Mesh.route`: the same decision, told and returned."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support import manifests
from support.proxy import run_command

from meshproxy import Mesh

RULES = """\
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: web}
spec:
  host: web
  trafficPolicy: {loadBalancer: {consistentHash: {httpHeaderName: x-user}}}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: web}
spec:
  hosts: [web]
  http:
  - name: canary
    match: [{uri: {prefix: /v2}}, {headers: {x-canary: {exact: "yes"}}}]
    route: [{destination: {host: canary}}]
  - match: [{uri: {prefix: /split}}]
    timeout: 250ms
    route:
    - {destination: {host: web}, weight: 99}
    - {destination: {host: canary}, weight: 1}
  - match: [{uri: {prefix: /gone}}]
    route: [{destination: {host: absent}}]
  - match: [{method: {exact: GET}}]
    route: [{destination: {host: web}}]
"""
KEYS = {
    "outcome",
    "virtual_service",
    "route",
    "cluster",
    "endpoint",
    "split",
    "timeout_ms",
    "retries",
    "hash_key",
    "rejected",
}
WEB = "outbound|80||web.default.svc.cluster.local"
CANARY = "outbound|80||canary.default.svc.cluster.local"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    services = "---\n".join(
        [
            manifests.service("web", 9001),
            manifests.service("canary", 9002),
            manifests.service("plain", 9003, port=9080),
        ]
    )
    return manifests.write(tmp_path, services + RULES)


def explain(path: Path, *args: str) -> dict[str, Any]:
    result = run_command("explain", "-f", str(path), "-o", "json", *args)
    assert result.returncode == 0, result.stderr
    answer: dict[str, Any] = json.loads(result.stdout)
    assert set(answer) >= KEYS
    return answer


def test_explain_json_routed_with_the_rules_passed_over(path: Path) -> None:
    answer = explain(path, "http://web/")
    assert answer["outcome"] == "routed"
    assert answer["virtual_service"] == "default/web"
    assert answer["route"] == 3
    assert (answer["cluster"], answer["endpoint"]) == (WEB, "127.0.0.1:9001")
    assert answer["split"] == [{"cluster": WEB, "weight": 100}]
    assert answer["timeout_ms"] == 0
    assert answer["rejected"] == [
        {
            "route": "canary",
            "reason": 'uri prefix "/v2": the request has "/"; '
            'header x-canary exact "yes": is absent',
        },
        {"route": 1, "reason": 'uri prefix "/split": the request has "/"'},
        {"route": 2, "reason": 'uri prefix "/gone": the request has "/"'},
    ]


def test_explain_json_named_rule_by_its_second_match(path: Path) -> None:
    answer = explain(path, "http://127.0.0.1:8080/", "-H", "host: web", "-H", "x-canary: yes")
    assert (answer["route"], answer["cluster"], answer["rejected"]) == ("canary", CANARY, [])


def test_explain_json_split_timeout_and_seed(path: Path) -> None:
    answer = explain(path, "http://web/split")
    assert answer["timeout_ms"] == 250
    assert answer["split"] == [{"cluster": WEB, "weight": 99}, {"cluster": CANARY, "weight": 1}]
    mesh = Mesh.from_files([path])
    arms = [mesh.route("GET", "http://web/split", seed=seed).cluster for seed in range(100)]
    assert (arms.count(WEB), arms.count(CANARY)) == (99, 1)
    seed = arms.index(CANARY)
    assert explain(path, "http://web/split", "--seed", str(seed))["cluster"] == CANARY


def test_explain_json_hash_key(path: Path) -> None:
    answer = explain(path, "http://web/", "-H", "x-user: alice")
    assert answer["hash_key"] == "alice"
    assert explain(path, "http://web/")["hash_key"] is None


@pytest.mark.parametrize(
    ("arguments", "outcome", "virtual_service"),
    [
        (["http://nowhere/"], "no_route", None),
        (["http://web/", "-X", "POST"], "no_route", None),
        (["http://web/gone"], "no_cluster", "default/web"),
        (["http://plain:9080/"], "routed", None),
    ],
)
def test_explain_json_outcomes(
    path: Path, arguments: list[str], outcome: str, virtual_service: str | None
) -> None:
    answer = explain(path, *arguments)
    assert (answer["outcome"], answer["virtual_service"]) == (outcome, virtual_service)


def test_explain_text_names_rule_and_place(path: Path) -> None:
    result = run_command("explain", "-f", str(path), "http://web/split")
    assert result.returncode == 0
    assert result.stdout.startswith("GET http://web/split -> 127.0.0.1:9001 (default/web-0)\n")
    line = path.read_text().splitlines().index("  - match: [{uri: {prefix: /split}}]") + 1
    assert f'{path}:{line}:5  yes  uri prefix "/split"' in result.stdout
    assert f"{path}:{line + 1}:5 VirtualService default/web\n" in result.stdout
    assert "timeout    250 ms" in result.stdout
    assert "\x1b" not in result.stdout  # not a terminal


def test_mesh_route_returns_what_explain_prints(path: Path) -> None:
    mesh = Mesh.from_files([path])
    for url in ("http://web/", "http://web/v2/x?y=1", "http://plain:9080/", "http://nowhere/"):
        assert json.loads(json.dumps(mesh.route("GET", url).to_dict())) == explain(path, url)
    assert mesh.route("GET", "http://web/", {"x-user": "bob"}).hash_key == "bob"


def test_explain_source_labels_are_the_callers(tmp_path: Path) -> None:
    rule = """\
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: web}
spec:
  hosts: [web]
  http:
  - match: [{sourceLabels: {app: tester}}]
    route: [{destination: {host: canary}}]
  - route: [{destination: {host: web}}]
"""
    services = manifests.service("web", 9001) + "---\n" + manifests.service("canary", 9002)
    path = manifests.write(tmp_path, services + rule)
    assert explain(path, "http://web/")["cluster"] == WEB
    assert explain(path, "http://web/", "--source-label", "app=tester")["cluster"] == CANARY


@pytest.mark.parametrize(
    "arguments",
    [
        ["ftp://web/"],
        ["http:///path"],
        ["/path"],
        ["https://web/"],
        ["http://web/", "-X", "G T"],
        ["http://web/", "--seed", "-1"],
        ["http://web/", "-H", "a b: c"],
    ],
)
def test_explain_that_cannot_be_asked_is_usage_in_a_line(path: Path, arguments: list[str]) -> None:
    result = run_command("explain", "-f", str(path), *arguments)
    assert result.returncode == 2
    assert result.stdout == ""
    errors = [line for line in result.stderr.splitlines() if str(path) not in line]
    assert len(errors) == 1
    assert errors[0].startswith("Error: ")


def test_explain_leaves_what_is_for_information_to_check(path: Path) -> None:
    assert "info MP" in run_command("check", "-f", str(path)).stdout
    for verb in (["explain"], ["simulate", "--requests=1"], ["export", "envoy"]):
        url = [] if verb[0] == "export" else ["http://web/"]
        done = run_command(*verb, "-f", str(path), *url)
        assert done.returncode == 0
        assert "error MP201" in done.stderr and "info MP" not in done.stderr


def test_explain_resolve_says_what_a_name_resolves_to(tmp_path: Path) -> None:
    path = manifests.write(tmp_path, manifests.service_entry("api.test", 8080))
    url = "http://api.test/"
    done = run_command("explain", "-f", str(path), url, "--resolve", "api.test=10.0.0.1")
    assert done.stdout.startswith("GET http://api.test/ -> 10.0.0.1:8080"), done.stderr
    for wrong in ("api.test", "api.test=", "=10.0.0.1", "api.test=10.0.0.1,x"):
        done = run_command("explain", "-f", str(path), url, "--resolve", wrong)
        assert done.returncode == 2 and "expected NAME=ADDRESS" in done.stderr


def test_explain_unknown_host_names_the_likely_one(path: Path) -> None:
    result = run_command("explain", "-f", str(path), "http://canari/")
    assert result.returncode == 0
    assert "-> 404 NR route_not_found" in result.stdout
    assert "canari: no service or VirtualService has this name" in result.stdout
    assert "did you mean canary?" in result.stdout
