"""The whole proxy between hostile clients and hostile upstreams, all read from the input.

An input is a list of actions with a byte 0xff between them: a letter and its argument (ACTS).
The first byte says which proxy (SETTINGS). Whatever they do:
  every byte that an upstream or a client gets fits `support.strict`;
  an upstream gets no request that no client sent, and a client no answer that it did not ask for;
  a large body, and what follows a 101 or comes at L4, is a piece of what was sent, byte for byte;
  every status is one that the upstream gave or one of LOCAL, and every head as its proxy promises;
  nothing fails, not even what cannot raise, no invariant breaks, at the end all counters are zero.
"""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from collections.abc import Callable, Hashable, Iterable
from typing import Any

from fuzz.clock import advance
from fuzz.settings import SETTINGS, Setting
from support.engine import cluster, route
from support.stage import Stage, Wire
from support.strict import Read, requests_in, responses_in

from meshproxy._fast import inspect

GIVEN = re.compile(rb"HTTP/1\.[01] ([0-9]{3})")
# Each says where it is, so that one with a piece lost, doubled or moved is no piece of any.
BLOCKS = [b"".join(b"%c%06d " % (65 + k, i) for i in range(23750)) for k in range(16)]
PIECE_BYTES = 20_000  # a few fit into a head
CHUNK_BYTES = (400, 5000)  # copied by the proxy, and borrowed
# As large as what waits in the outbox may be, nearly.
WIDE = b"GET /w HTTP/1.1\r\nHost: web\r\nX-Wide: " + b"w" * 1700 + b"\r\n\r\n"
FAIR = b"HTTP/1.1 200 OK\r\nContent-Length: 1800\r\n\r\n" + b"f" * 1800
LARGE = 4096  # more than any local reply has
MOST_ACTIONS = 40
MOST_CLIENTS = 8
PLAYS_PER_STAGE = 2000


class Deaf(Exception):
    @classmethod
    def fail(cls, event: dict[str, Any]) -> None:
        raise cls(event)


class Theatre:
    """The proxies, opened when they are asked for."""

    def __init__(self) -> None:
        self.stages: dict[int, tuple[Stage, int]] = {}

    def stage(self, number: int) -> Stage:
        stage, plays = self.stages.get(number, (None, 0))
        if stage is None or plays == PLAYS_PER_STAGE:
            if stage is not None:
                self.forget(number)
            stage, plays = self._open(SETTINGS[number]), 0
        self.stages[number] = stage, plays + 1
        return stage

    def _open(self, setting: Setting) -> Stage:
        stage = Stage(is_narrow=setting.is_narrow, **setting.options)
        if setting.is_deaf:
            stage.proxy.engine.on_health_event(Deaf.fail)
        settings = dict(setting.route)
        made: Any = route(
            prefix=settings.pop("prefix", ""), timeout_ms=settings.pop("timeout_ms", 0)
        )
        stage.proxy.apply(
            clusters(stage, setting)[0],
            cluster(1, stage.port("copy")),
            cluster(2, stage.port("raw"), protocol="tcp"),
            routes=[made | settings],
            tcp_cluster=2,
            full=True,
        )
        return stage

    def forget(self, number: int, is_sudden: bool = False) -> None:
        stage = self.stages.pop(number)[0]
        if not is_sudden:
            stage.clear()
        if SETTINGS[number].options.get("access_log") == "json":
            for line in stage.proxy.log_lines():
                json.loads(line)
        stage.end()


THEATRE = Theatre()


def clusters(stage: Stage, setting: Setting) -> list[Any]:
    """What the route's cluster may be: it changes from one to the other."""
    first = [stage.refused_port] if setting.is_refused else []
    return [
        cluster(0, *first, stage.port(kind), **setting.timeouts) | setting.cluster
        for kind in ("main", "other")
    ]


def play(data: bytes) -> Hashable:
    """One play; gives what became of it."""
    unheard: list[str] = []  # of functions that cannot raise
    hook, sys.unraisablehook = sys.unraisablehook, lambda event: unheard.append(repr(event))
    try:
        verdict = play_all(data)
    finally:
        sys.unraisablehook = hook
    assert unheard == [], unheard
    return verdict


def play_all(data: bytes) -> Hashable:
    number = data[0] % len(SETTINGS) if data else 0
    stage = THEATRE.stage(number)
    play = Play(stage, SETTINGS[number])
    for action in data[1:].split(b"\xff")[:MOST_ACTIONS]:
        play.act(action[:1], action[1:])
        if play.is_holding:
            continue
        stage.settle()
        prove_fine(stage)
        if play.is_closing:
            break
        assert stage.proxy.engine.check() == []
    stage.settle()
    verdict = play.judge()
    if play.is_closing:
        THEATRE.forget(number, is_sudden=True)
    else:
        play.restore()
        stage.clear()
    prove_fine(stage)
    if play.is_draining and not play.is_closing:
        THEATRE.forget(number)
    return verdict


