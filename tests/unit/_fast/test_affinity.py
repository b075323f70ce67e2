"""Which endpoint a client had last: for how long, and what a full set forgets."""

from __future__ import annotations

from types import ModuleType

import pytest

from meshproxy._fast.scoreboard import Scoreboard

KEY = 0x1234_5678_9ABC_DEF1


@pytest.mark.parametrize(("age", "slot"), [(0, 7), (10, 7), (11, -1)])
def test_find_gives_the_slot_until_the_time_is_over(
    probe: ModuleType, scoreboard: Scoreboard, age: int, slot: int
) -> None:
    probe.keep_affinity(scoreboard, KEY, 7, 100)
    assert probe.find_affinity(scoreboard, KEY, 100 + age, 10) == slot


def test_keep_starts_the_time_again_and_takes_another_slot(
    probe: ModuleType, scoreboard: Scoreboard
) -> None:
    probe.keep_affinity(scoreboard, KEY, 7, 100)
    probe.keep_affinity(scoreboard, KEY, 8, 110)
    assert probe.find_affinity(scoreboard, KEY, 120, 10) == 8


def test_unknown_client_is_not_found_in_a_fresh_table(
    probe: ModuleType, scoreboard: Scoreboard
) -> None:
    assert probe.find_affinity(scoreboard, KEY, 100, 86_400) == -1


def test_full_set_forgets_the_client_that_came_longest_ago(
    probe: ModuleType, scoreboard: Scoreboard
) -> None:
    keys = [5 + n * probe.AFFINITY_SETS for n in range(probe.WAYS + 1)]  # all of one set
    for n, key in enumerate(keys[:-1]):
        probe.keep_affinity(scoreboard, key, n, 100 + n)
    probe.keep_affinity(scoreboard, keys[0], 0, 200)
    probe.keep_affinity(scoreboard, keys[-1], 99, 201)
    found = [probe.find_affinity(scoreboard, key, 201, 1000) for key in keys]
    assert found == [0, -1, *range(2, probe.WAYS), 99]


def test_another_worker_finds_what_one_has_kept(probe: ModuleType) -> None:
    board = Scoreboard(2)
    other = Scoreboard(2, board.fd)
    probe.keep_affinity(board, KEY, 7, 100)
    assert probe.find_affinity(other, KEY, 101, 10) == 7
    board.close()
