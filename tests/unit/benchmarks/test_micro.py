"""The way of the micro-benchmarks into the compiled core is compiled against it as it is now."""

from __future__ import annotations

import pytest

from benchmarks import native as programs
from benchmarks.micro import bench_pick, bench_route, native
from benchmarks.micro.heads import BROWSER_REQUEST


@pytest.mark.skipif(programs.compiler() is None, reason="no C compiler")
def test_loops_match_routes_and_pick_endpoints() -> None:
    loops = native.loops()
    route = bench_route._route("last", [])
    snapshot = loops.make_snapshot(bench_route._snapshot(10, [route]))
    assert loops.match(snapshot, BROWSER_REQUEST, 2) == "last"
    cluster = loops.make_cluster(bench_pick._cluster("ROUND_ROBIN", 3), bench_pick.WORKERS)
    assert loops.pick(cluster, 3) == 0 + 1 + 2
