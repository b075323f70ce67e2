"""The fuzzers run, find nothing in seven seconds, and do find what is there."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import pytest
from fuzz.mutator import Mutator
from fuzz.seeds import kept
from fuzz.targets import TARGETS

ROOT = Path(__file__).parents[2]


def test_fuzz_finds_nothing_in_seven_seconds() -> None:
    command = [sys.executable, "-m", "tests.fuzz", "--seconds", "7", "--seed", "1"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=180)
    assert result.returncode == 0, result.stdout + result.stderr
    counts = [int(line.split()[1]) for line in result.stdout.splitlines() if "inputs," in line]
    assert len(counts) == len(TARGETS) and min(counts) > 100


@pytest.mark.parametrize("name", sorted(TARGETS))
def test_inputs_that_once_reached_something_new_find_nothing(name: str) -> None:
    for data in kept(name):
        TARGETS[name](data)


def test_mutator_reaches_a_state_three_steps_away() -> None:
    mutator = Mutator([b"GET / HTTP/1.1\r\n\r\n"], random.Random(1))
    for _ in range(20_000):
        data = mutator.next()
        steps = [b"Host: b" in data, b"chunked" in data, data.count(b"\r\n") > 4, b"\x00" in data]
        if all(steps):
            return
        mutator.learn(data, tuple(steps))
    raise AssertionError("the mutator does not build on what it learnt")
