"""All scenarios at once, through one engine and one Envoy."""

from __future__ import annotations

import asyncio
import json
import os
import re
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from conformance.engine import EngineSide
from conformance.failure.scenario import UNREADY, Result, Scenario
from conformance.failure.stage import Side
from conformance.sidecar import Envoy

from meshproxy.export import export_envoy
from meshproxy.listen import Address, ListenSpec
from meshproxy.snapshot.build import Builder
from meshproxy.snapshot.model import SnapshotData

SIDES = ("engine", "envoy")
LOG_S = 30.0
_TRANSPORT = re.compile(r"\|[^}]*}$")
_LOGGED = {
    "user_agent": "%REQ(USER-AGENT)%",
    "response_flags": "%RESPONSE_FLAGS%",
    "response_code_details": "%RESPONSE_CODE_DETAILS%",
}


@dataclass(frozen=True)
class Outcome:
    scenario: Scenario
    engine: Side
    envoy: Side

    @property
    def differences(self) -> list[str]:
        """One line each, engine first; none when the sides agree."""
        if self.engine.is_polled:
            return _compare("facts", self.engine.facts, self.envoy.facts)
        found = []
        for index in range(len(self.scenario.asks)):
            left, right = (
                side.results.get(index, Result(attempts=side.turns[index].attempts))
                for side in (self.engine, self.envoy)
            )
            for name, value in asdict(left).items():
                other = asdict(right)[name]
                if value != other:
                    found.append(f"ask {index} {name}: {_short(value)} != {_short(other)}")
        found += _compare("attempts by pod", self.engine.spread, self.envoy.spread)
        if self.scenario.counts_connections:
            found += _compare("connections", self.engine.connections, self.envoy.connections)
        return found + _compare("facts", self.engine.facts, self.envoy.facts)

    def describe(self) -> str:
        lines = [f"{self.scenario.name} differs (meshproxy != envoy):", *self.differences]
        return "\n  ".join(lines)


def run(scenarios: Sequence[Scenario]) -> list[Outcome]:
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_run(scenarios))


async def _run(scenarios: Sequence[Scenario]) -> list[Outcome]:
    outcomes = [Outcome(item, Side(item, "engine"), Side(item, "envoy")) for item in scenarios]
    export = export_envoy(_snapshot(outcomes, "envoy"), {0: Address("127.0.0.1", 0)})
    log_fd = os.memfd_create("access-log")
    try:
        with tempfile.TemporaryDirectory(prefix="failures-") as folder:
            log = Path(folder, "access.log")
            _log_to(export.bootstrap, log)
            _eject_at_once(export.bootstrap)
            options = {"access_log_fd": log_fd, "access_log_format": "json"}
            snapshot = _snapshot(outcomes, "engine")
            async with EngineSide(snapshot, options) as engine, Envoy(export.bootstrap) as envoy:
                async with asyncio.TaskGroup() as group:
                    for outcome in outcomes:
                        outcome.engine.proxy_port = engine.port
                        outcome.envoy.proxy_port = envoy.port
                        for side in (outcome.engine, outcome.envoy):
                            group.create_task(_play(side))
                await _fill_in(outcomes, "engine", Path(f"/proc/self/fd/{log_fd}"))
                await _fill_in(outcomes, "envoy", log)
    finally:
        os.close(log_fd)
        for outcome in outcomes:
            await outcome.engine.close()
            await outcome.envoy.close()
    return outcomes


async def _play(side: Side) -> None:
    try:
        await side.scenario.play(side)
    except TimeoutError:
        side.facts["did not come to its end"] = True


def _log_to(bootstrap: Any, path: Path) -> None:
    kind = "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog"
    for listener in bootstrap["static_resources"]["listeners"]:
        manager = listener["filter_chains"][0]["filters"][0]["typed_config"]
        config = {"@type": kind, "path": str(path), "log_format": {"json_format": _LOGGED}}
        manager["access_log"] = [{"name": "envoy.access_loggers.file", "typed_config": config}]


def _eject_at_once(bootstrap: Any) -> None:
    """Envoy tells its workers of a second ejection only when the first is a second old."""
    for cluster in bootstrap["static_resources"]["clusters"]:
        cluster.setdefault("common_lb_config", {})["update_merge_window"] = "0s"


async def _fill_in(outcomes: Sequence[Outcome], name: str, path: Path) -> None:
    """Flags and details from the log, once every ask has its line; the last of an ask counts."""
    wanted = {
        getattr(outcome, name).log_name(index): getattr(outcome, name).results[index]
        for outcome in outcomes
        for index, result in getattr(outcome, name).results.items()
        if not result.details
    }
    deadline = time.monotonic() + LOG_S
    while True:
        text = path.read_text() if path.exists() else ""
        lines = [json.loads(line) for line in text.splitlines()[: text.count("\n")]]
        found = {line["user_agent"]: line for line in lines}
        if set(wanted) <= set(found):
            break
        if time.monotonic() > deadline:
            raise RuntimeError(f"{name} did not log {sorted(set(wanted) - set(found))[:5]}")
        await asyncio.sleep(0.02)
    for key, result in wanted.items():
        result.flags = found[key]["response_flags"] or "-"
        # what the transport said is in a field of its own
        result.details = _TRANSPORT.sub("}", found[key]["response_code_details"] or "-")


def _snapshot(outcomes: Sequence[Outcome], name: str) -> SnapshotData:
    documents: list[dict[str, Any]] = []
    for outcome in outcomes:
        documents += _manifests(getattr(outcome, name))
    builder = Builder(listeners=[ListenSpec(Address("127.0.0.1", 0))])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "mesh.yaml")
        path.write_text("\n---\n".join(map(json.dumps, documents)))
        problems = [item for item in builder.load([str(path)]) if item.severity == "error"]
    if problems:
        raise ValueError("\n".join(map(str, problems[:10])))
    return builder.snapshot


def _manifests(side: Side) -> list[dict[str, Any]]:
    """JSON is YAML."""
    scenario, host = side.scenario, side.host
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": host},
        "spec": {"selector": {"app": host}, "ports": [{"name": "http", "port": 80}]},
    }
    slices = [
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {
                "name": f"{host}-{index}",
                "labels": {"kubernetes.io/service-name": host},
            },
            "addressType": "IPv4",
            "ports": [{"name": "http", "port": port}],
            "endpoints": [
                {
                    "addresses": ["127.0.0.1"],
                    "conditions": {"ready": kind != UNREADY, "terminating": False},
                }
            ],
        }
        for index, (port, kind) in enumerate(zip(side.ports, scenario.pods, strict=True))
    ]
    route = {"route": [{"destination": {"host": host}}], **scenario.rule}
    rules = [_rule("VirtualService", host, {"hosts": [host], "http": [route]})]
    policy = {"loadBalancer": {"simple": "ROUND_ROBIN"}, **scenario.policy}
    rules.append(_rule("DestinationRule", host, {"host": host, "trafficPolicy": policy}))
    return [service, *slices, *rules]


def _rule(kind: str, name: str, spec: dict[str, Any]) -> dict[str, Any]:
    version = "networking.istio.io/v1"
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name}, "spec": spec}


def _compare(what: str, engine: object, envoy: object) -> list[str]:
    return [] if engine == envoy else [f"{what}: {_short(engine)} != {_short(envoy)}"]


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) < 200 else f"{text[:90]} ... {text[-90:]}"
