"""10,000 services with an endpoint each: 10,000 virtual hosts, clusters and endpoints."""

from __future__ import annotations

from pathlib import Path

from benchmarks.scenes.mesh import service, workload_entry, write
from benchmarks.scenes.request import Request

HOSTS = 10_000
ASKED = 1_000  # of them, spread over all
_STRIDE = 7_919  # prime, so that neighbours in the list are strangers in any table


def write_manifests(folder: Path, ports: tuple[int, ...]) -> None:
    documents = []
    for index in range(HOSTS):
        name = f"service-{index}"
        documents.append(service(name))
        documents.append(workload_entry(name, name, ports[index % len(ports)], {}))
    write(folder / "routes.yaml", documents)


def requests() -> list[Request]:
    hosts = (index * _STRIDE % HOSTS for index in range(ASKED))
    return [Request("/", (f"Host: service-{index}",)) for index in hosts]
