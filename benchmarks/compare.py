"""Measure meshproxy beside its peers, in one run on one machine.

python -m benchmarks.compare                    # everything, medians of five rounds
python -m benchmarks.compare --workloads small,close --peers floor,haproxy,meshproxy --rounds 3
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks import chart, machine, report, wrk
from benchmarks.measure import Round, Settings, measure
from benchmarks.native import CompileError, program
from benchmarks.peers import PEERS, Peer
from benchmarks.peers.peer import MissingError
from benchmarks.process import StartError
from benchmarks.upstream import Upstreams
from benchmarks.workload import WORKLOADS, Workload

UPSTREAM_COUNT = 3
TURN_S = 0.8  # to start and stop a peer, on average


def main(argv: list[str] | None = None) -> int:
    arguments = _parse(sys.argv[1:] if argv is None else argv)
    settings = Settings(
        seconds=arguments.seconds,
        warmup_seconds=arguments.warmup,
        connections=arguments.connections,
        load_core=arguments.load_core,
        proxy_core=arguments.proxy_core,
    )
    versions, missing = _look_for(arguments.peers)
    absent = _absent(list(versions), arguments)
    print(f"about {_minutes(arguments, list(versions)):.0f} minutes", file=sys.stderr, flush=True)
    try:
        load_version = wrk.version()
        for name in ("upstream", "floor", "paced"):
            program(name)
        rounds = _run(arguments, settings, list(versions))
    except (wrk.LoadError, CompileError, StartError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    document = report.document(
        command=shlex.join(["python", "-m", "benchmarks.compare", *(argv or sys.argv[1:])]),
        machine=machine.describe(),
        settings=settings,
        load=load_version,
        versions=versions,
        missing=missing,
        absent=absent,
        rounds=rounds,
    )
    if arguments.output == "json":
        print(json.dumps(document, indent=2))
    else:
        print(report.text(document))
    if arguments.svg:
        Path(arguments.svg).write_text(chart.svg(document))
    return 0 if all(each.is_valid for each in rounds) else 1


def _run(arguments: argparse.Namespace, settings: Settings, peers: list[str]) -> list[Round]:
    rounds: list[Round] = []
    with tempfile.TemporaryDirectory(prefix="meshproxy-bench-") as folder:
        # nginx started by root lets its worker run as another user, who must reach its files.
        os.chmod(folder, 0o755)
        run = Path(folder)
        with Upstreams(UPSTREAM_COUNT, settings.load_core, run) as upstreams:
            for number in range(1, arguments.rounds + 1):
                turn = (number - 1) % len(peers) if peers else 0
                for workload in (WORKLOADS[name] for name in arguments.workloads):
                    for peer in (PEERS[name] for name in peers[turn:] + peers[:turn]):
                        if _why_absent(peer, workload, arguments.full):
                            continue
                        result = measure(peer, workload, number, upstreams, settings, run)
                        rounds.append(result)
                        print(report.progress(result), file=sys.stderr, flush=True)
    return rounds


def _look_for(names: list[str]) -> tuple[dict[str, str], dict[str, str]]:
    versions: dict[str, str] = {}
    missing: dict[str, str] = {}
    for name in names:
        try:
            versions[name] = PEERS[name].version()
        except MissingError as error:
            missing[name] = str(error)
            print(f"missing: {name}: {error}", file=sys.stderr)
    return versions, missing


def _absent(peers: list[str], arguments: argparse.Namespace) -> dict[str, dict[str, str]]:
    """Return {workload: {peer: why it takes no part}}, without those where all do."""
    table = {
        workload: {
            name: why
            for name in peers
            if (why := _why_absent(PEERS[name], WORKLOADS[workload], arguments.full))
        }
        for workload in arguments.workloads
    }
    return {workload: row for workload, row in table.items() if row}


def _why_absent(peer: Peer, workload: Workload, is_full: bool) -> str:
    if peer.name in workload.skipped and not is_full:
        return "left out to save time, --full measures it too"
    return peer.lacks(workload.scene)


def _minutes(arguments: argparse.Namespace, peers: list[str]) -> float:
    """Estimate how long the run takes."""
    turns = sum(
        arguments.seconds + arguments.warmup + TURN_S + workload.extra_s
        for workload in (WORKLOADS[name] for name in arguments.workloads)
        for name in peers
        if not _why_absent(PEERS[name], workload, arguments.full)
    )
    return arguments.rounds * turns / 60


def _parse(argv: list[str]) -> argparse.Namespace:
    load_core, proxy_core = machine.cores()
    rows = [f"  {name:8} {each.summary}" for name, each in WORKLOADS.items()]
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.compare",
        description=__doc__.split("\n")[0],
        epilog="\n".join([f"peers: {', '.join(PEERS)}", "", "workloads:", *rows]),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    names = {"metavar": "NAME,...", "help": "see below (default: all)"}
    add("--peers", type=_names_of("peer", list(PEERS)), default=list(PEERS), **names)
    known = list(WORKLOADS)
    add("--workloads", type=_names_of("workload", known), default=known, **names)
    add("--full", action="store_true", help="peers far behind take part in every workload too")
    add("--rounds", type=_at_least(1), default=5, metavar="N", help="default: 5")
    add("--seconds", type=_at_least(1), default=2, metavar="N", help="of load, default: 2")
    add("--warmup", type=_at_least(0), default=1, metavar="N", help="seconds, default: 1")
    add("--connections", type=_at_least(1), default=64, metavar="N", help="default: 64")
    add("--load-core", type=int, default=load_core, metavar="N", help="of load and upstreams")
    add("--proxy-core", type=int, default=proxy_core, metavar="N", help="of the peer")
    add("--svg", metavar="FILE", help="also draw what each workload compares")
    add("-o", "--output", choices=("text", "json"), default="text")
    arguments = parser.parse_args(argv)
    usable = os.sched_getaffinity(0)
    for number in (arguments.load_core, arguments.proxy_core):
        if number not in usable:
            parser.error(f"core {number} is not usable here; there is {sorted(usable)}")
    return arguments


def _at_least(low: int) -> Callable[[str], int]:
    def whole(text: str) -> int:
        value = int(text)
        if value < low:
            raise argparse.ArgumentTypeError(f"expected {low} or more, got {value}")
        return value

    return whole


def _names_of(noun: str, known: list[str]) -> Callable[[str], list[str]]:
    def names(text: str) -> list[str]:
        asked = [name.strip() for name in text.split(",") if name.strip()]
        for name in asked:
            if name not in known:
                raise argparse.ArgumentTypeError(
                    f"unknown {noun} {name!r}; there is {', '.join(known)}"
                )
        if not asked:
            raise argparse.ArgumentTypeError(f"name at least one {noun}: {', '.join(known)}")
        return list(dict.fromkeys(asked))

    return names


if __name__ == "__main__":
    # As an exception, so that every `with` ends what it started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    sys.exit(main())
