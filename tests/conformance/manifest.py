"""Cases as YAML that a user would write, and the snapshot that the compiler makes of it."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from conformance.case import EMPTY_SERVICE, Case
from support.manifests import service

from meshproxy.listen import Address, ListenSpec
from meshproxy.snapshot.build import Builder
from meshproxy.snapshot.model import SnapshotData


def compiled_snapshot(
    cases: Sequence[tuple[str, Case]], ports: dict[str, int], is_strict: bool = True
) -> SnapshotData:
    """One snapshot of named cases, by way of YAML. Strict: ValueError for what is refused."""
    builder = Builder(listeners=[ListenSpec(Address("127.0.0.1", 0))])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "mesh.yaml")
        path.write_text(manifests(cases, ports))
        problems = [item for item in builder.load([str(path)]) if item.severity == "error"]
    refused = [item for item in problems if item.code not in _NOTHING_THERE]
    if refused and is_strict:
        raise ValueError("\n".join(map(str, refused[:10])))
    return builder.snapshot


_NOTHING_THERE = {"MP201"}  # a destination that does not exist: some rules name one


def manifests(cases: Sequence[tuple[str, Case]], ports: dict[str, int]) -> str:
    """A Service with its slice for each upstream, a VirtualService for each case. JSON is YAML."""
    documents = [service(name, port) for name, port in ports.items()]
    documents.append(service(EMPTY_SERVICE))
    documents += [json.dumps(_virtual_service(name, case)) for name, case in cases]
    return "\n---\n".join(documents)


def _virtual_service(name: str, case: Case) -> dict[str, Any]:
    named = case.named(name)
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"hosts": list(named.hosts), "http": named.http},
    }
