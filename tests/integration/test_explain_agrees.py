"""What is explained and what the engine does are one: on every generated case the same route,
arm, endpoint, answer and forwarded head."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

from hypothesis import event, given
from hypothesis import strategies as st
from property.profile import bounded
from support.engine import Message, Rig, cluster, until

from meshproxy._fast.snapshot import Snapshot
from meshproxy.snapshot.model import ClusterData, RouteData, SnapshotData

sys.path.append(str(Path(__file__).parents[1] / "unit" / "explain"))
import compiled_routes as made

_REQUEST_ID = re.compile(rb"(\r\nx-request-id: )[0-9a-f-]{36}\r\n")


@bounded(200)
@given(routes=made.route_lists(), heads=st.lists(made.heads, min_size=1, max_size=10))
def test_engine_does_what_is_explained(routes: list[RouteData], heads: list[bytes]) -> None:
    rig = Rig("uvloop")

    async def work() -> None:
        await Case(rig, routes).check(heads)

    rig.run(work, {})


class Case:
    """One engine and, beside it, the snapshot that explains; both on one scoreboard."""

    def __init__(self, rig: Rig, routes: list[RouteData]) -> None:
        self.rig = rig
        self.ups = {up.port: up for up in (rig.upstream(name=f"u{i}") for i in range(4))}
        self.copies = rig.upstream(name="copy")
        a, b, c, d = self.ups
        clusters = [
            cluster(made.ROUND_ROBIN, a, b, c, weights={a: 2}),
            cluster(made.RING, b, c, d, policy="RING_HASH"),
            cluster(made.LEAST, a, d, policy="LEAST_REQUEST"),
            cluster(made.DOWN, a, unready=[a]),
            cluster(made.COPY, self.copies.port),
        ]
        self.proxy = rig.proxy(clusters=clusters, routes=routes, access_log="json")
        self.snapshot = Snapshot(self.proxy.board).apply(_data(clusters, routes))
        self.names = {item["id"]: item["name"] for item in clusters}

    async def check(self, heads: list[bytes]) -> None:
        client = await self.rig.client(self.proxy.port)
        copies = 0
        for head in heads:
            told = self.snapshot.decide(head, source_ip=b"127.0.0.1", is_live=True)
            event(told["outcome"])
            await client.send(head)
            method = head.partition(b" ")[0].decode()
            answered = await client.read_response(method)
            line = json.loads(self.proxy.log_lines()[-1])
            self._same_decision(told, line)
            if told["outcome"] == "routed":
                self._same_forward(told, line)
            else:
                self._same_answer(told, answered, method)
            copies += len(told["mirrors"])
        await until(lambda: len(self.copies.requests) == copies)
        assert sum(len(up.requests) for up in self.ups.values()) == 0

    def _same_decision(self, told: dict[str, Any], line: dict[str, Any]) -> None:
        route = told["route"]
        assert line["route_name"] == (route.name if route is not None else None)
        known = self.names.get(told["cluster_id"])
        assert line["upstream_cluster"] == known

    def _same_forward(self, told: dict[str, Any], line: dict[str, Any]) -> None:
        (seen,) = [up for up in self.ups.values() if up.requests]
        message = seen.requests.pop()
        is_ring = told["cluster_id"] == made.RING and told["hash"] is None  # drawn: any
        if not is_ring:
            assert line["upstream_host"] == told["endpoint"]
            assert seen is self.ups[int(told["endpoint"].rpartition(":")[2])]
        assert _without_id(message.head) == _without_id(told["forwarded"])

    def _same_answer(self, told: dict[str, Any], answered: Message, method: str) -> None:
        assert answered.status == told["status"]
        if told["outcome"] == "redirect":
            assert answered.header("location") == told["location"]
        if told["outcome"] == "direct_response" and method != "HEAD":
            assert answered.body == told["body"]
        for name, value in told["cors_lines"]:
            assert (name.decode(), value.decode()) in answered.fields


def _without_id(head: bytes) -> bytes:
    return _REQUEST_ID.sub(rb"\1id\r\n", head)


def _data(clusters: list[ClusterData], routes: list[RouteData]) -> SnapshotData:
    """As `Proxy.apply` sends it; it has filled in the slots."""
    return {
        "generation": 1,
        "full": True,
        "clusters": {item["id"]: item for item in clusters},
        "virtual_hosts": {0: {"id": 0, "name": "web:80", "routes": routes}},
        "domains": [{"domain": "*", "ports": {}, "default": 0}],
        "listeners": [],
    }
