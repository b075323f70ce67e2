"""Shared counters: what a dead worker leaves behind, and what a slot forgets."""

from __future__ import annotations

from types import ModuleType

import pytest

from meshproxy._fast import scoreboard as module
from meshproxy._fast.scoreboard import Scoreboard

UF, DC = 1 << 7, 1 << 13


def test_sums_are_over_all_workers(probe: ModuleType, scoreboard: Scoreboard) -> None:
    for worker in (1, 2, 3):
        probe.bump_endpoint(scoreboard, worker, 7, {"rq_total": worker, "rq_active": 1})
        probe.bump_cluster(scoreboard, worker, 2, {"rq_total": worker, "cx_active": 2})
        probe.bump_process(scoreboard, worker, {"no_route": worker, "downstream_cx_active": 1})
    assert scoreboard.endpoint(7)["rq_total"] == 6
    assert scoreboard.endpoint(7)["rq_active"] == 3
    assert (scoreboard.cluster(2)["rq_total"], scoreboard.cluster(2)["cx_active"]) == (6, 6)
    assert scoreboard.process()["no_route"] == 6
    assert scoreboard.process()["downstream_cx_active"] == 3
    assert set(scoreboard.endpoint(8).values()) == {0}


def test_a_worker_writes_where_the_others_read(probe: ModuleType, scoreboard: Scoreboard) -> None:
    probe.bump_endpoint(Scoreboard(3, scoreboard.fd), 2, 0, {"rq_total": 5})
    assert scoreboard.endpoint(0)["rq_total"] == 5


def test_dead_worker_leaves_its_counters_and_no_gauge(
    probe: ModuleType, scoreboard: Scoreboard
) -> None:
    probe.bump_endpoint(scoreboard, 2, 1, {"rq_total": 5, "rq_active": 4, "cx_active": 3})
    probe.bump_endpoint(scoreboard, 1, 1, {"rq_total": 1, "rq_active": 1})
    probe.bump_cluster(scoreboard, 2, 3, {"rq_total": 5, "rq_active": 4, "request_bytes": 9})
    probe.bump_process(scoreboard, 2, {"downstream_rq_total": 8, "downstream_rq_active": 2})
    probe.add_code(scoreboard, 2, 3, 200, 0)
    probe.add_duration(scoreboard, 2, 3, 700)
    scoreboard.clear_worker(2)
    for _ in range(2):  # a second fold adds nothing
        endpoint, cluster = scoreboard.endpoint(1), scoreboard.cluster(3)
        assert (endpoint["rq_total"], endpoint["rq_active"], endpoint["cx_active"]) == (6, 1, 0)
        assert (cluster["rq_total"], cluster["rq_active"], cluster["request_bytes"]) == (5, 0, 9)
        assert scoreboard.process()["downstream_rq_total"] == 8
        assert scoreboard.process()["downstream_rq_active"] == 0
        assert scoreboard.cluster_codes(3) == [(200, "-", 1)]
        assert sum(scoreboard.cluster_histogram(3)[0]) == 1
        scoreboard.clear_worker(2)


@pytest.mark.parametrize("what", ["rq_total", "cx_total", "cx_connect_fail", "cx_none_healthy"])
def test_dead_worker_leaves_a_count_that_stands_alone(
    probe: ModuleType, scoreboard: Scoreboard, what: str
) -> None:
    name = "cx_none_healthy" if what == "cx_none_healthy" else "rq_total"
    probe.bump_cluster(scoreboard, 1, 0, {name: 3})
    if what != "cx_none_healthy":
        probe.bump_endpoint(scoreboard, 1, 0, {what: 3})
    scoreboard.clear_worker(1)
    assert scoreboard.cluster(0)[name] == 3
    if what != "cx_none_healthy":
        assert scoreboard.endpoint(0)[what] == 3


def test_dead_worker_is_forgotten_by_least_request(
    probe: ModuleType, scoreboard: Scoreboard
) -> None:
    from shapes import cluster_data

    picker = probe.Picker(cluster_data(1, 1, policy="LEAST_REQUEST"), scoreboard)
    probe.bump_endpoint(scoreboard, 2, 0, {"rq_active": 50, "rq_total": 50})
    assert set(picker.picks(10)) == {1}
    scoreboard.clear_worker(2)
    assert set(picker.picks(10)) == {0, 1}


