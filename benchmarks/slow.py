"""What slow clients cost honest ones: wrk alone, then wrk beside many connections of drip.c.

python -m benchmarks.slow --connections 5000 --rounds 5

`headers`: each slow connection sends a line of its head every ten seconds; `body`: a few bytes of
its body. Each round measures wrk before, during and after; the ratio is of the one during to the
mean of the others, so a machine that changes speed does not count. What the slow ones take of the
load's core, they take from wrk: it is told, and must stay near nothing.
The worker runs under `--limit memory`; a request it would shed for that makes the run fail.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks import native, procfs, wrk
from benchmarks.measure import free_port
from benchmarks.peers import PEERS
from benchmarks.peers.peer import Site
from benchmarks.process import Process, StartError
from benchmarks.transfer import MIB, answers, memory, wait
from benchmarks.upstream import Upstreams

KINDS = ("body", "headers")
PER_SECOND = 2000  # new slow connections
FOLLOW_UP_S = 10
OPEN_S = 60.0  # until all are open, or closed again
LOST_AT_MOST = 0.10
BYTES_EACH = 8192  # the most that a slow connection may cost: two connections, a stream, its head


@dataclass(frozen=True)
class Honest:
    """What wrk saw, and what a request cost the proxy."""

    per_s: float
    cpu_us: float
    p99_ms: float


@contextmanager
def attack(kind: str, port: int, count: int, core: int, log: Path) -> Iterator[Process]:
    """Keep `count` slow connections open."""
    figures = (port, count, PER_SECOND, FOLLOW_UP_S)
    words = [str(native.program("drip")), *map(str, figures), kind, "bench"]
    with Process(words, core, log) as process:
        wait(lambda: process.tail() == "open", f"no {count} slow connections", OPEN_S)
        yield process
        process.check_alive()


def connected(port: int) -> int:
    """How many connections the port has, accepted or waiting for it."""
    here, established = f":{port:04X}", "01"
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    ends = (line.split(None, 4)[1:4] for line in lines)
    return sum(local.endswith(here) and state == established for local, _, state in ends)


def spent_s(pids: list[int]) -> float:
    return sum(each.total_s for each in procfs.cpu(pids))


def measure(site: Site, pids: list[int], seconds: float, core: int) -> Honest:
    before = spent_s(pids)
    load = wrk.run(
        wrk.Asked(f"http://127.0.0.1:{site.port}/", ("Host: bench",)), seconds, 64, core
    )
    if load.errors:
        raise wrk.LoadError(f"honest requests failed: {load.errors}")
    spent = spent_s(pids) - before
    return Honest(load.requests / load.seconds, spent / load.requests * 1e6, load.p99_ms)


def run(kind: str, arguments: argparse.Namespace, folder: Path) -> bool:
    """Print the rounds of one kind; whether the honest ones kept their share."""
    slow, core, seconds = arguments.connections, arguments.load_core, arguments.seconds
    kept, earned, costs = [], [], []
    with Upstreams(3, core, folder) as upstreams:
        site = Site(folder, free_port(), upstreams.ports, 64, "plain")
        limit = arguments.memory_mib * MIB
        bound = ("--limit", f"memory={arguments.memory_mib}MiB")
        command = [*PEERS["meshproxy"].command(site), *bound]
        with Process(command, arguments.proxy_core, folder / "proxy.log") as process:
            wait(lambda: answers(site.port), process.tail())
            pids = procfs.tree(process.pid)
            settings = site, pids, seconds, core
            measure(*settings)
            for number in range(arguments.rounds):
                calm = measure(*settings)
                _, empty = procfs.memory(pids)
                with attack(kind, site.port, slow, core, folder / f"slow-{number}.log") as drip:
                    _, full = procfs.memory(pids)
                    before = spent_s([drip.pid])
                    hit = measure(*settings)
                    share = (spent_s([drip.pid]) - before) / seconds
                wait(lambda: not connected(site.port), "slow connections stay", OPEN_S)
                after = measure(*settings)
                costs.append((full - empty) / slow)
                kept.append(hit.per_s / statistics.mean((calm.per_s, after.per_s)))
                earned.append(statistics.mean((calm.cpu_us, after.cpu_us)) / hit.cpu_us)
                print(
                    f"{kind}: {slow} slow connections, {costs[-1]:.0f} bytes each, took"
                    f" {share:.1%} of the load's core; honest {hit.per_s:.0f}/s"
                    f" beside {calm.per_s:.0f} and {after.per_s:.0f} ({kept[-1]:.3f}),"
                    f" per CPU second of the proxy {earned[-1]:.3f},"
                    f" p99 {hit.p99_ms:.1f} ms beside {calm.p99_ms:.1f}",
                    flush=True,
                )
            peak = memory(pids[-1], "VmHWM")
    median = statistics.median(kept)
    print(
        f"{kind}: {median:.3f} of the honest throughput kept,"
        f" {statistics.median(earned):.3f} per CPU second of the proxy;"
        f" {max(costs):.0f} bytes each;"
        f" the worker took {peak / MIB:.1f} MiB at its peak, of a limit of {limit // MIB} MiB"
    )
    return median >= 1 - LOST_AT_MOST and max(costs) <= BYTES_EACH and peak <= limit


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.slow", description=__doc__)
    parser.add_argument("--connections", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS)
    parser.add_argument("--memory-mib", type=int, default=128)
    parser.add_argument("--load-core", type=int, default=0)
    parser.add_argument("--proxy-core", type=int, default=1)
    arguments = parser.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    is_fine = True
    for kind in arguments.kinds:
        with tempfile.TemporaryDirectory(prefix="meshproxy-slow-") as folder:
            try:
                is_fine = run(kind, arguments, Path(folder)) and is_fine
            except (StartError, wrk.LoadError, native.CompileError) as error:
                print(f"error: {error}", file=sys.stderr)
                return 1
    return 0 if is_fine else 1


if __name__ == "__main__":
    sys.exit(main())
