"""`meshproxy simulate`: the compiled decisions under a virtual clock, reproducible."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from support import manifests
from support.proxy import run_command

from meshproxy import Mesh
from meshproxy.explain.request import RequestView
from meshproxy.simulate import Behaviour, Scenario, run
from meshproxy.simulate.report import ClusterLoad, Report, report_of
from meshproxy.simulate.simulation import START_US, Simulation
from meshproxy.snapshot.build import Builder

RULE = """\
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: web}}
spec:
  host: web
  trafficPolicy: {{{policy}}}
"""
ROUTE = """\
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: web}}
spec:
  hosts: [web]
  http:
  - {rule}
    route: [{{destination: {{host: web}}}}]
"""
SPLIT = """\
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: web}
spec:
  hosts: [web]
  http:
  - route:
    - {destination: {host: web}, weight: 99}
    - {destination: {host: canary}, weight: 1}
"""
NO_RETRIES = ROUTE.format(rule="retries: {attempts: 0}")
HASHED = "loadBalancer: {{consistentHash: {{httpHeaderName: x-user{more}}}}}"
RING = HASHED.format(more="")
MAGLEV = HASHED.format(more=", maglev: {tableSize: 65537}")


def mesh(folder: Path, pods: int = 5, policy: str = "", more: str = "") -> Path:
    text = manifests.service("web", *range(8001, 8001 + pods))
    if policy:
        text += RULE.format(policy=policy)
    return manifests.write(folder, text + more)


def simulated(
    path: Path, *behaviours: Behaviour, headers: dict[str, str] | None = None, **settings: Any
) -> Simulation:
    builder = Builder()
    builder.load([str(path)])
    request = RequestView.parse("GET", "http://web/", (headers or {}).items())
    return run(builder, Scenario(request, behaviours=behaviours, **settings))


def loads(report: Report, cluster: int = 0) -> list[int]:
    return [pod.attempts for pod in report.clusters[cluster].pods]


def answers(report: Report) -> Counter[tuple[int, str]]:
    return Counter({(item.status, item.flags): item.requests for item in report.outcomes})


def behaviour(selector: str, **changes: float) -> Behaviour:
    return Behaviour(selector, changes)


SLOW = behaviour("web-0", slow=10)


def web(report: Report) -> ClusterLoad:
    return report.clusters[-1]


@pytest.mark.parametrize("workers", [1, 4])
def test_round_robin_loads_all_pods_alike_for_any_number_of_workers(
    tmp_path: Path, workers: int
) -> None:
    path = mesh(tmp_path, policy="loadBalancer: {simple: ROUND_ROBIN}")
    report = report_of(simulated(path, workers=workers))
    assert loads(report) == [2000] * 5
    assert (report.clusters[0].max_over_mean, report.clusters[0].policy) == (1.0, "ROUND_ROBIN")


def test_turns_are_those_that_explain_tells(tmp_path: Path) -> None:
    path = mesh(tmp_path, pods=3, policy="loadBalancer: {simple: ROUND_ROBIN}")
    told = [Mesh.from_files([path]).route("GET", "http://web/", seed=i).pod for i in range(20)]
    simulation = simulated(path, clients=1, requests=20)
    events = sorted((at, pod.name) for pod in simulation.pods.values() for at in pod.times_us)
    assert [name for _, name in events] == told


def test_random_picks_spread_by_chance(tmp_path: Path) -> None:
    path = mesh(tmp_path, policy="loadBalancer: {simple: RANDOM}")
    counts = loads(report_of(simulated(path)))
    # five standard deviations of a binomial of 10,000 and 1/5
    assert all(1800 < count < 2200 for count in counts) and len(set(counts)) > 1


def test_least_request_avoids_a_slow_pod(tmp_path: Path) -> None:
    def report(policy: str) -> Report:
        path = mesh(tmp_path, policy=f"loadBalancer: {{simple: {policy}}}")
        return report_of(simulated(path, SLOW, clients=20))

    turns, least = report("ROUND_ROBIN"), report("LEAST_REQUEST")
    assert loads(turns)[0] == 2000
    assert loads(least)[0] < 1000
    assert least.latency.p99_ms < turns.latency.p99_ms / 2


@pytest.mark.parametrize("policy", [RING, MAGLEV])
def test_a_key_stays_on_the_pod_that_explain_tells(tmp_path: Path, policy: str) -> None:
    path = mesh(tmp_path, policy=policy)
    asked = Mesh.from_files([path])
    for key in range(10):
        name = asked.route("GET", "http://web/", {"x-user": f"u{key}"}).pod
        simulation = simulated(path, headers={"x-user": f"u{key}"}, requests=50)
        assert {pod.name for pod in simulation.pods.values() if pod.attempts} == {name}


@pytest.mark.parametrize("workers", [1, 4])
def test_split_is_the_exact_one(tmp_path: Path, workers: int) -> None:
    canary = "---\n" + manifests.service("canary", 9001)
    path = mesh(tmp_path, more=canary + SPLIT)
    simulation = simulated(path, workers=workers, rates=(50, 200, 10))
    requests = {
        item.cluster.split("|")[3]: item.requests for item in report_of(simulation).clusters
    }
    assert requests == {
        "web.default.svc.cluster.local": 9_900,
        "canary.default.svc.cluster.local": 100,
    }


def test_unequal_clients_load_pods_unequally_only_when_pinned(tmp_path: Path) -> None:
    path = mesh(tmp_path, pods=3, policy="loadBalancer: {simple: ROUND_ROBIN}")
    report = report_of(simulated(path, clients=3, rates=(240, 120, 40)))
    assert report.clusters[0].max_over_mean <= 1.01
    assert 1.7 < report.per_connection.max_over_mean < 1.9  # 240 of 400 on one of three
    assert sum(report.per_connection.pods.values()) == 10_000


OUTLIER = (
    "outlierDetection: {consecutive5xxErrors: 3, interval: 1s, baseEjectionTime: 2s,"
    " maxEjectionPercent: 50}"
)


def test_failing_pod_is_ejected_by_the_counter_that_tripped(tmp_path: Path) -> None:
    path = mesh(tmp_path, policy=OUTLIER, more=NO_RETRIES)
    simulation = simulated(path, behaviour("web-1", fail=1), rates=(100,), duration_us=2_500_000)
    report = report_of(simulation)
    first = report.ejections[0]
    assert (first.event, first.pod, first.counter, first.value) == (
        "ejected", "default/web-1", "consecutive_5xx", 3,
    )  # fmt: skip
    back_us = round((first.at_ms + first.for_ms) * 1000)
    times = [at - START_US for at in simulation.pods["default/web-1"].times_us]
    assert not [at for at in times if first.at_ms * 1000 < at < back_us]
    assert answers(report)[503, "-"] >= 3


def test_max_ejection_percent_keeps_pods(tmp_path: Path) -> None:
    policy = OUTLIER.replace("50", "20")
    report = report_of(simulated(mesh(tmp_path, policy=policy), behaviour("*", fail=1)))
    events = Counter(item.event for item in report.ejections)
    assert events["ejected"] >= 1 and events["ejection_overflow"] >= 1
    out = [item for item in report.ejections if item.event == "ejected"]
    ends = [item.at_ms + item.for_ms for item in out]
    assert all(end <= later.at_ms for end, later in zip(ends, out[1:], strict=False))


def test_retries_hide_failures_and_are_counted(tmp_path: Path) -> None:
    rule = "retries: {attempts: 2, retryOn: 5xx}"
    path = mesh(tmp_path, more=ROUTE.format(rule=rule))
    simulation = simulated(path, behaviour("*", fail=0.1))
    report = report_of(simulation)
    assert 1.08 < report.attempts_per_request < 1.14
    assert answers(report)[503, "URX"] < 30  # 0.1 cubed, of 10,000
    assert report.attempts == sum(pod.attempts for pod in simulation.pods.values())


def test_retry_budget_bounds_the_amplification(tmp_path: Path) -> None:
    rule = "retries: {attempts: 5, retryOn: 5xx}"
    path = mesh(tmp_path, more=ROUTE.format(rule=rule))
    report = report_of(simulated(path, behaviour("*", fail=1), clients=100))
    assert report.attempts_per_request < 2.5  # six without a budget
    assert answers(report)[503, "UO"] > 5_000


def test_hang_is_ended_by_the_per_try_timeout_and_tried_again(tmp_path: Path) -> None:
    rule = "retries: {attempts: 2, perTryTimeout: 100ms, retryOn: 5xx}"
    path = mesh(tmp_path, more=ROUTE.format(rule=rule))
    report = report_of(simulated(path, behaviour("web-0", hang=1), clients=1, requests=100))
    assert answers(report) == {(200, "-"): 100}
    assert report.attempts_per_request > 1.1 and report.latency.max_ms > 100


def test_route_timeout_ends_requests_that_hang(tmp_path: Path) -> None:
    path = mesh(tmp_path, pods=1, more=ROUTE.format(rule="timeout: 50ms"))
    report = report_of(simulated(path, behaviour("web-0", hang=1), requests=100))
    assert answers(report) == {(504, "UT"): 100}
    assert report.latency.p50_ms == 50


def test_hang_without_a_timeout_is_told_as_unfinished(tmp_path: Path) -> None:
    report = report_of(simulated(mesh(tmp_path), behaviour("*", hang=1), clients=4))
    assert (report.requests, report.unfinished) == (0, 4)


def test_refused_connections_are_retried_elsewhere(tmp_path: Path) -> None:
    report = report_of(simulated(mesh(tmp_path), behaviour("web-0", refuse=1), clients=1))
    assert answers(report) == {(200, "-"): 10_000}
    assert report.attempts_per_request > 1.1
    assert web(report).pods[0].failed == web(report).pods[0].attempts


def test_requests_over_the_connection_limits_are_refused_with_uo(tmp_path: Path) -> None:
    policy = "connectionPool: {tcp: {maxConnections: 1}, http: {http1MaxPendingRequests: 1}}"
    path = mesh(tmp_path, pods=1, policy=policy, more=NO_RETRIES)
    one, three = (
        report_of(simulated(path, clients=count, requests=300, rates=(1000,))) for count in (1, 3)
    )
    assert answers(three)[503, "UO"] > answers(one)[503, "UO"] > 0
    assert answers(three)[200, "-"] > 0


def test_request_limit_is_the_whole_proxys(tmp_path: Path) -> None:
    policy = "connectionPool: {http: {http2MaxRequests: 3}}"
    path = mesh(tmp_path, policy=policy, more=NO_RETRIES)
    report = report_of(simulated(path, clients=8, workers=4, rates=(100,), requests=400))
    assert 0 < answers(report)[503, "UO"] < 400
    assert sum(pod.in_flight_peak for pod in web(report).pods) >= 3


@pytest.mark.parametrize("policy", [RING, MAGLEV])
def test_a_leaving_pod_moves_its_keys_and_few_others(tmp_path: Path, policy: str) -> None:
    path = mesh(tmp_path, policy=policy)
    leaves = behaviour("web-2", leaves_us=1_000_000)
    simulation = simulated(path, leaves, headers={"x-user": "u{key}"}, rates=(100,), requests=3000)
    (move,) = report_of(simulation).changes
    assert (move.pod, move.event, move.keys) == ("default/web-2", "leaves", 1000)
    assert 100 < move.needed <= move.moved < 450
    assert max(simulation.pods["default/web-2"].times_us) <= START_US + move.at_ms * 1000


def test_a_joining_pod_gets_its_share_from_then_on(tmp_path: Path) -> None:
    path = mesh(tmp_path, policy="loadBalancer: {simple: ROUND_ROBIN}")
    joins = behaviour("web-4", joins_us=5_000_000)
    simulation = simulated(path, joins, rates=(100,), requests=10_000)  # some ten seconds
    counts = loads(report_of(simulation))
    assert counts[4] == pytest.approx(1000, rel=0.2)
    assert counts[0] == pytest.approx(2250, rel=0.1)


def test_a_pod_that_restarts_gets_nothing_in_between(tmp_path: Path) -> None:
    restarts = behaviour("web-1", leaves_us=2_000_000, joins_us=4_000_000)
    simulation = simulated(mesh(tmp_path), restarts, rates=(100,), requests=6_000)
    times = [at - START_US for at in simulation.pods["default/web-1"].times_us]
    assert [at for at in times if at < 2_000_000] and [at for at in times if at > 4_000_000]
    assert not [at for at in times if 2_000_000 < at < 4_000_000]
    events = [(move.event, move.at_ms) for move in report_of(simulation).changes]
    assert events == [("leaves", 2_000), ("joins", 4_000)]


def test_a_joining_pod_warms_up(tmp_path: Path) -> None:
    policy = "loadBalancer: {simple: ROUND_ROBIN, warmup: {duration: 100s}}"
    path = mesh(tmp_path, policy=policy)
    # by then the others have been seen for longer than the warm-up
    joins = behaviour("web-4", joins_us=200_000_000)
    simulation = simulated(path, joins, clients=1, rates=(20,), requests=4400)
    counts = loads(report_of(simulation))
    assert 0 < counts[4] < 40  # of 80 for an equal share


def test_pod_with_few_slots_queues(tmp_path: Path) -> None:
    path = mesh(tmp_path, pods=1)
    settings = {"clients": 10, "requests": 1000, "distribution": "constant"}
    free, queued = (
        report_of(simulated(path, slots=slots, **settings))
        for slots in (0, 2)  # type: ignore[arg-type]
    )
    assert (free.latency.p50_ms, queued.latency.p50_ms) == (10, 50)


def test_every_gauge_is_zero_at_the_end(tmp_path: Path) -> None:
    policy = f"{OUTLIER}, connectionPool: {{tcp: {{maxConnections: 8}}}}"
    rule = "timeout: 100ms\n    retries: {attempts: 2, perTryTimeout: 60ms, retryOn: 5xx}"
    path = mesh(tmp_path, policy=policy, more=ROUTE.format(rule=rule))
    mixed = behaviour("*", fail=0.1, refuse=0.1, reset=0.1, hang=0.1)
    simulation = simulated(path, mixed, clients=50, workers=3, requests=5000)
    (cluster,) = simulation.cluster_data()
    counts = simulation.scoreboard.cluster(cluster["id"])
    assert counts["rq_total"] == 5000 and counts["rq_retry"] > 0
    assert [counts[name] for name in ("rq_active", "rq_pending", "rq_retrying")] == [0, 0, 0]
    for item in cluster["endpoints"]:
        assert simulation.scoreboard.endpoint(item["slot"])["rq_active"] == 0
    assert all(pod.in_flight == 0 for pod in simulation.pods.values())


def simulate(path: Path, *args: str) -> Any:
    return run_command("simulate", "-f", str(path), "http://web/", *args)


def test_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    path = mesh(tmp_path, policy=RING)
    args = ("-H", "x-user: u{key}", "--pods", "1:fail=0.2,slow=2", "--requests", "2000")
    told: list[tuple[str, bytes]] = []
    for index, seed in enumerate(("7", "7", "8")):
        svg = tmp_path / f"{index}.svg"
        done = simulate(path, *args, "--seed", seed, "-o", "json", "--svg", str(svg))
        assert done.returncode == 0, done.stderr
        told.append((done.stdout, svg.read_bytes()))
    assert told[0] == told[1]
    assert json.loads(told[2][0])["latency"] != json.loads(told[0][0])["latency"]


def test_text_states_results_and_the_limits_of_the_model(tmp_path: Path) -> None:
    done = simulate(mesh(tmp_path), "--requests", "500", "--pods", "web-1:slow=5")
    words = " ".join(done.stdout.split())
    for expected in ("500 requests", "p99", "pinned (L4)", "closed loop", "no network", "web-1"):
        assert expected in words
    assert max(map(len, done.stdout.splitlines())) <= 110


def test_chart_is_svg_with_a_bar_for_each_pod(tmp_path: Path) -> None:
    svg = tmp_path / "run.svg"
    simulate(mesh(tmp_path), "--requests", "500", "--svg", str(svg))
    root = ElementTree.parse(svg).getroot()
    texts = [item.text for item in root.iter("{http://www.w3.org/2000/svg}text")]
    assert {f"default/web-{index}" for index in range(5)} <= set(texts)


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("--pods", "web-9:slow=2"), "web-9 selects no pod"),
        (("--pods", "slow=2"), "expected SELECTOR:SETTING=VALUE"),
        (("--pods", "1:fast=2"), "expected one of slow, "),
        (("--pods", "1:fail=1.5"), "from 0 to 1"),
        (("--pods", "1:fail=0.6", "--pods", "web-0:hang=0.6"), "1 at most: 1.2"),
        (("--pods", "1:slots=many"), "slots: expected a number"),
        (("--rate", "0"), "above 0"),
    ],
)
def test_what_cannot_be_simulated_is_said(
    tmp_path: Path, args: tuple[str, ...], said: str
) -> None:
    done = simulate(mesh(tmp_path), *args)
    assert done.returncode == 2 and said in done.stderr


def test_unknown_host_is_answered_by_the_proxy(tmp_path: Path) -> None:
    path = mesh(tmp_path)
    done = run_command("simulate", "-f", str(path), "http://other/", "--requests", "10")
    assert "10 x 404 NR route_not_found" in done.stdout
