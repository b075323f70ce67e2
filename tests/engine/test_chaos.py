"""Random clients, upstreams and snapshots at once: answers belong to their requests."""

from __future__ import annotations

import asyncio
import gc
import random

import pytest
from support.engine import (
    Message,
    Peer,
    Proxy,
    Rig,
    Upstream,
    chunked,
    cluster,
    head,
    request,
    response,
    route,
)

CLIENTS = 24
STEPS = 25
FINE = ["ok", "chunked", "until-close", "close", "silent-close", "big", "hints", "slow", "dribble"]
BROKEN = ["reset", "vanish", "reset-inside", "vanish-inside", "garbage", "early"]


async def misbehave(peer: Peer, up: Upstream) -> None:
    """Each request names, in its path, how it is to be answered."""
    while True:
        at_head = Message(await peer.recv_until(b"\r\n\r\n"))
        name, _, how = at_head.path.strip("/").partition("/")
        if how == "early":
            await peer.send(response(name.encode(), "200 OK", "Connection: close"))
            return
        await peer.read_body(at_head, is_request=True)
        body = name.encode()
        if how == "reset":
            return peer.reset()
        if how == "vanish":
            return
        if how in ("reset-inside", "vanish-inside"):
            await peer.send(head("HTTP/1.1 200 OK", "Content-Length: 5000") + body)
            return peer.reset() if how == "reset-inside" else None
        if how == "garbage":
            await peer.send(b"\x00\x01garbage\r\n\r\n")
        elif how == "until-close":
            await peer.send(head("HTTP/1.1 200 OK") + body)
            return
        elif how == "chunked":
            coded = chunked([body[:1], body[1:], b"!" * 5000])
            await peer.send(head("HTTP/1.1 200 OK", "Transfer-Encoding: chunked") + coded)
        elif how == "close":
            await peer.send(response(body, "200 OK", "Connection: close"))
            return
        elif how == "silent-close":
            await peer.send(response(body))
            return
        elif how == "big":
            await peer.send(response(body + b"!" * 400_000))
        elif how == "hints":
            await peer.send(head("HTTP/1.1 103 Early Hints") + response(body))
        elif how == "dribble":
            await peer.dribble(response(body))
        else:
            for _ in range(30 if how == "slow" else 0):
                await asyncio.sleep(0)
            await peer.send(response(body))


class Visitor:
    """A client that asks for odd things and now and then goes away."""

    def __init__(self, rig: Rig, proxy: Proxy, number: int, rng: random.Random) -> None:
        self.rig, self.proxy, self.number, self.rng = rig, proxy, number, rng
        self.peer: Peer | None = None
        self.answered = 0

    async def run(self) -> None:
        for step in range(STEPS):
            if self.peer is None:
                self.peer = await self.rig.client(self.proxy.port)
            try:
                await self.step(self.peer, f"c{self.number}s{step}")
            except ConnectionError:
                self.peer.close()
                self.peer = None

    async def step(self, peer: Peer, name: str) -> None:
        what = self.rng.choice(["get"] * 5 + ["post", "post-chunked", "pipeline", "leave", "bad"])
        how = self.rng.choice(FINE * 2 + BROKEN)
        path = f"/{name}/{how}"
        if what == "get":
            await self.exchange(peer, request("GET", path), [name])
        elif what == "post":
            data = bytes(self.rng.choice([0, 10, 70_000]))
            await self.exchange(peer, request("POST", path, body=data), [name])
        elif what == "post-chunked":
            data = chunked([b"x" * self.rng.choice([1, 5000, 70_000])] * 2)
            sent = request("POST", path, "Transfer-Encoding: chunked") + data
            await self.exchange(peer, sent, [name])
        elif what == "pipeline":
            names = [f"{name}p{i}" for i in range(6)]
            paths = [f"/{n}/{self.rng.choice(FINE)}" for n in names]
            await self.exchange(peer, b"".join(request("GET", p) for p in paths), names)
        elif what == "bad":
            await peer.send(b"GET / HTTP/1.1\r\nbad\r\n\r\n")
            assert (await peer.read_response()).status == 400
            assert await peer.is_closed()
            raise ConnectionError
        else:
            sent = request("POST", path, body=b"x" * 1000)
            await peer.send(sent[: self.rng.randrange(1, len(sent) + 1)])
            for _ in range(self.rng.randrange(20)):
                await asyncio.sleep(0)
            if self.rng.random() < 0.5:
                peer.reset()
            raise ConnectionError

    async def exchange(self, peer: Peer, sent: bytes, names: list[str]) -> None:
        """Reads while it sends: an early answer must not leave both sides writing."""
        sender = peer.loop.create_task(peer.send(sent))
        try:
            for name in names:
                answered = await peer.read_response()
                while answered.status == 103:
                    answered = await peer.read_response()
                assert answered.status in (200, 502, 503, 504)
                if answered.status == 200:
                    assert answered.body.rstrip(b"!") == name.encode()
                self.answered += 1
                if answered.header("connection") == "close":
                    raise ConnectionError
        finally:
            sender.cancel()
            await asyncio.gather(sender, return_exceptions=True)


@pytest.mark.parametrize("seed", range(6))
async def test_random_traffic_is_never_mixed_up_and_leaves_nothing(rig: Rig, seed: int) -> None:
    rng = random.Random(seed)
    ups = [rig.upstream(misbehave, name) for name in "abc"]
    ports = [up.port for up in ups] + [rig.refused_port()]
    policy = ["ROUND_ROBIN", "LEAST_REQUEST", "RANDOM"][seed % 3]
    log = ["", "text", "json"][seed % 3]
    proxy = rig.proxy(
        clusters=[cluster(0, *ports, policy=policy)],
        routes=[route(timeout_ms=5000)],
        access_log=log,
    )
    visitors = [Visitor(rig, proxy, n, random.Random(seed * 100 + n)) for n in range(CLIENTS)]
    done = asyncio.Event()

    async def shake() -> None:
        while not done.is_set():
            some = rng.sample(ports, rng.randrange(1, 5))
            down = [port for port in some if rng.random() < 0.2]
            proxy.apply(cluster(0, *some, unready=down, policy=policy))
            if rng.random() < 0.1:
                gc.collect()
            for _ in range(rng.randrange(30)):
                await asyncio.sleep(0)

    shaker = asyncio.get_running_loop().create_task(shake())
    await asyncio.gather(*(visitor.run() for visitor in visitors))
    done.set()
    await shaker
    assert sum(visitor.answered for visitor in visitors) > CLIENTS * STEPS // 2
    if log:
        assert len(proxy.log_lines()) >= sum(visitor.answered for visitor in visitors)
