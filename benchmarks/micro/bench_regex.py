"""Hostile regular expressions, as a condition of a route runs them, on inputs 16 times apart.

RE2 takes linear time: ns_per_byte of both sizes is the same. A backtracking engine would not end.
"""

from __future__ import annotations

import importlib
from types import ModuleType

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

HOSTILE = {
    "nested": b"(a*)*b",
    "overlapping": b"(a|aa)+c",
    "doubled": b"(a+a+)+b",
    "many": b"(.*a){12}b",
    "cookie": rb"(.*?;)?\s*(debug=1)\s*(;.*)?c",
}
SIZES = {"64 KiB": 2**16, "1 MiB": 2**20}


@pytest.fixture(scope="session")
def matcher() -> ModuleType:
    try:
        return importlib.import_module("meshproxy._fast.matcher")
    except ImportError as error:
        pytest.skip(f"the compiled core cannot be timed: {error}")


@pytest.mark.parametrize("size", list(SIZES))
@pytest.mark.parametrize("pattern", list(HOSTILE))
def bench_regex(benchmark: BenchmarkFixture, matcher: ModuleType, pattern: str, size: str) -> None:
    benchmark.group = f"regex, {pattern}"
    matches = matcher.compile_regex(HOSTILE[pattern]).fullmatch
    text = b"a" * (SIZES[size] - 1) + b"!"  # refused at the last byte only
    assert benchmark(matches, text) is None
    benchmark.extra_info["ns_per_byte"] = round(benchmark.stats.stats.min / SIZES[size] * 1e9, 3)
