"""Endpoints that come and go under load: 50 changes of a manifest a second."""

from __future__ import annotations

import contextlib
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
def changing(folder: Path, ports: tuple[int, ...]) -> Iterator[list[int]]:
    """Rename a new version into place every 20 ms; the list's length counts them."""
    done = threading.Event()
    written: list[int] = []

    def change() -> None:
        while not done.wait(1 / CHANGES_PER_S):
            written.append(len(written))
            fresh = folder / "moving.new"
            write(fresh, _moving(ports, len(written)))
            fresh.replace(folder / "moving.yaml")

    thread = threading.Thread(target=change)
    thread.start()
    try:
        yield written
    finally:
        done.set()
        thread.join()


def _moving(ports: tuple[int, ...], turn: int) -> list[Json]:
    absent = turn % ENDPOINTS
    return [
        service("moving"),
        *(
            workload_entry(f"moving-{index}", "moving", ports[index % len(ports)] + index, {})
            for index in range(ENDPOINTS)
            if index != absent
        ),
    ]