def prove_fine(stage: Stage) -> None:
    errors = [e for e in stage.loop.errors if not isinstance(e.get("exception"), Deaf)]
    assert errors == []
    stage.loop.errors.clear()


class Play:
    def __init__(self, stage: Stage, setting: Setting) -> None:
        self.stage = stage
        self.setting = setting
        self.clusters = clusters(stage, setting)
        self.client = stage.connect()
        self.chosen: Wire | None = None
        self.blocks = 0
        self.is_holding = False  # several actions come in one batch
        self.is_draining = False
        self.is_closing = False
        self.replayed = self.repeats()
        stage.settle()

    def upstream(self) -> Wire | None:
        """The one that was chosen, or opened last, and still is."""
        if self.chosen is not None and self.chosen.is_open:
            return self.chosen
        return next((wire for wire in reversed(self.stage.upstreams) if wire.is_open), None)

    def act(self, letter: bytes, argument: bytes) -> None:
        upstream = self.upstream()
        if letter in ACTS:
            ACTS[letter](self, argument)
        elif upstream is not None and letter in UPSTREAM_ACTS:
            UPSTREAM_ACTS[letter](self, upstream, argument)

    def connect(self, kind: str) -> None:
        if not self.is_draining and len(self.stage.clients) < MOST_CLIENTS:
            self.client = self.stage.connect(kind)

    def turn_to_client(self, argument: bytes) -> None:
        self.client = self.stage.clients[sum(argument) % len(self.stage.clients)]

    def turn_to_upstream(self, argument: bytes) -> None:
        if self.stage.upstreams:
            self.chosen = self.stage.upstreams[sum(argument) % len(self.stage.upstreams)]

    def block(self) -> bytes:
        self.blocks += 1
        return BLOCKS[self.blocks % len(BLOCKS)]

    def chunks(self) -> bytes:
        block = self.block()
        size = CHUNK_BYTES[self.blocks % 2]
        pieces = (block[at : at + size] for at in range(0, len(block), size))
        return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)

    def send_all(self, wires: Iterable[Wire], data: bytes) -> None:
        for wire in wires:
            wire.send(data)

    def pause(self, wire: Wire) -> None:
        wire.is_reading = not wire.is_reading

    def hold(self) -> None:
        self.is_holding = not self.is_holding

    def wait(self, argument: bytes) -> None:
        """1 ms to 3 hours."""
        advance(10 ** (sum(argument) % 8))
        self.stage.loop.wake()

    def drain(self) -> None:
        if not self.is_draining:
            self.is_draining = True
            self.stage.proxy.engine.drain()

    def move(self) -> None:
        self.clusters.reverse()
        self.stage.proxy.apply(self.clusters[0])

    def restore(self) -> None:
        """As the next play expects it."""
        self.stage.proxy.apply(clusters(self.stage, self.setting)[0])
        if "outlier" in self.setting.cluster:
            self.wait(b"\x07")

    def close(self) -> None:
        self.is_closing = True

    def repeats(self) -> int:
        """Requests that were sent again, on purpose."""
        counts = self.stage.proxy.board.cluster(0)
        return counts["rq_replayed"] + counts["rq_retry"]

    def judge(self) -> Hashable:
        asked: Counter[tuple[bytes, bytes]] = Counter()
        kinds: list[Hashable] = []
        sent_by_clients = [bytes(wire.sent) for wire in self.stage.clients]
        sent_by_upstreams = [bytes(wire.sent) for wire in self.stage.upstreams]
        given = {int(match[1]) for sent in sent_by_upstreams for match in GIVEN.finditer(sent)}
        for wire in self.stage.clients:
            if wire.kind == "raw":
                assert is_piece(bytes(wire.received), sent_by_upstreams), "L4: not as it was sent"
                continue
            heads = heads_in(bytes(wire.sent), self.setting)
            asked.update((head["method"], head["sent"]) for head in heads if head["sent"])
            methods = [head["method"] for head in heads]
            answers = responses_in(bytes(wire.received), methods, not wire.is_open)
            final = [answer for answer in answers if answer.status >= 200]
            assert len(final) <= len(heads) + 1, f"{len(final)} answers to {len(heads)} requests"
            for answer in final:
                self.setting.judge_answer(answer, given)
                assert is_whole_piece(answer, sent_by_upstreams), "a body that nobody sent"
            if answers and answers[-1].status == 101:
                assert is_piece(answers[-1].rest, sent_by_upstreams), "101: not as it was sent"
            statuses = tuple(answer.status for answer in final)
            kinds.append((statuses, len(heads), len(answers)))
        sent: Counter[tuple[bytes, bytes]] = Counter()
        copied: set[tuple[bytes, bytes]] = set()
        for wire in self.stage.upstreams:
            if wire.kind == "raw":
                assert is_piece(bytes(wire.received), sent_by_clients), "L4: not as it was sent"
                continue
            is_switched = 101 in map(int, GIVEN.findall(wire.sent))
            found: list[Read] = requests_in(bytes(wire.received), is_switched)
            kinds.append(len(found))
            assert all(message.is_whole for message in found[:-1])
            for message in found:
                self.setting.judge_request(message)
                assert is_whole_piece(message, sent_by_clients), "a body that nobody sent"
                request = message.start.split(b" ")[0], message.target
                if wire.kind == "copy":
                    copied.add(request)
                else:
                    sent[request] += 1
        more = sent - asked
        assert more.total() <= self.repeats() - self.replayed, f"{more} asked by nobody"
        assert set(sent) | copied <= set(asked), f"{set(sent) | copied} but asked {set(asked)}"
        return tuple(kinds)


