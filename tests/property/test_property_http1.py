"""The head parser and the chunk decoder: any split = whole, and agreement with llhttp and h11.

Where ours refuses what one of them takes, on purpose:
  bare LF, obs-fold (h11), a space before the colon (neither), Content-Length given twice with one
  value (h11), Content-Length beside Transfer-Encoding (h11 lets the coding win), a coding list
  (llhttp takes `gzip, chunked`), HTTP/1.x of another minor than 0 and 1, targets with a
  fragment or a high byte, a Host that is no `uri-host [":" port]`, more than 100 fields.
Where ours takes what one of them refuses: methods that llhttp does not list, a tab behind the
coding (llhttp), empty lines before a request (h11), blanks behind a chunk size (llhttp).
h11 closes every HTTP/1.0 connection; ours and llhttp heed `keep-alive`.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any

import pytest
from corpus.http1.cases import load
from corpus.http1.feed import Feed, events_of
from hypothesis import example, given
from hypothesis import strategies as st
from property.heads import chunked, coded, edits, mutate, requests, responses
from property.oracles import ORACLES, Seen
from property.profile import bounded

from meshproxy._fast import inspect

CORPUS = {
    kind: [case.data for case in load() if case.kind == kind and len(case.data) < 2000]
    for kind in ("request", "response", "chunked")
}


def parse(data: bytes, kind: str) -> dict[str, Any] | None:
    """Give the head, or None when it is refused or not whole."""
    try:
        if kind == "request":
            return inspect.parse_request(data)
        return inspect.parse_response(data)
    except inspect.ProtocolError:
        return None


def pieces_of(data: bytes, cuts: list[float]) -> list[bytes]:
    at = sorted({0, len(data), *(int(cut * len(data)) for cut in cuts)})
    return [data[a:b] for a, b in pairwise(at)]


cuts = st.lists(st.floats(0, 1), max_size=6)
sources = {
    "request": st.one_of(
        requests().map(lambda r: r[0] + r[1]), st.sampled_from(CORPUS["request"])
    ),
    "response": st.one_of(
        responses().map(lambda r: r[0] + r[1]), st.sampled_from(CORPUS["response"])
    ),
    "chunked": st.one_of(st.binary(max_size=40).map(chunked), st.sampled_from(CORPUS["chunked"])),
}


@pytest.mark.parametrize("kind", sorted(sources))
@bounded(300)
@given(data=st.data())
def test_split_anywhere_equals_whole(kind: str, data: st.DataObject) -> None:
    message = mutate(data.draw(sources[kind]), data.draw(st.lists(edits, max_size=3)))
    whole = events_of([message], kind)
    assert events_of(pieces_of(message, data.draw(cuts)), kind) == whole
    assert events_of([message[i : i + 1] for i in range(len(message))], kind) == whole


@bounded(500)
@given(requests())
@example((b"GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n", b"", "none"))
def test_valid_request_agrees_with_llhttp_and_h11(request_: tuple[bytes, bytes, str]) -> None:
    head, body, framing = request_
    ours = inspect.parse_request(head)
    assert ours is not None
    assert (ours["used"], ours["framing"]) == (len(head), framing_of(framing, body))
    assert ours["content_length"] == (len(body) if ours["framing"] == "length" else 0)
    feed = Feed("request")
    feed.push(head + body)
    assert feed.is_done
    for name, oracle in ORACLES.items():
        seen = oracle(head + body, "request")
        assert seen is not None, name
        assert same_head(ours, seen) and seen.is_complete, name
        assert seen.target == ours["target"] and seen.method == ours["method"], name
        assert seen.body == feed.data(), name
        if name == "llhttp" or ours["version"] == "1.1":
            assert seen.keep_alive == ours["keep_alive"], name


@bounded(500)
@given(responses())
def test_valid_response_agrees_with_llhttp_and_h11(response: tuple[bytes, bytes, str]) -> None:
    head, body, framing = response
    ours = inspect.parse_response(head)
    assert ours is not None
    assert (ours["used"], ours["framing"]) == (len(head), framing_of(framing, body))
    feed = Feed("response")
    feed.push(head + body)
    for name, oracle in ORACLES.items():
        seen = oracle(head + body, "response")
        assert seen is not None, name
        assert same_head(ours, seen), name
        assert seen.status == ours["status"], name
        assert seen.is_complete == feed.is_done, name
        assert seen.body == feed.data(), name


def framing_of(framing: str, body: bytes) -> str:
    """Content-Length 0 is no body."""
    return "none" if framing == "length" and not body else framing


def same_head(ours: dict[str, Any], seen: Seen) -> bool:
    # llhttp leaves white space behind a value in it (RFC 9110 5.5: it is no part of the value).
    # h11 gives codings in lower case.
    theirs = [plain(name, value) for name, value in seen.headers]
    mine = [plain(name, value) for name, value, _, _ in ours["headers"]]
    return mine == theirs and ours["version"] == seen.version


def plain(name: bytes, value: bytes) -> tuple[bytes, bytes]:
    is_coding = name.lower() == b"transfer-encoding"
    return name, (value.lower() if is_coding else value).rstrip(b" \t")


@pytest.mark.parametrize("kind", ["request", "response"])
@bounded(1500)
@given(data=st.data())
def test_mutated_head_is_not_taken_alone(kind: str, data: st.DataObject) -> None:
    source = data.draw(sources[kind])
    message = mutate(source, data.draw(st.lists(edits, min_size=1, max_size=3)))
    ours = parse(message, kind)
    if ours is None or ours.get("status") == 101:  # nobody asked for an upgrade: never passed on
        return
    head = message[: ours["used"]].lstrip(b"\r\n")  # h11 knows no empty lines before a request
    readings = {name: oracle(head, kind) for name, oracle in ORACLES.items()}
    taken = {name: seen for name, seen in readings.items() if seen is not None and seen.has_head}
    assert taken, f"only ours takes {head!r}"
    for name, seen in taken.items():
        # Nobody who takes the same bytes sees another body: that would be smuggling.
        has_body = ours["framing"] != "none"
        assert seen.is_complete != has_body, (name, head)
        assert same_head(ours, seen), (name, head)


LINE = re.compile(rb"([0-9a-fA-F]{1,15})(?:[ \t]*)(?:;[^\x00-\x08\x0a-\x1f\x7f]*)?\r\n")
TRAILER = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[^\x00-\x08\x0a-\x1f\x7f]*\r\n")


def reference(data: bytes) -> tuple[bytes, bytes] | None:
    """Decode a whole chunked body by its grammar; None when it is malformed or not whole."""
    body, at = b"", 0
    while found := LINE.match(data, at):
        size, at = int(found[1], 16), found.end()
        if size == 0:
            while trailer := TRAILER.match(data, at):
                at = trailer.end()
            return (body, data[at + 2 :]) if data[at : at + 2] == b"\r\n" else None
        if data[at + size : at + size + 2] != b"\r\n":
            return None
        body += data[at : at + size]
        at += size + 2
    return None


@bounded(1500)
@given(sources["chunked"], st.lists(edits, max_size=3), cuts)
def test_chunk_decoder_equals_the_grammar(
    source: bytes, changes: list[tuple[str, float, bytes, int]], where: list[float]
) -> None:
    data = mutate(source, changes)
    try:
        body, rest, is_done = inspect.decode_chunked(pieces_of(data, where))
    except inspect.ProtocolError:
        assert reference(data) is None
        return
    assert (reference(data) == (body, rest)) if is_done else reference(data) is None
    if is_done:
        head = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        # Neither removes the white space before ";", as RFC 9112 7.1.1 says to.
        spaceless = re.sub(rb"^([0-9a-fA-F]+)[ \t]+;", rb"\1;", data, flags=re.MULTILINE)
        readings = [
            oracle(head + sent, "request")
            for oracle in ORACLES.values()
            for sent in (data, spaceless)
        ]
        # Here framing fields among trailers are dropped like all others (RFC 9110 6.5.1); they
        # refuse the message.
        if not re.search(rb"(?im)^(transfer-encoding|content-length):", data):
            assert body in [seen.body for seen in readings if seen is not None]


@pytest.mark.parametrize("kind", ["request", "response"])
@bounded(300)
@given(coded(), cuts)
def test_chunks_with_extensions_and_trailers_agree_with_llhttp_and_h11(
    kind: str, message: tuple[bytes, bytes], where: list[float]
) -> None:
    body, data = message
    behind = b"GET /next HTTP/1.1\r\n"
    assert inspect.decode_chunked(pieces_of(data + behind, where)) == (body, behind, True)
    start = b"POST / HTTP/1.1\r\nHost: a" if kind == "request" else b"HTTP/1.1 200 OK"
    for name, oracle in ORACLES.items():
        seen = oracle(start + b"\r\nTransfer-Encoding: chunked\r\n\r\n" + data, kind)
        assert seen is not None and seen.is_complete, name
        assert seen.body == body, name


@bounded(300)
@given(coded(), cuts)
def test_trailers_that_pass_are_read_alike_by_llhttp_and_h11(
    message: tuple[bytes, bytes], where: list[float]
) -> None:
    came, kept, dropped = inspect.decode_trailers(pieces_of(message[1], where))
    assert came.count(b"\r\n") == kept.count(b"\r\n") + dropped
    lines = [plain(*line.split(b": ", 1)) for line in kept.split(b"\r\n")[:-1]]
    start = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n"
    for name, oracle in ORACLES.items():
        seen = oracle(start + kept + b"\r\n", "request")
        assert seen is not None and seen.is_complete, name
        assert [plain(*line) for line in seen.trailers] == lines, name
