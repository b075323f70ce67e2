"""All pods restarted one by one under load: clients see none of it, with nothing configured."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.manifests import service, write
from support.proxy import MeshproxyRun

from benchmarks.failure.fleet import Fleet
from benchmarks.failure.load import Ask, load

CLIENTS = 16


@pytest.mark.parametrize("ending", [(), ("--abrupt",)], ids=["graceful", "abrupt"])
def test_rolling_restart_under_load_is_seen_by_no_client(
    tmp_path: Path, meshproxy_run: MeshproxyRun, ending: tuple[str, ...]
) -> None:
    is_over = threading.Event()

    def asks(_: int) -> Iterator[Ask]:
        while not is_over.is_set():
            yield Ask()

    with Fleet(*[("--work-ms", "2", *ending)] * 3) as fleet:
        write(tmp_path, service("bench", *fleet.ports))
        proxy = meshproxy_run(tmp_path)

        def roll() -> None:
            try:
                for pod in fleet.pods:
                    pod.restart()
            finally:
                is_over.set()

        rolling = threading.Thread(target=roll)
        rolling.start()
        seen = asyncio.run(load(proxy.port, CLIENTS, asks))
        rolling.join()
    assert seen.errors == {}
    assert seen.count > CLIENTS
