"""The benchmark suite's own arithmetic and refusals; no proxy is started here."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from benchmarks import chart, compare, goals, procfs, report, result
from benchmarks.measure import Round
from benchmarks.peers import PEERS
from benchmarks.peers.peer import Site, render
from benchmarks.scenes import mesh
from benchmarks.workload import WORKLOADS
from meshproxy import Mesh


def _round(peer: str, number: int, cpu_us: float, errors: list[str] | None = None) -> Round:
    return Round(peer, "small", number, errors=errors or [], requests=1000, cpu_us=cpu_us)


def test_ratio_pairs_rounds_of_the_same_number() -> None:
    rounds = [
        *(_round("floor", 1, 10), _round("mesh", 1, 11)),
        *(_round("floor", 2, 20), _round("mesh", 2, 22)),
        *(_round("floor", 3, 10), _round("mesh", 3, 30)),
    ]
    assert result.ratio(rounds, "mesh", "floor", "cpu_us") == pytest.approx(1.1)


def test_invalid_round_counts_for_nothing() -> None:
    rounds = [_round("floor", 1, 10), _round("mesh", 1, 1, ["3 status errors"])]
    assert result.ratio(rounds, "mesh", "floor", "cpu_us") is None
    assert result.medians(result.valid(rounds, "mesh")) == {}


def test_report_names_missing_peers_and_errors() -> None:
    rounds = [_round("floor", 1, 10), _round("nginx", 1, 0, ["7 status errors"])]
    run = {
        "machine": {
            **{"cpu": "x", "cores": 2, "memory_mb": 1, "kernel": "k", "system": "s"},
            "load_average": 0,
        },
        "settings": {"connections": 64, "load_core": 0, "proxy_core": 1},
        "command": "c",
        "load": "wrk",
        "peers": {"floor": "1", "nginx": "2"},
        "missing": {"envoy": "not installed"},
        "absent": {"small": {"nginx": "no configuration"}},
        "against_small": {"small": {"floor": 1.5}},
        "goals": goals.verdicts([_round("floor", 1, 10), _round("meshproxy", 1, 12)]),
        "workloads": {"small": report._workload(rounds, ["floor", "nginx"])},
        "errors": ["small round 1 nginx: 7 status errors"],
        "warnings": [],
    }
    text = report.text(run)
    assert "envoy     MISSING: not installed" in text
    assert "ERROR: small round 1 nginx: 7 status errors" in text
    assert "no valid round" in text
    assert "nginx takes no part: no configuration" in text
    assert "floor: 1.50 times its own CPU" in text
    assert re.search(r"small +CPU / floor <= 1.1 +1.20 +missed by 9.1%", text)


def test_goal_is_about_the_peer_that_is_hardest_to_beat() -> None:
    rounds = [_round(peer, 1, cpu) for peer, cpu in (("nginx", 20), ("haproxy", 10))]
    rounds.append(_round("meshproxy", 1, 9))
    (found,) = goals.verdicts(rounds)
    assert found["goal"] == "CPU / best of nginx and HAProxy <= 0.8"
    assert (found["measured"], found["missed_by"]) == pytest.approx((0.9, 0.125))


@pytest.mark.parametrize(
    ("argv", "known"),
    [(["--peers", "squid"], list(PEERS)), (["--workloads", "huge"], list(WORKLOADS))],
)
def test_unknown_name_lists_the_known_ones(
    argv: list[str], known: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        compare.main(argv)
    assert stop.value.code == 2
    assert ", ".join(known) in capsys.readouterr().err


@pytest.mark.parametrize(
    "name",
    [
        *("nginx.conf", "nginx-tcp.conf", "haproxy.cfg", "haproxy-tcp.cfg", "traefik.yaml"),
        *("envoy.yaml", "envoy-tcp.yaml", "meshproxy.yaml", "Caddyfile"),
    ],
)
def test_template_names_every_upstream_and_leaves_no_placeholder(
    name: str, tmp_path: Path
) -> None:
    text = render(name, Site(tmp_path, 20000, (1111, 2222, 3333), 64), MODULES="/m", BALANCE="b")
    assert all(str(port) in text for port in (1111, 2222, 3333))
    assert not re.search("@[A-Z_]+@", text)


def test_procfs_reads_this_process() -> None:
    (own,) = procfs.cpu([os.getpid()])
    rss, pss = procfs.memory([os.getpid()])
    assert own.total_s > 0
    assert 0 < pss <= rss
    assert procfs.tree(os.getpid())[0] == os.getpid()


def test_procfs_gone_process_is_an_error() -> None:
    with pytest.raises(ProcessLookupError):
        procfs.cpu([2**22 + 1])


def test_figures_against_small_pair_the_rounds_of_one_peer() -> None:
    rounds = [_round("mesh", number, cpu_us) for number, cpu_us in ((1, 10), (2, 20), (3, 10))]
    rounds += [replace(each, workload="routes", cpu_us=each.cpu_us * 1.5) for each in rounds]
    assert result.against(rounds, "mesh", "routes", "small", "cpu_us") == pytest.approx(1.5)
    assert result.against(rounds, "floor", "routes", "small", "cpu_us") is None


def test_chart_shows_every_peer_in_multiples_of_the_floor() -> None:
    rounds = [_round("floor", 1, 10), _round("mesh", 1, 11), _round("slow", 1, 900)]
    run = {"workloads": {"small": report._workload(rounds, ["floor", "mesh", "slow"])}}
    root = ElementTree.fromstring(chart.svg(run))
    words = [each.text for each in root.iter("{http://www.w3.org/2000/svg}text")]
    assert {"small: CPU per request", "mesh", "1.10", "90.00"} <= set(words)


def test_mesh_requests_reach_rules_all_along_the_list(tmp_path: Path) -> None:
    mesh.write_manifests(tmp_path, (18081, 18082, 18083))
    asked = Mesh.from_files([tmp_path])
    rules = []
    for request in mesh.requests("bench"):
        fields = dict(line.split(": ", 1) for line in request.fields)
        decision = asked.route("GET", f"http://bench{request.path}", fields)
        rules.append(int(decision.to_dict()["route"]))
    assert rules.count(mesh.RULES - 1) == 60
    assert len(set(rules)) > 20 and min(rules) < 5 and sorted(rules)[-61] > 40
