"""What slow clients cost honest ones: wrk alone, then wrk beside slowhttptest.

python -m benchmarks.slow --connections 5000 --rounds 3

`headers`: each slow connection sends a line of its head every ten seconds (slowhttptest -H);
`body`: a few bytes of its body (-B). Each round measures wrk before, during and after; the ratio
is of the one during to the mean of the others, so a machine that changes speed does not count.
wrk and slowhttptest share a core: what the proxy itself spends on slow connections is told apart.
The worker runs under `--limit memory`; a request it would shed for that makes the run fail.
"""

from __future__ import annotations

import argparse
import resource
import shutil
import statistics
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks import procfs, wrk
from benchmarks.measure import free_port
from benchmarks.peers import PEERS
from benchmarks.peers.peer import Site
from benchmarks.process import Process, StartError
from benchmarks.transfer import MIB, answers, memory, wait
from benchmarks.upstream import Upstreams

KINDS = {"headers": ("-H",), "body": ("-B", "-s", "100000")}
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
def attack(kind: str, port: int, count: int, core: int, log: Path) -> Iterator[None]:
    """Keep `count` slow connections open."""
    words = ["slowhttptest", *KINDS[kind], "-c", str(count), "-r", str(PER_SECOND)]
    words += ["-i", str(FOLLOW_UP_S), "-l", "600", "-x", "10", "-p", "30", "-v", "1"]
    words += ["-d", f"127.0.0.1:{port}", "-u", "http://bench/"]
    with Process(words, core, log) as process:
        wait(lambda: connected(port) >= count, f"no {count} slow connections", OPEN_S)
        process.check_alive()
        yield
        process.check_alive()


def connected(port: int) -> int:
    """How many connections the port has, accepted or waiting for it."""
    here, established = f":{port:04X}", "01"
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    ends = (line.split(None, 4)[1:4] for line in lines)
    return sum(local.endswith(here) and state == established for local, _, state in ends)


def measure(site: Site, root: int, seconds: float, core: int) -> Honest:
    pids = procfs.tree(root)
    before = sum(each.total_s for each in procfs.cpu(pids))
    load = wrk.run(
        wrk.Asked(f"http://127.0.0.1:{site.port}/", ("Host: bench",)), seconds, 64, core
    )
    if load.errors:
        raise wrk.LoadError(f"honest requests failed: {load.errors}")
    spent = sum(each.total_s for each in procfs.cpu(pids)) - before
    return Honest(load.requests / load.seconds, spent / load.requests * 1e6, load.p99_ms)


def run(kind: str, arguments: argparse.Namespace, folder: Path) -> bool:
    """Print the rounds of one kind; whether the honest ones kept their share."""
    ratios, costs = [], []
    with Upstreams(3, arguments.load_core, folder) as upstreams:
        site = Site(folder, free_port(), upstreams.ports, 64, "plain")
        limit = arguments.memory_mib * MIB
        bound = ("--limit", f"memory={arguments.memory_mib}MiB")
        command = [*PEERS["meshproxy"].command(site), *bound]
        with Process(command, arguments.proxy_core, folder / "proxy.log") as process:
            wait(lambda: answers(site.port), process.tail())
            settings = site, process.pid, arguments.seconds, arguments.load_core
            measure(*settings)
            pids = procfs.tree(process.pid)
            for number in range(arguments.rounds):
                calm = measure(*settings)
                _, empty = procfs.memory(pids)
                log = folder / f"slow-{number}.log"
                slow = arguments.connections
                with attack(kind, site.port, slow, arguments.load_core, log):
                    _, full = procfs.memory(pids)
                    hit = measure(*settings)
                wait(lambda: not connected(site.port), "slow connections stay", OPEN_S)
                after = measure(*settings)
                each = (full - empty) / slow
                ratios.append(hit.per_s / statistics.mean((calm.per_s, after.per_s)))
                costs.append(each)
                taken = hit.cpu_us - statistics.mean((calm.cpu_us, after.cpu_us))
                print(
                    f"{kind}: {slow} slow connections, {each:.0f} bytes each, took"
                    f" {taken * hit.per_s / 1e6:.1%} of the proxy's core;"
                    f" honest {hit.per_s:.0f}/s beside {calm.per_s:.0f} and {after.per_s:.0f}"
                    f" ({ratios[-1]:.3f}), p99 {hit.p99_ms:.1f} ms beside {calm.p99_ms:.1f}",
                    flush=True,
                )
            peak = memory(pids[-1], "VmHWM")
    kept = statistics.median(ratios)
    print(
        f"{kind}: {kept:.3f} of the honest throughput kept, {max(costs):.0f} bytes each;"
        f" the worker took {peak / MIB:.1f} MiB at its peak, of a limit of {limit // MIB} MiB"
    )
    return kept >= 1 - LOST_AT_MOST and max(costs) <= BYTES_EACH and peak <= limit


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.slow", description=__doc__)
    parser.add_argument("--connections", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--kinds", nargs="+", choices=sorted(KINDS), default=sorted(KINDS))
    parser.add_argument("--memory-mib", type=int, default=128)
    parser.add_argument("--load-core", type=int, default=0)
    parser.add_argument("--proxy-core", type=int, default=1)
    arguments = parser.parse_args()
    if shutil.which("slowhttptest") is None:
        print("error: slowhttptest is missing: apt install slowhttptest", file=sys.stderr)
        return 1
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    is_fine = True
    for kind in arguments.kinds:
        with tempfile.TemporaryDirectory(prefix="meshproxy-slow-") as folder:
            try:
                is_fine = run(kind, arguments, Path(folder)) and is_fine
            except (StartError, wrk.LoadError) as error:
                print(f"error: {error}", file=sys.stderr)
                return 1
    return 0 if is_fine else 1


if __name__ == "__main__":
    sys.exit(main())
