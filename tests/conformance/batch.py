"""Many cases through one Envoy and one engine: a virtual host for each case."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from conformance.case import ARM, Ask, Case
from conformance.engine import EngineSide
from conformance.lower import snapshot_of
from conformance.pair import Seen, differences
from conformance.sidecar import Envoy
from conformance.upstream import PAIR, PICK, Recorder
from support.engine import Peer, connect

from meshproxy.export import export_envoy
from meshproxy.listen import Address
from meshproxy.snapshot.model import SnapshotData

CLIENTS = 16
ANSWER_S = 20.0
MIRROR_S = 0.7  # how long a copy may be late


@dataclass(frozen=True)
class Outcome:
    case: Case
    ask: Ask
    engine: Seen
    envoy: Seen
    differences: tuple[str, ...]


MakeSnapshot = Callable[[Sequence[tuple[str, Case]], dict[str, int]], SnapshotData]


def run_batch(cases: Sequence[Case], make: MakeSnapshot = snapshot_of) -> list[Outcome]:
    """Every request of every case through both sides; `make` lowers the rules."""
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_run(cases, make))


async def _run(cases: Sequence[Case], make: MakeSnapshot) -> list[Outcome]:
    named = [(f"c{index}", case) for index, case in enumerate(cases)]
    async with Recorder() as recorder:
        snapshot = make(named, recorder.ports)
        export = export_envoy(snapshot, {0: Address("127.0.0.1", 0)})
        _take_arms_as_told(export.bootstrap)
        async with EngineSide(snapshot) as engine, Envoy(export.bootstrap) as envoy:
            work = [(name, case, ask) for name, case in named for ask in case.asks]
            batch = _Batch(recorder, engine.port, envoy.port)
            turns = iter(enumerate(work))
            async with asyncio.TaskGroup() as group:
                for _ in range(min(CLIENTS, len(work))):
                    group.create_task(batch.client(turns))
            return await batch.outcomes()


def _take_arms_as_told(node: object) -> None:
    """Envoy draws a split by chance, except for a header that says where the chance fell."""
    if isinstance(node, dict):
        if "weighted_clusters" in node:
            node["weighted_clusters"]["header_name"] = PICK
        for value in node.values():
            _take_arms_as_told(value)
    elif isinstance(node, list):
        for value in node:
            _take_arms_as_told(value)


class _Batch:
    def __init__(self, recorder: Recorder, engine_port: int, envoy_port: int) -> None:
        self.recorder = recorder
        self.ports = {"engine": engine_port, "envoy": envoy_port}
        self.done: list[tuple[int, Case, Ask, Seen, Seen]] = []

    async def client(self, turns: Iterator[tuple[int, tuple[str, Case, Ask]]]) -> None:
        """Ask both sides, one request after the other, on kept connections."""
        peers: dict[str, Peer] = {}
        for pair, (name, case, ask) in turns:
            self.recorder.answers[pair] = ask.answer
            line = f"{PAIR}: {pair}"
            engine = await self._ask("engine", peers, ask, ask.head(name, line))
            pick = _pick(engine)
            envoy = await self._ask("envoy", peers, ask, ask.head(name, line, f"{PICK}: {pick}"))
            self.done.append((pair, case, ask, engine, envoy))
        for peer in peers.values():
            peer.close()

    async def _ask(self, side: str, peers: dict[str, Peer], ask: Ask, head: bytes) -> Seen:
        peer = peers.get(side)
        if peer is None:
            peer = peers[side] = await connect(self.ports[side])
        seen = Seen(peer.sock.getsockname()[1])
        began = time.monotonic()
        try:
            async with asyncio.timeout(ANSWER_S):
                await peer.send(head + _body(ask))
                seen.answer = await peer.read_response(ask.method)
        except (ConnectionError, TimeoutError):
            pass
        seen.took_s = time.monotonic() - began
        closing = seen.answer is None or seen.answer.header("connection") == "close"
        if closing or peer.unread:
            peers.pop(side).close()
        return seen

    async def outcomes(self) -> list[Outcome]:
        deadline = time.monotonic() + MIRROR_S
        made = []
        for pair, case, ask, engine, envoy in sorted(self.done, key=lambda item: item[0]):
            while True:
                engine.requests = self.recorder.seen["engine", pair]
                envoy.requests = self.recorder.seen["envoy", pair]
                is_late = len(engine.requests) != len(envoy.requests)
                if not is_late or time.monotonic() > deadline:
                    break
                await asyncio.sleep(0.02)
            found = tuple(differences(ask, engine, envoy))
            made.append(Outcome(case, ask, engine, envoy, found))
        return made


def _body(ask: Ask) -> bytes:
    if ask.body is None:
        return b""
    if not ask.is_chunked:
        return ask.body
    return (b"%x\r\n%b\r\n" % (len(ask.body), ask.body) if ask.body else b"") + b"0\r\n\r\n"


def _pick(engine: Seen) -> str:
    """Where Envoy's draw has to fall for the arm that the engine took."""
    return (engine.answer.header(ARM) if engine.answer is not None else None) or "0"
