"""Turns between a computation and who waits for its core."""

from __future__ import annotations

import signal
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from meshproxy.server.priority import MOST_TURNS, Turns


@pytest.fixture
def turns():
    before = signal.getsignal(signal.SIGALRM)
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, [])
    yield Turns()
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    signal.signal(signal.SIGALRM, before)


def compute_for(cpu_s: float) -> None:
    end = time.thread_time() + cpu_s
    while time.thread_time() < end:
        pass


def test_turns_long_computation_is_not_cut_to_its_end(turns):
    with turns.taken():
        compute_for(0.05)
        assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0), "all turns are taken"
        assert turns._left == 0


def test_turns_end_in_the_main_thread_alone(turns):
    with ThreadPoolExecutor(max_workers=1) as executor:
        assert signal.SIGALRM in executor.submit(blocked).result()
    assert signal.SIGALRM in blocked()
    with turns.taken():
        assert signal.SIGALRM not in blocked()
    assert signal.SIGALRM in blocked()


def blocked():
    return signal.pthread_sigmask(signal.SIG_BLOCK, [])


def test_turns_failed_computation_leaves_no_timer(turns):
    with pytest.raises(ValueError), turns.taken():
        assert turns._left == MOST_TURNS
        raise ValueError
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    compute_for(0.002)
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
