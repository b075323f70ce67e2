"""One side of a scenario: pods of its own, clients, and what its proxy's log says."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

from conformance.failure.act import Turn
from conformance.failure.scenario import BLACKHOLE, REFUSED, UNREADY, UP, Result, Scenario
from support.engine import LOCALHOST, Message, Peer, Upstream, connect

ANSWER_S = 5.0
BODY_PIECE = 16384


class Side:
    """A scenario in front of one proxy."""

    def __init__(self, scenario: Scenario, name: str) -> None:
        self.scenario = scenario
        self.host = scenario.name.replace("_", "-")
        self.name = name
        self.turns = [Turn() for _ in scenario.asks]
        self.results: dict[int, Result] = {}
        self.facts: dict[str, Any] = {}  # what a play found out besides
        self.is_polled = False  # asked until something came true: attempts do not compare
        self.proxy_port = 0
        self.pods = [Pod(self, kind) for kind in scenario.pods]

    @property
    def ports(self) -> list[int]:
        return [pod.sock.getsockname()[1] for pod in self.pods]

    @property
    def spread(self) -> list[int]:
        """Attempts that each pod saw, least first: turns begin where chance has it."""
        return sorted(pod.attempts for pod in self.pods)

    @property
    def connections(self) -> int:
        return sum(len(pod.upstream.peers) for pod in self.pods if pod.upstream is not None)

    async def ask(self, index: int, times: int = 1) -> Result:
        """Ask on a connection of its own; the results of repeated asks are kept one by one."""
        for _ in range(times):
            turn = self.turns[index]
            peer = await connect(self.proxy_port)
            try:
                async with asyncio.timeout(ANSWER_S):
                    result = await self._ask(index, peer, turn)
            except TimeoutError:
                result = Result(details="no end in time", attempts=turn.attempts)
            finally:
                peer.close()
            self.results[index] = result
        return self.results[index]

    def start(self, index: int) -> asyncio.Task[Result]:
        return asyncio.get_running_loop().create_task(self.ask(index))

    async def arrival(self, index: int) -> None:
        async with asyncio.timeout(ANSWER_S):
            await self.turns[index].has_arrived.wait()

    def log_name(self, index: int) -> str:
        return f"{self.scenario.name}/{index}"

    async def close(self) -> None:
        for pod in self.pods:
            await pod.close()

    async def _ask(self, index: int, peer: Peer, turn: Turn) -> Result:
        ask = self.scenario.asks[index]
        result = Result(attempts=turn.attempts)
        await peer.send(ask.head(self.host, self.log_name(index)))
        sender = asyncio.create_task(_send_body(peer, ask.body, ask.is_chunked))
        try:
            head = Message(await peer.recv_until(b"\r\n\r\n"))
            while head.status < 200:
                head = Message(await peer.recv_until(b"\r\n\r\n"))
            result.status = head.status
            result.is_overloaded = head.header("x-envoy-overloaded") == "true"
            turn.has_head.set()
            if ask.method != "HEAD" and head.status not in (204, 304):
                result.body = await peer.read_body(head, is_request=False)
            result.is_whole = True
        except ConnectionError:
            if result.status and head.header("transfer-encoding") is None:
                result.body = bytes(peer.unread)
        finally:
            sender.cancel()
            await asyncio.gather(sender, return_exceptions=True)
        return result


async def _send_body(peer: Peer, body: bytes | None, is_chunked: bool) -> None:
    """An upstream that answered may have closed: then nobody reads the rest."""
    if body is None:
        return
    try:
        for at in range(0, len(body), BODY_PIECE):
            piece = body[at : at + BODY_PIECE]
            await peer.send(b"%x\r\n%b\r\n" % (len(piece), piece) if is_chunked else piece)
        if is_chunked:
            await peer.send(b"0\r\n\r\n")
    except ConnectionError:
        pass


class Pod:
    """An address; it answers as the acts of each ask say."""

    def __init__(self, side: Side, kind: str) -> None:
        self.side = side
        self.kind = kind
        self.attempts = 0
        self.upstream: Upstream | None = None
        self.fillers: list[socket.socket] = []
        if kind in (UP, UNREADY):
            self.upstream = Upstream(self._serve, kind)
            self.upstream.open()
            self.sock = self.upstream.sock
            return
        self.sock = socket.socket()
        self.sock.bind((LOCALHOST, 0))
        if kind == BLACKHOLE:
            self.sock.listen(0)
            self._fill()
        else:
            assert kind == REFUSED

    def _fill(self) -> None:
        """With a full accept queue the kernel drops every further SYN."""
        for _ in range(4):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(self.sock.getsockname())
            self.fillers.append(filler)

    async def _serve(self, peer: Peer, upstream: Upstream) -> None:
        keeps = True
        while keeps and (message := await peer.read_request_head()) is not None:
            index = int((message.header("user-agent") or "").rpartition("/")[2])
            turn = self.side.turns[index]
            ask = self.side.scenario.asks[index]
            act = ask.acts[min(len(turn.attempts), len(ask.acts) - 1)]
            self.attempts += 1
            turn.attempts.append(message.header("x-envoy-attempt-count") or "")
            if not ask.is_early:
                message.body = await peer.read_body(message, is_request=True)
            turn.has_arrived.set()
            keeps = await act(peer, message, turn)

    async def close(self) -> None:
        if self.upstream is not None:
            await self.upstream.close()
        self.sock.close()
        for filler in self.fillers:
            filler.close()
