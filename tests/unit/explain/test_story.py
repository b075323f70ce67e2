"""Each part of a decision's story, from manifests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from meshproxy import Mesh
from meshproxy.explain.text import describe

MANIFEST = """\
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{name: http, port: 80}, {name: http-b, port: 81}]}
---
apiVersion: v1
kind: Pod
metadata: {name: web-1, labels: {app: web, version: v1}}
status: {podIP: 10.0.0.1, conditions: [{type: Ready, status: "True"}]}
---
apiVersion: v1
kind: Pod
metadata: {name: web-2, labels: {app: web, version: v2}}
status: {podIP: 10.0.0.2, conditions: [{type: Ready, status: "True"}]}
---
apiVersion: v1
kind: Pod
metadata: {name: web-3, labels: {app: web, version: v2}}
status: {podIP: 10.0.0.3, conditions: [{type: Ready, status: "False"}]}
---
apiVersion: v1
kind: Pod
metadata: {name: web-4, labels: {app: web, version: v2}}
status: {podIP: 10.0.0.4, conditions: [{type: Ready, status: "True"}]}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: web}
spec:
  host: web
  trafficPolicy:
    connectionPool: {tcp: {connectTimeout: 250ms}}
    loadBalancer: {simple: ROUND_ROBIN}
  subsets:
  - {name: v1, labels: {version: v1}}
  - name: v2
    labels: {version: v2}
    trafficPolicy:
      loadBalancer: {consistentHash: {httpHeaderName: x-user}}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: web}
spec:
  hosts: [web]
  http:
  - name: elsewhere
    match: [{port: 8080}, {sourceLabels: {app: tester}}, {gateways: [door]}]
    route: [{destination: {host: web, port: {number: 80}}}]
  - name: jason
    match: [{headers: {end-user: {exact: jason}}}, {queryParams: {debug: {exact: "1"}}}]
    route: [{destination: {host: web, subset: v1, port: {number: 80}}}]
  - name: moved
    match: [{uri: {prefix: /old}}]
    redirect: {uri: /new, authority: there}
  - name: teapot
    match: [{uri: {prefix: /tea}}]
    directResponse: {status: 418, body: {string: short}}
  - name: faulty
    match: [{uri: {prefix: /bad}}]
    fault: {abort: {httpStatus: 503, percentage: {value: 50}}}
    route: [{destination: {host: web, port: {number: 80}}}]
  - name: api
    match: [{uri: {prefix: /api/}, withoutHeaders: {x-old: {}}}]
    rewrite: {uri: /v1/, authority: inner}
    timeout: 1500ms
    retries: {attempts: 3, perTryTimeout: 500ms, retryOn: 5xx}
    mirror: {host: web, subset: v1, port: {number: 80}}
    mirrorPercentage: {value: 100}
    corsPolicy: {allowOrigins: [{prefix: "http://"}], allowMethods: [GET]}
    headers:
      request: {set: {x-route: api}, remove: [x-secret]}
      response: {add: {x-served-by: "%UPSTREAM_CLUSTER%"}}
    route:
    - {destination: {host: web, subset: v1, port: {number: 80}}, weight: 25}
    - {destination: {host: web, subset: v2, port: {number: 80}}, weight: 75}
  - match: [{uri: {prefix: /plain}}]
    route: [{destination: {host: web, port: {number: 80}}}]