@pytest.mark.parametrize("worker", [0, 4, -1])
def test_clear_worker_of_no_worker_is_refused(scoreboard: Scoreboard, worker: int) -> None:
    with pytest.raises(ValueError, match="worker: expected 1 to 3"):
        scoreboard.clear_worker(worker)


def test_slots_are_forgotten_before_reuse(probe: ModuleType, scoreboard: Scoreboard) -> None:
    for worker in (0, 1, 3):
        probe.bump_endpoint(scoreboard, worker, 4, {"rq_total": 1})
        probe.bump_cluster(scoreboard, worker, 4, {"rq_total": 1})
    probe.set_cluster_cursor(scoreboard, 4, 9)
    scoreboard.clear_endpoint(4)
    scoreboard.clear_cluster(4)
    assert set(scoreboard.endpoint(4).values()) == {0}
    assert set(scoreboard.cluster(4).values()) == {0}
    assert probe.cluster_cursor(scoreboard, 4) == 0


def test_slot_that_is_reused_keeps_what_is_in_flight(
    probe: ModuleType, scoreboard: Scoreboard
) -> None:
    kept = {"rq_active": 2, "cx_active": 1}
    waiting = {"rq_pending": 3, "rq_retrying": 4}
    for worker in (1, 3):
        probe.bump_endpoint(scoreboard, worker, 4, kept | {"rq_total": 1})
        probe.bump_cluster(scoreboard, worker, 4, kept | waiting | {"rq_total": 1})
    scoreboard.clear_endpoint(4)
    scoreboard.clear_cluster(4)
    left = {name: n for name, n in scoreboard.endpoint(4).items() if n}
    assert left == {"rq_active": 4, "cx_active": 2}
    left = {name: n for name, n in scoreboard.cluster(4).items() if n}
    assert left == {"rq_active": 4, "cx_active": 2, "rq_pending": 6, "rq_retrying": 8}


def test_codes_are_counted_by_status_and_flags(probe: ModuleType, scoreboard: Scoreboard) -> None:
    for worker, status, flags in [(1, 200, 0), (2, 200, 0), (1, 503, UF), (3, 0, DC), (1, 503, 0)]:
        probe.add_code(scoreboard, worker, 0, status, flags)
    assert sorted(scoreboard.cluster_codes(0)) == [
        (0, "DC", 1),
        (200, "-", 2),
        (503, "-", 1),
        (503, "UF", 1),
    ]


def test_codes_beyond_the_table_share_one_row(probe: ModuleType, scoreboard: Scoreboard) -> None:
    for worker in (1, 2):
        for status in range(400, 430):
            probe.add_code(scoreboard, worker, 0, status + worker, 0)
    rows = scoreboard.cluster_codes(0)
    assert sum(count for _, _, count in rows) == 60
    assert len(rows) <= 15
    assert len({row[:2] for row in rows}) == len(rows)


def test_durations_fall_into_their_bucket(probe: ModuleType, scoreboard: Scoreboard) -> None:
    bounds = module.HISTOGRAM_BOUNDS_MS
    for bound in bounds:
        probe.add_duration(scoreboard, 1, 0, int(bound * 1000))
        probe.add_duration(scoreboard, 2, 0, int(bound * 1000) + 1)
    counts, total_ms = scoreboard.cluster_histogram(0)
    assert counts == [1] + [2] * (len(bounds) - 1) + [1]
    assert total_ms == pytest.approx(2 * sum(bounds), abs=0.1)


@pytest.mark.parametrize("workers", [0, -1, 65])
def test_worker_count_out_of_range_is_refused(workers: int) -> None:
    with pytest.raises(ValueError, match="workers: expected 1 to 64"):
        Scoreboard(workers)


def test_mapping_of_another_shape_is_refused(scoreboard: Scoreboard) -> None:
    with pytest.raises(ValueError, match="another number of workers"):
        Scoreboard(2, scoreboard.fd)


def test_close_twice_is_harmless_and_keeps_the_mapping(scoreboard: Scoreboard) -> None:
    scoreboard.close()
    scoreboard.close()
    assert set(scoreboard.endpoint(0).values()) == {0}


def test_slots_out_of_range_stay_inside_the_mapping(
    probe: ModuleType, scoreboard: Scoreboard
) -> None:
    probe.bump_endpoint(scoreboard, 3, module.MAX_ENDPOINTS + 5, {"rq_total": 1})
    probe.bump_cluster(scoreboard, 3, module.MAX_CLUSTERS, {"rq_total": 1})
    assert scoreboard.endpoint(module.MAX_ENDPOINTS - 1)["rq_total"] == 0
