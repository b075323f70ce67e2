"""Load by priority, against figures worked out by hand from Envoy's documented formula:

health = min(100, healthy * 140 // total); a sum below 100 is scaled to 100, what integer division
leaves goes to the first priority with health; each takes up to its health, the next what is left.
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from property.profile import bounded

from meshproxy._fast.priority import loads

CASES = [
    # (healthy, total) by priority, percent of each
    ([(10, 10)], [100]),
    ([(1, 10)], [100]),
    ([(0, 10)], [100]),  # never panic: the first keeps all, and has nobody
    ([(10, 10), (10, 10)], [100, 0]),
    ([(8, 10), (10, 10)], [100, 0]),  # 8 * 140 // 10 = 112
    ([(72, 100), (1, 1)], [100, 0]),  # 100.8
    ([(71, 100), (1, 1)], [99, 1]),  # 99.4
    ([(7, 10), (10, 10)], [98, 2]),
    ([(5, 10), (10, 10)], [70, 30]),
    ([(2, 10), (3, 10), (10, 10)], [28, 42, 30]),
    ([(0, 10), (10, 10)], [0, 100]),
    ([(0, 0), (10, 10)], [0, 100]),
    ([(2, 10), (2, 10)], [50, 50]),  # 28 + 28 = 56: 28 * 100 // 56
    ([(1, 10), (2, 10), (1, 10)], [25, 50, 25]),  # 14, 28, 14: Envoy's own documented example
    ([(1, 10), (1, 7), (1, 9)], [30, 40, 30]),  # 14, 20, 15 of 49: 28, 40, 30, and 2 left over
    ([(1, 3), (1, 3)], [50, 50]),  # 46 of 92
    ([(0, 5), (0, 5)], [100, 0]),
]


@pytest.mark.parametrize(("groups", "percents"), CASES)
def test_load_by_health(groups: list[tuple[int, int]], percents: list[int]) -> None:
    assert loads(groups) == [(percent, False) for percent in percents]


PANIC = [
    # groups, threshold, percents, who is in panic
    ([(7, 10)], 50, [100], [False]),
    ([(4, 10)], 50, [100], [True]),
    ([(5, 10)], 50, [100], [False]),  # 50 is not below 50
    ([(8, 10)], 90, [100], [False]),  # 80 < 90, but 112 >= 100: no panic
    ([(7, 10)], 90, [100], [True]),  # 98
    ([(0, 10)], 1, [100], [True]),
    ([(0, 10)], 0, [100], [False]),
    ([(1, 10), (9, 10)], 50, [14, 86], [False, False]),  # 14 + 126 >= 100
    ([(1, 10), (6, 10)], 50, [15, 85], [True, False]),  # 14 + 84 = 98: 14, 85, and 1 left over
    ([(1, 10), (1, 10)], 50, [50, 50], [True, True]),  # all: by count
    ([(1, 10), (1, 30)], 50, [25, 75], [True, True]),
    ([(0, 10), (0, 20)], 50, [34, 66], [True, True]),  # 33, 66, and 1 left over
    ([(0, 0), (1, 10)], 50, [0, 100], [True, True]),
]


@pytest.mark.parametrize(("groups", "threshold", "percents", "panics"), PANIC)
def test_load_in_panic(
    groups: list[tuple[int, int]], threshold: int, percents: list[int], panics: list[bool]
) -> None:
    assert loads(groups, threshold) == list(zip(percents, panics, strict=True))


GROUPS = st.lists(
    st.integers(0, 40).flatmap(lambda total: st.tuples(st.integers(0, total), st.just(total))),
    min_size=1,
    max_size=5,
)


@bounded(300)
@given(groups=GROUPS, threshold=st.integers(0, 100))
def test_percents_always_add_up_to_100(groups: list[tuple[int, int]], threshold: int) -> None:
    found = loads(groups, threshold)
    assert sum(percent for percent, _ in found) == 100
    assert threshold or not any(panic for _, panic in found)
    for (healthy, total), (percent, panic) in zip(groups, found, strict=True):
        assert percent >= 0
        if panic and total:
            assert healthy / total * 100 < threshold
