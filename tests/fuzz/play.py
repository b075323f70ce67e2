"""The whole proxy between a hostile client and a hostile upstream, both read from the input.

An input is a list of actions with a byte 0xff between them: a letter and its argument. The first
byte says which proxy (SETTINGS). Whatever they do:
  every byte that an upstream or a client gets fits `support.strict`;
  an upstream gets no request that no client sent, and a client no answer that it did not ask for;
  every status is one that the upstream gave or one of LOCAL, and every head as its proxy promises;
  no handler fails, no invariant breaks, and at the end every counter is zero.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Hashable
from typing import Any

from fuzz.settings import SETTINGS, Setting
from support.engine import cluster, route
from support.stage import Stage, Wire
from support.strict import Read, requests_in, responses_in

from meshproxy._fast import inspect

GIVEN = re.compile(rb"HTTP/1\.[01] ([0-9]{3})")
BLOCK = bytes(range(32, 127)) * 2000
MOST_ACTIONS = 40
PLAYS_PER_STAGE = 2000


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
        stage = Stage(**setting.options)
        settings = dict(setting.route)
        made: Any = route(
            prefix=settings.pop("prefix", ""), timeout_ms=settings.pop("timeout_ms", 0)
        )
        stage.proxy.apply(cluster(0, stage.upstream_port), routes=[made | settings], full=True)
        return stage

    def forget(self, number: int) -> None:
        stage = self.stages.pop(number)[0]
        if SETTINGS[number].options.get("access_log") == "json":
            for line in stage.proxy.log_lines():
                json.loads(line)
        stage.close()


THEATRE = Theatre()


def play(data: bytes) -> Hashable:
    """One play; gives what became of it."""
    number = data[0] % len(SETTINGS) if data else 0
    stage = THEATRE.stage(number)
    play = Play(stage, SETTINGS[number])
    for action in data[1:].split(b"\xff")[:MOST_ACTIONS]:
        play.act(action[:1], action[1:])
        stage.settle()
        assert stage.loop.errors == [], stage.loop.errors
        assert stage.proxy.engine.check() == []
    verdict = play.judge()
    stage.clear()
    assert stage.loop.errors == [], stage.loop.errors
    if play.is_draining:
        THEATRE.forget(number)
    return verdict


class Play:
    def __init__(self, stage: Stage, setting: Setting) -> None:
        self.stage = stage
        self.setting = setting
        self.client = stage.connect()
        self.is_draining = False
        self.replayed = self.repeats()
        stage.settle()

    def upstream(self) -> Wire | None:
        """The one that was opened last and still is."""
        return next((wire for wire in reversed(self.stage.upstreams) if wire.is_open), None)

    def act(self, letter: bytes, argument: bytes) -> None:
        upstream = self.upstream()
        if letter == b"c":
            self.client.send(argument)
        elif letter == b"C":
            self.client.send(BLOCK)
        elif letter == b"f":
            self.client.half_close()
        elif letter == b"r":
            self.client.reset()
        elif letter == b"n" and not self.is_draining and len(self.stage.clients) < 4:
            self.client = self.stage.connect()
        elif letter == b"d" and not self.is_draining:
            self.is_draining = True
            self.stage.proxy.engine.drain()
        elif letter == b"i":
            self.stage.proxy.engine.close_idle()
        elif letter == b"s":
            self.stage.proxy.apply(cluster(0, self.stage.upstream_port))
        elif upstream is None:
            return
        elif letter == b"u":
            upstream.send(argument)
        elif letter == b"U":
            upstream.send(BLOCK)
        elif letter == b"F":
            upstream.half_close()
        elif letter == b"R":
            upstream.reset()

    def repeats(self) -> int:
        """Requests that were sent again, on purpose."""
        counts = self.stage.proxy.board.cluster(0)
        return counts["rq_replayed"] + counts["rq_retry"]

    def judge(self) -> Hashable:
        asked: Counter[tuple[bytes, bytes]] = Counter()
        kinds: list[Hashable] = []
        given = {
            int(match[1]) for wire in self.stage.upstreams for match in GIVEN.finditer(wire.sent)
        }
        for wire in self.stage.clients:
            heads = heads_in(bytes(wire.sent), self.setting)
            asked.update((head["method"], head["sent"]) for head in heads if head["sent"])
            methods = [head["method"] for head in heads]
            answers = responses_in(bytes(wire.received), methods, not wire.is_open)
            final = [answer for answer in answers if answer.status >= 200]
            assert len(final) <= len(heads) + 1, f"{len(final)} answers to {len(heads)} requests"
            for answer in final:
                self.setting.judge_answer(answer, given)
            statuses = tuple(answer.status for answer in final)
            kinds.append((statuses, len(heads), len(answers)))
        sent: Counter[tuple[bytes, bytes]] = Counter()
        for wire in self.stage.upstreams:
            is_switched = 101 in map(int, GIVEN.findall(wire.sent))
            found: list[Read] = requests_in(bytes(wire.received), is_switched)
            kinds.append(len(found))
            assert all(message.is_whole for message in found[:-1])
            for message in found:
                self.setting.judge_request(message)
                sent[message.start.split(b" ")[0], message.target] += 1
        more = sent - asked
        assert more.total() <= self.repeats() - self.replayed, f"{more} asked by nobody"
        assert set(sent) <= set(asked), f"{set(sent) - set(asked)} asked by nobody"
        return tuple(kinds)


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