ACTS: dict[bytes, Callable[[Play, bytes], object]] = {
    b"c": lambda play, data: play.client.send(data),
    b"C": lambda play, _: play.client.send(play.block()),
    b"g": lambda play, _: play.client.send(WIDE),
    b"k": lambda play, _: play.client.send(play.block()[:PIECE_BYTES]),
    b"v": lambda play, _: play.client.send(play.chunks()),
    b"a": lambda play, data: play.send_all(play.stage.clients, data),
    b"A": lambda play, data: play.send_all(play.stage.upstreams, data),
    b"f": lambda play, _: play.client.half_close(),
    b"r": lambda play, _: play.client.reset(),
    b"p": lambda play, _: play.pause(play.client),
    b"n": lambda play, _: play.connect("main"),
    b"N": lambda play, _: play.connect("raw"),
    b"t": lambda play, data: play.turn_to_client(data),
    b"T": lambda play, data: play.turn_to_upstream(data),
    b"h": lambda play, _: play.hold(),
    b"w": lambda play, data: play.wait(data),
    b"d": lambda play, _: play.drain(),
    b"i": lambda play, _: play.stage.proxy.engine.close_idle(),
    b"s": lambda play, _: play.stage.proxy.apply(play.clusters[0]),
    b"S": lambda play, _: play.move(),
    b"x": lambda play, _: play.close(),
}
UPSTREAM_ACTS: dict[bytes, Callable[[Play, Wire, bytes], object]] = {
    b"u": lambda _, upstream, data: upstream.send(data),
    b"U": lambda play, upstream, _: upstream.send(play.block()),
    b"G": lambda _, upstream, __: upstream.send(FAIR),
    b"K": lambda play, upstream, _: upstream.send(play.block()[:PIECE_BYTES]),
    b"V": lambda play, upstream, _: upstream.send(play.chunks()),
    b"F": lambda _, upstream, __: upstream.half_close(),
    b"R": lambda _, upstream, __: upstream.reset(),
    b"P": lambda play, upstream, _: play.pause(upstream),
}


def is_piece(data: bytes, sent: list[bytes]) -> bool:
    return any(data in whole for whole in sent) if data else True


def is_whole_piece(message: Read, sent: list[bytes]) -> bool:
    """Of one that was not encoded anew, and that is too large to be the proxy's own."""
    if len(message.body) < LARGE or message.values(b"transfer-encoding"):
        return True
    return is_piece(message.body, sent)


def heads_in(data: bytes, setting: Setting) -> list[dict[str, Any]]:
    """The requests in what a client sent, one behind the other, until one is refused or cut."""
    found = []
    while data:
        try:
            head = inspect.parse_request(data)
        except inspect.ProtocolError:
            return found
        if head is None:
            return found
        data = data[head["used"] :]
        query = b"?" + head["query"] if head["query"] is not None else b""
        try:
            target = setting.target(head["path"])
        except ValueError:
            return found
        head["sent"] = None if target is None else target + query
        found.append(head)
        if head["framing"] == "chunked":
            try:
                _, data, is_done = inspect.decode_chunked([data])
            except inspect.ProtocolError:
                return found
            if not is_done:
                return found
        elif head["framing"] == "length":
            data = data[head["content_length"] :]
    return found
