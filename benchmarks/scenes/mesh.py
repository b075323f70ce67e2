"""A mesh's rules on one service: 50 rules, a 99/1 split, a hash policy, retries, subsets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from benchmarks.scenes.request import Request

RULES = 50  # the last one takes what no other does
REQUESTS = 100
_BROWSER = (
    "user-agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
    "accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "accept-language: en-US,en;q=0.5",
)

Json = dict[str, Any]


def write_manifests(folder: Path, ports: tuple[int, ...]) -> None:
    """Write them as YAML, of which JSON is a part; the last port is version v2."""
    documents = [_service(), _destination_rule(), _virtual_service()]
    for index, port in enumerate(ports):
        version = "v2" if index == len(ports) - 1 else "v1"
        documents.append(workload_entry(f"bench-{index}", "bench", port, {"version": version}))
    write(folder / "mesh.yaml", documents)


def requests(host: str) -> list[Request]:
    """Six of ten pass over every rule but the last; the others meet rules all along the list."""
    made = []
    for number in range(REQUESTS):
        fields = [f"Host: {host}", f"x-user: user-{number * 7919 % 1000}", *_BROWSER]
        path = f"/api/home?page={number}"
        rule = number * 4 % (RULES - 2)  # a multiple of four
        match number % 10:
            case 1:
                path = f"/api/r{rule}/orders/{number}"
            case 3:
                fields.append(f"x-tier: t{rule + 1}")
            case 5:
                path = f"/api/items/{rule + 2}{number}/detail"
            case 7:
                fields.append(f"x-build: v{min(rule + 3, RULES - 2)}.{number}.1")
        made.append(Request(path, tuple(fields)))
    return made


def workload_entry(name: str, app: str, port: int, labels: dict[str, str]) -> Json:
    spec = {"address": "127.0.0.1", "ports": {"http": port}, "labels": {"app": app, **labels}}
    return _resource("networking.istio.io/v1", "WorkloadEntry", name, spec)


def service(name: str) -> Json:
    ports = [{"name": "http", "port": 80, "targetPort": "http"}]
    return _resource("v1", "Service", name, {"selector": {"app": name}, "ports": ports})


def write(path: Path, documents: list[Json]) -> None:
    path.write_text("".join(f"--- {json.dumps(document)}\n" for document in documents))


def _resource(version: str, kind: str, name: str, spec: Json) -> Json:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name}, "spec": spec}


def _service() -> Json:
    return service("bench")


def _destination_rule() -> Json:
    subsets = [{"name": version, "labels": {"version": version}} for version in ("v1", "v2")]
    policy = {"loadBalancer": {"consistentHash": {"httpHeaderName": "x-user"}}}
    spec = {"host": "bench", "trafficPolicy": policy, "subsets": subsets}
    return _resource("networking.istio.io/v1", "DestinationRule", "bench", spec)


def _virtual_service() -> Json:
    rules = [{"match": [_match(index)], **_action({"v1": 100})} for index in range(RULES - 1)]
    rules.append(_action({"v1": 99, "v2": 1}))
    spec = {"hosts": ["bench"], "http": rules}
    return _resource("networking.istio.io/v1", "VirtualService", "bench", spec)


def _match(index: int) -> Json:
    return (
        {"uri": {"prefix": f"/api/r{index}/"}},
        {"headers": {"x-tier": {"exact": f"t{index}"}}},
        {"uri": {"regex": f"/api/items/{index}[0-9]+/detail"}},
        {"uri": {"prefix": "/api/"}, "headers": {"x-build": {"regex": f"v{index}[.][0-9]+[.]1"}}},
    )[index % 4]


def _action(weights: dict[str, int]) -> Json:
    return {
        "timeout": "10s",
        "retries": {"attempts": 2, "retryOn": "connect-failure,reset"},
        "route": [
            {"destination": {"host": "bench", "subset": subset}, "weight": weight}
            for subset, weight in weights.items()
        ],
    }
