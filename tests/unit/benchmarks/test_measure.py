"""Rounds: a bad one says why, a good one carries its figures."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from pathlib import Path
from typing import ClassVar

import pytest

from benchmarks import compare, native, paced, procfs
from benchmarks.failure.fleet import Fleet
from benchmarks.measure import Round, Settings, measure, problems
from benchmarks.peers.floor import Floor
from benchmarks.peers.peer import Peer, Site
from benchmarks.upstream import Upstreams
from benchmarks.workload import WORKLOADS, Workload
from benchmarks.wrk import Load

CORE = min(os.sched_getaffinity(0))
SMALL = WORKLOADS["small"]

needs_cc = pytest.mark.skipif(native.compiler() is None, reason="no C compiler")
needs_wrk = pytest.mark.skipif(shutil.which("wrk") is None, reason="no wrk")


class _Broken(Peer):
    name: ClassVar[str] = "broken"

    def version(self) -> str:
        return "0"

    def command(self, site: Site) -> list[str]:
        return [sys.executable, "-c", "raise SystemExit('cannot read bench.conf')"]


def _load(**changed: object) -> Load:
    figures = {"requests": 10, "bytes": 2000, "seconds": 1.0, "p50_ms": 1.0, "p99_ms": 2.0}
    return Load(**{**figures, **changed})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("load", "served", "reason"),
    [
        (_load(errors={"status": 3}), 10, "3 status errors"),
        (_load(requests=0), 0, "no request completed"),
        (_load(bytes=100), 10, "responses are shorter than 128 bytes"),
        (_load(), 4, "10 responses, but the upstreams served 4"),
    ],
)
def test_problems_are_named(load: Load, served: int, reason: str) -> None:
    assert problems(load, SMALL, served) == [reason]


def test_problems_of_a_clean_round_are_none() -> None:
    assert problems(_load(), SMALL, 12) == []


@needs_cc
def test_paced_load_sends_what_is_due_and_reports_it(tmp_path: Path) -> None:
    with Upstreams(1, CORE, tmp_path) as upstreams:
        load = paced.run(paced.Asked(upstreams.ports[0], "bench", 2000), 0.5, 8, CORE)
        assert upstreams.served().requests == (1000,)
    assert (load.requests, load.errors) == (1000, {})
    assert 0 < load.p50_ms <= load.p90_ms <= load.p99_ms <= load.p999_ms <= load.max_ms


@needs_cc
def test_paced_latency_counts_from_when_a_request_was_due(tmp_path: Path) -> None:
    options = ("--workers", "1", "--work-ms", "20")
    with Fleet(options) as pods:
        load = paced.run(paced.Asked(pods.ports[0], "bench", 100), 0.3, 1, CORE)
        assert pods.served().requests == (30,)
    # The last waits for all before it, thirty times 20 ms, and was due 290 ms after the first.
    assert load.max_ms > 250


@needs_cc
def test_peer_that_ends_makes_an_invalid_round_with_its_own_words(tmp_path: Path) -> None:
    settings = Settings(1, 0, 4, CORE, CORE)
    with Upstreams(3, CORE, tmp_path) as upstreams:
        result: Round = measure(_Broken(), SMALL, 1, upstreams, settings, tmp_path)
    assert not result.is_valid
    assert "cannot read bench.conf" in result.errors[0]


class _Ending(Workload):
    def warm(self, site: Site, seconds: float, core: int) -> None:
        mine = procfs.cpu(procfs.tree(os.getpid()))
        (floor,) = [process.pid for process in mine if process.name == "floor"]
        os.kill(floor, signal.SIGKILL)
        os.waitid(os.P_PID, floor, os.WEXITED | os.WNOWAIT)


@needs_cc
def test_peer_that_ends_once_it_has_answered_makes_an_invalid_round(tmp_path: Path) -> None:
    settings = Settings(1, 0, 4, CORE, CORE)
    with Upstreams(3, CORE, tmp_path) as upstreams:
        result = measure(Floor(), _Ending("small", ""), 1, upstreams, settings, tmp_path)
    assert result.errors == ["ended with status -9: (it wrote nothing)"]


@needs_cc
@needs_wrk
def test_compare_measures_the_floor(capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--seconds", "1", "--warmup", "0", "--connections", "8", "-o", "json"]
    assert (
        compare.main(["--peers", "floor", "--workloads", "small", "--rounds", "1", *options]) == 0
    )
    run = json.loads(capsys.readouterr().out)
    (done,) = run["workloads"]["small"]["rounds"]
    assert run["errors"] == []
    assert done["requests"] > 0 and done["cpu_us"] > 0 and done["pss_mb"] > 0
    assert done["upstream_connections"] == 8
    assert run["workloads"]["small"]["ratios"]["cpu_us"] == {"floor": {"floor": 1.0}}
