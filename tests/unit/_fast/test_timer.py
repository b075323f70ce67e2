"""The timer wheel: nothing early, nothing lost, nothing twice."""

from __future__ import annotations

import random
from types import ModuleType

import pytest


def test_timer_fires_at_its_deadline_and_not_before(probe: ModuleType) -> None:
    wheel = probe.Wheel()
    wheel.pop(0)
    wheel.arm(0, 25_000)
    assert wheel.pop(24_999) == []
    assert wheel.pop(25_000 + probe.TICK_US) == [0]
    assert wheel.armed == 0 and not wheel.is_armed(0)


def test_timer_fires_within_one_tick_of_its_deadline(probe: ModuleType) -> None:
    for deadline in (1, 9_999, 10_000, 10_001, 123_456):
        wheel = probe.Wheel()
        wheel.pop(0)
        wheel.arm(0, deadline)
        now = 0
        while not wheel.pop(now):
            now += 1_000
        assert deadline <= now <= deadline + probe.TICK_US + 1_000


def test_timer_of_a_later_revolution_waits(probe: ModuleType) -> None:
    wheel = probe.Wheel()
    wheel.pop(0)
    revolution = probe.SLOTS * probe.TICK_US
    wheel.arm(0, 50_000)
    wheel.arm(1, 50_000 + revolution)
    wheel.arm(2, 50_000 + 9 * revolution)
    assert wheel.pop(70_000) == [0]
    assert wheel.pop(revolution) == []
    assert wheel.pop(revolution + 70_000) == [1]
    for turn in range(2, 9):
        assert wheel.pop(turn * revolution + 70_000) == []
    assert wheel.pop(9 * revolution + 70_000) == [2]


def test_timer_after_a_long_pause_all_due_fire_once(probe: ModuleType) -> None:
    wheel = probe.Wheel()
    wheel.pop(0)
    for i in range(64):
        wheel.arm(i, i * 1_000_003)
    assert sorted(wheel.pop(10**9)) == list(range(64))
    assert wheel.pop(2 * 10**9) == []


def test_timer_cancelled_does_not_fire(probe: ModuleType) -> None:
    wheel = probe.Wheel()
    wheel.arm(0, 1_000)
    wheel.arm(1, 1_000)
    wheel.cancel(0)
    wheel.cancel(0)
    assert wheel.armed == 1
    assert wheel.pop(100_000) == [1]


def test_timer_armed_again_moves(probe: ModuleType) -> None:
    wheel = probe.Wheel()
    wheel.pop(0)
    wheel.arm(0, 1_000_000)
    wheel.arm(0, 20_000)
    assert wheel.armed == 1
    assert wheel.pop(40_000) == [0]
    wheel.arm(0, 50_000)
    wheel.arm(0, 500_000)
    assert wheel.pop(400_000) == []
    assert wheel.pop(520_000) == [0]


def test_timer_armed_in_the_past_fires_next(probe: ModuleType) -> None:
    wheel = probe.Wheel()
    wheel.pop(1_000_000)
    wheel.arm(0, 5)
    assert wheel.pop(1_000_000 + probe.TICK_US) == [0]


def test_next_due_is_never_late(probe: ModuleType) -> None:
    wheel = probe.Wheel()
    assert wheel.next_due_in(0) == 0
    wheel.pop(0)
    for deadline in (15_000, 200_000, 5_000_000):
        wheel.arm(0, deadline)
        wait = wheel.next_due_in(0)
        assert 0 < wait <= deadline + probe.TICK_US
        assert wheel.pop(wait) == [0]
        wheel = probe.Wheel()
        wheel.pop(0)


def test_next_due_of_an_overdue_timer_is_at_most_a_tick(probe: ModuleType) -> None:
    wheel = probe.Wheel()
    wheel.pop(0)
    wheel.arm(0, 10_000)
    assert 0 < wheel.next_due_in(10_000_000) <= probe.TICK_US


@pytest.mark.parametrize("seed", range(5))
def test_timer_wheel_equals_a_sorted_list(probe: ModuleType, seed: int) -> None:
    chance = random.Random(seed)
    wheel = probe.Wheel()
    deadlines: dict[int, int] = {}
    due_at: dict[int, int] = {}  # a deadline that has passed is due when it is armed
    now = 0
    wheel.pop(now)
    for _ in range(3000):
        i = chance.randrange(64)
        what = chance.random()
        if what < 0.6:
            deadlines[i] = max(0, now + chance.choice([-50_000, 0, 30_000, 10**6, 2 * 10**7]))
            deadlines[i] += chance.randrange(20_000)
            due_at[i] = max(deadlines[i], now)
            wheel.arm(i, deadlines[i])
        elif what < 0.75:
            deadlines.pop(i, None)
            wheel.cancel(i)
        else:
            now += chance.choice([100, 5_000, 20_000, 300_000, 10**7])
            for due in wheel.pop(now):
                assert deadlines.pop(due) <= now
            assert not [j for j in deadlines if due_at[j] + 2 * probe.TICK_US <= now]
        assert wheel.armed == len(deadlines)
        if deadlines:
            soonest = min(deadlines.values())
            assert now + wheel.next_due_in(now) <= max(soonest, now) + 2 * probe.TICK_US
