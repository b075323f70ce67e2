"""Exchanges of every shape, drawn: each byte arrives in order, or the failure that is due."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from property.profile import bounded
from support.engine import Peer, Proxy, Rig, Upstream, chunked, cluster, head, request, route

KIB = 1024
HANG_S = 30.0
SMALL_BUFFER = 16_384
SEGMENT_BYTES = 60_000
OTHER_BYTES = 150_001
OTHER_UPLOAD = b"other" * 4_000
# One read of a head, a piece for the pipe, a body for it, one read.
EDGES = (4 * KIB, 16 * KIB, 32 * KIB, 64 * KIB, 256 * KIB, 512 * KIB)
SWITCH = head("HTTP/1.1 101 Switching Protocols", "Connection: Upgrade", "Upgrade: websocket")
SURPLUS = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"


@dataclass(frozen=True)
class Exchange:
    """A request, what the upstream says to it, and how long the client listens."""

    method: str  # GET, HEAD or POST
    upload: int
    framing: str  # length, chunked, close, none (a 304 that tells of a body)
    size: int
    fills: bool  # size is of the whole message, not of its body
    cuts: tuple[int, ...]  # where the upstream pauses
    end: str  # clean, close (clean, and then the end), surplus, fin, rst, bad (a chunk)
    ends_at: int  # of fin and rst: bytes sent
    is_early: bool  # answers without having read the upload
    reads: str  # fast, late, gone (resets amid it)
    is_http10: bool = False

    @property
    def is_last(self) -> bool:
        return self.framing == "close" or self.end == "close" or self.answers_early

    @property
    def answers_early(self) -> bool:
        return self.is_early and self.method == "POST"

    @property
    def head(self) -> bytes:
        return self.head_of(self.body_size)

    @property
    def body_size(self) -> int:
        return max(0, self.size - len(self.head_of(0))) if self.fills else self.size

    def head_of(self, size: int) -> bytes:
        fields = ["Connection: close"] if self.is_last else []
        if self.framing == "chunked":
            fields.append("Transfer-Encoding: chunked")
        elif self.framing != "close":
            fields.append(f"Content-Length: {size:07}")
        status = "304 Not Modified" if self.framing == "none" else "200 OK"
        return head(f"HTTP/1.1 {status}", *fields)

    @property
    def body(self) -> bytes:
        has_none = self.method == "HEAD" or self.framing == "none"
        return b"" if has_none else bytes_of(self.body_size)

    @property
    def sent(self) -> bytes:
        """What the upstream says. A surplus that came later would be the next answer."""
        body = self.body
        if self.framing == "chunked" and self.method != "HEAD":
            at = [*sorted(cut for cut in self.cuts if 0 < cut < len(body)), len(body)]
            pieces = [body[a:b] for a, b in zip([0, *at], at, strict=False)]
            body = chunked([piece for piece in pieces if piece])
        whole = self.head + body
        if self.end == "surplus" and len(whole) < SEGMENT_BYTES and self.framing != "close":
            return whole + SURPLUS
        if self.is_bad:
            return whole.removesuffix(b"0\r\n\r\n") + b"no size\r\n"
        return whole[: self.ends_at] if self.end in ("fin", "rst") else whole

    @property
    def is_bad(self) -> bool:
        return self.end == "bad" and self.framing == "chunked" and self.method != "HEAD"

    @property
    def is_whole(self) -> bool:
        return self.end not in ("fin", "rst") and not self.is_bad


def bytes_of(size: int) -> bytes:
    return random.Random(size).randbytes(size)


sizes = st.builds(int.__add__, st.sampled_from(EDGES), st.integers(-1, 1)) | st.sampled_from(
    (0, 1, 100, 1024 * KIB + 1)
)
offsets = st.builds(int.__add__, st.sampled_from((1, 40, *EDGES)), st.integers(-1, 1))
exchanges = st.builds(
    Exchange,
    method=st.sampled_from(("GET", "GET", "HEAD", "POST")),
    upload=sizes,
    framing=st.sampled_from(("length", "length", "length", "chunked", "close", "none")),
    size=sizes,
    fills=st.booleans(),
    cuts=st.lists(offsets, max_size=3).map(tuple),
    end=st.sampled_from(("clean", "clean", "close", "surplus", "fin", "rst", "bad")),
    ends_at=offsets,
    is_early=st.booleans(),
    reads=st.sampled_from(("fast", "fast", "late", "gone")),
    is_http10=st.booleans(),
)


async def say(peer: Peer, data: bytes, cuts: tuple[int, ...]) -> None:
    """In pieces; a surplus leaves with what it stands behind."""
    start = 0
    for cut in (*sorted(cuts), len(data)):
        if start < cut < len(data) - len(SURPLUS) or cut == len(data):
            await peer.send(data[start:cut])
            start = cut
            await asyncio.sleep(0)


async def listen(peer: Peer, drawn: Exchange, part: int) -> bytes:
    """What comes until the answer is whole or ends; `part` bytes of it from who is gone then."""
    got = bytearray()
    while True:
        if drawn.reads == "gone" and len(got) >= part:
            peer.reset()
            break
        if drawn.reads == "late":
            await asyncio.sleep(0)
        try:
            data = await peer.recv(4096 if drawn.reads == "late" else 65536)
        except ConnectionError:
            break
        got += data
        if not data:
            break
        if b"connection: close" not in got and is_answered(bytes(got), drawn):
            break
    return bytes(got)


def is_answered(got: bytes, drawn: Exchange) -> bool:
    start, mark, body = got.partition(b"\r\n\r\n")
    if not mark:
        return False
    if drawn.method == "HEAD" or b" 304 " in start:
        return True
    if b"transfer-encoding: chunked" in start.lower():
        return body.endswith(b"0\r\n\r\n")
    lengths = [
        line for line in start.lower().split(b"\r\n") if line.startswith(b"content-length:")
    ]
    return bool(lengths) and len(body) >= int(lengths[0].split(b":")[1])


def content(got: bytes) -> tuple[int, bytes, bool]:
    """Status, body without its framing, and whether that said that it is all."""
    start, mark, body = got.partition(b"\r\n\r\n")
    if not mark:
        return 0, b"", False
    status = int(start.split(b" ")[1])
    if b"transfer-encoding: chunked" not in start.lower():
        return status, body, False
    data = bytearray()
    while body:
        size, mark, body = body.partition(b"\r\n")
        if not mark:
            return status, bytes(data), False
        if int(size, 16) == 0:
            assert body == b"\r\n"
            return status, bytes(data), True
        data += body[: int(size, 16)]
        body = body[int(size, 16) + 2 :]
    return status, bytes(data), False


def judge(got: bytes, drawn: Exchange) -> None:
    status, body, is_all = content(got)
    if drawn.reads == "gone":
        if status in (200, 304):
            assert drawn.body.startswith(body)
    elif drawn.is_whole:
        assert (status, len(body)) == (304 if drawn.framing == "none" else 200, len(drawn.body))
        assert body == drawn.body
    elif status in (200, 304):
        assert drawn.body.startswith(body)
        ends = drawn.framing == "close" and drawn.end == "fin"  # nobody can tell that it was cut
        assert ends or not is_all or drawn.sent == replace(drawn, end="clean").sent
    else:
        assert status in (502, 503)


class Play:
    """One proxy, two clients of it: one has the exchanges, the other must not notice them."""

    def __init__(self, drawn: list[Exchange], is_single: bool) -> None:
        self.drawn = drawn
        self.is_single = is_single
        self.is_over = False

    async def serve(self, peer: Peer, up: Upstream) -> None:
        while (message := await peer.read_request_head()) is not None:
            if message.path == "/other":
                body = await peer.read_body(message, is_request=True)
                assert body == (OTHER_UPLOAD if message.method == "PUT" else b"")
                await peer.send(head("HTTP/1.1 200 OK", f"Content-Length: {OTHER_BYTES}"))
                await peer.send(bytes_of(OTHER_BYTES))
                continue
            drawn = self.drawn[int(message.path[1:])]
            if not drawn.answers_early:
                body = await peer.read_body(message, is_request=True)
                assert body == (bytes_of(drawn.upload) if drawn.method == "POST" else b"")
            await say(peer, drawn.sent, drawn.cuts)
            if drawn.end == "rst":
                peer.reset()
                return
            if drawn.answers_early:
                if drawn.end == "fin" or drawn.framing == "close":
                    peer.half_close()
                with contextlib.suppress(ConnectionError):
                    await peer.recv_all()
            if drawn.end in ("fin", "surplus", "bad") or drawn.is_last:
                return

    async def ask(self, rig: Rig, proxy: Proxy) -> None:
        for number, drawn in enumerate(self.drawn):
            client = await rig.client(
                proxy.port, rcvbuf=0 if drawn.reads == "fast" else SMALL_BUFFER
            )
            body = bytes_of(drawn.upload) if drawn.method == "POST" else None
            version = "1.0" if drawn.is_http10 else "1.1"
            data = request(drawn.method, f"/{number}", body=body, version=version)
            sending = asyncio.create_task(client.send(data))
            judge(await listen(client, drawn, drawn.ends_at), drawn)
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
            client.close()
        self.is_over = True

    async def look_on(self, rig: Rig, proxy: Proxy) -> None:
        client = await rig.client(proxy.port)
        upload = request("PUT", "/other", body=OTHER_UPLOAD)
        while not self.is_over:
            for data in (request("GET", "/other"),), (upload[:-9_000], upload[-9_000:]):
                for piece in data:
                    await client.send(piece)
                    await asyncio.sleep(0)
                answer = await client.read_response()
                assert (answer.status, answer.body) == (200, bytes_of(OTHER_BYTES))

    async def run(self, rig: Rig) -> None:
        up = rig.upstream(self.serve)
        data: Any = cluster(0, up.port)
        if self.is_single:
            data["limits"] = {"max_connections": 1}
        proxy = rig.proxy(clusters=[data], routes=[route()], access_log="json")
        async with asyncio.timeout(HANG_S):
            await asyncio.gather(self.ask(rig, proxy), self.look_on(rig, proxy))
        assert proxy.engine.check() == []
        self.check_log([json.loads(line) for line in proxy.log_lines()])

    def check_log(self, lines: list[dict[str, Any]]) -> None:
        for line in lines:
            if line["path"] == "/other":
                assert line["bytes_sent"] == OTHER_BYTES
                continue
            drawn = self.drawn[int(line["path"][1:])]
            if drawn.is_whole and drawn.reads != "gone":
                assert line["bytes_sent"] == len(drawn.body)
                if drawn.method == "POST" and not drawn.answers_early:
                    assert line["bytes_received"] == drawn.upload


@pytest.mark.parametrize("kind", ["uvloop", "asyncio"])
@bounded(100)
@given(st.lists(exchanges, min_size=1, max_size=4), st.booleans())
def test_exchanges_deliver_every_byte_or_the_failure_that_is_due(
    kind: str, drawn: list[Exchange], is_single: bool
) -> None:
    rig = Rig(kind)
    rig.run(Play(drawn, is_single).run, {"rig": rig})


@dataclass(frozen=True)
class Talk:
    """What both ends of a relayed connection say at once, and how they listen."""

    says: tuple[list[int], list[int]]  # by client and upstream: sizes of what is sent at once
    is_late: tuple[bool, bool]
    leaves_at: int  # bytes the client has when it resets; -1: never

    async def end(self, peer: Peer, own: int) -> bytes:
        sending = asyncio.create_task(self.speak(peer, own))
        got = bytearray()
        try:
            while data := await peer.recv(4096 if self.is_late[own] else 65536):
                got += data
                if own == 0 and 0 <= self.leaves_at <= len(got):
                    peer.reset()
                    break
                if self.is_late[own]:
                    await asyncio.sleep(0)
        finally:
            await asyncio.gather(sending, return_exceptions=True)
        return bytes(got)

    async def speak(self, peer: Peer, own: int) -> None:
        for size in self.says[own]:
            await peer.send(bytes_of(size))
            await asyncio.sleep(0)
        peer.half_close()

    def said(self, own: int) -> bytes:
        return b"".join(bytes_of(size) for size in self.says[own])


talks = st.builds(
    Talk,
    says=st.tuples(*2 * [st.lists(sizes, max_size=3)]),
    is_late=st.tuples(st.booleans(), st.booleans()),
    leaves_at=st.just(-1) | offsets,
)


async def relay_at_once(rig: Rig, drawn: list[Talk], is_upgrade: bool) -> None:
    async def serve(peer: Peer, up: Upstream) -> None:
        if is_upgrade:
            await peer.recv_until(b"\r\n\r\n")
            await peer.send(SWITCH)
        talk = drawn[int(await peer.recv_until(b"\n"))]
        got = await talk.end(peer, 1)
        assert talk.said(0).startswith(got)
        assert talk.leaves_at >= 0 or got == talk.said(0)

    async def call(number: int, talk: Talk) -> None:
        client = await rig.client(port, rcvbuf=SMALL_BUFFER if talk.is_late[0] else 0)
        if is_upgrade:
            await client.send(request("GET", "/", "Connection: Upgrade", "Upgrade: websocket"))
            assert (await client.read_response()).status == 101
        await client.send(b"%d\n" % number)
        got = await talk.end(client, 0)
        assert talk.said(1).startswith(got)
        assert talk.leaves_at >= 0 or got == talk.said(1)

    up = rig.upstream(serve)
    proxy = rig.proxy(up.port) if is_upgrade else rig.tcp_proxy(up.port)
    port = proxy.port if is_upgrade else proxy.tcp_port
    async with asyncio.timeout(HANG_S):
        await asyncio.gather(*(call(number, talk) for number, talk in enumerate(drawn)))


@pytest.mark.parametrize("is_upgrade", [False, True], ids=["l4", "upgrade"])
@bounded(60)
@given(st.lists(talks, min_size=1, max_size=3))
def test_relayed_connections_carry_both_ways_at_once_what_was_said(
    is_upgrade: bool, drawn: list[Talk]
) -> None:
    rig = Rig("uvloop")
    rig.run(relay_at_once, {"rig": rig, "drawn": drawn, "is_upgrade": is_upgrade})
