"""No value of a manifest splits a message, or moves its end."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator
from typing import Any

import pytest
from support.engine import cluster, route
from support.stage import Stage
from support.strict import Read, requests_in, responses_in

from meshproxy._fast.inspect import ProtocolError, parse_request
from meshproxy.config.admission import admit
from meshproxy.config.document import parse

RULE = """\
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: web}
spec:
  hosts: [web]
  http:
  - %s
"""
TO = "route: [{destination: {host: web}}]"
FRAMING = ["Content-Length", "transfer-encoding", "Connection", "Keep-Alive", "TE", "Upgrade"]


def findings(action: str) -> list[tuple[str, str]]:
    (document,) = parse(textwrap.dedent(RULE % action))
    return [(found.code, found.path) for found in admit(document, "f", 0, "default").problems]


@pytest.mark.parametrize("value", ['"/x HTTP/1.1\\r\\nX: y"', '"/a b"', '"/a\\nb"', '"/a\\0"'])
@pytest.mark.parametrize(
    ("action", "path"),
    [
        ("{%s, rewrite: {uri: %s}}", "rewrite.uri"),
        ("{%s, rewrite: {authority: %s}}", "rewrite.authority"),
        (
            "{%s, rewrite: {uriRegexRewrite: {match: a, rewrite: %s}}}",
            "rewrite.uriRegexRewrite.rewrite",
        ),
        ("{redirect: {uri: %s}}", "redirect.uri"),
        ("{redirect: {authority: %s}}", "redirect.authority"),
        ("{match: [{uri: {prefix: /}}], redirect: {prefixRewrite: %s}}", "redirect.prefixRewrite"),
    ],
)
def test_text_that_would_split_a_message_is_refused(action: str, path: str, value: str) -> None:
    wanted = ("MP104", f"spec.http[0].{path}")
    assert wanted in findings(action % ((TO, value) if action.count("%s") == 2 else value))


@pytest.mark.parametrize(
    "value", ["a b", "a/b", "a,b", "a@b", "a:65536", "a:1:2", ":80", "[::1", "a\\", "\u00e9"]
)
@pytest.mark.parametrize(
    ("action", "path"),
    [
        ("rewrite: {authority: %s}", "rewrite.authority"),
        ("headers: {request: {set: {Host: %s}}}", "headers.request.set.Host"),
        ("headers: {request: {add: {':authority': %s}}}", 'headers.request.add[":authority"]'),
    ],
)
def test_host_that_the_codec_would_refuse_is_refused(action: str, path: str, value: str) -> None:
    found = findings(f"{{{TO}, {action % json.dumps(value)}}}")
    assert ("MP104", f"spec.http[0].{path}") in found
    sent = b"GET / HTTP/1.1\r\nHost: %b\r\n\r\n" % value.encode()
    with pytest.raises(ProtocolError):
        parse_request(sent)


@pytest.mark.parametrize("value", ["a", "a.b:65535", "[::1]:80", "a_b", "1.2.3.4:"])
def test_host_that_the_codec_takes_may_be_set(value: str) -> None:
    for action in ("rewrite: {authority: %s}", "headers: {request: {set: {host: %s}}}"):
        found = findings(f"{{{TO}, {action % json.dumps(value)}}}")
        assert [code for code, _ in found if code == "MP104"] == []
    assert parse_request(b"GET / HTTP/1.1\r\nHost: %b\r\n\r\n" % value.encode()) is not None


@pytest.mark.parametrize("name", FRAMING)
@pytest.mark.parametrize("verb", ["set", "add", "remove"])
def test_operation_on_framing_is_told_to_have_no_effect(verb: str, name: str) -> None:
    operation = f"remove: [{name}]" if verb == "remove" else f"{verb}: {{{name}: '5'}}"
    found = findings(f"{{{TO}, headers: {{request: {{{operation}}}, response: {{{operation}}}}}}}")
    where = f"{verb}[0]" if verb == "remove" else f"{verb}.{name}"
    assert found == [
        ("MP315", f"spec.http[0].headers.{side}.{where}") for side in ("request", "response")
    ]


CODED = b"POST /a HTTP/1.1\r\nHost: web\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
EDITS: Any = [
    {"remove": FRAMING, "set": [], "add": []},
    {"remove": [], "set": [(name, ["5"]) for name in FRAMING], "add": []},
    {"remove": [], "set": [], "add": [(name, ["chunked"]) for name in FRAMING]},
]


@pytest.fixture(params=range(len(EDITS)), ids=["remove", "set", "add"])
def stage(request: pytest.FixtureRequest) -> Iterator[Stage]:
    made = Stage()
    edits = [EDITS[request.param]]
    rule: Any = route() | {"request_edits": edits, "response_edits": edits}
    made.proxy.apply(cluster(0, made.upstream_port), routes=[rule], full=True)
    yield made
    made.close()


@pytest.mark.parametrize(
    "sent",
    [
        b"GET /a HTTP/1.1\r\nHost: web\r\n\r\n",
        b"POST /a HTTP/1.1\r\nHost: web\r\nContent-Length: 3\r\n\r\nabc",
        CODED,
    ],
    ids=["none", "length", "chunked"],
)
def test_engine_edits_no_framing_even_when_told_to(stage: Stage, sent: bytes) -> None:
    def asked() -> list[Read]:
        return [read for wire in stage.upstreams for read in requests_in(bytes(wire.received))]

    client = stage.connect()
    for count in (1, 2):
        stage.speak(client, sent)
        stage.until(lambda n=count: len(asked()) == n and asked()[-1].is_whole, "the request")
        # A POST may get a connection of its own when the first was idle for 10 ms.
        stage.speak(stage.upstreams[-1], b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    stage.until(lambda: client.received.count(b"ok") == 2, "two answers")
    requests = asked()
    assert [(read.body, read.is_whole) for read in requests] == [
        (b"" if sent.startswith(b"GET") else b"abc", True)
    ] * 2
    answers = responses_in(bytes(client.received), [], not client.is_open)
    assert [(answer.status, answer.body) for answer in answers] == [(200, b"ok")] * 2
