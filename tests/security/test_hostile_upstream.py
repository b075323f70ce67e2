"""What a hostile upstream answers reaches the one client that asked, and nobody else.

The attacks are those of tests/corpus/smuggling/responses.md: bytes in place of the response to
`METHOD /a`. The outcome has the responses that the client got (status and body, "cut" when the
connection ended inside, "xN" for N alike), flags and detail of the access log, and what became of
both connections. Behind each attack the same client, if its connection is open, and another one
ask again: both must get their own answer.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from corpus.smuggling.attacks import Attack, load
from support.engine import cluster, route
from support.stage import Stage, Wire
from support.strict import Read, requests_in, responses_in

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
FORGED = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged"


@pytest.fixture
def stage() -> Iterator[Stage]:
    made = Stage("json")
    made.proxy.apply(cluster(0, made.upstream_port), routes=[route()], full=True)
    yield made
    made.close()
    assert made.loop.errors == []


def ask(stage: Stage, client: Wire, target: bytes, method: bytes = b"GET") -> Wire:
    """Send a request; the upstream connection it came out of, where nothing is answered yet."""
    found: list[Wire] = []

    def is_asked() -> bool:
        found[:] = [
            wire
            for wire in stage.upstreams
            if [read.target for read in requests_in(bytes(wire.received))][-1:] == [target]
        ]
        return bool(found)

    stage.speak(client, method + b" " + target + b" HTTP/1.1\r\nHost: web\r\n\r\n")
    stage.until(is_asked, f"{target!r} at an upstream")
    return found[0]


def serve(stage: Stage, client: Wire, target: bytes) -> None:
    """A request, and the answer that is its own."""
    wire = ask(stage, client, target)
    before = len(client.received)
    stage.speak(wire, b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(target), target))
    stage.until(lambda: client.received.endswith(b"\r\n\r\n" + target), "the answer")
    answers = responses_in(bytes(client.received[before:]), [b"GET"], not client.is_open)
    assert [(answer.status, answer.body) for answer in answers] == [(200, target)]


def outcome(answers: list[Read], stage: Stage, client: Wire, wire: Wire) -> list[str]:
    lines: list[str] = []
    for answer in answers:
        is_local = answer.status >= 500
        body = "" if is_local or not answer.body else " " + repr(answer.body)[2:-1]
        text = f"{answer.status}{body}{'' if answer.is_whole else ' cut'}"
        same, _, times = lines[-1].partition(" x") if lines else ("", "", "")
        if same == text:
            lines[-1] = f"{text} x{int(times or 1) + 1}"
        else:
            lines.append(text)
    for line in map(json.loads, stage.proxy.log_lines()):
        lines.append(f"{line['response_flags'] or '-'} {line['response_code_details']}")
    lines.append(f"client {'open' if client.is_open else 'closed'}")
    return [*lines, f"upstream {'kept' if wire.is_open else 'dropped'}"]


@pytest.mark.parametrize("case", list(load("response")), ids=lambda case: case.name)
def test_hostile_response_reaches_one_client_and_spoils_no_other(
    stage: Stage, case: Attack
) -> None:
    client = stage.connect()
    wire = ask(stage, client, b"/a", case.method.encode())
    stage.speak(wire, case.data)
    if case.closes:
        wire.half_close()
    if case.outcome[0].startswith("DC "):  # the proxy waits for more of it, and the client leaves
        assert client.received == b""
        client.reset()
    stage.until(stage.proxy.log_lines, "the end of the request")
    stage.settle(wait_ms=1)
    answers = responses_in(bytes(client.received), [case.method.encode()], not client.is_open)
    assert outcome(answers, stage, client, wire)[: len(case.outcome)] == list(case.outcome)
    if client.is_open:
        serve(stage, client, b"/again")
    serve(stage, stage.connect(), b"/other")


def test_response_on_an_idle_connection_answers_nobody(stage: Stage) -> None:
    client = stage.connect()
    wire = ask(stage, client, b"/a")
    stage.speak(wire, OK)
    stage.until(lambda: client.received.endswith(b"ok"), "the answer")
    stage.speak(wire, FORGED)
    stage.until(lambda: not wire.is_open, "the end of the connection")
    serve(stage, client, b"/again")
    serve(stage, stage.connect(), b"/other")
    assert b"forged" not in client.received


def test_response_sent_before_the_request_is_not_its_answer(stage: Stage) -> None:
    """The upstream speaks when it is connected to, while the request is on its way."""
    client = stage.connect()
    stage.speak(client, b"POST /a HTTP/1.1\r\nHost: web\r\nContent-Length: 5\r\n\r\nhe")
    stage.until(lambda: stage.upstreams, "an upstream connection")
    wire = stage.upstreams[0]
    stage.speak(wire, FORGED + FORGED)
    stage.until(lambda: not wire.is_open, "the end of the connection")
    # An early final response is legal (RFC 9112 9.3), once; then neither connection is used again.
    answers = responses_in(bytes(client.received), [b"POST"], not client.is_open)
    assert [answer.body for answer in answers] == [b"forged"]
    serve(stage, stage.connect(), b"/other")


def test_response_in_pieces_of_one_byte_is_one_response(stage: Stage) -> None:
    client = stage.connect()
    wire = ask(stage, client, b"/a")
    for i in range(len(OK)):
        stage.speak(wire, OK[i : i + 1])
    stage.until(lambda: client.received.endswith(b"ok"), "the answer")
    assert client.received.endswith(b"\r\n\r\nok") and client.received.count(b"HTTP/1.1") == 1
    serve(stage, client, b"/again")
