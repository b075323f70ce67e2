"""What clients see of failing pods: python -m benchmarks.failure restart | race | slowpod."""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.failure.fleet import Fleet
from benchmarks.failure.load import GET, POST, Ask, Seen, load
from benchmarks.failure.proxies import manifests, proxy

FAST_MS = 5
SLOW_MS = 50
IDLE_MS = 50
PROXIES = ("meshproxy", "envoy")


def restart(name: str, folder: Path, clients: int, _: int) -> tuple[str, bool]:
    """Every pod restarted in turn, twice, under GETs; nothing configured."""
    words = []
    for ending in ("", "--abrupt"):
        is_over = threading.Event()

        def asks(_: int, is_over: threading.Event = is_over) -> Iterator[Ask]:
            while not is_over.is_set():
                yield Ask()

        with (
            Fleet(*[tuple(filter(None, ("--work-ms", "2", ending)))] * 5) as fleet,
            proxy(name, folder, manifests(fleet.ports)) as port,
        ):
            rolling = threading.Thread(target=_roll, args=(fleet, is_over))
            rolling.start()
            seen = asyncio.run(load(port, clients, asks))
            rolling.join()
        words.append(f"{ending or '--graceful'}: {_counts(seen)}")
        if seen.errors:
            return "; ".join(words), False
    return "; ".join(words), True


def _roll(fleet: Fleet, is_over: threading.Event) -> None:
    try:
        for pod in fleet.pods * 2:
            pod.restart()
    finally:
        is_over.set()


def race(name: str, folder: Path, clients: int, requests: int) -> tuple[str, bool]:
    """Pods that close what idles for 50 ms, and gaps of about that length; GETs, then POSTs."""
    words = []
    is_clean = True
    for method, request in (("GET", GET), ("POST", POST)):

        def asks(number: int, request: bytes = request) -> Iterator[Ask]:
            chance = random.Random(number)
            for _ in range(requests // clients):
                yield Ask(request, IDLE_MS / 1000 * chance.uniform(0.9, 1.1))

        with (
            Fleet(*[("--idle-ms", str(IDLE_MS))] * 3) as fleet,
            proxy(name, folder, manifests(fleet.ports)) as port,
        ):
            seen = asyncio.run(load(port, clients, asks))
        words.append(f"{method}: {_counts(seen)}")
        is_clean = is_clean and not seen.errors
    return "; ".join(words), is_clean


def slowpod(name: str, folder: Path, clients: int, requests: int) -> tuple[str, Seen]:
    """One pod of five ten times slower, each with one worker; LEAST_REQUEST."""
    options = [("--workers", "1", "--work-ms", str(ms)) for ms in (SLOW_MS, *[FAST_MS] * 4)]
    policy = {"loadBalancer": {"simple": "LEAST_REQUEST"}}

    def asks(_: int) -> Iterator[Ask]:
        for _ in range(requests // clients):
            yield Ask()

    with Fleet(*options) as fleet, proxy(name, folder, manifests(fleet.ports, policy)) as port:
        seen = asyncio.run(load(port, clients, asks))
        time.sleep(0.2)
    served = [pod.served for pod in fleet.pods]
    share = 100 * served[0] / sum(served)
    p50, p99 = seen.percentile(0.5), seen.percentile(0.99)
    return f"p50 {p50:.0f} ms, p99 {p99:.0f} ms, slow pod {share:.1f} %; {_counts(seen)}", seen


def _counts(seen: Seen) -> str:
    return f"{seen.count} requests, errors {seen.errors or 'none'}"


def main() -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.failure", description=__doc__)
    parser.add_argument("what", choices=("restart", "race", "slowpod"))
    parser.add_argument("--clients", type=int, default=20)
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3, help="of slowpod")
    parser.add_argument("--proxies", default="", help="of meshproxy,envoy")
    given = parser.parse_args()
    if given.what == "slowpod":
        return _compare(given.clients, given.requests, given.rounds)
    run: Callable[[str, Path, int, int], tuple[str, bool]]
    run = restart if given.what == "restart" else race
    is_fine = True
    for name in (given.proxies or "meshproxy").split(","):
        with tempfile.TemporaryDirectory() as folder:
            text, is_clean = run(name, Path(folder), given.clients, given.requests)
        print(f"{given.what}  {name:10}  {text}", flush=True)
        is_fine = is_fine and (is_clean or name != "meshproxy")
    return 0 if is_fine else 1


def _compare(clients: int, requests: int, rounds: int) -> int:
    """Both in each round: only the ratio within a round counts."""
    ratios = []
    for number in range(rounds):
        found: dict[str, float] = {}
        for name in PROXIES if number % 2 else reversed(PROXIES):
            with tempfile.TemporaryDirectory() as folder:
                text, seen = slowpod(name, Path(folder), clients, requests)
            found[name] = seen.percentile(0.99)
            print(f"slowpod  {name:10}  {text}", flush=True)
        ratios.append(found["meshproxy"] / found["envoy"])
    median = sorted(ratios)[len(ratios) // 2]
    print(f"slowpod  p99 of meshproxy over envoy: {median:.2f} (median of {rounds} rounds)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
