"""Endpoints that come and go under load: 50 changes of a manifest a second."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path

from benchmarks.scenes.mesh import Json, service, workload_entry, write

CHANGES_PER_S = 50
ENDPOINTS = 50  # of the service that changes; the measured one has its own


def write_manifests(folder: Path, ports: tuple[int, ...]) -> None:
    """Beside the plain scene's own: a service of 50 endpoints, in a file of its own."""
    write(folder / "moving.yaml", _moving(ports, 0))


@contextlib.contextmanager
def changing(folder: Path, ports: tuple[int, ...], core: int) -> Iterator[list[int]]:
    """Rename a new version into place every 20 ms, from a core; the list's length counts them."""
    done = threading.Event()
    written: list[int] = []
    fresh = folder / "moving.new"
    versions = []  # made before: while the load runs they are only written
    for turn in range(ENDPOINTS):
        write(fresh, _moving(ports, turn))
        versions.append(fresh.read_bytes())

    def change() -> None:
        os.sched_setaffinity(threading.get_native_id(), {core})
        while not done.wait(1 / CHANGES_PER_S):
            written.append(len(written))
            fresh.write_bytes(versions[len(written) % ENDPOINTS])
            fresh.replace(folder / "moving.yaml")

    thread = threading.Thread(target=change)
    thread.start()
    try:
        yield written
    finally:
        done.set()
        thread.join()


def _moving(ports: tuple[int, ...], turn: int) -> list[Json]:
    return [
        service("moving"),
        *(
            workload_entry(f"moving-{index}", "moving", ports[index % len(ports)] + index, {})
            for index in range(ENDPOINTS)
            if index != turn
        ),
    ]
