"""Upstreams that record what reached them and answer as each request's case says."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from typing import Self

from conformance.case import SERVICES, Answer
from support.engine import Message, Peer, Upstream, chunked

PAIR = "x-pair"  # number of the pair: on every request
PICK = "x-pick"  # which arm Envoy is to take: on its requests only
NO_BODY = (204, 304)
LATE_S = 1.5  # later than the one timeout that rules have and that ever passes


class Recorder:
    """One server for each service; both sides share them, PICK tells who asked."""

    def __init__(self) -> None:
        self.answers: dict[int, Answer] = {}
        self.seen: dict[tuple[str, int], list[tuple[str, Message]]] = defaultdict(list)
        self.upstreams = [Upstream(self._serve, name) for name in SERVICES]

    async def __aenter__(self) -> Self:
        for upstream in self.upstreams:
            upstream.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        for upstream in self.upstreams:
            await upstream.close()

    @property
    def ports(self) -> dict[str, int]:
        return {upstream.name: upstream.port for upstream in self.upstreams}

    async def _serve(self, peer: Peer, upstream: Upstream) -> None:
        while (message := await peer.read_request()) is not None:
            fields = dict(message.fields)
            pair = int(fields[PAIR])
            side = "envoy" if PICK in fields else "engine"
            self.seen[side, pair].append((upstream.name, message))
            answer = self.answers[pair]
            if answer.is_late and await _is_closed_in_time(peer):
                return
            await peer.send(_bytes(answer, message.method))


async def _is_closed_in_time(peer: Peer) -> bool:
    try:
        async with asyncio.timeout(LATE_S):
            await peer.recv(1)
        return True
    except TimeoutError:
        return False


def _bytes(answer: Answer, method: str) -> bytes:
    lines = [f"HTTP/1.1 {answer.status} Some reason"]
    lines += [f"{name}: {value}" for name, value in answer.fields]
    has_body = answer.status not in NO_BODY
    if has_body:
        framing = f"Content-Length: {len(answer.body)}"
        lines.append("Transfer-Encoding: chunked" if answer.is_chunked else framing)
    head = "\r\n".join(lines).encode() + b"\r\n\r\n"
    if not has_body or method == "HEAD":
        return head
    if answer.is_chunked:
        return head + chunked([answer.body] if answer.body else [])
    return head + answer.body
