"""How many workers `--workers auto` means: the CPUs this process may really use."""

from __future__ import annotations

import contextlib
import math
import os
from pathlib import Path

_CGROUP_ROOT = Path("/sys/fs/cgroup")
_CGROUP_OF_SELF = Path("/proc/self/cgroup")


def available_cpus() -> int:
    """CPUs by affinity and by the quota of the cgroup, whichever is less; at least 1."""
    return max(1, math.ceil(min(len(os.sched_getaffinity(0)), _quota())))


def parse_quota(cpu_max: str) -> float:
    """Takes the text of a `cpu.max` file; returns CPUs, infinity for no limit."""
    quota, _, period = cpu_max.strip().partition(" ")
    if not quota.isdigit() or not period.isdigit() or int(period) == 0:
        return math.inf
    return int(quota) / int(period)


def _quota() -> float:
    try:
        lines = _CGROUP_OF_SELF.read_text().splitlines()
    except OSError:
        return math.inf
    own = next((line[3:] for line in lines if line.startswith("0::")), "/")
    group = _CGROUP_ROOT / own.lstrip("/")
    quota = math.inf
    # every ancestor's limit holds too
    while group.is_relative_to(_CGROUP_ROOT):
        with contextlib.suppress(OSError):
            quota = min(quota, parse_quota((group / "cpu.max").read_text()))
        group = group.parent
    return quota
