"""What /proc says about a process tree and about a core: CPU time and memory."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

TICK_S = 1 / os.sysconf("SC_CLK_TCK")
PROC = Path("/proc")


@dataclass(frozen=True)
class ProcessCpu:
    """CPU seconds of one process since it began, with those of its children that have ended."""

    pid: int
    name: str
    user_s: float
    system_s: float

    @property
    def total_s(self) -> float:
        return self.user_s + self.system_s


@dataclass(frozen=True)
class CoreTime:
    """Seconds one core has spent since boot."""

    busy_s: float
    steal_s: float


def _stat(pid: int) -> tuple[str, list[str]]:
    text = (PROC / str(pid) / "stat").read_text()
    # The command may hold spaces and parentheses: proc(5) says the last ")" ends it.
    name, _, rest = text.partition("(")[2].rpartition(")")
    return name, rest.split()


def tree(root: int) -> list[int]:
    """Return `root` and its living descendants, parents first."""
    children: dict[int, list[int]] = {}
    for entry in PROC.iterdir():
        if entry.name.isdigit():
            try:
                parent = int(_stat(int(entry.name))[1][1])
            except (FileNotFoundError, ProcessLookupError):
                continue
            children.setdefault(parent, []).append(int(entry.name))
    found = [root]
    for pid in found:
        found.extend(children.get(pid, []))
    return found


def cpu(pids: list[int]) -> list[ProcessCpu]:
    """Return the CPU time of each process; raises ProcessLookupError if one has gone."""
    times = []
    for pid in pids:
        try:
            name, fields = _stat(pid)
        except FileNotFoundError:
            raise ProcessLookupError(pid) from None
        utime, stime, cutime, cstime = (int(field) * TICK_S for field in fields[11:15])
        times.append(ProcessCpu(pid, name, utime + cutime, stime + cstime))
    return times


def memory(pids: list[int]) -> tuple[int, int]:
    """Return (RSS, PSS) in bytes, summed: PSS counts a page shared by two as half for each."""
    rss = pss = 0
    for pid in pids:
        for line in (PROC / str(pid) / "smaps_rollup").read_text().splitlines()[1:]:
            key, value, *_ = line.split()
            if key == "Rss:":
                rss += int(value) * 1024
            elif key == "Pss:":
                pss += int(value) * 1024
    return rss, pss


def core(number: int) -> CoreTime:
    for line in (PROC / "stat").read_text().splitlines():
        name, *fields = line.split()
        if name == f"cpu{number}":
            user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, fields[:8])
            busy = user + nice + system + irq + softirq
            return CoreTime(busy * TICK_S, steal * TICK_S)
    raise ValueError(f"no core {number} on this machine")
