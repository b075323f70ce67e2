"""The benchmark suite's own arithmetic and refusals; no proxy is started here."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from benchmarks import compare, procfs, report, result
from benchmarks.measure import Round
from benchmarks.peers import PEERS
from benchmarks.peers.peer import Site, render
from benchmarks.workload import WORKLOADS


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
        "workloads": {"small": report._workload(rounds, ["floor", "nginx"])},
        "errors": ["small round 1 nginx: 7 status errors"],
        "warnings": [],
    }
    text = report.text(run)
    assert "envoy     MISSING: not installed" in text
    assert "ERROR: small round 1 nginx: 7 status errors" in text
    assert "no valid round" in text


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


@pytest.mark.parametrize("name", ["nginx.conf", "haproxy.cfg", "envoy.yaml", "meshproxy.yaml"])
def test_template_names_every_upstream_and_leaves_no_placeholder(
    name: str, tmp_path: Path
) -> None:
    text = render(name, Site(tmp_path, 20000, (1111, 2222, 3333), 64))
    assert all(str(port) in text for port in (1111, 2222, 3333))
    assert "@PORT@" not in text and "@UPSTREAM" not in text and "@DIRECTORY@" not in text


def test_procfs_reads_this_process() -> None:
    (own,) = procfs.cpu([os.getpid()])
    rss, pss = procfs.memory([os.getpid()])
    assert own.total_s > 0
    assert 0 < pss <= rss
    assert procfs.tree(os.getpid())[0] == os.getpid()


def test_procfs_gone_process_is_an_error() -> None:
    with pytest.raises(ProcessLookupError):
        procfs.cpu([2**22 + 1])