"""
NAME = "outbound|80|{}|web.default.svc.cluster.local"


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("mesh") / "web.yaml"
    path.write_text(MANIFEST)
    return path


@pytest.fixture(scope="module")
def mesh(file: Path) -> Mesh:
    return Mesh.from_files([file])


def line_of(text: str) -> int:
    return 1 + next(i for i, line in enumerate(MANIFEST.splitlines()) if text in line)


def told(mesh: Mesh, url: str, method: str = "GET", seed: int = 0, **headers: str) -> Any:
    pairs = {name.replace("_", "-"): value for name, value in headers.items()}
    return mesh.route(method, url, pairs, seed).to_dict()


def test_rules_in_order_with_what_failed_and_what_was_seen(mesh: Mesh, file: Path) -> None:
    rules = told(mesh, "http://web/plain?debug=2", end_user="anna")["rules"]
    assert [(rule["rule"], rule["state"]) for rule in rules] == [
        (0, "not_applicable"),
        (1, "failed"),
        (2, "failed"),
        (3, "failed"),
        (4, "failed"),
        (5, "failed"),
        (6, "matched"),
    ]
    assert rules[0]["reasons"] == (
        "port 8080: this is port 80",
        "sourceLabels app=tester: the caller has no label app",
        "gateways door: this is the mesh",
    )
    assert rules[1]["reasons"] == (
        'header end-user exact "jason": the request has "anna"',
        'query parameter debug exact "1": the request has "2"',
    )
    assert rules[1]["at"] == f"{file}:{line_of('name: jason')}:5"
    assert rules[6]["reasons"] == ('uri prefix "/plain"',)


def test_rejected_are_the_rules_passed_over(mesh: Mesh) -> None:
    rejected = told(mesh, "http://web/tea", end_user="jaso")["rejected"]
    assert [item["route"] for item in rejected] == ["elsewhere", "jason", "moved"]
    assert rejected[1]["reason"] == (
        'header end-user exact "jason": the request has "jaso"; '
        'query parameter debug exact "1": is absent'
    )
    assert told(mesh, "http://web/tea", end_user="jason")["rejected"][1:] == []


def test_inverted_condition_shows_what_is_there(mesh: Mesh) -> None:
    rules = told(mesh, "http://web/api/x", x_old="1")["rules"]
    assert rules[5]["reasons"] == ('without header x-old present: the request has "1"',)


@pytest.mark.parametrize(
    ("host", "domain", "port", "rule"),
    [
        ("web", "web", 80, "port_80"),
        ("WEB.default:81", "web.default", 81, "given"),
        ("web:99", "web", 80, "port_80"),
    ],
)
def test_host_names_its_form_and_the_rule_of_the_port(
    mesh: Mesh, host: str, domain: str, port: int, rule: str
) -> None:
    found = told(mesh, f"http://{host}/plain")["host"]
    assert (found["domain"], found["form"]) == (domain, "exact")
    assert (found["port"], found["port_rule"]) == (port, rule)


def test_host_that_is_unknown_names_similar_ones(mesh: Mesh) -> None:
    answer = told(mesh, "http://wbe/")
    assert (answer["outcome"], answer["status"]) == ("no_route", 404)
    assert answer["host"]["domain"] is None
    assert "web" in told(mesh, "http://webb/")["host"]["similar"]


def test_redirect_and_direct_response(mesh: Mesh) -> None:
    moved = told(mesh, "http://web/old")
    assert (moved["outcome"], moved["status"], moved["location"]) == (
        "redirect",
        301,
        "http://there/new",
    )
    teapot = told(mesh, "http://web/tea")
    assert (teapot["outcome"], teapot["status"], teapot["body"]) == (
        "direct_response",
        418,
        "short",
    )


def test_fault_is_drawn_by_the_seed(mesh: Mesh) -> None:
    answers = [told(mesh, "http://web/bad", seed=seed) for seed in range(200)]
    drawn = [item["fault"]["is_aborted"] for item in answers]
    assert 60 < sum(drawn) < 140
    assert [item["outcome"] == "fault" for item in answers] == drawn
    assert answers[0]["fault"]["abort_percent"] == 50
    assert answers[0]["fault"]["source"]["path"] == "spec.http[4].fault"


def test_cors_preflight_is_answered_here(mesh: Mesh) -> None:
    asked = {"origin": "http://a", "access_control_request_method": "GET"}
    answer = told(mesh, "http://web/api/x", "OPTIONS", **asked)
    assert (answer["outcome"], answer["status"]) == ("direct_response", 200)
    assert answer["cors"]["verdict"] == "preflight"
    assert ("access-control-allow-origin", "http://a") in answer["cors"]["headers"]
    assert told(mesh, "http://web/api/x", origin="http://a")["cors"]["verdict"] == "allowed"
    assert told(mesh, "http://web/api/x")["cors"]["verdict"] == "none"


def test_path_authority_and_headers_before_and_after(mesh: Mesh) -> None:
    answer = told(mesh, "http://web/api/items?x=1", x_secret="1", x_route="mine")
    assert answer["path"] == {"before": "/api/items?x=1", "after": "/v1/items?x=1"}
    assert answer["authority"] == {"before": "web", "after": "inner"}
    changes = answer["request_headers"]
    assert changes["removed"] == (("x-secret", "1"),)
    assert changes["changed"] == (("x-route", "mine", "api"),)
    assert ("x-envoy-original-path", "/api/items?x=1") in changes["added"]
    assert answer["response_headers"]["add"] == (("x-served-by", "%UPSTREAM_CLUSTER%"),)


def test_values_say_where_they_come_from(mesh: Mesh, file: Path) -> None:
    answer = told(mesh, "http://web/api/x", seed=1)
    sources = {item["name"]: item["source"] for item in answer["settings"]}
    assert sources["timeout"] == {
        "object": "VirtualService default/web",
        "path": "spec.http[5].timeout",
        "at": f"{file}:{line_of('timeout: 1500ms')}:5",
        "default": None,
    }
    assert sources["retries"]["path"] == "spec.http[5].retries"
    assert sources["connect timeout"]["path"] == (
        "spec.trafficPolicy.connectionPool.tcp.connectTimeout"
    )
    assert sources["idle timeout"]["default"] == "Envoy"
    assert (answer["timeout_ms"], answer["retries"]) == (1500, 3)
    plain = told(mesh, "http://web/plain")
    sources = {item["name"]: item["source"] for item in plain["settings"]}
    assert sources["timeout"]["default"] == "Istio"
    assert sources["retries"]["default"] == "Istio"


def test_policy_of_a_subset_comes_from_the_subset(mesh: Mesh) -> None:
    answers = [told(mesh, "http://web/api/x", seed=seed) for seed in range(4)]
    paths = {
        item["cluster"]: next(
            setting["source"]["path"]
            for setting in item["settings"]
            if setting["name"] == "balancer"
        )
        for item in answers
    }
    assert paths == {
        NAME.format("v1"): "spec.trafficPolicy.loadBalancer",
        NAME.format("v2"): "spec.subsets[1].trafficPolicy.loadBalancer",
    }


def test_endpoints_with_health_and_the_reason_of_the_pick(mesh: Mesh) -> None:
    answer = told(mesh, "http://web/plain", seed=4)
    assert [(e["pod"], e["is_ready"], e["is_picked"]) for e in answer["endpoints"]] == [
        ("default/web-1", True, False),
        ("default/web-2", True, True),
        ("default/web-3", False, False),
        ("default/web-4", True, False),
    ]
    assert answer["endpoints"][2]["reason"] == "not ready: its Pod's condition Ready is False"
    assert answer["endpoints"][0]["in_flight"] is None
    assert answer["pick"] == "ROUND_ROBIN: turn 4 among 3 ready endpoints"


def test_hash_key_and_ring_point(mesh: Mesh) -> None:
    answers = (told(mesh, "http://web/api/x", seed=seed, x_user="ann") for seed in range(4))
    answer = next(item for item in answers if item["cluster"] == NAME.format("v2"))
    assert answer["hash_key"] == "ann"
    assert answer["pick"].startswith('RING_HASH: "ann" hashes to 0x')
    assert answer["hash_policies"][0]["value"] == "ann"


def test_mirrors_say_whether_a_copy_is_sent(mesh: Mesh) -> None:
    (mirror,) = told(mesh, "http://web/api/x")["mirrors"]
    assert (mirror["cluster"], mirror["percent"], mirror["is_sent"]) == (
        NAME.format("v1"),
        100,
        True,
    )


def test_seeds_in_a_row_are_requests_in_a_row(mesh: Mesh) -> None:
    clusters = [mesh.route("GET", "http://web/api/x", seed=seed).cluster for seed in range(400)]
    assert clusters.count(NAME.format("v1")) == 100
    picked = [mesh.route("GET", "http://web/plain", seed=seed).endpoint for seed in range(6)]
    assert picked == ["10.0.0.1:80", "10.0.0.2:80", "10.0.0.4:80"] * 2


def test_the_same_question_has_the_same_answer(mesh: Mesh) -> None:
    first = mesh.route("GET", "http://web/bad", seed=7)
    assert all(mesh.route("GET", "http://web/bad", seed=7) == first for _ in range(5))


def test_text_tells_it_all_in_order(mesh: Mesh) -> None:
    text = describe(mesh.route("GET", "http://web/api/x", {"x-user": "ann"}, seed=1))
    labels = [line.split()[0] for line in text.splitlines()[2:] if not line.startswith(" ")]
    assert labels == [
        "host", "rules", "split", "cors", "mirror", "forward", "response", "timeout", "retries",
        "hash", "cluster", "endpoints", "pick", "generation",
    ]  # fmt: skip
    assert "\x1b" not in text
    assert text.isascii()
    assert "\x1b[32m" in describe(mesh.route("GET", "http://web/api/x"), has_color=True)


@pytest.mark.parametrize(
    ("url", "first"),
    [
        ("http://web/nothing", "404 NR route_not_found"),
        ("http://web/old", "301 redirect"),
        ("http://web/tea", "418 direct_response"),
        ("http://we b/", "400 DPE"),
    ],
)
def test_text_begins_with_the_answer(mesh: Mesh, url: str, first: str) -> None:
    assert first in describe(mesh.route("GET", url)).splitlines()[0]


def test_text_shows_no_control_character_of_a_request(mesh: Mesh) -> None:
    text = describe(mesh.route("GET", "http://web/plain", {"end-user": "\x1b[31m" + "x" * 500}))
    assert "\x1b" not in text
    assert max(len(line) for line in text.splitlines()) < 400
