"""A dialogue that ends at any byte of it, from either side and in any way, leaves nothing behind.

Also: the same dialogue in segments of one byte, and with all of a side's bytes in one segment.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from support.engine import cluster, route
from support.stage import Stage, Wire
from support.strict import requests_in, responses_in

LOCAL = {400, 408, 502, 503, 504}
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
CODED = b"Host: web\r\nTransfer-Encoding: chunked\r\n\r\n"
UPGRADE = b"Host: web\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
# What a client and an upstream say, in turn.
DIALOGUES = {
    "get": [("c", b"GET /a HTTP/1.1\r\nHost: web\r\n\r\n"), ("u", OK)],
    "post": [("c", b"POST /a HTTP/1.1\r\nHost: web\r\nContent-Length: 3\r\n\r\nabc"), ("u", OK)],
    "chunks": [
        ("c", b"POST /a HTTP/1.1\r\n" + CODED + b"3\r\nabc\r\n0\r\n\r\n"),
        ("u", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"),
    ],
    "trailers": [
        (
            "c",
            b"POST /a HTTP/1.1\r\nTE: trailers\r\n" + CODED + b"3\r\nabc\r\n0\r\nX-Sum: 1\r\n\r\n",
        ),
        (
            "u",
            b"HTTP/1.1 200 OK\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"5\r\nhello\r\n0\r\nX-Sum: 2\r\n\r\n",
        ),
    ],
    "expect": [
        (
            "c",
            b"PUT /a HTTP/1.1\r\nHost: web\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n",
        ),
        ("u", b"HTTP/1.1 100 Continue\r\n\r\n"),
        ("c", b"abc"),
        ("u", OK),
    ],
    "hints": [
        ("c", b"GET /a HTTP/1.1\r\nHost: web\r\n\r\n"),
        ("u", b"HTTP/1.1 103 Early Hints\r\nLink: b\r\n\r\n" + OK),
    ],
    "two": [("c", b"GET /a HTTP/1.1\r\nHost: web\r\n\r\n"), ("u", OK)] * 2,
    "upgrade": [
        ("c", b"GET /a HTTP/1.1\r\n" + UPGRADE),
        ("u", SWITCH + b"welcome"),
        ("c", b"thanks"),
    ],
}
ENDS: dict[str, tuple[str, Callable[[Wire], Any]]] = {
    "client-fin": ("c", Wire.half_close),
    "client-rst": ("c", Wire.reset),
    "upstream-fin": ("u", Wire.half_close),
    "upstream-rst": ("u", Wire.reset),
}


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    made = Stage()
    made.proxy.apply(cluster(0, made.upstream_port), routes=[route()], full=True)
    yield made
    made.close()


def speak(stage: Stage, client: Wire, side: str, data: bytes) -> None:
    """One segment; an upstream speaks when it is connected to."""
    if side == "c":
        stage.speak(client, data)
    elif stage.upstreams:
        stage.speak(stage.upstreams[-1], data)


def judge(stage: Stage, client: Wire) -> list[int]:
    """Both sides got HTTP; the statuses of the answers."""
    for wire in stage.upstreams:
        requests_in(bytes(wire.received), is_switched=SWITCH[:12] in wire.sent)
    answers = responses_in(bytes(client.received), [], not client.is_open)
    assert stage.loop.errors == []
    assert stage.proxy.engine.check() == []
    return [answer.status for answer in answers]


def honest(stage: Stage) -> None:
    client = stage.connect()
    speak(stage, client, "c", b"GET /honest HTTP/1.1\r\nHost: web\r\nConnection: close\r\n\r\n")
    asked: list[Wire] = []

    def is_asked() -> bool:
        asked[:] = [wire for wire in stage.upstreams if b" /honest " in wire.received]
        return bool(asked)

    stage.until(is_asked, "the request at an upstream")
    stage.speak(asked[0], OK)
    stage.until(lambda: client.received.endswith(b"\r\n\r\nhello"), "the honest answer")


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("name", DIALOGUES)
def test_dialogue_that_ends_at_any_byte_leaves_nothing(stage: Stage, name: str, end: str) -> None:
    side, how = ENDS[end]
    steps = [(who, bytes([byte])) for who, data in DIALOGUES[name] for byte in data]
    for cut in range(0, len(steps) + 1, 1 if name in ("chunks", "upgrade") else 4):
        client = stage.connect()
        stage.settle()
        told: list[tuple[str, bytes]] = []
        for who, byte in steps[:cut]:
            if told and told[-1][0] == who:
                told[-1] = who, told[-1][1] + byte
            else:
                told.append((who, byte))
        for who, data in told:
            speak(stage, client, who, data)
        ending = client if side == "c" else (stage.upstreams or [None])[-1]
        if ending is not None:
            how(ending)
        stage.settle(wait_ms=2)
        statuses = judge(stage, client)
        assert set(statuses) <= {100, 101, 103, 200} | LOCAL, (cut, statuses)
        if client.sock.fileno() >= 0:
            client.reset()
        honest(stage)
        stage.clear()


@pytest.mark.parametrize("name", DIALOGUES)
def test_dialogue_in_segments_of_one_byte_says_the_same(stage: Stage, name: str) -> None:
    heard = []
    for width in (1, 1 << 20):
        client = stage.connect()
        for who, data in DIALOGUES[name]:
            for at in range(0, len(data), width):
                speak(stage, client, who, data[at : at + width])
        wanted = 101 if name == "upgrade" else 200
        stage.until(lambda c=client, w=wanted: judge(stage, c)[-1:] == [w], "the last answer")
        wires = [bytes(wire.received) for wire in stage.upstreams if wire.received]
        asked = [requests_in(data) for data in wires]
        sent = [[(one.start, one.body, one.trailers) for one in requests] for requests in asked]
        got = responses_in(bytes(client.received), [], is_ended=False)
        heard.append((judge(stage, client), sent, [(one.body, one.trailers) for one in got]))
        stage.clear()
    assert heard[0] == heard[1]


def test_requests_in_one_segment_and_their_answers_in_one_are_told_apart(stage: Stage) -> None:
    client = stage.connect()
    speak(stage, client, "c", b"".join(DIALOGUES["post"][0][1] for _ in range(3)))
    for _ in range(3):
        speak(stage, client, "u", OK)
    stage.until(lambda: judge(stage, client) == [200, 200, 200], "three answers")
    assert len(requests_in(bytes(stage.upstreams[0].received))) == 3
    stage.clear()
